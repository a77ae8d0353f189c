//! From a catalog and what was seen to a plan. Pure.

use super::departed;
use super::order::{self, Node};
use super::{Blocked, Change, HostPlan, Step, Unjudged};
use crate::catalog::{Catalog, Resource};
use crate::journal::unfinished::Unfinished;
use crate::ledger::{Ledger, LedgerError};
use crate::model::id::ResourceId;
use crate::resources::Together;
use crate::resources::batch::{self, Observed};
use crate::resources::difference::{Action, Ahead, Changes, Difference, Shown};
use crate::shell::frame::Frame;
use crate::shell::probe::{Answers, ProbeScript, Query};
use crate::shell::steps::{PlannedStep, Steps, Undo};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A probe of a catalog, or of a part of it: the questions, and which resources they are about.
pub struct CatalogProbe {
    pub script: ProbeScript,
    /// The numbers in each batch that are asked about.
    which: Vec<Vec<usize>>,
    asks_kept: bool,
}

impl CatalogProbe {
    /// Whether it asks about no resource, but for what the host keeps alone.
    pub fn is_about_nothing(&self) -> bool {
        self.which.iter().all(Vec::is_empty)
    }
}

/// Questions about what a host keeps, which come last.
const KEPT: usize = 3;

/// Of the answers to so many questions, those about what the host keeps, as if nothing else had been asked.
pub fn kept(answers: Vec<Frame>, asked: usize) -> Vec<Frame> {
    let first = u32::try_from(asked.saturating_sub(KEPT)).unwrap_or(u32::MAX);
    let frames = answers.into_iter().filter_map(|f| Some(Frame { slot: f.slot.checked_sub(first)?, ..f }));
    frames.collect()
}

/// Asks about every selected resource, what refreshes the host is owed, what trueup has made there, and how its last run ended.
pub fn probe(catalog: &Catalog) -> CatalogProbe {
    let selected = catalog.resources.iter().enumerate().filter(|(_, r)| r.selected).map(|(n, _)| n);
    let mut probe = probe_of(catalog, selected);
    probe.script.ask(Query::Owed, [""; 0]);
    probe.script.ask(Query::Ledger, [""; 0]);
    probe.script.ask(Query::Unfinished, [""; 0]);
    probe.asks_kept = true;
    probe
}

/// Asks about those resources, by their numbers in the catalog.
pub fn probe_of(catalog: &Catalog, resources: impl Iterator<Item = usize>) -> CatalogProbe {
    let mut which: Vec<Vec<usize>> = catalog.batches.iter().map(|_| vec![]).collect();
    for resource in resources.filter_map(|n| catalog.resources.get(n)) {
        if let Some(list) = which.get_mut(resource.batch) {
            list.push(resource.index);
        }
    }
    // What is one ruleset together is judged together.
    for resource in catalog.resources.iter().filter(|r| r.selected) {
        let together = catalog.batches.get(resource.batch).map(|b| b.ty().together());
        if let Some(list) = which.get_mut(resource.batch).filter(|l| together == Some(Together::All) && !l.is_empty()) {
            list.push(resource.index);
        }
    }
    let mut script = ProbeScript::default();
    for (batch, list) in catalog.batches.iter().zip(&mut which) {
        list.sort_unstable();
        list.dedup();
        if !list.is_empty() {
            batch.probe(list, &catalog.facts, &mut script);
        }
    }
    CatalogProbe { script, which, asks_kept: false }
}

/// What was seen.
pub struct Seen<'a> {
    batches: Vec<Box<dyn Observed + 'a>>,
    /// Resources that an earlier run left without a refresh.
    owed: Vec<String>,
    /// What trueup has made on the host; `None` where it was not asked, or has not told.
    pub ledger: Option<Result<Ledger, LedgerError>>,
    /// The last run there, where it died or waits to be confirmed.
    pub unfinished: Option<Unfinished>,
}

