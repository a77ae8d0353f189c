use super::output::{self, CliError};
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to make it; the folder is made if it is not there.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

const FILES: &[(&str, &str)] = &[
    ("site.yml", include_str!("init/site.yml")),
    ("hosts.yml", include_str!("init/hosts.yml")),
    ("group_vars/all.yml", include_str!("init/all.yml")),
    ("templates/motd.j2", include_str!("init/motd.j2")),
];

pub fn run(args: &Args) -> Result<u8, CliError> {
    for (name, _) in FILES {
        let path = args.dir.join(name);
        if path.exists() {
            return Err(CliError::Other(format!("{} is there already: nothing was written", path.display())));
        }
    }
    for (name, text) in FILES {
        let path = args.dir.join(name);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(text.as_bytes())?;
        output::print(&format!("{}\n", path.display()))?;
    }
    let cd = if args.dir.as_os_str() == "." { String::new() } else { format!("cd {} && ", args.dir.display()) };
    output::print(&format!("\nNext: put your hosts into hosts.yml, then\n  {cd}trueup plan\n"))?;
    Ok(0)
}
