//! From what a run has recorded to the run that takes it back. Pure.
//!
//! Changes are taken back in reverse order, each after those that came after it. A change that something else has
//! touched since stays, and so does what it stands on.

use super::{Record, RecordedStep};
use crate::model::run_name::RunName;
use crate::shell::apply::{Act, ApplyChange, ApplyPlan, ApplyStep, Guard, LedgerNotes};
use crate::shell::steps::{Command, Step, Undo};
use std::collections::BTreeSet;
use std::time::Duration;

/// The action of a change that is a refresh alone.
const REFRESH: &str = "refresh";
/// The slot of an undo's start frame.
pub const START: u32 = 0;

/// What is to be taken back, and how it is recorded in turn.
#[derive(Clone, Debug)]
pub struct Undoing {
    pub plan: ApplyPlan,
    /// The same changes, in the order they are taken back.
    pub record: Record,
    /// What cannot be taken back, and why.
    pub lost: Vec<(String, String)>,
}

/// How a run is taken back.
#[derive(Clone, Debug)]
pub struct How {
    /// Names the new run.
    pub run: RunName,
    pub owner: String,
    /// Seconds since 1970.
    pub now: u64,
    pub reason: Option<String>,
    /// Take back also what something else has touched since.
    pub force: bool,
    pub step_deadline: Duration,
    /// How long the host waits for a new connection, where taking back could cut the operator off in turn.
    pub confirm_within: Option<Duration>,
    /// Whether it waits so for every change.
    pub confirm_all: bool,
}

/// How a host takes back by itself what may cut the operator off: `which` changes of a run. `None` where there is nothing
/// of the kind.
pub fn guard(record: &Record, which: &BTreeSet<usize>, how: &How, within: Duration) -> Option<Guard> {
    let of_those = |s: &&RecordedStep| s.serves.iter().any(|n| which.contains(n));
    let slots: BTreeSet<u32> = record.steps.iter().filter(of_those).map(|s| s.slot).collect();
    let how = How { force: true, confirm_within: None, ..how.clone() };
    (!slots.is_empty()).then(|| Guard { slots, within, undo: Box::new(of(record, which, &how).plan) })
}

/// Makes the run that takes back `which` changes of a recorded one.
pub fn of(record: &Record, which: &BTreeSet<usize>, how: &How) -> Undoing {
    // In reverse: the last change is the first that is taken back.
    // What was refreshed for changes is refreshed once those are taken back.
    let refreshes_alone = |n: &usize| record.changes.get(*n).is_some_and(|c| c.action == REFRESH);
    let all = || (0..record.changes.len()).filter(|n| which.contains(n));
    let order: Vec<usize> = all().rev().filter(|n| !refreshes_alone(n)).chain(all().filter(refreshes_alone)).collect();
    let number = |old: usize| order.iter().position(|n| *n == old);
    let mut changes: Vec<ApplyChange> = order.iter().map(|_| ApplyChange::default()).collect();
    for (old, change) in record.changes.iter().enumerate() {
        // What came after something is gone before that something is.
        // Nothing waits for a refresh, and it waits for nothing: whatever comes back makes it due.
        let Some(new) = number(old).filter(|_| change.action != REFRESH) else { continue };
        for target in change.needs.iter().filter_map(|n| number(*n)) {
            if let Some(target) = changes.get_mut(target).filter(|c| !c.needs.contains(&new)) {
                target.needs.push(new);
            }
        }
    }
    let mut slots = Slots(START);
    let (mut steps, mut recorded, mut lost) = (vec![], vec![], vec![]);
    let mut guarded: BTreeSet<usize> = BTreeSet::new();
    for step in record.steps.iter().rev() {
        let serves: Vec<usize> = step.serves.iter().filter_map(|n| number(*n)).collect();
        if serves.is_empty() || !refreshed_by(record, step).is_empty() {
            continue;
        }
        let names = || step.serves.iter().filter_map(|n| record.changes.get(*n)).map(|c| c.id.clone());
        let act = match act(step, &record.run) {
            Ok(Some(act)) => act,
            Ok(None) => continue,
            Err(why) => {
                lost.extend(names().map(|id| (id, why.clone())));
                continue;
            }
        };
        let slot = slots.next();
        let keep = matches!(act, Act::Restore { .. });
        recorded.push(RecordedStep {
            slot,
            serves: serves.clone(),
            path: keep.then(|| step.path.clone()).flatten(),
            argv: match &act {
                Act::Step(Step::Run(command)) => Some(command.argv.clone()),
                _ => None,
            },
            before: step.before.clone().filter(|_| matches!(act, Act::RunOn { .. })),
            undo: again(step, keep),
            only_if_changed: vec![],
        });
        // Asked once for a change, before the first of its steps: those that follow would see what it did.
        let first = serves.iter().copied().find(|n| guarded.insert(*n)).and_then(|n| order.get(n).copied());
        let noted = first.filter(|n| !how.force && record.changes.get(*n).is_some_and(|c| c.noted));
        steps.push(ApplyStep {
            only_if_begun: Some((record.run.clone(), step.slot)),
            unless_moved: noted,
            name: names().collect::<Vec<_>>().join(" "),
            ..ApplyStep::new(slot, act, serves, keep)
        });
    }
    refreshes(record, &number, &mut slots, &mut steps, &mut recorded);
    let new_record = Record {
        version: super::VERSION,
        run: how.run.clone(),
        owner: how.owner.clone(),
        started: how.now,
        source: format!("rollback of {}", record.run),
        reason: how.reason.clone(),
        undoes: Some(record.run.clone()),
        changes: order
            .iter()
            .zip(&changes)
            .filter_map(|(old, change)| {
                let was = record.changes.get(*old)?;
                let (needs, noted) = (change.needs.clone(), false);
                let (id, action) = (was.id.clone(), "restore".to_owned());
                let (cuts_off, sensitive) = (was.cuts_off, was.sensitive);
                Some(super::RecordedChange { id, action, needs, noted, cuts_off, sensitive })
            })
            .collect(),
        steps: recorded,
    };
    let risky: BTreeSet<usize> =
        new_record.changes.iter().enumerate().filter(|(_, c)| c.cuts_off || how.confirm_all).map(|(n, _)| n).collect();
    let guard = how.confirm_within.and_then(|within| {
        let run = RunName::parse(&format!("{}-revert", how.run))?;
        guard(&new_record, &risky, &How { run, ..how.clone() }, within)
    });
    let plan = ApplyPlan {
        changes,
        steps,
        guard,
        record: new_record.to_bytes(),
        survey: (!how.force).then(|| record.run.clone()),
        ledger: LedgerNotes::Back {
            run: record.run.clone(),
            changes: order.iter().enumerate().map(|(new, old)| (*old, new)).collect(),
        },
        ..ApplyPlan::new(how.run.clone(), how.owner.clone(), START, how.step_deadline)
    };
    Undoing { plan, record: new_record, lost }
}