impl<'a> Seen<'a> {
    /// A resource's difference; `None` for one that was not looked at.
    pub(super) fn diff(
        &self,
        resource: &Resource,
        ahead: &Ahead<'_>,
    ) -> Option<Result<Option<Difference>, batch::Unjudged>> {
        Some(self.batches.get(resource.batch)?.diff(resource.index, ahead))
    }

    pub(super) fn batch(&self, n: usize) -> Option<&(dyn Observed + 'a)> {
        self.batches.get(n).map(AsRef::as_ref)
    }
}

/// Reads a probe's answers, whose slots count from `first`.
pub fn observe<'a>(catalog: &'a Catalog, probe: &CatalogProbe, frames: Vec<Frame>, first: u32) -> Seen<'a> {
    let mut answers = Answers::new(frames, first, probe.script.len());
    let batches = catalog.batches.iter().zip(&probe.which);
    let batches = batches
        .map(|(batch, which)| {
            if which.is_empty() {
                // No question was asked for it, so it must not take an answer.
                return batch.observe(&[], &catalog.facts, &mut Answers::new(vec![], 0, 0));
            }
            batch.observe(which, &catalog.facts, &mut answers)
        })
        .collect();
    let owed = match probe.asks_kept.then(|| answers.text()) {
        Some(Ok(text)) => text.lines().map(str::to_owned).collect(),
        _ => vec![],
    };
    let ledger = probe.asks_kept.then(|| answers.answer().ok()).flatten().map(|frame| Ledger::parse(&frame.body));
    let unfinished = probe.asks_kept.then(|| answers.answer().ok()).flatten();
    Seen { batches, owed, ledger, unfinished: unfinished.and_then(|frame| Unfinished::parse(&frame.body)) }
}

/// The differences that are left on resources that were changed: empty, if applying brought what it promised.
pub fn still_different(
    catalog: &Catalog,
    seen: &Seen<'_>,
    resources: impl Iterator<Item = usize>,
) -> Vec<(usize, Result<Difference, String>)> {
    resources
        .filter_map(|n| {
            let resource = catalog.resources.get(n)?;
            match seen.batches.get(resource.batch)?.diff(resource.index, &Ahead::default()) {
                Ok(None) => None,
                Ok(Some(difference)) => Some((n, Ok(difference))),
                Err(reason) => Some((n, Err(reason.to_string()))),
            }
        })
        .collect()
}

/// What stands for a resource while planning.
enum Judged {
    InLine,
    /// By its number among the changes.
    Changes(usize),
    Unjudged(ResourceId),
}

/// Makes a host's plan. `guards` are the foreign commands that the probe ran.
pub fn plan(catalog: &Catalog, seen: &Seen<'_>, guards: Vec<String>) -> HostPlan {
    let mut draft = Draft {
        plan: HostPlan {
            guards,
            warnings: catalog.warnings.clone(),
            health: catalog.health.clone(),
            ..HostPlan::empty(&catalog.host)
        },
        ahead: Changes::default(),
        judged: HashMap::with_capacity(catalog.resources.len()),
        needs: HashMap::with_capacity(catalog.resources.len()),
        left: departed::left(catalog, seen),
    };
    for &n in &catalog.order {
        draft.judge(catalog, seen, n);
    }
    draft.finish(catalog, seen)
}

struct Draft {
    plan: HostPlan,
    /// What [`Ahead`] looks at: the changes so far.
    ahead: Changes,
    judged: HashMap<usize, Judged>,
    /// The nearest changes before each resource, through what is in line.
    needs: HashMap<usize, BTreeSet<usize>>,
    /// What has left the manifest and stays, and why.
    left: BTreeMap<usize, String>,
}

