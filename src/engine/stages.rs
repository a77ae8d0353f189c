//! A run on one host, stage by stage: what it has done so far, what that came to, and what undoes what. Pure.

use super::outcome::{ChangeResult, ChangeStatus};
use crate::catalog::Catalog;
use crate::model::id::ResourceId;
use crate::plan::basis::{Held, Left};
use crate::plan::past::Past;
use crate::plan::probe::{self, Seen};
use crate::plan::{Change, HostPlan};
use crate::resources::difference::{Action, Brings, Property};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Where a stage begins in the plan of all changes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// From 1.
    pub stage: u32,
    pub change: usize,
    pub step: usize,
}

/// Changes of one resource in one run.
const AT_MOST: usize = 2;

/// What a run has done to one host.
pub struct Stages {
    /// All changes of the stages that went out, with their steps.
    plan: Arc<HostPlan>,
    /// One for each of them, as far as it is known.
    results: Vec<ChangeResult>,
    past: Past,
    /// Where the last stage begins; its number is 0 before the first.
    mark: Mark,
    /// What the first plan spoke of: with the change, where it had one.
    planned: HashMap<ResourceId, Option<Change>>,
    /// By the resource: what undid it and does so each time, so that the two are never both in sync.
    fights: BTreeMap<usize, Vec<ResourceId>>,
    /// What people are told of resources that were changed twice.
    notes: Vec<String>,
    /// Of a saved plan, the changes of the last stage that are left alone.
    held: Held,
}

impl Stages {
    /// Before the first stage of a run whose plan this is. `owed` are the refreshes that the host is owed.
    pub fn new(first: &HostPlan, owed: &[String]) -> Self {
        let later = first.later.iter().map(|l| (l.id.clone(), None));
        let planned = first.changes.iter().map(|c| (c.id.clone(), Some(c.clone()))).chain(later).collect();
        Self {
            plan: Arc::new(HostPlan { changes: vec![], steps: vec![], ..first.clone() }),
            results: vec![],
            past: Past { owed: Some(owed.iter().cloned().collect()), ..Past::default() },
            mark: Mark { stage: 0, change: 0, step: 0 },
            planned,
            fights: BTreeMap::new(),
            notes: vec![],
            held: Held::new(),
        }
    }

    /// All changes so far.
    pub fn plan(&self) -> &Arc<HostPlan> {
        &self.plan
    }

    /// Those of the last stage that are left alone.
    pub fn left(&self) -> Vec<usize> {
        self.held.keys().copied().collect()
    }

    pub fn results(&self) -> &[ChangeResult] {
        &self.results
    }

    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Where the last stage begins.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Takes the decided part of a plan as the next stage. `None` where there is nothing more to do.
    pub fn begin(&mut self, plan: &HostPlan, held: &Held) -> Option<Mark> {
        let first = self.plan.changes.len();
        let (mut stage, held) = plan.stage(first, held);
        if stage.changes.is_empty() {
            return None;
        }
        let mark = Mark { stage: self.mark.stage.saturating_add(1), change: first, step: self.plan.steps.len() };
        if mark.stage > 1 {
            let causes = self.causes();
            for change in stage.changes.iter_mut().filter(|c| !self.planned.contains_key(&c.id)) {
                change.brought_by = causes.clone();
            }
        }
        self.held = held;
        let plan = Arc::make_mut(&mut self.plan);
        plan.changes.append(&mut stage.changes);
        plan.steps.append(&mut stage.steps);
        self.past.changes = self.plan.changes.len();
        self.mark = mark;
        Some(mark)
    }

    /// The changes of the last stage that can have brought what was not to be seen before.
    fn causes(&self) -> Vec<ResourceId> {
        let mut open: Vec<ResourceId> = vec![];
        for change in self.last_stage().map(|(_, c)| c).filter(|c| !c.brings.is_nothing()) {
            if !open.contains(&change.id) {
                open.push(change.id.clone());
            }
        }
        open
    }

