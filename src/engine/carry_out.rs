//! From a plan to the script that carries it out, and from that script's answers to what came of it. Pure.

use super::outcome::{ChangeResult, ChangeStatus, HostStatus};
use super::run::ApplyOptions;
use crate::catalog::Catalog;
use crate::catalog::id::ResourceId;
use crate::plan::diff::{Seen, still_different};
use crate::plan::{Change, HostPlan};
use crate::resources::difference::Action;
use crate::shell::apply::{
    Act, ApplyChange, ApplyPlan, ApplyStep, LOCKED, LockOwner, NO_STATE, NOT_DUE, SKIPPED, waited_for,
};
use crate::shell::frame::Frame;
use crate::shell::state::StateDir;
use crate::shell::steps::{Step, Undo};
use std::collections::HashMap;
use std::time::Duration;

const START: u32 = 0;

fn slot(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX - 1) + 1
}

/// Where the frames of the probe begin that looks again at what was changed.
pub fn first_verify_slot(plan: &HostPlan) -> u32 {
    slot(plan.steps.len())
}

/// The longest that one step may be silent.
pub fn longest_step(plan: &HostPlan, options: &ApplyOptions) -> Duration {
    let own = plan.steps.iter().filter_map(|s| match &s.planned.step {
        Step::Run(command) => command.deadline,
        _ => None,
    });
    own.chain([options.step_deadline]).max().unwrap_or(options.step_deadline)
}

/// The plan as the maker of scripts takes it.
pub fn script_of(plan: &HostPlan, options: &ApplyOptions) -> ApplyPlan {
    let mut steps: Vec<ApplyStep> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(n, step)| ApplyStep {
            only_if_changed: step.only_if_changed.clone(),
            ..ApplyStep::new(
                slot(n),
                Act::Step(step.planned.step.clone()),
                step.serves.clone(),
                step.planned.undo == Undo::Kept,
            )
        })
        .collect();
    for (target, change) in plan.changes.iter().enumerate() {
        let id = change.id.to_string();
        let refreshes = |s: &ApplyStep| s.serves.contains(&target) && !s.only_if_changed.is_empty();
        let owed_before = change.difference.action == Action::Refresh && change.refreshed_by.is_empty();
        let last = steps.iter().rposition(|s| refreshes(s) || (owed_before && s.serves.contains(&target)));
        // What takes no step to refresh would be owed for ever.
        let Some(last) = last else { continue };
        for step in &mut steps {
            if step.serves.iter().any(|s| change.refreshed_by.contains(s)) {
                step.owes.push(id.clone());
            }
        }
        if let Some(step) = steps.get_mut(last) {
            step.pays.push(id);
        }
    }
    ApplyPlan {
        run: options.run.clone(),
        owner: options.owner.clone(),
        start_slot: START,
        changes: plan.changes.iter().map(|c| ApplyChange { needs: c.needs.clone() }).collect(),
        steps,
        step_deadline: options.step_deadline,
        state_dir: StateDir::Usual,
    }
}

/// What the step in this slot does, for people.
pub fn describe(plan: &HostPlan, at: u32) -> Option<String> {
    let step = plan.steps.get(usize::try_from(at.checked_sub(1)?).ok()?)?;
    let first = plan.changes.get(*step.serves.first()?)?;
    let verb =
        if step.only_if_changed.is_empty() { first.difference.action.as_str() } else { Action::Refresh.as_str() };
    Some(match step.serves.len() {
        0 | 1 => format!("{verb} {}", first.id),
        more => format!("{verb} {} and {} more", first.id, more - 1),
    })
}

/// Why nothing was run at all, where that is so.
pub fn refused(frames: &[Frame]) -> Option<HostStatus> {
    let start = frames.iter().find(|f| f.slot == START)?;
    let said = || String::from_utf8_lossy(&start.body).trim().to_owned();
    match start.status {
        0 => None,
        LOCKED => Some(HostStatus::Locked {
            by: LockOwner::parse(&start.body)
                .map_or_else(said, |o| format!("{} (process {}, run {})", o.owner, o.pid, o.run)),
        }),
        NO_STATE => Some(HostStatus::Unreachable {
            reason: format!("the host has no place to keep its journal: {}", said()),
            help: Some("nothing was changed; is its disk full or read-only?".into()),
        }),
        _ => Some(HostStatus::Unreachable { reason: said(), help: None }),
    }
}

/// What came of each change, as its steps tell.
pub fn results(plan: &HostPlan, frames: &[Frame]) -> Vec<ChangeResult> {
    let by_slot: HashMap<u32, &Frame> = frames.iter().map(|f| (f.slot, f)).collect();
    let mut results: Vec<ChangeResult> = vec![];
    // Needs have lower numbers, so what a change waits for is settled before it.
    for (number, change) in plan.changes.iter().enumerate() {
        let status = settle(plan, number, change, &by_slot, &results);
        results.push(ChangeResult { id: change.id.clone(), status });
    }
    results
}

fn settle(
    plan: &HostPlan,
    number: usize,
    change: &Change,
    by_slot: &HashMap<u32, &Frame>,
    earlier: &[ChangeResult],
) -> ChangeStatus {
    let mut not_due = 0;
    let mut ran = 0;
    for (n, _) in plan.steps.iter().enumerate().filter(|(_, s)| s.serves.contains(&number)) {
        match by_slot.get(&slot(n)) {
            None => return ChangeStatus::Unsettled,
            Some(Frame { status: 0, .. }) => ran += 1,
            Some(Frame { status: NOT_DUE, .. }) => not_due += 1,
            Some(Frame { status: SKIPPED, body, .. }) => {
                let because = waited_for(body).and_then(|c| plan.changes.get(c)).map(|c| c.id.clone());
                return ChangeStatus::Skipped { because: because.unwrap_or_else(ResourceId::unknown) };
            }
            Some(frame) => {
                return ChangeStatus::Failed {
                    status: frame.status,
                    output: String::from_utf8_lossy(&frame.body).trim_end().to_owned(),
                };
            }
        }
    }
    if ran == 0 && not_due > 0 {
        return ChangeStatus::NotNeeded;
    }
    if ran == 0 {
        // Nothing of its own to run: it holds as far as what it waits for holds.
        let failed = change.needs.iter().filter_map(|n| earlier.get(*n)).find(|r| r.status.is_failure());
        if let Some(failed) = failed {
            return ChangeStatus::Skipped { because: failed.id.clone() };
        }
    }
    ChangeStatus::Applied
}

/// Takes back "applied" from what a second look finds not to be in line.
pub fn verify(catalog: &Catalog, plan: &HostPlan, seen: &Seen<'_>, results: &mut [ChangeResult]) {
    let applied = |n: usize| results.get(n).is_some_and(|r| r.status == ChangeStatus::Applied);
    let look: Vec<(usize, usize)> = plan
        .changes
        .iter()
        .enumerate()
        .filter(|(n, c)| c.verifiable && applied(*n))
        .map(|(n, c)| (c.resource, n))
        .collect();
    for (resource, left) in still_different(catalog, seen, look.iter().map(|(r, _)| *r)) {
        let Some((_, n)) = look.iter().find(|(r, _)| *r == resource) else { continue };
        if let Some(result) = results.get_mut(*n) {
            result.status = match left {
                Ok(difference) => ChangeStatus::NotInLine { left: difference.properties, reason: None },
                Err(reason) => ChangeStatus::NotInLine { left: vec![], reason: Some(reason) },
            };
        }
    }
}
