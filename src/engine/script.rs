//! From a plan to the script that applies it, and from that script's answers to what became of it. Pure.

use super::options::ApplyOptions;
use super::outcome::{ChangeResult, ChangeStatus, HostStatus};
use super::source::{Output, Outputs};
use super::stages::{Mark, Stages};
use crate::catalog::Catalog;
use crate::journal::undo::{self, How};
use crate::journal::{self, Record, RecordedChange, RecordedStep};
use crate::ledger::{self, Entry, Note, Owner, When};
use crate::model::id::ResourceId;
use crate::model::run_name::RunName;
use crate::plan::notes::Notes;
use crate::plan::probe;
use crate::plan::{Change, HostPlan};
use crate::resources::Together;
use crate::resources::difference::Action;
use crate::shell::apply::{
    Act, ApplyChange, ApplyPlan, ApplyStep, ERRORS, Guard, LEDGER, LOCKED, LedgerNotes, LockOwner, MOVED, NO_STATE,
    NOT_DUE, SKIPPED, WAITED, waited_for,
};
use crate::shell::frame::Frame;
use crate::shell::probe::ProbeScript;
use crate::shell::steps::{Command, Step, Undo};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const START: u32 = 0;

/// In the place of what a step said that deals with secrets.
const HIDDEN: &str = "(what it said is not shown, for it was given a secret)";

fn slot(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX - 1) + 1
}

/// What the steps from `mark` on said, by the resources that they serve.
pub fn outputs(plan: &HostPlan, mark: Mark, frames: &[Frame]) -> Outputs {
    let by_slot: HashMap<u32, &Frame> = frames.iter().map(|f| (f.slot, f)).collect();
    let mut outputs = Outputs::new();
    for (n, step) in plan.steps.iter().enumerate().skip(mark.step) {
        let Some(frame) = by_slot.get(&slot(n)).filter(|f| !matches!(f.status, SKIPPED | NOT_DUE | MOVED)) else {
            continue;
        };
        let stderr = by_slot.get(&slot(n).saturating_add(ERRORS)).map(|f| f.body.clone()).unwrap_or_default();
        let secret = plan.is_sensitive(&step.serves);
        let output = Output { status: frame.status, stdout: frame.body.clone(), stderr, secret };
        for change in step.serves.iter().filter_map(|n| plan.changes.get(*n)) {
            outputs.insert(change.id.clone(), output.clone());
        }
    }
    outputs
}

/// Whether a frame belongs to a step, and not to the probe that begins at `first_probe`.
pub fn is_of_step(slot: u32, first_probe: u32) -> bool {
    slot < first_probe || (ERRORS..ERRORS.saturating_add(first_probe)).contains(&slot)
}

/// Where the frames of the probe begin that looks again at what was changed.
pub fn first_verify_slot(script: &ApplyPlan) -> u32 {
    script.steps.iter().map(|s| s.slot).max().unwrap_or(START).saturating_add(1)
}

/// The longest that one step may be silent.
pub fn longest_step(script: &ApplyPlan) -> Duration {
    let own = script.steps.iter().filter_map(|s| match &s.act {
        Act::Step(Step::Run(command)) => command.deadline,
        _ => None,
    });
    own.chain([script.step_deadline]).max().unwrap_or(script.step_deadline)
}