/// The changes that a step refreshes something for. One that an earlier run owed is for whatever it came after.
fn refreshed_by<'a>(record: &'a Record, step: &'a RecordedStep) -> &'a [usize] {
    let alone = match step.serves.as_slice() {
        [n] => record.changes.get(*n).filter(|c| c.action == REFRESH),
        _ => None,
    };
    match alone {
        Some(change) if step.only_if_changed.is_empty() => &change.needs,
        _ => &step.only_if_changed,
    }
}

/// What was refreshed by a change, and by nothing else touched, is refreshed again once that is taken back. A service
/// that the run itself has started, say, is stopped by then.
fn refreshes(
    record: &Record,
    number: &impl Fn(usize) -> Option<usize>,
    slots: &mut Slots,
    steps: &mut Vec<ApplyStep>,
    recorded: &mut Vec<RecordedStep>,
) {
    for step in &record.steps {
        let due: Vec<usize> = refreshed_by(record, step).iter().filter_map(|n| number(*n)).collect();
        let serves: Vec<usize> = step.serves.iter().filter_map(|n| number(*n)).collect();
        // In whichever stage that was.
        let changed = |n: &usize| {
            let id = record.changes.get(*n).map(|c| &c.id);
            id.is_none_or(|id| record.changes.iter().any(|c| c.id == *id && c.action != REFRESH))
        };
        let own = serves.is_empty() || step.serves.iter().any(changed);
        let again = match &step.undo {
            Undo::Run(argv) => Some(argv),
            _ => step.argv.as_ref(),
        };
        let (Some(argv), false) = (again, due.is_empty() || own) else { continue };
        let slot = slots.next();
        let name = step.serves.iter().filter_map(|n| record.changes.get(*n)).map(|c| c.id.as_str());
        steps.push(ApplyStep {
            only_if_changed: due.clone(),
            only_if_begun: Some((record.run.clone(), step.slot)),
            name: name.collect::<Vec<_>>().join(" "),
            ..ApplyStep::new(slot, Act::Step(Step::Run(Command::new(argv.clone()))), serves.clone(), false)
        });
        recorded.push(RecordedStep {
            slot,
            serves,
            path: None,
            argv: step.argv.clone(),
            before: None,
            undo: step.undo.clone(),
            only_if_changed: due,
        });
    }
}

/// Slots count up from the start frame's.
struct Slots(u32);

