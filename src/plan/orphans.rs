//! What trueup manages on a host and the manifest no longer has. Pure.
//!
//! It is compared with the whole catalog, whatever of that was selected; and what another project has an entry of, or
//! stands in its place by now, is nobody's orphan to remove.

use super::orphan::{Fate, Orphan};
use super::{Change, HostPlan};
use crate::catalog::departed::Removal;
use crate::catalog::{Catalog, Resource, Whole};
use crate::ledger::{Entry, Ledger, Note, Owner, Thing, When};
use crate::model::id::{ResourceId, visible};
use crate::resources::batch::Type;
use crate::resources::difference::{Action, Brings, Difference};
use crate::resources::types::TYPES;
use crate::resources::{Departed, Orphaned};
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

/// An orphan with its entry in the ledger.
pub struct Found<'a> {
    pub orphan: Orphan,
    pub entry: &'a Entry,
}

/// The orphans of one owner, of which only a whole catalog can tell, in the order that they are removed in: each before what it came after.
pub fn of<'a>(catalog: &Whole, ledger: &'a Ledger, owner: &Owner) -> Vec<Found<'a>> {
    if ledger.of(owner).next().is_none() {
        return vec![];
    }
    let managed: HashSet<Thing> = declared(catalog).map(|r| Thing::of(r.id.kind.as_str(), &r.key)).collect();
    let mut places: HashMap<String, &ResourceId> = HashMap::new();
    for resource in declared(catalog) {
        let ty = catalog.batches.get(resource.batch).map(|b| b.ty());
        if let Some(path) = ty.and_then(|ty| ty.path(&resource.key)) {
            places.entry(path).or_insert(&resource.id);
        }
    }
    let left: Vec<&Entry> = ledger.of(owner).filter(|e| !managed.contains(&e.thing())).collect();
    let order = order(&left);
    let mut found: Vec<Found<'a>> = order
        .into_iter()
        .filter_map(|n| left.get(n).copied())
        .map(|entry| Found { orphan: judged(entry, ledger, owner, &places), entry })
        .collect();
    end_what_stands_on_what_goes(&mut found);
    found
}

fn declared(catalog: &Catalog) -> impl Iterator<Item = &Resource> {
    catalog.resources.iter().filter(|r| !r.departed)
}