/// The last stage as the maker of scripts takes it. `remote`: whether the operator can be cut off from the host at all.
pub fn script_of(
    catalog: &Catalog,
    stages: &Stages,
    notes: Option<&Notes>,
    options: &ApplyOptions,
    remote: bool,
) -> ApplyPlan {
    let (plan, mark) = (stages.plan(), stages.mark());
    let mut steps: Vec<ApplyStep> = plan
        .steps
        .iter()
        .enumerate()
        .skip(mark.step)
        .map(|(n, step)| ApplyStep {
            only_if_changed: step.only_if_changed.clone(),
            name: names(plan, &step.serves),
            ..ApplyStep::new(
                slot(n),
                Act::Step(step.planned.step.clone()),
                step.serves.clone(),
                step.planned.undo == Undo::Kept,
            )
        })
        .collect();
    let pays = owe(catalog, plan, mark, &mut steps);
    let (looks, noted) = looks(catalog, plan);
    let record = record_of(plan, options, &noted);
    let earlier = plan.steps.iter().enumerate().take(mark.step).map(|(n, s)| (slot(n), s.serves.clone()));
    ApplyPlan {
        changes: plan.changes.iter().map(|c| ApplyChange { needs: c.needs.clone() }).collect(),
        last: plan.changes.iter().enumerate().filter(|(_, c)| c.departed).map(|(n, _)| n).collect(),
        left: stages.left(),
        failed: stages.failed(mark.change),
        steps,
        earlier: earlier.collect(),
        pays,
        stage: mark.stage,
        host: plan.host.clone(),
        lock_wait: options.lock_wait,
        looks,
        guard: guard_of(plan, mark, &record, options).filter(|_| remote),
        record: record.to_bytes(),
        ledger: ledger_of(notes),
        keep: Some(options.keep),
        ..ApplyPlan::new(options.run.clone(), options.owner.clone(), START, options.step_deadline)
    }
}

/// Says which steps owe a refresh, to resources of this stage and of later ones, and which pay one. Returned are those
/// that are paid without a step.
fn owe(catalog: &Catalog, plan: &HostPlan, mark: Mark, steps: &mut [ApplyStep]) -> Vec<String> {
    let refreshed: BTreeMap<usize, usize> =
        plan.changes.iter().enumerate().skip(mark.change).map(|(n, c)| (c.resource, n)).collect();
    let mut pays = vec![];
    for (target, change) in plan.changes.iter().enumerate().skip(mark.change) {
        let id = change.id.to_string();
        let refreshes = |s: &ApplyStep| s.serves.contains(&target) && !s.only_if_changed.is_empty();
        let owed_before = change.difference.action == Action::Refresh && change.refreshed_by.is_empty();
        if change.refreshed_by.is_empty() && !owed_before {
            continue;
        }
        let last = steps.iter().rposition(|s| refreshes(s) || (owed_before && s.serves.contains(&target)));
        // What takes no step to refresh would be owed for ever.
        let Some(last) = last else {
            if change.refreshed_by.iter().any(|n| *n < mark.change) || owed_before {
                pays.push(id);
            }
            continue;
        };
        for step in steps.iter_mut() {
            if step.serves.iter().any(|s| change.refreshed_by.contains(s)) {
                step.owes.push(id.clone());
            }
        }
        if let Some(step) = steps.get_mut(last) {
            step.pays.push(id);
        }
    }
    // What a later stage refreshes is owed from now on.
    for step in steps.iter_mut() {
        let resources = step.serves.iter().filter_map(|n| plan.changes.get(*n)).map(|c| c.resource);
        for then in resources.flat_map(|n| catalog.graph.notifies(n)) {
            let target = catalog.resources.get(then).filter(|r| r.selected && !refreshed.contains_key(&then));
            let id = target.map(|r| r.id.to_string()).filter(|id| !step.owes.contains(id));
            step.owes.extend(id);
        }
    }
    pays
}

fn ledger_of(notes: Option<&Notes>) -> LedgerNotes {
    notes.map_or(LedgerNotes::Nothing, |n| LedgerNotes::Lines(ledger::lines(&n.owner, &n.list)))
}

/// What tells a host's ledger what was found in line there, where nothing is changed.
pub fn note_of(host: &str, notes: Option<&Notes>, options: &ApplyOptions) -> ApplyPlan {
    ApplyPlan {
        host: host.to_owned(),
        lock_wait: options.lock_wait,
        ledger: ledger_of(notes),
        ..ApplyPlan::new(options.run.clone(), options.owner.clone(), START, options.step_deadline)
    }
}

