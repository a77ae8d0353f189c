//! What a run works from, as it was read: the project, the inventory, and which hosts are meant.

use super::args::{HostArgs, ProjectArgs};
use super::extra_vars::extra_vars;
use super::findings::tell_more;
use super::output::{CliError, Output, told, warn};
use crate::engine::source::ManifestHost;
use crate::inventory::{self, Inventory, Pattern};
use crate::language::diagnostic::{Diagnostics, Severity};
use crate::language::node::Mapping;
use crate::language::settings::{self, Settings};
use crate::language::vault::Keyring;
use crate::manifest::project::{self, Project};
use crate::manifest::reserved;
use crate::model::span::{Sources, Span};
use crate::resources::types::TYPES;
use minijinja::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// A project with the hosts it is for.
pub struct Loaded {
    pub project: Arc<Project>,
    /// By what name hosts know it.
    pub identity: String,
    pub undo: settings::Undo,
    pub inventory: Inventory,
    /// Hosts in the inventory's order, each with the numbers of its plays.
    pub hosts: Vec<(String, Vec<usize>)>,
}

/// The inventories to read: those that are named, or what stands beside the manifest.
fn inventories(args: &HostArgs, dir: &Path) -> Vec<String> {
    if !args.inventory.is_empty() {
        return args.inventory.clone();
    }
    let usual = ["hosts.yml", "hosts.yaml", "hosts.ini", "hosts"];
    usual.iter().map(|n| dir.join(n)).find(|p| p.exists()).map(|p| p.display().to_string()).into_iter().collect()
}

/// Opens the variables of these hosts that are encrypted.
fn open<'a>(
    inventory: &mut Inventory,
    hosts: impl IntoIterator<Item = &'a str>,
    keyring: &Keyring,
    sources: &Sources,
    output: &Output,
) -> Result<(), CliError> {
    let mut found = Diagnostics::default();
    inventory.open(hosts, keyring, &mut found);
    if found.has_errors() { Err(told(&found, sources, output)) } else { Ok(()) }
}

/// Reads an inventory alone, without a manifest. What is encrypted in it stays closed.
pub fn load_inventory(args: &HostArgs, output: &Output) -> Result<(Inventory, Sources), CliError> {
    let mut sources = Sources::default();
    let paths = inventories(args, Path::new(""));
    if paths.is_empty() {
        return Err(CliError::Other("no inventory: name one with -i, or put a hosts.yml here".into()));
    }
    let mut inventory = inventory::load(&paths, None, &mut sources).map_err(|found| told(&found, &sources, output))?;
    if args.limit.as_deref().is_some_and(|l| l.contains("localhost")) {
        inventory.add_localhost();
    }
    Ok((inventory, sources))
}

/// Opens what is encrypted of these hosts' variables, with the passwords that are given or that the settings here name,
/// and reads the variables of `-e`.
pub fn open_inventory<'a>(
    args: &HostArgs,
    (inventory, sources): (&mut Inventory, &mut Sources),
    hosts: impl IntoIterator<Item = &'a str>,
    output: &Output,
) -> Result<(Arc<Keyring>, Mapping), CliError> {
    let settings = settings::read(Path::new(""), sources).map_err(|found| told(&found, sources, output))?;
    let keyring = args.vault.keyring(&settings, output)?;
    open(inventory, hosts, &keyring, sources, output)?;
    let mut found = Diagnostics::default();
    let extra = extra_vars(&args.extra_vars, &keyring, sources, &mut found);
    if found.has_errors() {
        return Err(told(&found, sources, output));
    }
    Ok((keyring, extra))
}

/// The hosts that `--limit` leaves.
pub fn limit(inventory: &Inventory, text: &str, output: &Output) -> Result<Vec<String>, CliError> {
    let text = match text.strip_prefix('@') {
        Some(path) => {
            let lines = std::fs::read_to_string(path).map_err(|e| CliError::Other(format!("{path}: {e}")))?;
            lines.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect::<Vec<_>>().join(",")
        }
        None => text.to_owned(),
    };
    let mut sources = Sources::default();
    let file = sources.add("--limit", text.as_str());
    let span = Some(Span::new(file, 0, text.len()));
    let mut found = Diagnostics::default();
    let pattern = match Pattern::parse(&text, span) {
        Ok(pattern) => pattern,
        Err(d) => {
            found.push(d);
            return Err(told(&found, &sources, output));
        }
    };
    let (hosts, notes) = pattern.select(inventory);
    notes.into_iter().for_each(|d| found.push(d));
    if found.has_errors() {
        return Err(told(&found, &sources, output));
    }
    Ok(hosts.into_iter().map(str::to_owned).collect())
}

