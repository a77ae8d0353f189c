//! What a host's ledger is told of what is in the manifest. Pure.

use super::{Change, HostPlan};
use crate::catalog::Catalog;
use crate::ledger::{Entry, Ledger, Note, Owner, Thing, When};
use crate::model::id::ResourceId;
use crate::model::run_name::RunName;
use crate::resources::difference::Action;
use std::collections::{HashMap, HashSet};

/// Of one host.
#[derive(Clone, Debug)]
pub struct Notes {
    pub owner: Owner,
    pub list: Vec<Note>,
    /// How many of them are due though nothing is changed: what is in line and the ledger does not have, which another
    /// project would take for nobody's else.
    pub due: usize,
}

/// What is noted of each resource that is in line, or is brought there by the changes of `made`. What is there already was
/// not made by trueup, unless the ledger says so; whoever's entry that is. Nothing is noted of what `now`, the plan of the
/// host as it is, still has open.
pub fn of(catalog: &Catalog, made: &[Change], now: &HostPlan, ledger: &Ledger, owner: Owner, run: &RunName) -> Notes {
    let mut changes: HashMap<usize, usize> = HashMap::new();
    let mut creates: HashSet<usize> = HashSet::new();
    for (n, change) in made.iter().enumerate().filter(|(_, c)| c.difference.action != Action::Refresh) {
        changes.insert(change.resource, n);
        if change.difference.action == Action::Create {
            creates.insert(change.resource);
        }
    }
    let undecided = now.changes.iter().filter(|c| c.decided_after.is_some() && !changes.contains_key(&c.resource));
    let open: HashSet<&ResourceId> = now
        .unjudged
        .iter()
        .map(|u| &u.id)
        .chain(now.blocked.iter().map(|b| &b.id))
        .chain(now.later.iter().map(|l| &l.id))
        .chain(undecided.map(|c| &c.id))
        .collect();
    let things: Vec<Thing> = catalog.resources.iter().map(|r| Thing::of(r.id.kind.as_str(), &r.key)).collect();
    let present: Vec<bool> = catalog
        .resources
        .iter()
        .map(|r| catalog.batches.get(r.batch).is_some_and(|batch| batch.is_present(r.index)))
        .collect();
    let mut places = vec![0; things.len()];
    for (place, n) in catalog.order.iter().enumerate() {
        if let Some(slot) = places.get_mut(*n) {
            *slot = place;
        }
    }
    let mut notes = Notes { owner, list: vec![], due: 0 };
    for &n in &catalog.order {
        let (Some(resource), Some(thing)) = (catalog.resources.get(n), things.get(n)) else { continue };
        if !resource.selected || resource.departed || open.contains(&resource.id) {
            continue;
        }
        let own = ledger.entry(&notes.owner, thing);
        let change = changes.get(&n).copied();
        let when = change.map_or(When::Found, When::Applied);
        if present.get(n) != Some(&true) {
            if own.is_some() {
                notes.list.push(Note { when, thing: thing.clone(), entry: None });
            }
            continue;
        }
        let created = creates.contains(&n);
        let known = own.is_some_and(|e| e.made) || ledger.others(&notes.owner, thing).any(|(_, e)| e.made);
        let mut entry = Entry {
            kind: resource.id.kind.to_string(),
            title: resource.id.title.clone(),
            key: (resource.key != resource.id.title).then(|| resource.key.clone()),
            made: created || known,
            mark: catalog.batches.get(resource.batch).and_then(|batch| batch.mark(resource.index)),
            run: own.filter(|_| !created).map_or(run, |e| &e.run).clone(),
            at: resource.place.as_ref().map(ToString::to_string),
            after: vec![],
        };
        let mut before = catalog.graph.before(n);
        before.retain(|b| present.get(*b) == Some(&true));
        before.sort_unstable_by_key(|b| places.get(*b).copied());
        entry.comes_after(before.iter().filter_map(|b| things.get(*b).cloned()).collect());
        match own {
            _ if change.is_some() => {}
            Some(own) if own.agrees_with(&entry) => continue,
            Some(_) => {}
            None => notes.due += 1,
        }
        notes.list.push(Note { when, thing: thing.clone(), entry: Some(entry) });
    }
    notes
}

impl Notes {
    /// Notes of what has left the manifest; of those that no change brings about, the ledger is told all the same.
    pub fn extend(&mut self, notes: Vec<Note>) {
        self.due += notes.iter().filter(|n| n.when == When::Ended).count();
        self.list.extend(notes);
    }
}
