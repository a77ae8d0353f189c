//! From a catalog and what was seen to a plan. Pure.

use super::order::{self, Node};
use super::past::Past;
use super::probe::Seen;
use super::{Blocked, Change, HostPlan, Later, Step, Unjudged, departed};
use crate::catalog::{Catalog, Resource};
use crate::model::id::ResourceId;
use crate::resources::batch::Observed;
use crate::resources::difference::{Action, Ahead, Brings, Changes, Difference, Shown};
use crate::shell::steps::{PlannedStep, Steps, Undo};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What stands for a resource while planning.
enum Judged {
    InSync,
    /// By its number.
    Changes(usize),
    Unjudged(ResourceId),
}

/// Whether what there is to be done for a resource depends on the host at all: a command without a guard runs anyway.
fn depends(observed: &dyn Observed, index: usize) -> bool {
    observed.is_verifiable(index) || observed.sees(index, "/")
}

/// Makes a host's plan from its whole catalog as it is now. `guards` are the foreign commands that the probe ran, `past`
/// what the run has done before.
pub fn plan(catalog: &Catalog, seen: &Seen<'_>, guards: Vec<String>, past: &Past) -> HostPlan {
    let mut draft = Draft {
        past,
        plan: HostPlan {
            guards,
            warnings: catalog.warnings.clone(),
            health: catalog.health.clone(),
            first: past.changes,
            ..HostPlan::empty(&catalog.host)
        },
        ahead: Changes::default(),
        judged: HashMap::with_capacity(catalog.resources.len()),
        needs: HashMap::with_capacity(catalog.resources.len()),
        opened: HashMap::new(),
        left: departed::left(catalog, seen),
    };
    for &n in &catalog.order {
        draft.judge(catalog, seen, n);
    }
    draft.finish(catalog, seen)
}

struct Draft<'p> {
    past: &'p Past,
    plan: HostPlan,
    /// What [`Ahead`] looks at: the changes so far.
    ahead: Changes,
    judged: HashMap<usize, Judged>,
    /// The nearest changes before each resource, through what is in sync.
    needs: HashMap<usize, BTreeSet<usize>>,
    /// The first change that each resource comes after and that can bring anything.
    opened: HashMap<usize, ResourceId>,
    /// What has left the manifest and stays, and why.
    left: BTreeMap<usize, String>,
}

