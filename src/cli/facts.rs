use super::args::{ConnectionArgs, HostArgs};
use super::fleet;
use super::output::{self, CliError, Output};
use crate::engine::outcome::HostStatus;
use crate::report::facts;
use crate::report::say;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which hosts, as a pattern.
    #[arg(default_value = "all")]
    pattern: String,
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// As JSON: a mapping from host to facts.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let run = fleet::without_manifest(&args.pattern, &args.hosts, &args.connection, None, output)?;
    let all = run.gather()?;
    let mut code = 0;
    let mut document = serde_json::Map::new();
    for host in &all {
        match &host.facts {
            Ok((facts, notes)) => {
                for note in notes {
                    say!("warning: {}: {note}", host.host);
                }
                if args.json {
                    document.insert(host.host.clone(), json!(facts));
                } else {
                    output::print(&facts::text(&host.host, facts, output.style()))?;
                }
            }
            Err(HostStatus::Unreachable { reason, help }) => {
                code = 4;
                say!("unreachable {}: {reason}", host.host);
                if let Some(help) = help {
                    say!("    {help}");
                }
            }
            Err(_) => {
                code = code.max(3);
                say!("{}: not looked at", host.host);
            }
        }
    }
    if args.json {
        let text = serde_json::to_string_pretty(&document).map_err(|e| CliError::Other(e.to_string()))?;
        output::print(&format!("{text}\n"))?;
    }
    Ok(code)
}
