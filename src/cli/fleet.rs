//! What the commands that speak of hosts share: reading the project and the inventory, and how hosts are reached.

use super::connect::{Asked, openssh, way};
use super::extra_vars::extra_vars;
use super::findings::tell_more;
use super::prepared::{Prepared, Work};
use super::vault::VaultArgs;
use super::{CliError, Output};
use crate::catalog::Selection;
use crate::engine::run::{Job, Run};
use crate::inventory::{self, Inventory, Pattern};
use crate::language::diagnostic::{Diagnostics, Severity};
use crate::language::settings::{self, Settings};
use crate::language::vault::Keyring;
use crate::manifest::project::{self, Project};
use crate::model::span::{Sources, Span};
use crate::report::say;
use crate::report::text;
use crate::resources::types::TYPES;
use crate::shell::apply::Keep;
use minijinja::Value;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the work is written down, and for which hosts.
#[derive(Clone, Debug, clap::Args)]
pub struct ProjectArgs {
    /// The manifest; for `apply` also the file of a saved plan.
    #[arg(default_value = "site.yml")]
    pub manifest: PathBuf,
    #[command(flatten)]
    pub hosts: HostArgs,
}

/// Which hosts there are.
#[derive(Clone, Debug, clap::Args)]
pub struct HostArgs {
    /// An inventory: a file, a folder, an executable, or hosts as in 'web1,web2,'. Can be given again. Without one:
    /// hosts.yml, hosts.ini or hosts beside the manifest.
    #[arg(short, long = "inventory", value_name = "INVENTORY")]
    pub inventory: Vec<String>,
    /// Only hosts that this pattern picks too; @FILE takes patterns from a file, one a line.
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// A variable, name=value, or @FILE of them. Stronger than any other. Can be given again.
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    pub extra_vars: Vec<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

/// How hosts are reached.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionArgs {
    /// Hosts that are worked on at once.
    #[arg(short, long, default_value_t = 100, value_name = "N")]
    pub forks: usize,
    /// The user to log in as, where the inventory names none. Without one: who you are here.
    #[arg(short, long)]
    pub user: Option<String>,
    /// A private key to log in with, tried after the agent's.
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Read this instead of ~/.ssh/config and the system's ssh_config; `none`: neither.
    #[arg(long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// Ask for the password to log in with.
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Become another user through sudo, root unless --become-user names one.
    #[arg(short, long = "become")]
    pub become_: bool,
    #[arg(long, value_name = "USER")]
    pub become_user: Option<String>,
    /// Ask for sudo's password.
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// Take sudo's password from the first line of a file.
    #[arg(long, value_name = "FILE", conflicts_with = "ask_become_pass")]
    pub become_password_file: Option<PathBuf>,
    /// Put host keys that are not on record there, and trust them. One that has changed is refused all the same.
    #[arg(long)]
    pub accept_new: bool,
    /// The known_hosts file to check against, and to add to. Without one: yours, and the system's.
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Seconds until a host that does not answer is given up.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub connect_timeout: u64,
    /// Seconds of silence in the middle of an answer until a host is given up.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub timeout: u64,
    /// Seconds to wait for a host that another run holds.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub lock_timeout: u64,
    /// Seconds that a host waits for a new connection to confirm a change that could cut you off, before it takes it
    /// back by itself.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub confirm_timeout: u64,
    /// Seconds that one step of an apply may take.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub step_timeout: u64,
}

#[derive(Clone, Debug, clap::Args)]
pub struct FleetArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Only resources with one of these tags, and what they need.
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub tags: Vec<String>,
    /// No resources with one of these tags.
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub skip_tags: Vec<String>,
    /// Leave out what comes before this resource in a host's order, such as service[nginx]. What is left out is told.
    #[arg(long, value_name = "RESOURCE")]
    pub start_at: Option<String>,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// How a plan or its outcome is shown.
#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// One JSON document; `trueup schema plan` describes it.
    #[arg(long)]
    pub json: bool,
    /// Without the lines that change in files.
    #[arg(long)]
    pub no_diff: bool,
    /// Where the time went: each stage with its slowest hosts.
    #[arg(long)]
    pub timings: bool,
}