/// What takes entries out of a host's ledger. It is on record there, too.
pub fn forget(plan: &HostPlan, owner: &Owner, entries: &[Entry], options: &ApplyOptions) -> ApplyPlan {
    let gone = |entry: &Entry| Note { when: When::Ended, thing: entry.thing(), entry: None };
    let notes = Notes { owner: owner.clone(), list: entries.iter().map(gone).collect(), due: entries.len() };
    ApplyPlan {
        record: record_of(plan, options, &BTreeSet::new()).to_bytes(),
        ..note_of(&plan.host, Some(&notes), options)
    }
}

/// Why a host's ledger was not written, where that is so.
pub fn ledger_failed(frames: &[Frame]) -> Option<String> {
    let frame = frames.iter().find(|f| f.slot == LEDGER && f.status != 0)?;
    let said = String::from_utf8_lossy(&frame.body).trim().to_owned();
    Some(format!("the host's ledger was not written, so that it does not know what this run has made: {said}"))
}

/// The changes' ids, for the journal.
fn names(plan: &HostPlan, serves: &[usize]) -> String {
    let ids = serves.iter().filter_map(|n| plan.changes.get(*n)).map(|c| c.id.to_string());
    ids.collect::<Vec<_>>().join(" ")
}

/// What the host keeps, so that the run can be taken back.
fn record_of(plan: &HostPlan, options: &ApplyOptions, noted: &BTreeSet<usize>) -> Record {
    let change = |(n, c): (usize, &Change)| RecordedChange {
        id: c.id.to_string(),
        action: c.difference.action.as_str().to_owned(),
        needs: c.needs.clone(),
        noted: noted.contains(&n),
        cuts_off: is_confirmed(c, options),
        sensitive: c.sensitive,
    };
    let step = |(n, s): (usize, &crate::plan::Step)| {
        let argv = match &s.planned.step {
            // What read something, or ran elsewhere or as somebody else, cannot be run again by its words alone.
            Step::Run(c) if c.stdin.is_none() && c.user.is_none() && c.cwd.is_none() => Some(with_env(c)),
            _ => None,
        };
        RecordedStep {
            slot: slot(n),
            serves: s.serves.clone(),
            path: s.planned.step.path().map(str::to_owned),
            argv,
            before: match &s.planned.step {
                Step::Run(c) => c.before.clone(),
                _ => None,
            },
            undo: s.planned.undo.clone(),
            only_if_changed: s.only_if_changed.clone(),
        }
    };
    Record {
        version: journal::VERSION,
        run: options.run.clone(),
        owner: options.owner.clone(),
        started: options.started,
        source: options.source.clone(),
        reason: options.reason.clone(),
        undoes: None,
        changes: plan.changes.iter().enumerate().map(change).collect(),
        steps: plan.steps.iter().enumerate().map(step).collect(),
    }
}

fn with_env(command: &Command) -> Vec<String> {
    if command.env.is_empty() {
        return command.argv.clone();
    }
    let pairs = command.env.iter().map(|(k, v)| format!("{k}={v}"));
    ["env".to_owned()].into_iter().chain(pairs).chain(command.argv.iter().cloned()).collect()
}

/// Groups of one type that are asked about at once: a group costs some processes, and is told to have moved as a whole.
const GROUPS: usize = 40;

