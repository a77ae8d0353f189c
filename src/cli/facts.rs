use super::fleet::{self, ConnectionArgs, HostArgs, Loaded};
use super::{CliError, Output};
use crate::catalog::compile::Selection;
use crate::engine::outcome::HostStatus;
use crate::language::diagnostic::Diagnostics;
use crate::language::project;
use crate::language::span::Sources;
use crate::report::facts;
use serde_json::json;
use std::sync::Arc;

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
    let mut hosts = args.hosts.clone();
    let only_here = args.pattern == "localhost" && hosts.inventory.is_empty();
    let mut inventory = match fleet::load_inventory(&hosts, output) {
        Ok(inventory) => inventory,
        Err(_) if only_here => crate::inventory::Inventory::default(),
        Err(error) => return Err(error),
    };
    if args.pattern.contains("localhost") {
        inventory.add_localhost();
    }
    let mut names = fleet::limit(&inventory, &args.pattern, output)?;
    if let Some(limit) = hosts.limit.take() {
        let within = fleet::limit(&inventory, &limit, output)?;
        names.retain(|n| within.contains(n));
    }
    if names.is_empty() {
        return Err(CliError::Other(format!("no host matches {}", args.pattern)));
    }
    let project = project::empty(Sources::default(), Diagnostics::default());
    let project = project.map_err(|e| fleet::told(&e.found, &e.sources, output))?;
    let hosts = names.into_iter().map(|n| (n, vec![])).collect();
    let loaded = Loaded { project: Arc::new(project), inventory, hosts };
    let run =
        fleet::prepare(loaded, &args.connection, Selection::default(), std::path::Path::new(""), output)?.into_run()?;
    let all = run.gather()?;
    let mut code = 0;
    let mut document = serde_json::Map::new();
    for host in &all {
        match &host.facts {
            Ok((facts, notes)) => {
                for note in notes {
                    eprintln!("warning: {}: {note}", host.host);
                }
                if args.json {
                    document.insert(host.host.clone(), json!(facts));
                } else {
                    super::print(&facts::text(&host.host, facts, output.style()))?;
                }
            }
            Err(HostStatus::Unreachable { reason, help }) => {
                code = 4;
                eprintln!("unreachable {}: {reason}", host.host);
                if let Some(help) = help {
                    eprintln!("    {help}");
                }
            }
            Err(_) => {
                code = code.max(3);
                eprintln!("{}: not looked at", host.host);
            }
        }
    }
    if args.json {
        let text = serde_json::to_string_pretty(&document).map_err(|e| CliError::Other(e.to_string()))?;
        super::print(&format!("{text}\n"))?;
    }
    Ok(code)
}