/// Reads the project and the inventory, and finds out which hosts are in which plays.
///
/// # Errors
/// All that is wrong with what was written.
pub fn load_project(args: &ProjectArgs, output: &Output) -> Result<Loaded, CliError> {
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let dir = args.manifest.parent().unwrap_or(Path::new("")).to_path_buf();
    let settings = settings::read(&dir, &mut sources).unwrap_or_else(|errors| {
        found.extend(errors);
        Settings::default()
    });
    let keyring = args.hosts.vault.keyring(&settings, output)?;
    let extra = extra_vars(&args.hosts.extra_vars, &keyring, &mut sources, &mut found);
    let paths = inventories(&args.hosts, &dir);
    let inventory = match inventory::load(&paths, Some(&dir), &mut sources) {
        Ok(inventory) => Some(inventory),
        Err(errors) => {
            found.extend(errors);
            None
        }
    };
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let loaded = project::load(&args.manifest, extra, &types, keyring.clone(), sources, found);
    let project = loaded.map_err(|mut error| {
        if let (Some(project), Some(inventory)) = (&error.readable, &inventory) {
            tell_more(project, inventory, &groups_value(inventory), &mut error.found);
        }
        told(&error.found, &error.sources, output)
    })?;
    let sources = project.templates.sources.clone();
    let Some(mut inventory) = inventory else { return Err(CliError::Other("no inventory".into())) };
    let mut found = Diagnostics::default();
    let mut plays: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (n, play) in project.plays.iter().enumerate() {
        match Pattern::parse(&play.hosts.value, Some(play.hosts.span)) {
            Ok(pattern) => {
                if pattern.names_localhost() {
                    inventory.add_localhost();
                }
                let (hosts, notes) = pattern.select(&inventory);
                for host in hosts {
                    plays.entry(host.to_owned()).or_default().push(n);
                }
                for mut note in notes {
                    // A fleet may well have no host of a kind; a play without any host at all is told below.
                    note.severity = Severity::Warning;
                    found.push(note);
                }
            }
            Err(d) => found.push(d),
        }
    }
    if found.has_errors() {
        return Err(told(&found, &sources, output));
    }
    warn(&found, &sources, output);
    if paths.is_empty() && plays.is_empty() {
        return Err(CliError::Other(
            "no inventory: name one with -i, or put a hosts.yml beside the manifest".to_owned(),
        ));
    }
    let limited = args.hosts.limit.as_ref().map(|text| limit(&inventory, text, output)).transpose()?;
    let limited: Option<HashSet<String>> = limited.map(HashSet::from_iter);
    let names: Vec<String> = inventory.hosts().iter().map(|h| h.name.clone()).collect();
    let hosts: Vec<_> = names
        .into_iter()
        .filter(|h| limited.as_ref().is_none_or(|l| l.contains(h)))
        .filter_map(|h| plays.remove(&h).map(|p| (h, p)))
        .collect();
    if hosts.is_empty() {
        let why =
            if args.hosts.limit.is_some() { "no play's hosts are within --limit" } else { "no play matches any host" };
        return Err(CliError::Other(format!("{why}: there is nothing to do")));
    }
    open(&mut inventory, hosts.iter().map(|(h, _)| h.as_str()), &keyring, &sources, output)?;
    let mut found = Diagnostics::default();
    for layer in hosts.iter().flat_map(|(host, _)| inventory.vars_of(host)) {
        // An inventory may be made for others, too.
        reserved::find(layer.vars, Severity::Warning, &mut found);
    }
    warn(&found, &sources, output);
    let identity = settings.identity(&args.manifest);
    Ok(Loaded { project: Arc::new(project), identity, undo: settings.undo, inventory, hosts })
}

/// Groups with their hosts, as templates see them.
pub fn groups_value(inventory: &Inventory) -> Value {
    let names = inventory.group_list().chain(["ungrouped"]);
    Value::from_pairs(names.map(|g| (g.to_owned(), inventory.members(g).into_iter().collect::<Value>())))
}

/// The hosts of a run, each with all that its catalog is made from.
pub fn manifest_hosts(loaded: &Loaded) -> Vec<ManifestHost> {
    let host = |(host, plays): &(String, Vec<usize>)| ManifestHost {
        name: host.clone(),
        group_names: loaded.inventory.group_names(host),
        vars: loaded.inventory.vars_of(host).into_iter().map(|l| l.vars.clone()).collect(),
        plays: plays.clone(),
    };
    loaded.hosts.iter().map(host).collect()
}
