use super::args::HostArgs;
use super::loaded;
use super::output::{self, CliError, Output};
use crate::inventory::show;
use std::collections::HashSet;

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
    let (mut inventory, mut sources) = loaded::load_inventory(&args.hosts, output)?;
    let limited = args.hosts.limit.as_ref().map(|text| loaded::limit(&inventory, text, output)).transpose()?;
    let among: Option<HashSet<&str>> = limited.as_ref().map(|hosts| hosts.iter().map(String::as_str).collect());
    let within = |host: &str| among.as_ref().is_none_or(|hosts| hosts.contains(host));
    if let Some(host) = args.host.as_deref().filter(|h| inventory.host(h).is_some() && !within(h)) {
        return Err(CliError::Other(format!("{host} is not among the hosts of --limit")));
    }
    let mut extra = vec![];
    if args.list || args.host.is_some() {
        let all: Vec<String> = inventory.hosts().iter().map(|h| h.name.clone()).collect();
        let wanted = |h: &&str| within(h) && args.host.as_deref().is_none_or(|one| one == *h);
        let shown = all.iter().map(String::as_str).filter(wanted);
        (_, extra) = loaded::open_inventory(&args.hosts, (&mut inventory, &mut sources), shown, output)?;
    }
    let json = |value| serde_json::to_string_pretty(&value).map_err(|e| CliError::Other(e.to_string()));
    let text = match (&args.host, &limited) {
        (Some(host), _) if inventory.host(host).is_none() => {
            return Err(CliError::Other(format!("there is no host {host}: `trueup inventory` shows what there is")));
        }
        (Some(host), _) => json(show::host(&inventory, host, &extra))? + "\n",
        (None, _) if args.list => json(show::list(&inventory, &extra, &within))? + "\n",
        (None, Some(hosts)) => hosts.iter().map(|h| format!("{h}\n")).collect(),
        (None, None) => show::graph(&inventory),
    };
    output::print(&text)?;
    Ok(0)
}
