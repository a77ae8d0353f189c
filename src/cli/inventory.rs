use super::fleet::{self, HostArgs};
use super::{CliError, Output};
use crate::inventory::show;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    hosts: HostArgs,
    /// Everything as JSON, in the shape of `ansible-inventory --list`.
    #[arg(long, conflicts_with = "host")]
    list: bool,
    /// One host's variables as JSON.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let inventory = fleet::load_inventory(&args.hosts, output)?;
    let json = |value| serde_json::to_string_pretty(&value).map_err(|e| CliError::Other(e.to_string()));
    let text = match (&args.host, &args.hosts.limit) {
        (Some(host), _) if inventory.host(host).is_none() => {
            return Err(CliError::Other(format!("there is no host {host}: `trueup inventory` shows what there is")));
        }
        (Some(host), _) => json(show::host(&inventory, host))? + "\n",
        (None, _) if args.list => json(show::list(&inventory))? + "\n",
        (None, Some(limit)) => fleet::limit(&inventory, limit, output)?.iter().map(|h| format!("{h}\n")).collect(),
        (None, None) => show::graph(&inventory),
    };
    super::print(&text)?;
    Ok(0)
}
