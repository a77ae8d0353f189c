//! The steps that change packages: in one transaction where that can be, each thing with its undo.

use super::provider::{Item, Provider};
use crate::model::id::ResourceId;
use crate::shell::packages;
use crate::shell::steps::{Command, Steps, Undo};
use std::time::Duration;

/// A large transaction over a slow line takes its time.
const DEADLINE: Duration = Duration::from_secs(3600);

/// What a transaction is to do about one package.
pub(super) struct Part {
    pub id: ResourceId,
    pub name: String,
    /// The exact version, where one is asked for.
    pub version: Option<String>,
    pub installed: Option<String>,
    /// It is there, whole or in part.
    pub there: bool,
    /// It is to be absent.
    pub gone: bool,
    pub purge: bool,
    /// It is removed from the manifest, and takes nothing along.
    pub departed: bool,
    /// The lists are to be fetched anew first.
    pub stale: bool,
    /// It is not known that the lists have it.
    pub unsure: bool,
}

impl Part {
    fn item(&self) -> Item<'_> {
        Item {
            name: &self.name,
            version: self.version.as_deref(),
            installed: self.installed.as_deref(),
            purge: self.purge,
        }
    }
}

pub(super) fn steps(provider: &dyn Provider, parts: &[Part], steps: &mut Steps) {
    let (gone, wanted): (Vec<&Part>, Vec<_>) = parts.iter().partition(|p| p.gone);
    let (there, left): (Vec<&Part>, Vec<_>) = gone.into_iter().partition(|p| p.there);
    if wanted.iter().any(|p| p.stale) {
        let fetch = provider.manager().fetch(provider.refresh());
        steps.run(&ids(&wanted), command(provider, fetch), Undo::Nothing);
    }
    let departed = there.iter().any(|p| p.departed);
    match provider.both(&items(&wanted), &items(&there)).filter(|_| !departed) {
        Some(argv) => together(provider, &wanted, &there, argv, steps),
        None => {
            removal(provider, &there, departed, steps);
            if !wanted.is_empty() {
                run(provider, &wanted, provider.install(&items(&wanted)), back(provider, &wanted), steps);
            }
        }
    }
    for part in there.iter().chain(&left).filter(|p| p.purge) {
        if let Some(argv) = provider.purge(&part.name) {
            let undo = Undo::Irreversible("its configuration files are purged".into());
            steps.run(&[&part.id], command(provider, provider.transaction(argv)), undo);
        }
    }
}

fn command(provider: &dyn Provider, argv: Vec<String>) -> Command {
    Command { env: provider.env(), deadline: Some(DEADLINE), ..Command::new(argv) }
}

/// One command for these, with what brings all packages back that it changes.
fn run(provider: &dyn Provider, parts: &[&Part], argv: Vec<String>, undo: Undo, steps: &mut Steps) {
    let command = command(provider, provider.transaction(argv));
    match (provider.note(), undo) {
        (Some((before, back)), Undo::Run(_)) => {
            steps.run(&ids(parts), Command { before: Some(before), ..command }, Undo::RunOn(back));
        }
        (_, undo) => steps.run(&ids(parts), command, undo),
    }
}

/// All in one command. Of several, one that cannot be installed fails by itself.
fn together(provider: &dyn Provider, wanted: &[&Part], gone: &[&Part], argv: Vec<String>, steps: &mut Steps) {
    let all: Vec<&Part> = wanted.iter().chain(gone).copied().collect();
    let undo = || back(provider, &all);
    if all.len() < 2 {
        if !all.is_empty() {
            run(provider, &all, argv, undo(), steps);
        }
        return;
    }
    let word = |p: &&Part| p.version.as_ref().map_or(p.name.clone(), |v| format!("{}={v}", p.name));
    let unsure: Vec<String> = wanted.iter().filter(|p| p.unsure).map(word).collect();
    let names: Vec<&str> = all.iter().map(|p| p.name.as_str()).collect();
    run(provider, &all, packages::several(&names, &unsure, argv), undo(), steps);
    for part in &all {
        let own = [part.item()];
        let argv = if part.gone { provider.both(&[], &own) } else { provider.both(&own, &[]) };
        if let Some(argv) = argv {
            // What it brings is taken back with the whole.
            steps.run(&[&part.id], command(provider, packages::one(&provider.transaction(argv))), Undo::Nothing);
        }
    }
}

/// Those that are to be removed; those whose configuration goes too by themselves, where that is one and the same.
fn removal(provider: &dyn Provider, gone: &[&Part], departed: bool, steps: &mut Steps) {
    let at_once = |p: &Part| p.purge && provider.purge(&p.name).is_none();
    let (purged, kept): (Vec<&Part>, Vec<_>) = gone.iter().copied().partition(|p| at_once(p));
    for group in [kept, purged].iter().filter(|g| !g.is_empty()) {
        let undo = match group.iter().any(|p| at_once(p)) {
            true => Undo::Irreversible("configuration files are purged with the package".into()),
            false => back(provider, group),
        };
        let items = items(group);
        let argv = if departed { provider.remove_alone(&items) } else { provider.remove(&items) };
        run(provider, group, argv, undo, steps);
    }
}

/// What makes of these what they were.
fn back(provider: &dyn Provider, parts: &[&Part]) -> Undo {
    let (fresh, changed): (Vec<Item<'_>>, Vec<Item<'_>>) =
        parts.iter().map(|p| p.item()).partition(|i| i.installed.is_none());
    let was: Vec<_> =
        changed.iter().map(|i| Item { name: i.name, version: i.installed, installed: None, purge: false }).collect();
    match (fresh.is_empty(), was.is_empty()) {
        (false, true) => Undo::Run(provider.remove(&fresh)),
        (true, _) => Undo::Run(provider.install(&was)),
        (false, false) => {
            let both = [provider.remove(&fresh), provider.install(&was)].map(crate::shell::quote::words);
            Undo::Run(vec!["sh".into(), "-c".into(), both.join(" && ")])
        }
    }
}

fn items<'a>(parts: &[&'a Part]) -> Vec<Item<'a>> {
    parts.iter().map(|p| p.item()).collect()
}

fn ids<'a>(parts: &[&'a Part]) -> Vec<&'a ResourceId> {
    parts.iter().map(|p| &p.id).collect()
}
