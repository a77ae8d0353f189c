//! From what hosts have recorded to the plan that takes a run back. Pure.

use super::options::ApplyOptions;
use crate::journal::undo::{self, How, Undoing};
use crate::journal::{HostRun, Record};
use crate::model::id::ResourceId;
use crate::model::run_name::RunName;
use crate::model::utc::Utc;
use crate::plan::{Change, HostPlan};
use crate::resources::difference::{Action, Brings, Difference, Shown};
use crate::shell::apply::Act;
use crate::shell::history::Which;
use crate::shell::steps::Step;
use std::collections::BTreeSet;

/// No run can be told by what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchRun {
    #[error("no host has kept a run")]
    None,
    #[error(
        "all runs that hosts have kept are of the future by their names, such as {0}: is a clock wrong? Name one of them"
    )]
    Future(String),
    #[error("no host has kept a run whose name begins with {asked}; the last are {}", near.join(", "))]
    Unknown { asked: String, near: Vec<String> },
    #[error("{asked} is the start of several runs: {}", names.join(", "))]
    Ambiguous { asked: String, names: Vec<String> },
}

/// So far may another operator's clock be ahead, in seconds.
const AHEAD: u64 = 3600;

/// Runs whose names say that they are still to come: of a clock that is wrong, or of a host that lies. `now`: seconds
/// since 1970.
pub fn of_the_future(all: &BTreeSet<String>, now: u64) -> BTreeSet<String> {
    let latest = Utc(now.saturating_add(AHEAD)).compact();
    all.iter().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && **name > latest).cloned().collect()
}

/// Which run is meant, of all that any host has kept. None of `future` is the last.
///
/// # Errors
/// Where it is none, or not just one.
pub fn resolve(which: &Which, all: &BTreeSet<String>, future: &BTreeSet<String>) -> Result<String, NoSuchRun> {
    let asked = match which {
        Which::Last => {
            let none = || all.last().map_or(NoSuchRun::None, |name| NoSuchRun::Future(name.clone()));
            return all.difference(future).last().cloned().ok_or_else(none);
        }
        Which::Named(asked) => asked.clone(),
    };
    let names: Vec<String> = all.iter().filter(|n| n.starts_with(&asked)).cloned().collect();
    match names.as_slice() {
        [] if all.is_empty() => Err(NoSuchRun::None),
        [] => Err(NoSuchRun::Unknown { near: all.iter().rev().take(3).cloned().collect(), asked }),
        // The runs by which a host took this one back begin with its name.
        [first, rest @ ..] if rest.iter().all(|n| n.starts_with(&format!("{first}-"))) => Ok(first.clone()),
        _ => Err(NoSuchRun::Ambiguous { asked, names }),
    }
}

/// The name of the run that takes back another where that has failed. `None` where no name is left.
pub fn on_failure(run: &RunName) -> Option<RunName> {
    RunName::parse(&format!("{run}-undo"))
}

/// How runs are taken back by this one.
pub fn how(options: &ApplyOptions, run: RunName, force: bool, remote: bool) -> How {
    How {
        run,
        owner: options.owner.clone(),
        now: options.started,
        reason: options.reason.clone(),
        force,
        step_deadline: options.step_deadline,
        confirm_within: remote.then_some(options.confirm_within),
        confirm_all: options.confirm_all,
    }
}

/// The changes of a run that have begun, or that had nothing of their own to run.
fn done(of: &HostRun) -> BTreeSet<usize> {
    let begun = |n: usize| of.record.steps.iter().any(|s| s.serves.contains(&n) && of.journal.has_begun(s.slot));
    (0..of.record.changes.len()).filter(|n| begun(*n)).collect()
}

/// What is shown to whoever decides, and what is run then.
pub fn plan(host: &str, of: &HostRun, how: &How) -> (HostPlan, Undoing) {
    let undoing = undo::of(&of.record, &done(of), how);
    let moved: BTreeSet<&str> = of
        .moved
        .iter()
        .filter(|_| !how.force)
        .filter_map(|n| of.record.changes.get(*n))
        .map(|c| c.id.as_str())
        .collect();
    (shown(host, &of.record, &undoing, &moved), undoing)
}

