//! From what was read to a run that is ready to begin: how each host is reached.

use super::args::{ConnectionArgs, FleetArgs, HostArgs};
use super::connect::{Asked, openssh, way};
use super::loaded::{Loaded, groups_value, limit, load_inventory, load_project, manifest_hosts, open_inventory};
use super::output::{CliError, Output, told};
use super::prepared::{Prepared, Work};
use crate::catalog::Selection;
use crate::engine::run::Job;
use crate::engine::run::Run;
use crate::engine::source::Manifests;
use crate::inventory::Inventory;
use crate::language::diagnostic::Diagnostics;
use crate::language::settings;
use crate::manifest::project;
use crate::model::span::Sources;
use crate::shell::apply::Keep;
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Reads everything a run works from.
pub fn load(args: &FleetArgs, output: &Output) -> Result<Prepared, CliError> {
    prepare_fleet(load_project(&args.project, output)?, args, output)
}

/// As [`load`], with the project at hand.
pub fn prepare_fleet(loaded: Loaded, args: &FleetArgs, output: &Output) -> Result<Prepared, CliError> {
    let selection =
        Selection { tags: args.tags.clone(), skip_tags: args.skip_tags.clone(), start_at: args.start_at.clone() };
    prepare(loaded, &args.connection, selection, &args.project.manifest, output)
}

/// A run that needs no manifest, over the hosts that a pattern picks.
///
/// # Errors
/// Where there is no inventory, or no host in it is meant.
pub fn without_manifest(
    pattern: &str,
    hosts: &HostArgs,
    connection: &ConnectionArgs,
    reason: Option<String>,
    output: &Output,
) -> Result<Arc<Run>, CliError> {
    let only_here = pattern == "localhost" && hosts.inventory.is_empty();
    let (mut inventory, mut sources) = match load_inventory(hosts, output) {
        Ok(loaded) => loaded,
        Err(_) if only_here => (Inventory::default(), Sources::default()),
        Err(error) => return Err(error),
    };
    if pattern.contains("localhost") {
        inventory.add_localhost();
    }
    let mut names = limit(&inventory, pattern, output)?;
    if let Some(text) = &hosts.limit {
        let within = HashSet::<String>::from_iter(limit(&inventory, text, output)?);
        names.retain(|n| within.contains(n));
    }
    if names.is_empty() {
        return Err(CliError::Other(format!("no host matches {pattern}")));
    }
    let (keyring, extra) =
        open_inventory(hosts, (&mut inventory, &mut sources), names.iter().map(String::as_str), output)?;
    let project = project::empty(keyring, extra, sources, Diagnostics::default());
    let project = project.map_err(|e| told(&e.found, &e.sources, output))?;
    let hosts = names.into_iter().map(|n| (n, vec![])).collect();
    let (identity, undo) = (String::new(), settings::Undo::default());
    let loaded = Loaded { project: Arc::new(project), identity, undo, inventory, hosts };
    let mut prepared = prepare(loaded, connection, Selection::default(), Path::new(""), output)?;
    prepared.run.apply.reason = reason;
    prepared.into_run()
}

/// Finds out how each host is reached.
pub fn prepare(
    loaded: Loaded,
    args: &ConnectionArgs,
    selection: Selection,
    source: &Path,
    output: &Output,
) -> Result<Prepared, CliError> {
    // Each host takes a descriptor, and a shell's usual limit is 1,024.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let hosts = manifest_hosts(&loaded);
    let groups = groups_value(&loaded.inventory);
    let asked = Asked::new(args)?;
    let mut found = Diagnostics::default();
    let mut ways = vec![];
    let openssh = openssh(args);
    // Each host's may be a question to ssh.
    let ways_of_hosts: Vec<_> =
        hosts.par_iter().map(|host| way(&loaded, host, args, &asked, &openssh, &groups)).collect();
    let mut told_once = HashSet::new();
    let mut jobs = vec![];
    for (host, way) in hosts.iter().zip(ways_of_hosts) {
        match way {
            Ok(way) => {
                jobs.push(Job { host: host.name.clone(), reached: way.to_string(), remote: way.is_remote() });
                ways.push(way);
            }
            // What holds for a whole group is told of the first of it.
            Err(mut d) => {
                if told_once.insert((d.span, d.label.clone())) {
                    d.host = Some(host.name.clone());
                    found.push(d);
                }
            }
        }
    }
    if found.has_errors() {
        return Err(told(&found, &loaded.project.templates.sources, output));
    }
    let Loaded { project, identity, undo, .. } = loaded;
    let keep =
        Keep { runs: undo.keep.get(), days: undo.keep_days.map(Into::into), kib: u64::from(undo.keep_mb.get()) * 1024 };
    let manifests = Arc::new(Manifests { project, hosts, groups, selection });
    Work { source: manifests, identity, keep, jobs, ways }.prepare(args, source.display().to_string())
}