    fn last_stage(&self) -> impl Iterator<Item = (usize, &Change)> {
        let first = self.mark.change;
        self.plan.changes.iter().enumerate().skip(first)
    }

    /// Of the first changes, so many, those that have not been applied, each with the change that was the cause.
    pub fn failed(&self, first: usize) -> Vec<(usize, usize)> {
        let failed = self.results.iter().take(first).enumerate().filter(|(_, r)| r.status.is_failure());
        failed.map(|(n, _)| (n, n)).collect()
    }

    /// Notes what became of the last stage's changes.
    pub fn settle(&mut self, results: Vec<ChangeResult>) {
        let first = self.mark.change;
        for (at, mut result) in results.into_iter().enumerate() {
            let n = first + at;
            let Some(change) = self.plan.changes.get(n) else { continue };
            if let (Some(Left::Behind(because)), ChangeStatus::Moved) = (self.held.get(&n), &result.status) {
                result.status = ChangeStatus::Skipped { because: because.clone() };
            }
            let (resource, id) = (change.resource, &change.id);
            match &result.status {
                ChangeStatus::Applied => {
                    let touched = self.past.touch(resource);
                    touched.applied.push(n);
                    touched.changed += usize::from(change.difference.action != Action::Refresh);
                    let refreshed = change.difference.action == Action::Refresh || !change.refreshed_by.is_empty();
                    if let Some(owed) = self.past.owed.as_mut().filter(|_| refreshed) {
                        owed.remove(&id.to_string());
                    }
                }
                ChangeStatus::NotNeeded if change.difference.action == Action::Run => {
                    self.past.touch(resource).needless = true;
                }
                ChangeStatus::NotNeeded | ChangeStatus::Stays => {}
                ChangeStatus::Skipped { because } => self.past.touch(resource).settled = Some(because.clone()),
                _ => self.past.touch(resource).settled = Some(id.clone()),
            }
            self.results.push(result);
        }
    }

    /// Looks at all that was changed so far: what is not in sync any more was not brought there, or was undone.
    pub fn verify(&mut self, catalog: &Catalog, seen: &Seen<'_>) {
        let mut touched: BTreeSet<usize> = self.plan.changes.iter().map(|c| c.resource).collect();
        touched.retain(|n| self.past.of(*n).is_some_and(|t| t.settled.is_none() && !t.applied.is_empty()));
        for resource in touched {
            let Some(last) = self.past.last(resource) else { continue };
            let Some(change) = self.plan.changes.get(last).filter(|c| c.verifiable) else { continue };
            let Some(left) = probe::still_different(catalog, seen, resource) else { continue };
            let in_last_stage = last >= self.mark.change;
            let by = self.undone_by(catalog, seen, resource, last);
            let again = self.past.of(resource).is_none_or(|t| t.changed < AT_MOST);
            let is_run = change.difference.action == Action::Run;
            let id = change.id.clone();
            if in_last_stage && (by.is_empty() || is_run) {
                self.fail(last, not_in_sync(left));
                continue;
            }
            let names: Vec<ResourceId> =
                by.iter().filter_map(|n| self.plan.changes.get(*n)).map(|c| c.id.clone()).collect();
            if !again {
                self.fail(last, ChangeStatus::Undone { by: names, left: properties(left) });
                continue;
            }
            if by.iter().any(|n| self.plan.changes.get(*n).is_some_and(|c| !c.verifiable)) {
                self.fights.insert(resource, names);
            } else if !names.is_empty() {
                self.notes.push(format!("{} undid {id}, which was made again", listed(&names)));
            }
        }
    }

    /// Of the changes after `last` in the last stage, those that can have undone what it did to the resource.
    fn undone_by(&self, catalog: &Catalog, seen: &Seen<'_>, resource: usize, last: usize) -> Vec<usize> {
        let later = || self.last_stage().filter(|(n, c)| *n > last && c.resource != resource && self.was_applied(*n));
        let reaches = |c: &Change| match &c.brings {
            Brings::Nothing => false,
            Brings::Below(path) => probe::sees(catalog, seen, resource, path),
            Brings::Anything => true,
        };
        let open: Vec<usize> = later().filter(|(_, c)| reaches(c)).map(|(n, _)| n).collect();
        // Of what an earlier stage has brought into sync, another resource can be the same thing under another name.
        let in_last_stage = last >= self.mark.change;
        if open.is_empty() && !in_last_stage { later().map(|(n, _)| n).collect() } else { open }
    }

