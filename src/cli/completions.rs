use super::output::{self, CliError};
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell they are for.
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> Result<u8, CliError> {
    let mut out = vec![];
    clap_complete::generate(args.shell, &mut command, "trueup", &mut out);
    output::print(&String::from_utf8_lossy(&out))?;
    Ok(0)
}
