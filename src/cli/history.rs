use super::args::{ConnectionArgs, HostArgs};
use super::output::{self, CliError, Output};
use super::vault::VaultArgs;
use super::{fleet, record};
use crate::engine::outcome::HostStatus;
use crate::engine::rebuilt;
use crate::report::say;
use crate::report::{history, json};
use crate::store::history::chain::Verdict;
use clap::Subcommand;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// So many runs, the newest first; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// One JSON document; `trueup schema history` describes it.
    #[arg(long)]
    json: bool,
    /// Put the list together from the hosts' journals, where the records here are lost.
    #[arg(long)]
    from_hosts: bool,
    /// With --from-hosts: which hosts, as a pattern; without one, all.
    #[arg(requires = "from_hosts")]
    pattern: Option<String>,
    /// With --from-hosts: the inventory, as for plan.
    #[arg(short, long, value_name = "INVENTORY", requires = "from_hosts")]
    inventory: Vec<String>,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check that no record was changed, moved or taken out since it was written.
    Verify {
        /// A hash that an earlier check printed and that was kept elsewhere: fails if the chain no longer holds it.
        #[arg(long, value_name = "HASH")]
        holds: Option<String>,
    },
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    if let Some(What::Verify { holds }) = &args.what {
        return verify(holds.as_deref(), output);
    }
    if args.from_hosts {
        return from_hosts(args, output);
    }
    let runs = record::history(output)?.runs((args.limit > 0).then_some(args.limit))?;
    let text = match args.json {
        true => format!("{}\n", json::history(&runs).map_err(|e| CliError::Other(e.to_string()))?),
        false => history::list(&runs, output.style()),
    };
    output::print(&text)?;
    Ok(0)
}

fn from_hosts(args: &Args, output: &Output) -> Result<u8, CliError> {
    let hosts =
        HostArgs { inventory: args.inventory.clone(), limit: None, extra_vars: vec![], vault: args.vault.clone() };
    let pattern = args.pattern.as_deref().unwrap_or("all");
    let kept = fleet::without_manifest(pattern, &hosts, &args.connection, None, output)?.kept()?;
    let mut code = 0;
    for host in &kept {
        match &host.runs {
            Ok(_) => {}
            Err(HostStatus::Unreachable { reason, .. }) => {
                code = 4;
                say!("unreachable {}: {reason}", host.host);
            }
            Err(_) => {
                code = code.max(3);
                say!("{}: not looked at", host.host);
            }
        }
    }
    let (mut runs, unread) = rebuilt::runs(&kept);
    if args.limit > 0 {
        runs.truncate(args.limit);
    }
    let text = match args.json {
        true => format!("{}\n", json::rebuilt(&runs, &unread).map_err(|e| CliError::Other(e.to_string()))?),
        false => history::rebuilt(&runs, &unread, output.style()),
    };
    output::print(&text)?;
    Ok(code)
}

fn verify(kept: Option<&str>, output: &Output) -> Result<u8, CliError> {
    match record::history(output)?.verify(kept.map(str::to_ascii_lowercase).as_deref())? {
        Verdict::Whole { holds: false, .. } => Err(CliError::Other(
            "the records fit one another, but the hash is not among theirs: the history was rewritten since, or what \
             it stood for was pruned"
                .into(),
        )),
        Verdict::Whole { records, head, .. } => {
            output::print(&format!("{records} records, each as it was written\nthe last one's hash: {head}\n"))?;
            Ok(0)
        }
        Verdict::Broken { number, run, why } => {
            let of = if run.is_empty() { String::new() } else { format!(" (of run {})", run.escape_debug()) };
            Err(CliError::Other(format!(
                "the history was changed: record {number}{of} is the first that does not fit: {why}"
            )))
        }
    }
}