impl Slots {
    fn next(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

/// What takes a step back; `Ok(None)` where nothing has to be.
fn act(step: &RecordedStep, run: &RunName) -> Result<Option<Act>, String> {
    Ok(match (&step.undo, &step.path) {
        (Undo::Nothing, _) => None,
        (Undo::Run(argv), _) => Some(Act::Step(Step::Run(Command::new(argv.clone())))),
        (Undo::RunOn(argv), _) => match &step.before {
            Some(before) => {
                Some(Act::RunOn { run: run.clone(), slot: step.slot, argv: argv.clone(), before: before.clone() })
            }
            None => return Err("nothing was noted before it".into()),
        },
        (Undo::Kept, Some(path)) => Some(Act::Restore { run: run.clone(), slot: step.slot, path: path.clone() }),
        (Undo::Kept, None) => return Err("what was kept belongs to no file".into()),
        (Undo::Irreversible(why), _) => return Err(why.clone()),
    })
}

/// How taking back is taken back: by the copy that is kept then, or by doing again what was done first.
fn again(step: &RecordedStep, kept: bool) -> Undo {
    match (&step.argv, kept) {
        (_, true) => Undo::Kept,
        // What brings back one state brings back the other.
        _ if matches!(step.undo, Undo::RunOn(_)) => step.undo.clone(),
        (Some(argv), false) => Undo::Run(argv.clone()),
        (None, false) if step.path.is_some() => Undo::Irreversible("what was taken away again is not kept".into()),
        (None, false) => Undo::Irreversible("the command read something that is not kept".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{RecordedChange, VERSION};

    fn change(id: &str, needs: &[usize]) -> RecordedChange {
        let (id, action, needs) = (id.into(), "create".into(), needs.to_vec());
        RecordedChange { id, action, needs, noted: true, cuts_off: false, sensitive: false }
    }

    fn step(slot: u32, serves: usize, path: Option<&str>, argv: Option<&[&str]>, undo: Undo) -> RecordedStep {
        RecordedStep {
            slot,
            serves: vec![serves],
            path: path.map(str::to_owned),
            argv: argv.map(|a| a.iter().map(|w| (*w).to_owned()).collect()),
            before: None,
            undo,
            only_if_changed: vec![],
        }
    }

    fn run(argv: &[&str]) -> Undo {
        Undo::Run(argv.iter().map(|w| (*w).to_owned()).collect())
    }

    fn record() -> Record {
        let name = |n: &str| RunName::parse(n).unwrap();
        Record {
            version: VERSION,
            run: name("r1"),
            owner: "anna@desk".into(),
            started: 1,
            source: "site.yml".into(),
            reason: None,
            undoes: None,
            changes: vec![
                change("package[nginx]", &[]),
                change("file[/etc/nginx/a]", &[0]),
                change("exec[migrate]", &[1]),
                RecordedChange { action: "refresh".into(), ..change("service[nginx]", &[0, 1]) },
            ],
            steps: vec![
                step(1, 0, None, Some(&["apt-get", "install", "nginx"]), run(&["apt-get", "remove", "nginx"])),
                step(2, 1, Some("/etc/nginx/a"), None, Undo::Kept),
                step(3, 2, None, Some(&["migrate"]), Undo::Irreversible("no `undo` is given".into())),
                RecordedStep {
                    only_if_changed: vec![1],
                    ..step(4, 3, None, Some(&["systemctl", "restart", "nginx"]), Undo::Nothing)
                },
            ],
        }
    }

    fn how(force: bool) -> How {
        How {
            run: RunName::parse("r2").unwrap(),
            owner: "bo@desk".into(),
            now: 2,
            reason: None,
            force,
            step_deadline: Duration::from_secs(9),
            confirm_within: None,
            confirm_all: false,
        }
    }

    #[test]
    fn the_last_comes_back_first_and_what_stands_on_it_waits() {
        let undoing = of(&record(), &(0..4).collect(), &how(false));
        let ids: Vec<_> = undoing.record.changes.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["exec[migrate]", "file[/etc/nginx/a]", "package[nginx]", "service[nginx]"]);
        assert_eq!(undoing.plan.changes[2].needs, [1], "the package goes after the file");
        assert_eq!(undoing.lost, [("exec[migrate]".to_owned(), "no `undo` is given".to_owned())]);
        let acts: Vec<_> = undoing.plan.steps.iter().map(|s| (s.slot, s.serves.clone())).collect();
        assert_eq!(acts, [(1, vec![1]), (2, vec![2]), (3, vec![3])], "file, package, and nginx once more");
        assert_eq!(undoing.plan.steps[0].unless_moved, Some(1));
        assert_eq!(undoing.plan.steps[2].only_if_changed, [1]);
        let mut owed = record();
        owed.steps[3].only_if_changed = vec![];
        owed.steps[3].undo = run(&["systemctl", "restart", "nginx"]);
        let undoing = of(&owed, &(0..4).collect(), &how(false));
        assert_eq!(undoing.plan.steps[2].serves, [3], "what an earlier run owed comes last, too");
        assert_eq!(undoing.plan.steps[2].only_if_changed, [2, 1]);
        assert_eq!(of(&record(), &(0..4).collect(), &how(true)).plan.steps[0].unless_moved, None);
        assert_eq!(Record::parse(&undoing.plan.record).unwrap(), undoing.record);
    }

    #[test]
    fn what_was_taken_back_can_be_done_again() {
        let undone = of(&record(), &BTreeSet::from([0, 1]), &how(false)).record;
        let redone = of(&undone, &BTreeSet::from([0, 1]), &how(false));
        let Act::Step(Step::Run(command)) = &redone.plan.steps[0].act else { panic!("{:?}", redone.plan.steps) };
        assert_eq!(command.argv, ["apt-get", "install", "nginx"]);
        assert!(matches!(&redone.plan.steps[1].act, Act::Restore { slot: 1, .. }), "{:?}", redone.plan.steps);
        assert!(redone.lost.is_empty());
    }
}