impl ReportArgs {
    pub fn options(&self, output: &Output) -> text::Options {
        text::Options { style: output.style(), diff: !self.no_diff, quiet: output.quiet }
    }
}

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

/// Findings as they are shown: errors as the command's error, warnings at once.
pub fn told(found: &Diagnostics, sources: &Sources, output: &Output) -> CliError {
    let colour = output.style().colour && std::io::stderr().is_terminal();
    let texts: Vec<String> = found.iter().map(|d| d.render(sources, colour)).collect();
    let errors = found.iter().filter(|d| d.severity == Severity::Error).count();
    let count = if errors > 1 { format!("\n\n{errors} errors") } else { String::new() };
    CliError::Found(format!("{}{count}", texts.join("\n\n")))
}

fn warn(found: &Diagnostics, sources: &Sources, output: &Output) {
    let colour = output.style().colour && std::io::stderr().is_terminal();
    for d in found.iter().filter(|d| d.severity == Severity::Warning) {
        say!("{}\n", d.render(sources, colour));
    }
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

/// Opens what is encrypted of these hosts' variables, with the passwords that are given or that the settings here name.
pub fn open_inventory<'a>(
    args: &HostArgs,
    (inventory, sources): (&mut Inventory, &mut Sources),
    hosts: impl IntoIterator<Item = &'a str>,
    output: &Output,
) -> Result<Arc<Keyring>, CliError> {
    let settings = settings::read(Path::new(""), sources).map_err(|found| told(&found, sources, output))?;
    let keyring = args.vault.keyring(&settings, output)?;
    open(inventory, hosts, &keyring, sources, output)?;
    Ok(keyring)
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
            tell_more(project, inventory, &mut error.found);
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
    let identity = settings.identity(&args.manifest);
    Ok(Loaded { project: Arc::new(project), identity, undo: settings.undo, inventory, hosts })
}

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
    let keyring = open_inventory(hosts, (&mut inventory, &mut sources), names.iter().map(String::as_str), output)?;
    let project = project::empty(keyring, sources, Diagnostics::default());
    let project = project.map_err(|e| told(&e.found, &e.sources, output))?;
    let hosts = names.into_iter().map(|n| (n, vec![])).collect();
    let (identity, undo) = (String::new(), settings::Undo::default());
    let loaded = Loaded { project: Arc::new(project), identity, undo, inventory, hosts };
    let mut prepared = prepare(loaded, connection, Selection::default(), Path::new(""), output)?;
    prepared.run.apply.reason = reason;
    prepared.into_run()
}

/// Groups with their hosts, as templates see them.
pub fn groups_value(inventory: &Inventory) -> Value {
    let names = inventory.group_list().chain(["ungrouped"]);
    Value::from_pairs(names.map(|g| (g.to_owned(), inventory.members(g).into_iter().collect::<Value>())))
}

/// The jobs of a run: a host with all that its catalog is made from.
pub fn jobs(loaded: &Loaded) -> Vec<Job> {
    let job = |(host, plays): &(String, Vec<usize>)| Job {
        host: host.clone(),
        group_names: loaded.inventory.group_names(host),
        vars: loaded.inventory.vars_of(host).into_iter().map(|l| l.vars.clone()).collect(),
        plays: plays.clone(),
        reached: String::new(),
        remote: false,
        saved: None,
    };
    loaded.hosts.iter().map(job).collect()
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
    let mut jobs = jobs(&loaded);
    let groups = groups_value(&loaded.inventory);
    let asked = Asked::new(args)?;
    let mut found = Diagnostics::default();
    let mut ways = vec![];
    let openssh = openssh(args);
    // Each host's may be a question to ssh.
    let ways_of_jobs: Vec<_> = jobs.par_iter().map(|job| way(&loaded, job, args, &asked, &openssh, &groups)).collect();
    let mut told_once = HashSet::new();
    for (job, way) in jobs.iter_mut().zip(ways_of_jobs) {
        match way {
            Ok(way) => {
                job.reached = way.to_string();
                job.remote = way.is_remote();
                ways.push(way);
            }
            // What holds for a whole group is told of the first of it.
            Err(mut d) => {
                if told_once.insert((d.span, d.label.clone())) {
                    d.host = Some(job.host.clone());
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
    Work { project, identity, keep, jobs, groups, selection, ways }.prepare(args, source.display().to_string())
}