/// What is noted of the changes that a probe can tell of, and which those are.
fn looks(catalog: &Catalog, plan: &HostPlan) -> (Vec<(Vec<usize>, ProbeScript)>, BTreeSet<usize>) {
    let mut by_type: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (n, change) in plan.changes.iter().enumerate().filter(|(_, c)| c.verifiable) {
        if let Some(resource) = catalog.resources.get(change.resource) {
            by_type.entry(resource.batch).or_default().push((n, change.resource));
        }
    }
    let mut looks: Vec<(Vec<usize>, ProbeScript)> = vec![];
    for (batch, members) in &by_type {
        let all = catalog.batches.get(*batch).is_some_and(|b| b.ty().together() == Together::All);
        let size = if all { members.len() } else { members.len().div_ceil(GROUPS) };
        for group in members.chunks(size.max(1)) {
            let probe = probe::of(catalog, group.iter().map(|(_, resource)| *resource));
            // A guard is a foreign command: it runs while planning, and at no other time.
            if probe.script.guards().is_empty() {
                looks.push((group.iter().map(|(n, _)| *n).collect(), probe.script));
            }
        }
    }
    let noted = looks.iter().flat_map(|(changes, _)| changes.iter().copied()).collect();
    (looks, noted)
}

/// Whether the host takes it back unless a new connection confirms it.
fn is_confirmed(change: &Change, options: &ApplyOptions) -> bool {
    change.commit_confirm || options.confirm_all
}

/// How the host takes back what may cut the operator off.
fn guard_of(plan: &HostPlan, mark: Mark, record: &Record, options: &ApplyOptions) -> Option<Guard> {
    // What an earlier stage has done is confirmed by now.
    let changes = plan.changes.iter().enumerate().skip(mark.change);
    let risky: BTreeSet<usize> = changes.filter(|(_, c)| is_confirmed(c, options)).map(|(n, _)| n).collect();
    let how = How {
        run: revert_name(&options.run)?,
        owner: format!("commit-confirm for {}", options.owner),
        now: options.started,
        reason: None,
        force: true,
        step_deadline: options.step_deadline,
        confirm_within: None,
        confirm_all: false,
    };
    undo::guard(record, &risky, &how, options.confirm_within)
}

/// The run by which a host takes a run back.
pub fn revert_name(run: &RunName) -> Option<RunName> {
    RunName::parse(&format!("{run}-revert"))
}

/// What the step in this slot does, for people.
pub fn describe(plan: &HostPlan, script: &ApplyPlan, at: u32) -> Option<String> {
    let step = script.steps.iter().find(|s| s.slot == at)?;
    let first = plan.changes.get(*step.serves.first()?)?;
    let verb =
        if step.only_if_changed.is_empty() { first.difference.action.as_str() } else { Action::Refresh.as_str() };
    Some(match step.serves.len() {
        0 | 1 => format!("{verb} {}", first.id),
        more => format!("{verb} {} and {} more", first.id, more - 1),
    })
}

/// Whether nothing was run, for another run had the host, which is to be judged afresh.
pub fn has_waited(frames: &[Frame]) -> bool {
    frames.iter().any(|f| f.slot == START && f.status == WAITED)
}

/// The end of a run whose host waits for a further stage, where there is none.
pub fn closing(catalog: &Catalog, stages: &Stages, notes: Option<&Notes>, options: &ApplyOptions) -> ApplyPlan {
    let plan = stages.plan();
    let earlier = plan.steps.iter().enumerate().map(|(n, s)| (slot(n), s.serves.clone()));
    ApplyPlan {
        changes: plan.changes.iter().map(|c| ApplyChange { needs: c.needs.clone() }).collect(),
        failed: stages.failed(plan.changes.len()),
        earlier: earlier.collect(),
        stage: stages.mark().stage.saturating_add(1),
        host: plan.host.clone(),
        looks: looks(catalog, plan).0,
        ledger: ledger_of(notes),
        ..ApplyPlan::new(options.run.clone(), options.owner.clone(), START, options.step_deadline)
    }
}

/// Why nothing was run at all, where that is so.
pub fn refused(frames: &[Frame]) -> Option<HostStatus> {
    let start = frames.iter().find(|f| f.slot == START)?;
    let said = || String::from_utf8_lossy(&start.body).trim().to_owned();
    match start.status {
        0 | WAITED => None,
        LOCKED => Some(HostStatus::Locked {
            by: LockOwner::parse(&start.body)
                .map_or_else(said, |o| format!("{} (process {}, run {})", o.owner, o.pid, o.run)),
        }),
        NO_STATE => Some(HostStatus::Unreachable {
            reason: format!("the host has no place to keep its journal: {}", said()),
            help: Some("nothing was changed".into()),
        }),
        _ => Some(HostStatus::Unreachable { reason: said(), help: None }),
    }
}