/// Those that are to be removed, in that order. What its type refuses is left alone.
pub fn removals(catalog: &Catalog, found: &mut [Found<'_>], force: bool) -> Vec<Removal> {
    let mut numbers: HashMap<Thing, usize> = HashMap::new();
    let mut removals = vec![];
    for found in found.iter_mut().filter(|f| f.orphan.fate == Fate::Remove) {
        let Some(ty) = type_of(found.entry) else { continue };
        let (Orphaned::Removed(params) | Orphaned::Ended(params, _)) = ty.orphaned() else { continue };
        let removal = Removal {
            ty,
            title: found.entry.title.clone(),
            params,
            departed: Departed { mark: found.entry.mark.clone(), force },
            before: vec![],
        };
        match removal.check(&catalog.facts) {
            Ok(key) if key != found.entry.key() => {
                found.orphan.fate = Fate::Keep("the host's ledger says that it is something else".into());
            }
            Ok(_) => {
                numbers.insert(found.entry.thing(), removals.len());
                removals.push((removal, &found.entry.after));
            }
            Err(why) => found.orphan.fate = Fate::Keep(why),
        }
    }
    let count = removals.len();
    let before = |n: usize, after: &[Thing]| {
        let later = after.iter().filter_map(|t| numbers.get(t).copied()).filter(|m| *m > n);
        later.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let mut out = Vec::with_capacity(count);
    for (n, (removal, after)) in removals.into_iter().enumerate() {
        out.push(Removal { before: before(n, after), ..removal });
    }
    out
}

/// What the ledger forgets by a plan that was saved: of what that removes or releases alone. Another run may have brought
/// more since, which its catalog does not have either.
pub fn settle_saved(mut found: Vec<Found<'_>>, catalog: &Catalog, made: &[Change], plan: &HostPlan) -> Vec<Note> {
    let departed = catalog.resources.iter().filter(|r| r.departed);
    let asked: HashSet<Thing> = departed.map(|r| Thing::of(r.id.kind.as_str(), &r.key)).collect();
    let released: HashSet<&str> =
        plan.orphans.iter().filter(|o| matches!(o.fate, Fate::Released(_))).map(|o| o.id.as_str()).collect();
    found.retain(|f| match f.orphan.fate {
        Fate::Remove => asked.contains(&f.entry.thing()),
        _ => released.contains(f.orphan.id.as_str()),
    });
    settle(found, catalog, made, plan).1
}

/// What became of orphans in a plan that removes them: what is among its changes is no longer listed, and what is left
/// alone says why. The ledger forgets what goes by the changes of `made`, and what is released.
pub fn settle(found: Vec<Found<'_>>, catalog: &Catalog, made: &[Change], plan: &HostPlan) -> (Vec<Orphan>, Vec<Note>) {
    let by_thing = |r: &Resource| Thing::of(r.id.kind.as_str(), &r.key);
    let changes: HashMap<Thing, usize> = made
        .iter()
        .enumerate()
        .filter(|(_, c)| c.departed)
        .filter_map(|(n, c)| Some((by_thing(catalog.resources.get(c.resource)?), n)))
        .collect();
    let blocked: HashSet<String> = plan.blocked.iter().map(|b| b.id.to_string()).collect();
    let undecided: HashSet<Thing> = plan
        .changes
        .iter()
        .filter(|c| c.departed)
        .filter_map(|c| Some(by_thing(catalog.resources.get(c.resource)?)))
        .collect();
    let left: HashMap<String, &str> = plan.left.iter().map(|u| (u.id.to_string(), u.reason.as_str())).collect();
    let (mut orphans, mut notes) = (vec![], vec![]);
    for Found { mut orphan, entry } in found {
        let thing = entry.thing();
        let note = |when| Note { when, thing: thing.clone(), entry: None };
        match &orphan.fate {
            Fate::Remove => match (changes.get(&thing), left.get(&orphan.id)) {
                (Some(change), _) => {
                    notes.push(note(When::Applied(*change)));
                    continue;
                }
                (None, Some(why)) => orphan.fate = Fate::Keep((*why).to_owned()),
                // A later stage removes it, or a failure is in the way.
                (None, None) if undecided.contains(&thing) || blocked.contains(&orphan.id) => continue,
                (None, None) => {
                    orphan.fate = Fate::Released("it is gone already".into());
                    notes.push(note(When::Ended));
                }
            },
            Fate::Release(why) | Fate::Released(why) => {
                notes.push(note(When::Ended));
                orphan.fate = Fate::Released(why.clone());
            }
            Fate::Keep(_) => {}
        }
        orphans.push(orphan);
    }
    (orphans, notes)
}

/// What taking entries out of a host's ledger is to people.
pub fn forgotten(host: &str, entries: &[Entry]) -> HostPlan {
    let change = |entry: &Entry| Change {
        id: type_of(entry).map_or_else(ResourceId::unknown, |ty| ResourceId::new(ty.name(), entry.title.clone())),
        name: None,
        place: None,
        controls: vec![],
        difference: Difference::new(Action::Forget),
        needs: vec![],
        refreshed_by: vec![],
        irreversible: vec![],
        commit_confirm: false,
        sensitive: false,
        departed: false,
        decided_after: None,
        brought_by: vec![],
        resource: 0,
        verifiable: false,
        brings: Brings::Nothing,
    };
    HostPlan { changes: entries.iter().map(change).collect(), ..HostPlan::empty(host) }
}

fn judged(entry: &Entry, ledger: &Ledger, owner: &Owner, places: &HashMap<String, &ResourceId>) -> Orphan {
    Orphan {
        id: entry.id(),
        made: entry.made,
        run: entry.run.clone(),
        place: entry.at.clone(),
        fate: fate(entry, ledger, owner, places),
    }
}

fn fate(entry: &Entry, ledger: &Ledger, owner: &Owner, places: &HashMap<String, &ResourceId>) -> Fate {
    if ledger.unread > 0 {
        let lines = if ledger.unread == 1 { "a line" } else { "lines" };
        return Fate::Keep(format!(
            "the host's ledger has {lines} that cannot be read, and might say that it is another's"
        ));
    }
    let path = type_of(entry).and_then(|ty| ty.path(entry.key()));
    let same_place = path.iter().flat_map(|path| things_at(path));
    for thing in [entry.thing()].into_iter().chain(same_place) {
        if let Some((other, _)) = ledger.others(owner, &thing).next() {
            let who = other.map_or_else(|| "another project".to_owned(), |o| visible(&o.to_string()));
            return Fate::Release(format!("{who} manages it too"));
        }
    }
    if let Some(id) = path.as_ref().and_then(|p| places.get(p)) {
        return Fate::Release(format!("{id} has its place now"));
    }
    match type_of(entry).map(|ty| ty.orphaned()) {
        None => Fate::Keep("this trueup knows no such type".into()),
        Some(Orphaned::Stays(why) | Orphaned::Ended(_, why)) => Fate::Release(why.into()),
        Some(Orphaned::Removed(_)) if !entry.made => Fate::Release("it was there before trueup managed it".into()),
        Some(Orphaned::Removed(_)) => Fate::Remove,
    }
}

/// A service goes with its unit file.
fn end_what_stands_on_what_goes(found: &mut [Found<'_>]) {
    let going: Vec<&Entry> = found.iter().filter(|f| f.orphan.fate == Fate::Remove).map(|f| f.entry).collect();
    let ends = |entry: &Entry| {
        let ty = type_of(entry).filter(|ty| matches!(ty.orphaned(), Orphaned::Ended(..)));
        ty.is_some_and(|ty| going.iter().any(|g| ty.stands_on(&entry.title, &g.kind, g.key())))
    };
    let ending: Vec<bool> = found.iter().map(|f| matches!(f.orphan.fate, Fate::Release(_)) && ends(f.entry)).collect();
    for (found, _) in found.iter_mut().zip(ending).filter(|(_, ends)| *ends) {
        found.orphan.fate = Fate::Remove;
    }
}

/// The type of what an entry speaks of.
pub fn type_of(entry: &Entry) -> Option<&'static dyn Type> {
    TYPES.iter().copied().find(|t| t.name() == entry.kind)
}

/// All that one could be that stands at this path and is named by it.
fn things_at(path: &str) -> impl Iterator<Item = Thing> {
    TYPES.iter().filter(move |ty| ty.path(path).as_deref() == Some(path)).map(move |ty| Thing::of(ty.name(), path))
}

/// In which order entries are removed, by their numbers: each before what it came after; else the last that was put into
/// the ledger first. Where they came after one another, which different runs can have brought about, that is given up.
pub fn order(entries: &[&Entry]) -> Vec<usize> {
    let numbers: HashMap<Thing, usize> = entries.iter().enumerate().map(|(n, e)| (e.thing(), n)).collect();
    let after: Vec<BTreeSet<usize>> = entries
        .iter()
        .enumerate()
        .map(|(n, e)| e.after.iter().filter_map(|t| numbers.get(t).copied()).filter(|m| *m != n).collect())
        .collect();
    let mut waiting = vec![0_usize; entries.len()];
    for m in after.iter().flatten() {
        if let Some(count) = waiting.get_mut(*m) {
            *count += 1;
        }
    }
    let mut ready: BinaryHeap<usize> = (0..entries.len()).filter(|n| waiting.get(*n) == Some(&0)).collect();
    let mut left: BTreeSet<usize> = (0..entries.len()).collect();
    let mut order = vec![];
    while let Some(n) = ready.pop().or_else(|| left.last().copied()) {
        if !left.remove(&n) {
            continue;
        }
        order.push(n);
        for m in after.get(n).into_iter().flatten() {
            let Some(count) = waiting.get_mut(*m) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                ready.push(*m);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run_name::RunName;
    use proptest::prelude::*;

    fn entries(count: usize, after: &[(usize, usize)]) -> Vec<Entry> {
        let title = |n: usize| format!("/srv/{n}");
        let entry = |n: usize| Entry {
            kind: "file".into(),
            title: title(n),
            key: None,
            made: true,
            mark: None,
            run: RunName::parse("r1").unwrap(),
            at: None,
            after: after.iter().filter(|(m, _)| *m == n).map(|(_, b)| Thing::of("file", &title(*b))).collect(),
        };
        (0..count).map(entry).collect()
    }

    fn removed(count: usize, after: &[(usize, usize)]) -> Vec<usize> {
        order(&entries(count, after).iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_came_last_goes_first() {
        assert_eq!(removed(3, &[]), [2, 1, 0]);
        assert_eq!(removed(3, &[(0, 2)]), [1, 0, 2], "the first came after the last");
        assert_eq!(removed(2, &[(0, 1), (1, 0)]), [1, 0], "two that came after one another are removed all the same");
    }

    proptest! {
        #[test]
        fn each_is_removed_once_and_before_what_it_came_after(
            count in 1usize..20,
            raw in proptest::collection::vec((0usize..20, 0usize..20), 0..40),
            turned: bool,
        ) {
            // All of them one way round, so that there is no cycle.
            let after: Vec<_> = raw.into_iter().filter(|(a, b)| a < b && *b < count).collect();
            let after: Vec<_> = after.into_iter().map(|(a, b)| if turned { (b, a) } else { (a, b) }).collect();
            let order = removed(count, &after);
            let place = |n: usize| order.iter().position(|m| *m == n).unwrap();
            prop_assert_eq!(order.len(), count);
            for (a, b) in after {
                prop_assert!(place(a) < place(b));
            }
        }
    }
}