impl Draft<'_> {
    fn judge(&mut self, catalog: &Catalog, seen: &Seen<'_>, n: usize) {
        let Some(resource) = catalog.resources.get(n).filter(|r| r.selected) else { return };
        if let Some(because) = self.past.of(n).and_then(|t| t.settled.clone()) {
            self.judged.insert(n, Judged::Unjudged(because));
            return;
        }
        if let Some(why) = self.left.remove(&n) {
            self.leave(n, resource, why);
            return;
        }
        if let Some(because) = self.past.failed().filter(|_| resource.departed).cloned() {
            self.block(n, resource, because);
            return;
        }
        let before = catalog.graph.before(n);
        let mut needs = BTreeSet::new();
        for b in &before {
            needs.extend(self.past.last(*b));
            if let Some(by) = self.opened.get(b).cloned() {
                self.opened.entry(n).or_insert(by);
            }
            match self.judged.get(b) {
                Some(Judged::Changes(change)) => {
                    needs.insert(*change);
                }
                Some(Judged::Unjudged(because)) if resource.departed => {
                    self.leave(n, resource, format!("{because} would have to go before it"));
                    return;
                }
                Some(Judged::Unjudged(because)) => {
                    self.block(n, resource, because.clone());
                    return;
                }
                Some(Judged::InSync) => needs.extend(self.needs.get(b).into_iter().flatten()),
                None => {}
            }
        }
        let Some(observed) = seen.batch(resource.batch) else { return };
        let index = resource.index;
        let ahead = Ahead::new(&self.ahead);
        let sees = |brings: &Brings| match brings {
            Brings::Below(path) => observed.sees(index, path),
            brings => *brings == Brings::Anything,
        };
        let runs_once = !observed.is_verifiable(index);
        let has_run = self.past.of(n).is_some_and(|t| t.needless || (runs_once && t.changed > 0));
        let difference = match observed.diff(index, &ahead) {
            _ if has_run => None,
            Ok(difference) => difference,
            Err(reason) if resource.departed => {
                self.leave(n, resource, reason.to_string());
                return;
            }
            Err(reason) => {
                let (id, place) = (resource.id.clone(), resource.place.clone());
                match ahead.opened_by(sees) {
                    Some(after) => {
                        let after = after.clone();
                        self.plan.later.push(Later { id, place, after, reason: Some(reason.to_string()) });
                        self.judged.insert(n, Judged::InSync);
                        self.needs.insert(n, needs);
                    }
                    None => {
                        self.plan.unjudged.push(Unjudged { id, place, reason: reason.to_string() });
                        self.judged.insert(n, Judged::Unjudged(resource.id.clone()));
                    }
                }
                return;
            }
        };
        self.plan.warnings.extend(observed.remark(index).map(|remark| format!("{}: {remark}", resource.id)));
        let last = self.past.last(n);
        let refreshed_by: BTreeSet<usize> = catalog
            .graph
            .notified_by(n)
            .into_iter()
            .filter_map(|b| match self.judged.get(&b) {
                Some(Judged::Changes(change)) => Some(*change),
                // What was changed in an earlier stage, and this has not been refreshed since.
                _ => self.past.last(b).filter(|change| last.is_none_or(|last| *change > last)),
            })
            .collect();
        let name = resource.id.to_string();
        let is_owed = match &self.past.owed {
            Some(owed) => owed.contains(&name),
            None => seen.owed.contains(&name),
        };
        let difference = match difference {
            Some(difference) => Some(difference),
            None if is_owed => {
                let mut d = Difference::new(Action::Refresh);
                d.note("refresh", Shown::value("owed by an earlier run"), Shown::value("done"));
                Some(d)
            }
            None if !refreshed_by.is_empty() => Some(Difference::new(Action::Refresh)),
            None => None,
        };
        let Some(difference) = difference else {
            let below = || ahead.opened_by(|b| *b != Brings::Anything && sees(b)).cloned();
            let after = self.opened.get(&n).filter(|_| depends(observed, index)).cloned().or_else(below);
            match after.filter(|_| !resource.departed) {
                Some(after) => {
                    let (id, place) = (resource.id.clone(), resource.place.clone());
                    self.plan.later.push(Later { id, place, after, reason: None });
                }
                None => self.plan.in_line += usize::from(!resource.departed),
            }
            self.needs.insert(n, needs);
            self.judged.insert(n, Judged::InSync);
            return;
        };
        let number = self.past.changes + self.plan.changes.len();
        let commit_confirm = observed.cuts_off(index, &difference);
        let mut brings = observed.brings(index, &difference);
        if !refreshed_by.is_empty() && brings.is_nothing() {
            brings = observed.brings(index, &Difference::new(Action::Refresh));
        }
        if brings == Brings::Anything {
            self.opened.entry(n).or_insert_with(|| resource.id.clone());
        }
        let ty = catalog.batches.get(resource.batch).map(|b| b.ty());
        let path = ty.and_then(|ty| ty.path(&resource.key));
        self.ahead.push(resource.id.clone(), resource.key.clone(), path, difference.clone(), brings.clone());
        self.plan.changes.push(Change {
            id: resource.id.clone(),
            name: resource.name.clone(),
            place: resource.place.clone(),
            controls: resource.controls.clone(),
            difference,
            needs: needs.into_iter().collect(),
            refreshed_by: if is_owed { vec![] } else { refreshed_by.into_iter().collect() },
            irreversible: vec![],
            commit_confirm,
            sensitive: observed.is_sensitive(index),
            departed: resource.departed,
            decided_after: None,
            brought_by: vec![],
            resource: n,
            verifiable: observed.is_verifiable(index),
            brings,
        });
        self.judged.insert(n, Judged::Changes(number));
    }

    fn block(&mut self, n: usize, resource: &Resource, because: ResourceId) {
        let (id, place) = (resource.id.clone(), resource.place.clone());
        self.plan.blocked.push(Blocked { id, place, because: because.clone() });
        self.judged.insert(n, Judged::Unjudged(because));
    }

    /// What has left the manifest and cannot be removed, or must not be, stays, and is no failure.
    fn leave(&mut self, n: usize, resource: &Resource, reason: String) {
        let (id, place) = (resource.id.clone(), resource.place.clone());
        self.plan.left.push(Unjudged { id, place, reason });
        self.judged.insert(n, Judged::Unjudged(resource.id.clone()));
    }

    /// Orders the changes and makes their steps.
    fn finish(mut self, catalog: &Catalog, seen: &Seen<'_>) -> HostPlan {
        let first = self.past.changes;
        let nodes: Vec<Node> = self
            .plan
            .changes
            .iter()
            .filter_map(|c| {
                let ty = catalog.batches.get(catalog.resources.get(c.resource)?.batch)?.ty();
                let (kind, together) = (ty.name(), ty.together());
                let needs = c.needs.iter().filter_map(|n| n.checked_sub(first)).collect();
                Some(Node { needs, kind, together, departed: c.departed })
            })
            .collect();
        let groups = order::groups(&nodes);
        self.decide(catalog, seen, &groups);
        let mut steps: Vec<(Vec<PlannedStep>, Vec<usize>)> = vec![];
        for group in &groups {
            let members: Vec<(usize, &Change)> =
                group.iter().filter_map(|n| self.plan.changes.get(*n).map(|c| (*n, c))).collect();
            let place = |c: &Change| catalog.resources.get(c.resource).map(|r| (r.batch, r.index));
            let due: Vec<(usize, &Difference)> = members
                .iter()
                .filter(|(_, c)| c.difference.action != Action::Refresh)
                .filter_map(|(_, c)| Some((place(c)?.1, &c.difference)))
                .collect();
            let observed = members.first().and_then(|(_, c)| seen.batch(place(c)?.0));
            let Some(observed) = observed else { continue };
            if !due.is_empty() {
                let mut made = Steps::default();
                observed.apply(&due, &catalog.facts, &mut made);
                steps.push((made.into_vec(), vec![]));
            }
            for (_, change) in &members {
                let is_refresh = change.difference.action == Action::Refresh;
                let Some((_, index)) = place(change).filter(|_| is_refresh || !change.refreshed_by.is_empty()) else {
                    continue;
                };
                let mut made = Steps::default();
                let own = (!is_refresh).then_some(&change.difference);
                observed.refresh(index, own, &catalog.facts, &mut made);
                steps.push((made.into_vec(), change.refreshed_by.clone()));
            }
        }
        let numbers: HashMap<&ResourceId, usize> =
            self.plan.changes.iter().enumerate().map(|(n, c)| (&c.id, first + n)).collect();
        let mut out = vec![];
        let mut irreversible: Vec<(usize, String)> = vec![];
        for (made, only_if_changed) in steps {
            for planned in made {
                let serves: Vec<usize> = planned.serves.iter().filter_map(|id| numbers.get(id).copied()).collect();
                if let Undo::Irreversible(why) = &planned.undo {
                    irreversible.extend(serves.iter().map(|n| (*n, why.clone())));
                }
                out.push(Step { planned, serves, only_if_changed: only_if_changed.clone() });
            }
        }
        for (n, why) in irreversible {
            let change = n.checked_sub(first).and_then(|n| self.plan.changes.get_mut(n));
            if let Some(change) = change.filter(|c| !c.irreversible.contains(&why)) {
                change.irreversible.push(why);
            }
        }
        self.plan.steps = out;
        self.plan
    }

    /// Says of each change whether it is decided, or after which one the host has to be probed again first.
    fn decide(&mut self, catalog: &Catalog, seen: &Seen<'_>, groups: &[Vec<usize>]) {
        let mut open: Vec<usize> = vec![];
        let mut after: Option<ResourceId> = None;
        for group in groups {
            if after.is_none() {
                let waits = group.iter().find_map(|n| self.waits_for(catalog, seen, *n, &open));
                after = waits.and_then(|n| self.plan.changes.get(n)).map(|c| c.id.clone());
            }
            for &n in group {
                let Some(change) = self.plan.changes.get_mut(n) else { continue };
                change.decided_after.clone_from(&after);
                if !change.brings.is_nothing() {
                    open.push(n);
                }
            }
        }
    }

    /// The first of the `open` changes that can bring what matters to this one.
    fn waits_for(&self, catalog: &Catalog, seen: &Seen<'_>, n: usize, open: &[usize]) -> Option<usize> {
        let change = self.plan.changes.get(n)?;
        // What runs whatever the state is needs no other judgement.
        let resource = catalog.resources.get(change.resource)?;
        let observed = seen.batch(resource.batch)?;
        if !depends(observed, resource.index) {
            return None;
        }
        let matters = |n: &&usize| match self.plan.changes.get(**n).map(|c| &c.brings) {
            Some(Brings::Below(path)) => observed.sees(resource.index, path),
            Some(brings) => *brings == Brings::Anything,
            None => false,
        };
        open.iter().find(matters).copied()
    }
}