    fn was_applied(&self, n: usize) -> bool {
        self.results.get(n).is_some_and(|r| r.status == ChangeStatus::Applied)
    }

    fn fail(&mut self, n: usize, status: ChangeStatus) {
        if let (Some(change), Some(result)) = (self.plan.changes.get(n), self.results.get_mut(n)) {
            result.status = status;
            self.past.touch(change.resource).settled = Some(change.id.clone());
        }
    }

    /// The plan of all that was done, with what is left to say by `last`, the plan that is made of the host at the end;
    /// and what became of each change. `reached`: whether that came about; else what it would still do was not come to.
    pub fn finish(mut self, last: &HostPlan, reached: bool) -> (HostPlan, Vec<ChangeResult>) {
        for (resource, by) in std::mem::take(&mut self.fights) {
            if let Some(n) = self.past.last(resource).filter(|n| self.was_applied(*n)) {
                self.fail(n, ChangeStatus::Undone { by, left: vec![] });
            }
        }
        let mut plan = Arc::unwrap_or_clone(self.plan);
        for change in plan.changes.iter().skip(self.results.len()) {
            self.results.push(ChangeResult { id: change.id.clone(), status: ChangeStatus::NotReached });
        }
        if !reached {
            let done: HashSet<usize> = plan.changes.iter().map(|c| c.resource).collect();
            for change in last.changes.iter().filter(|c| !done.contains(&c.resource)) {
                let rest = Change { needs: vec![], refreshed_by: vec![], decided_after: None, ..change.clone() };
                self.results.push(ChangeResult { id: rest.id.clone(), status: ChangeStatus::NotReached });
                plan.changes.push(rest);
            }
            return (plan, self.results);
        }
        let changed: HashSet<usize> = plan.changes.iter().filter(|c| !c.departed).map(|c| c.resource).collect();
        let in_sync = |n: &&usize| self.past.of(**n).is_none_or(|t| t.settled.is_none());
        plan.in_line = last.in_line.saturating_sub(changed.iter().filter(in_sync).count());
        plan.unjudged.clone_from(&last.unjudged);
        plan.blocked.clear();
        // What the plan had and a failure is in the way of is skipped.
        for blocked in &last.blocked {
            match self.planned.remove(&blocked.id).flatten() {
                Some(change) => {
                    let status = ChangeStatus::Skipped { because: blocked.because.clone() };
                    self.results.push(ChangeResult { id: change.id.clone(), status });
                    plan.changes.push(Change { needs: vec![], refreshed_by: vec![], decided_after: None, ..change });
                }
                None => plan.blocked.push(blocked.clone()),
            }
        }
        plan.later.clone_from(&last.later);
        plan.is_part = false;
        plan.left.clone_from(&last.left);
        for guard in &last.guards {
            if !plan.guards.contains(guard) {
                plan.guards.push(guard.clone());
            }
        }
        plan.warnings.append(&mut self.notes);
        (plan, self.results)
    }
}

fn not_in_sync(left: Result<crate::resources::difference::Difference, String>) -> ChangeStatus {
    match left {
        Ok(difference) => ChangeStatus::NotInLine { left: difference.properties, reason: None },
        Err(reason) => ChangeStatus::NotInLine { left: vec![], reason: Some(reason) },
    }
}

fn properties(left: Result<crate::resources::difference::Difference, String>) -> Vec<Property> {
    left.map(|d| d.properties).unwrap_or_default()
}

/// `a`, or `one of a, b`.
pub fn listed(ids: &[ResourceId]) -> String {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [one] => one.clone(),
        many => format!("one of {}", many.join(", ")),
    }
}