/// What became of each change of the stage that begins with the change `first`, as its steps say. `earlier` are the
/// results of the changes before it.
///
/// Changes that were left alone count as moved. `died`: the run will not send what is missing.
pub fn results(
    plan: &HostPlan,
    first: usize,
    earlier: &[ChangeResult],
    script: &ApplyPlan,
    frames: &[Frame],
    died: bool,
) -> Vec<ChangeResult> {
    let by_slot: HashMap<u32, &Frame> = frames.iter().map(|f| (f.slot, f)).collect();
    let mut results: Vec<ChangeResult> = earlier.iter().take(first).cloned().collect();
    // Needs have lower numbers, so what a change waits for is settled before it.
    for (number, change) in plan.changes.iter().enumerate().skip(first) {
        let status = match settle(plan, script, number, change, &by_slot, &results) {
            _ if script.left.contains(&number) => ChangeStatus::Moved,
            ChangeStatus::Unsettled if died => ChangeStatus::Died,
            status => status,
        };
        results.push(ChangeResult { id: change.id.clone(), status });
    }
    results.split_off(first.min(results.len()))
}

fn settle(
    plan: &HostPlan,
    script: &ApplyPlan,
    number: usize,
    change: &Change,
    by_slot: &HashMap<u32, &Frame>,
    earlier: &[ChangeResult],
) -> ChangeStatus {
    let mut not_due = 0;
    let mut ran = 0;
    for step in script.steps.iter().filter(|s| s.serves.contains(&number)) {
        match by_slot.get(&step.slot) {
            None => return ChangeStatus::Unsettled,
            Some(Frame { status: 0, .. }) => ran += 1,
            Some(Frame { status: NOT_DUE, .. }) => not_due += 1,
            Some(Frame { status: MOVED, .. }) => return ChangeStatus::Moved,
            Some(Frame { status: SKIPPED, body, .. }) => {
                let because = waited_for(body).and_then(|c| plan.changes.get(c)).map(|c| c.id.clone());
                return ChangeStatus::Skipped { because: because.unwrap_or_else(ResourceId::unknown) };
            }
            Some(frame) => {
                let said = || {
                    let errors = by_slot.get(&step.slot.saturating_add(ERRORS)).map(|f| f.body.as_slice());
                    let text = [frame.body.as_slice(), errors.unwrap_or_default()];
                    let text = text.map(|part| String::from_utf8_lossy(part).trim_end().to_owned());
                    text.iter().filter(|t| !t.is_empty()).cloned().collect::<Vec<_>>().join("\n")
                };
                // A program may well say what it was given.
                let output = if plan.is_sensitive(&step.serves) { HIDDEN.to_owned() } else { said() };
                return ChangeStatus::Failed { status: frame.status, output };
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
        if change.difference.action == Action::Restore && !change.irreversible.is_empty() {
            return ChangeStatus::Stays;
        }
    }
    ChangeStatus::Applied
}

/// What the host has taken back by itself was applied before. `results` are those of the stage that begins with the change
/// `first`.
pub fn taken_back(first: usize, script: &ApplyPlan, results: &mut [ChangeResult]) {
    let Some(guard) = &script.guard else { return };
    let guarded = script.steps.iter().filter(|s| guard.slots.contains(&s.slot));
    for n in guarded.flat_map(|s| &s.serves) {
        let Some(result) = n.checked_sub(first).and_then(|n| results.get_mut(n)) else { continue };
        if matches!(result.status, ChangeStatus::Applied | ChangeStatus::Unsettled | ChangeStatus::Died) {
            result.status = ChangeStatus::TakenBack;
        }
    }
}