/// The plan of an undoing, for people; its steps are the undoing's own.
pub fn shown(host: &str, record: &Record, undoing: &Undoing, moved: &BTreeSet<&str>) -> HostPlan {
    let change = |(n, recorded): (usize, &crate::journal::RecordedChange)| {
        let mut difference = Difference::new(Action::Restore);
        let steps = undoing.plan.steps.iter().filter(|s| s.serves.contains(&n));
        let made = record.changes.iter().any(|c| c.id == recorded.id && c.action == Action::Create.as_str());
        for step in steps {
            let by = match &step.act {
                Act::Restore { path, .. } if made => format!("removing {path}"),
                Act::Restore { path, .. } => format!("putting {path} back as it was"),
                Act::Step(Step::Run(command)) => words(&command.argv),
                Act::RunOn { argv, .. } if says(argv).is_some() => words(argv),
                Act::RunOn { argv, .. } => format!("{} and what was noted before", words(argv)),
                Act::Step(_) => continue,
            };
            let by = if recorded.sensitive { Shown::Secret } else { Shown::value(by) };
            difference.note("by", Shown::Absent, by);
        }
        if moved.contains(recorded.id.as_str()) {
            let text = "something else has touched it since: it is left as it is, with what it stands on";
            difference.warnings.push(text.into());
        }
        Change {
            id: ResourceId::parse(&recorded.id).unwrap_or_else(ResourceId::unknown),
            name: None,
            place: None,
            controls: vec![],
            sensitive: recorded.sensitive,
            departed: false,
            difference,
            needs: recorded.needs.clone(),
            refreshed_by: vec![],
            irreversible: undoing
                .lost
                .iter()
                .filter(|(id, _)| *id == recorded.id)
                .map(|(_, why)| why.clone())
                .collect(),
            commit_confirm: recorded.cuts_off && undoing.plan.guard.is_some(),
            decided_after: None,
            brought_by: vec![],
            resource: n,
            verifiable: false,
            brings: Brings::Nothing,
        }
    };
    HostPlan {
        changes: undoing.record.changes.iter().enumerate().map(change).collect(),
        in_line: record.changes.len().saturating_sub(undoing.record.changes.len()),
        ..HostPlan::empty(host)
    }
}

/// What a script of trueup's own does, if it says that by the name that it has.
fn says(argv: &[String]) -> Option<&String> {
    match argv {
        [sh, c, _, does, ..] if sh == "sh" && c == "-c" && does.contains(' ') => Some(does),
        [sh, c, _, _, rest @ ..] if sh == "sh" && c == "-c" => says(rest),
        _ => None,
    }
}

/// The words of a command, without a shell's around them.
fn words(argv: &[String]) -> String {
    if let Some(does) = says(argv) {
        return does.clone();
    }
    match argv {
        [sh, c, _, _, rest @ ..] if sh == "sh" && c == "-c" && !rest.is_empty() => words(rest),
        [sh, c, script, ..] if sh == "sh" && c == "-c" => script.clone(),
        _ => argv.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_by_the_start_of_its_name() {
        let all: BTreeSet<String> =
            ["20260101T000000Z-aaaa", "20260102T000000Z-bbbb", "20260102T000000Z-bbbb-revert"].map(String::from).into();
        const NOW: u64 = 1_767_312_000;
        let at = |which: &Which, now| resolve(which, &all, &of_the_future(&all, now));
        let named = |text: &str| at(&Which::Named(text.into()), NOW);
        assert_eq!(named("20260101").unwrap(), "20260101T000000Z-aaaa");
        assert_eq!(named("20260102").unwrap(), "20260102T000000Z-bbbb");
        assert_eq!(at(&Which::Last, NOW).unwrap(), "20260102T000000Z-bbbb-revert");
        // A clock that is wrong, or a host that lies, does not say what the last run is.
        let yesterday = NOW - 86_400;
        assert_eq!(at(&Which::Last, yesterday).unwrap(), "20260101T000000Z-aaaa");
        assert_eq!(of_the_future(&all, yesterday).len(), 2);
        assert!(at(&Which::Last, 0).unwrap_err().to_string().contains("of the future"));
        assert_eq!(
            named("2026").unwrap_err().to_string(),
            "2026 is the start of several runs: 20260101T000000Z-aaaa, 20260102T000000Z-bbbb, 20260102T000000Z-bbbb-revert"
        );
        assert!(named("2025").unwrap_err().to_string().contains("the last are 20260102T000000Z-bbbb-revert"));
        assert_eq!(resolve(&Which::Last, &BTreeSet::new(), &BTreeSet::new()), Err(NoSuchRun::None));
    }
}