impl Draft {
    fn judge(&mut self, catalog: &Catalog, seen: &Seen<'_>, n: usize) {
        let Some(resource) = catalog.resources.get(n).filter(|r| r.selected) else { return };
        if let Some(why) = self.left.remove(&n) {
            self.leave(n, resource, why);
            return;
        }
        let before = catalog.graph.before(n);
        let mut needs = BTreeSet::new();
        for b in &before {
            match self.judged.get(b) {
                Some(Judged::Changes(change)) => {
                    needs.insert(*change);
                }
                Some(Judged::Unjudged(because)) if resource.departed => {
                    self.leave(n, resource, format!("{because} would have to go before it"));
                    return;
                }
                Some(Judged::Unjudged(because)) => {
                    let because = because.clone();
                    let blocked =
                        Blocked { id: resource.id.clone(), place: resource.place.clone(), because: because.clone() };
                    self.plan.blocked.push(blocked);
                    self.judged.insert(n, Judged::Unjudged(because));
                    return;
                }
                Some(Judged::InLine) => needs.extend(self.needs.get(b).into_iter().flatten()),
                None => {}
            }
        }
        let Some(observed) = seen.batches.get(resource.batch) else { return };
        let difference = match observed.diff(resource.index, &Ahead::new(&self.ahead, &needs)) {
            Ok(difference) => difference,
            Err(reason) if resource.departed => {
                self.leave(n, resource, reason.to_string());
                return;
            }
            Err(reason) => {
                let (id, place) = (resource.id.clone(), resource.place.clone());
                self.plan.unjudged.push(Unjudged { id, place, reason: reason.to_string() });
                self.judged.insert(n, Judged::Unjudged(resource.id.clone()));
                return;
            }
        };
        let notified_by = catalog.graph.notified_by(n);
        let refreshed_by: Vec<usize> = notified_by
            .iter()
            .filter_map(|b| match self.judged.get(b) {
                Some(Judged::Changes(change)) => Some(*change),
                _ => None,
            })
            .collect();
        let is_owed = seen.owed.iter().any(|o| *o == resource.id.to_string());
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
            self.plan.in_line += usize::from(!resource.departed);
            self.needs.insert(n, needs);
            self.judged.insert(n, Judged::InLine);
            return;
        };
        let number = self.plan.changes.len();
        let commit_confirm = observed.cuts_off(resource.index, &difference);
        self.ahead.push(resource.id.clone(), resource.key.clone(), difference.clone(), &needs);
        self.plan.changes.push(Change {
            id: resource.id.clone(),
            name: resource.name.clone(),
            place: resource.place.clone(),
            controls: resource.controls.clone(),
            difference,
            needs: needs.into_iter().collect(),
            refreshed_by: if is_owed { vec![] } else { refreshed_by },
            irreversible: vec![],
            commit_confirm,
            sensitive: observed.is_sensitive(resource.index),
            departed: resource.departed,
            resource: n,
            verifiable: observed.is_verifiable(resource.index),
        });
        self.judged.insert(n, Judged::Changes(number));
    }

    /// What has left the manifest and cannot be removed, or must not be, stays, and is no failure.
    fn leave(&mut self, n: usize, resource: &Resource, reason: String) {
        let (id, place) = (resource.id.clone(), resource.place.clone());
        self.plan.left.push(Unjudged { id, place, reason });
        self.judged.insert(n, Judged::Unjudged(resource.id.clone()));
    }

    /// Orders the changes and makes their steps.
    fn finish(mut self, catalog: &Catalog, seen: &Seen<'_>) -> HostPlan {
        let nodes: Vec<Node> = self
            .plan
            .changes
            .iter()
            .filter_map(|c| {
                let ty = catalog.batches.get(catalog.resources.get(c.resource)?.batch)?.ty();
                let (kind, together) = (ty.name(), ty.together());
                Some(Node { needs: c.needs.clone(), kind, together, departed: c.departed })
            })
            .collect();
        let groups = order::groups(&nodes);
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
            let observed = members.first().and_then(|(_, c)| seen.batches.get(place(c)?.0));
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
            self.plan.changes.iter().enumerate().map(|(n, c)| (&c.id, n)).collect();
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
            if let Some(change) = self.plan.changes.get_mut(n).filter(|c| !c.irreversible.contains(&why)) {
                change.irreversible.push(why);
            }
        }
        self.plan.steps = out;
        self.plan
    }
}
