//! The maker of scripts that carry out a plan's steps on one host.
//!
//! A script holds the host's lock, keeps what undo needs, says in a journal what it begins and what is done, and
//! goes on to its end when nobody listens any more: output goes to files first, and from there to the connection.
//! Each step is one frame, begun when the step begins. At the end the same script probes once more, so that
//! applying and verifying cost one round trip.

mod ahead;
pub mod collect;
pub mod guard;
mod step;
#[cfg(test)]
mod tests;

pub use ahead::{Encoding, receive};
pub use guard::Guard;

use super::frame::Nonce;
use super::probe::ProbeScript;
use super::quote::word;
use super::state::StateDir;
use super::steps::Step;
use crate::model::body::{Body, Bytes};
use crate::model::id::visible;
use crate::model::run_name::RunName;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// The status of a step that was left out because a change it serves, or one that this comes after, has failed or
/// was left out. The frame's body is that change's index in decimal.
pub const SKIPPED: u8 = 254;
/// The status of a refresh's step where none of the changes it listens to was applied, and of a command that its guards
/// find needless by then.
pub const NOT_DUE: u8 = 253;
/// The status of a step that was stopped at its deadline, where the host can tell.
pub const TIMED_OUT: u8 = 124;
/// The status of a step that takes back what something else has touched since. Nothing was run.
pub const MOVED: u8 = 250;
/// The status of the start frame where another apply holds the lock; the body is read by [`LockOwner::parse`].
/// Nothing was run.
pub const LOCKED: u8 = 252;
/// The status of the start frame where the state directory cannot be made; the body says why. Nothing was run.
pub const NO_STATE: u8 = 251;

/// The status of the start frame where the lock had to be waited for, and the host is to be judged afresh: the next script
/// of the run has it. Nothing was run.
pub const WAITED: u8 = 249;

/// What is added to a step's slot for the frame of what it said of errors, which comes only where it said anything.
pub const ERRORS: u32 = 1 << 30;

/// The slot of the frame that says whether the ledger was written: its status is 0, or the body says why not.
pub const LEDGER: u32 = u32::MAX - 3;

/// Contents larger than this do not travel in the script; see [`ApplyPlan::ahead`]. In bytes.
pub const INLINE: u64 = 256 * 1024;

const FUNCTIONS: &str = include_str!("functions.sh");

/// One host's part of a plan, or of a wave of it.
#[derive(Clone, Debug)]
pub struct ApplyPlan {
    pub run: RunName,
    /// Who applies, for whoever finds the lock held.
    pub owner: String,
    /// The inventory's name of the host: two names may mean one machine, and only its own stages follow one another.
    pub host: String,
    /// The slot of the start frame: status 0, [`LOCKED`], [`WAITED`] or [`NO_STATE`].
    pub start_slot: u32,
    pub changes: Vec<ApplyChange>,
    /// Changes that are made only where all before the first of them went well.
    pub last: Vec<usize>,
    /// Changes that are left alone, with all that comes after them.
    pub left: Vec<usize>,
    /// Changes of earlier stages that have failed or were left out, each with the change that was the cause.
    pub failed: Vec<(usize, usize)>,
    /// Which stage of the run it is, from 1.
    pub stage: u32,
    /// Whether a further stage is to come: the host stays locked for it, and the run is not at its end.
    pub more: bool,
    /// Whether a host that had to be waited for is judged afresh, and nothing is run.
    pub judges_afresh: bool,
    /// In the order they run.
    pub steps: Vec<ApplyStep>,
    /// Of the steps of earlier stages: which changes each served, by its slot.
    pub earlier: Vec<(u32, Vec<usize>)>,
    /// Ids of resources whose owed refresh is paid at the end, for it takes no step.
    pub pays: Vec<String>,
    /// For a program that has no deadline of its own.
    pub step_deadline: Duration,
    pub state_dir: StateDir,
    /// How long to wait for a lock that another run holds.
    pub lock_wait: Duration,
    /// What the host keeps beside the journal, so that the run can be taken back; as [`crate::journal`] writes it.
    pub record: Vec<u8>,
    /// What is noted of changes once they are applied: the answers to these questions, as a digest.
    pub looks: Vec<(Vec<usize>, ProbeScript)>,
    /// The earlier run that this one takes back, of which it is asked first what something else has touched since.
    pub survey: Option<RunName>,
    /// Where some steps may cut the operator off.
    pub guard: Option<Guard>,
    /// What the host's ledger is told at the end.
    pub ledger: LedgerNotes,
    /// How much the host keeps of this and earlier runs. None: nothing is forgotten now.
    pub keep: Option<Keep>,
}

/// How much a host keeps, so that runs can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Runs, the newest, at least one.
    pub runs: u32,
    /// Days that a run is kept.
    pub days: Option<u32>,
    /// Kibibytes that all runs may take, and that a single copy may.
    pub kib: u64,
}

/// What a host's ledger is told at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LedgerNotes {
    #[default]
    Nothing,
    /// As [`crate::ledger::lines`] writes them.
    Lines(Vec<u8>),
    /// What an earlier run told it is taken back: its changes, each with the number it has in this run.
    Back { run: RunName, changes: Vec<(usize, usize)> },
}

impl ApplyPlan {
    /// Without steps.
    pub fn new(run: RunName, owner: impl Into<String>, start_slot: u32, step_deadline: Duration) -> Self {
        Self {
            run,
            owner: owner.into(),
            host: String::new(),
            start_slot,
            changes: vec![],
            last: vec![],
            left: vec![],
            failed: vec![],
            stage: 1,
            more: false,
            judges_afresh: false,
            steps: vec![],
            earlier: vec![],
            pays: vec![],
            step_deadline,
            state_dir: StateDir::Usual,
            lock_wait: Duration::ZERO,
            record: vec![],
            looks: vec![],
            survey: None,
            guard: None,
            ledger: LedgerNotes::Nothing,
            keep: None,
        }
    }
}

/// A change, by its index in [`ApplyPlan::changes`].
#[derive(Clone, Debug, Default)]
pub struct ApplyChange {
    /// The changes it comes after: each must have been applied.
    pub needs: Vec<usize>,
}

/// One step of a script. It runs where none of the changes it serves has failed or was left out, and all that
/// those need were applied. Where it fails, those have failed.
#[derive(Clone, Debug)]
pub struct ApplyStep {
    /// The number of its frame, which no other step of the same run has, below [`ERRORS`]. A body is the end of what the
    /// step said, 64 KiB at most; what it said of errors has a frame of its own.
    pub slot: u32,
    pub act: Act,
    /// Indices of changes.
    pub serves: Vec<usize>,
    /// Of a refresh: it runs only where one of these changes was applied. Empty for any other step.
    pub only_if_changed: Vec<usize>,
    /// A copy of what is there is kept first.
    pub keep: bool,
    /// Ids of resources that are owed a refresh from this step on.
    pub owes: Vec<String>,
    /// Ids of resources whose owed refresh is paid once this step is done.
    pub pays: Vec<String>,
    /// It runs only where that step of an earlier run has begun.
    pub only_if_begun: Option<(RunName, u32)>,
    /// It runs only where that change of the surveyed run still is as the run left it; else its status is [`MOVED`].
    pub unless_moved: Option<usize>,
    /// Its place in the journal, for people: the resources it serves.
    pub name: String,
}

impl ApplyStep {
    /// A step that is neither a refresh nor owes one.
    pub fn new(slot: u32, act: Act, serves: Vec<usize>, keep: bool) -> Self {
        Self {
            slot,
            act,
            serves,
            only_if_changed: vec![],
            keep,
            owes: vec![],
            pays: vec![],
            only_if_begun: None,
            unless_moved: None,
            name: String::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Act {
    Step(Step),
    /// Puts back what was kept before the step in `slot` of an earlier run.
    Restore {
        run: RunName,
        slot: u32,
        path: String,
    },
    /// Runs a program on what was kept before the step in `slot` of an earlier run, once `before` has said, for the undo
    /// of this in turn, what it is to that program now.
    RunOn {
        run: RunName,
        slot: u32,
        argv: Vec<String>,
        before: Vec<String>,
    },
}

impl ApplyPlan {
    /// The contents to be on the host before the script runs, each to be fed to [`receive`].
    pub fn ahead(&self) -> Vec<&Body> {
        let mut seen = BTreeSet::new();
        let bodies = self.steps.iter().filter_map(|s| body(&s.act));
        bodies.filter(|b| !inline(b) && seen.insert(&b.digest)).collect()
    }

    /// Of those that come last, those that no step serves together with another: one ruleset is made as one.
    fn held(&self) -> BTreeSet<usize> {
        let last: BTreeSet<usize> = self.last.iter().copied().collect();
        let mixed = |s: &&ApplyStep| s.serves.iter().any(|n| !last.contains(n));
        let shared: BTreeSet<usize> = self.steps.iter().filter(mixed).flat_map(|s| s.serves.iter().copied()).collect();
        last.difference(&shared).copied().collect()
    }

    /// The changes with steps of their own that `serves` come after: one without is applied as soon as those it
    /// needs are.
    fn needs(&self, serves: &[usize], with_steps: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut looked = BTreeSet::new();
        let mut open: Vec<usize> = serves.to_vec();
        while let Some(change) = open.pop() {
            for &need in self.changes.get(change).map_or(&[][..], |c| &c.needs) {
                if with_steps.contains(&need) {
                    found.insert(need);
                } else if looked.insert(need) {
                    open.push(need);
                }
            }
        }
        for own in serves {
            found.remove(own);
        }
        found
    }
}

fn body(act: &Act) -> Option<&Body> {
    match act {
        Act::Step(Step::ReplaceFile { body, .. }) => Some(body),
        Act::Step(Step::Run(command)) => command.stdin.as_ref(),
        _ => None,
    }
}

fn inline(body: &Body) -> bool {
    body.size <= INLINE && matches!(body.bytes, Bytes::Held(_))
}

/// The whole script: start frame, a frame a step, and `verify`'s frames from `first_verify_slot`.
pub fn script(plan: &ApplyPlan, verify: &ProbeScript, first_verify_slot: u32, nonce: &Nonce) -> Vec<u8> {
    // A subshell, for the connection's own shell is to keep neither functions nor traps. HUP stays ignored in what
    // it runs; PIPE is caught, which programs do not inherit.
    let mut out = format!("(\n{}trap '' HUP\ntrap : PIPE\n", functions());
    out.push_str(&plan.state_dir.locate());
    body_of(&mut out, plan, verify, first_verify_slot);
    out.push_str("exit 0\n)\n");
    super::script::whole(nonce, &out)
}

fn body_of(out: &mut String, plan: &ApplyPlan, verify: &ProbeScript, first_verify_slot: u32) {
    let (run, start) = (plan.run.as_str(), plan.start_slot);
    let survey = plan.survey.as_ref().map_or(String::new(), |of| format!("survey {of} >/dev/null\n"));
    let forget = plan.keep.map_or(String::new(), |k| {
        let days = k.days.map_or(String::new(), |d| d.to_string());
        format!("room={}\nforget {} {} '{days}' >/dev/null 2>&1\n", k.kib, run, k.runs)
    });
    let revert = plan.guard.as_ref().map(|g| g.revert(plan)).unwrap_or_default();
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>();
    let owner = plain(&plan.owner);
    let afresh = match plan.judges_afresh {
        true => format!("if [ -n \"$waited\" ]; then hand_over; e {start} {WAITED}; exit 0; fi\n"),
        false => String::new(),
    };
    let begins = match plan.stage {
        1 => format!("sweep\n{forget}{survey}r=$s/runs/{run}\n"),
        _ => {
            let room = plan.keep.map_or(String::new(), |k| format!("room={}\n", k.kib));
            format!(
                "{room}r=$s/runs/{run}\nif ! why=$(resume 2>&1); then printf %s \"$why\"; unlock; e {start} {NO_STATE}; exit 0; fi\n"
            )
        }
    };
    let _ = write!(
        out,
        "b {start}\nif ! why=$(prepare {run} 2>&1); then printf %s \"$why\"; e {start} {NO_STATE}; exit 0; fi\n\
         me=$(exec sh -c 'echo \"$PPID\"')\n\
         (umask 077; printf '%s %s\\n' \"$me\" \"$(birth \"$me\")\" >\"$s/runs/{run}/worker\")\n\
         if ! lock {} {} {}; then\n\
         if [ -n \"$held\" ]; then printf %s \"$held\"; e {start} {LOCKED}; else printf %s \"$why\"; e {start} {NO_STATE}; fi\n\
         exit 0\nfi\n\
         {afresh}{begins}umask 077\ntrap tidy EXIT\ntrap 'exit 143' INT TERM\n",
        word(&format!("{run} {owner}")),
        plan.lock_wait.as_secs(),
        word(&format!("(between two stages on {})", plain(&plan.host)))
    );
    out.push_str("if ! { reserve");
    // What an earlier stage has put there is replaced as a whole: a run that dies here is taken back by it.
    let put = |name: &str| if plan.stage == 1 { format!(">\"$r/{name}\"") } else { format!("| put {name}") };
    for (name, text) in [("record", &plan.record), ("looks", &looks(&plan.looks)), ("revert", &revert)] {
        if !text.is_empty() {
            let _ = write!(out, " &&\n{{ {}; }} {}", step::prints(text), put(name));
        }
    }
    let undo = if plan.stage == 1 { "rm -rf -- \"$r\"" } else { "rm -f -- \"$r\"/*.new" };
    let _ = writeln!(out, "; }} 2>/dev/null; then {undo}; full; e {start} {NO_STATE}; exit 0; fi");
    // Before anything is done, so that a run that dies has told of it as well.
    if let LedgerNotes::Lines(lines) = &plan.ledger
        && !lines.is_empty()
    {
        let own = plan.steps.iter().map(|s| (s.slot, &s.serves));
        let serves = plan.earlier.iter().map(|(slot, serves)| (*slot, serves)).chain(own);
        let serves: String = serves.map(|(slot, serves)| format!("{slot} {}\n", list(serves))).collect();
        let _ = writeln!(
            out,
            "untold=$({{ {{ {}; }} {} && {{ {}; }} {}; }} 2>&1) || rm -f \"$r/notes\"",
            step::prints(serves.as_bytes()),
            put("serves"),
            step::prints(lines),
            put("notes"),
        );
    }
    if !plan.ahead().is_empty() {
        out.push_str("known=$r/known\nprintf '' >\"$known\"\n");
    }
    if plan.steps.iter().any(|s| matches!(s.act, Act::Step(Step::Run(_) | Step::ReplaceFile { .. }))) {
        out.push_str("deadlines\nwatch >/dev/null 2>&1 &\nwatcher=$!\n");
    }
    out.push_str(&step::exact(plan));
    let _ = writeln!(out, "e {start} 0");
    for n in &plan.left {
        let _ = writeln!(out, "x{n}={n}");
    }
    for (n, because) in &plan.failed {
        let _ = writeln!(out, "x{n}={because}");
    }
    let with_steps = plan.steps.iter().flat_map(|s| s.serves.iter().copied());
    let with_steps = with_steps.chain(plan.left.iter().copied()).collect();
    let held = plan.held();
    let mut holds = false;
    let mut sure = step::sure(plan).into_iter();
    for step in &plan.steps {
        if let (Some(first), false) = (held.first(), holds || !step.serves.iter().all(|n| held.contains(n))) {
            holds = true;
            let held: Vec<usize> = held.iter().copied().collect();
            let _ = writeln!(out, "hold {first} '{}'", list(&held));
        }
        out.push_str(&sure.next().unwrap_or_default());
        one(out, plan, step, &with_steps);
    }
    for id in &plan.pays {
        let _ = writeln!(out, "pay {}", owed(id));
    }
    for (group, (changes, _)) in plan.looks.iter().enumerate() {
        let _ = writeln!(out, "note {group} '{}'", list(changes));
    }
    out.push_str("release\n");
    match &plan.ledger {
        LedgerNotes::Nothing => {}
        // The ledger is told once, at the end; of a run that dies before, its notes are read.
        _ if plan.more => {}
        LedgerNotes::Lines(lines) if lines.is_empty() => {}
        LedgerNotes::Lines(_) => {
            let _ = writeln!(
                out,
                "b {LEDGER}\n{{ if [ -e \"$r/notes\" ]; then ledger; else refuse \"$untold\"; fi; }} 2>&1\ne {LEDGER} $?"
            );
        }
        LedgerNotes::Back { run, changes } => {
            let news: Vec<usize> = changes.iter().map(|(_, new)| *new).collect();
            let _ = writeln!(out, "forgive {run} '{}'", list(&news));
            let changes: Vec<_> = changes.iter().map(|(old, new)| format!("{old}:{new}")).collect();
            let _ = writeln!(
                out,
                "if [ -e \"$s/runs/{run}/before\" ]; then\nb {LEDGER}\n{{ note_back {run} '{}' && ledger; }} 2>&1\ne {LEDGER} $?\nfi",
                changes.join(" ")
            );
        }
    }
    out.push_str("spent\n");
    out.push_str(&verify.frames(first_verify_slot));
    // What was nothing but a note leaves no run behind that anybody could ask for.
    if plan.record.is_empty() && plan.steps.is_empty() && plan.stage == 1 {
        out.push_str("rm -rf \"$r\"\n");
        return;
    }
    let _ = writeln!(out, "printf 'staged {}\\n' >>\"$r/journal\"", plan.stage);
    out.push_str(if plan.more { "hand_over\n" } else { "printf 'end\\n' >>\"$r/journal\"\n" });
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A function for each group, without the frames: what it prints does not differ between runs.
fn looks(looks: &[(Vec<usize>, ProbeScript)]) -> Vec<u8> {
    let looks = looks.iter().enumerate();
    let functions = looks.map(|(group, (_, probe))| format!("look_{group}() {{\n{}}}\n", probe.unframed()));
    functions.collect::<String>().into_bytes()
}

pub(super) fn functions() -> String {
    super::quote::uncommented(FUNCTIONS) + &super::quote::uncommented(super::ledger::COUNTED)
}

/// The name under which a refresh is owed.
fn owed(id: &str) -> String {
    crate::model::body::Digest::of(id.as_bytes()).as_str().to_owned()
}

fn one(out: &mut String, plan: &ApplyPlan, step: &ApplyStep, with_steps: &BTreeSet<usize>) {
    let slot = step.slot;
    let list = |of: &mut dyn Iterator<Item = usize>| of.map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let serves = list(&mut step.serves.iter().copied());
    let needs = list(&mut plan.needs(&step.serves, with_steps).into_iter());
    let changed = list(&mut step.only_if_changed.iter().copied());
    let begun = step.only_if_begun.as_ref().map_or(String::new(), |(run, slot)| format!("{run} {slot}"));
    let moved = step.unless_moved.map_or(String::new(), |change| change.to_string());
    let name = word(&visible(&step.name));
    let needed = word(&step::needed(&step.act, plan.step_deadline));
    let _ =
        write!(out, "if gate {slot} '{serves}' '{needs}' '{changed}' '{begun}' '{moved}' {name} {needed}; then\n{{ ");
    // What runs for long is not to be taken back while it does.
    let runs = step::deadline(&step.act).unwrap_or_default();
    let mut rearm = String::new();
    if let Some(guard) = plan.guard.as_ref().filter(|g| g.slots.contains(&slot)) {
        let _ = write!(out, "arm {} && ", step::seconds(guard.within.saturating_add(runs)));
        if !runs.is_zero() {
            rearm = format!("z=$?\narm {} || z=1\n(exit $z)\n", step::seconds(guard.within));
        }
    }
    for id in &step.owes {
        // What NUL cannot be in: ids are shown escaped.
        let _ = write!(out, "owe {} {} && ", owed(id), word(&id.replace('\0', "")));
    }
    let deadline = step::seconds(step::deadline(&step.act).unwrap_or(plan.step_deadline));
    // What the run keeps is for its user alone; what a step makes has the modes that it would have without trueup.
    let _ = writeln!(out, "(\numask 022\n{})\n{rearm}}} >>\"$o\" 2>>\"$o.err\"", step::text(plan, step));
    let paid: String = step.pays.iter().map(|id| format!("pay {}; ", owed(id))).collect();
    let _ = writeln!(out, "if fin {slot} $? '{serves}' {deadline}; then {paid}:; fi\nfi");
}

/// Who holds a host's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockOwner {
    pub pid: u32,
    pub run: String,
    /// As [`ApplyPlan::owner`] had it.
    pub owner: String,
}

impl LockOwner {
    /// From the body of a start frame whose status is [`LOCKED`].
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let mut fields = text.splitn(5, ' ');
        let pid = fields.next()?.parse().ok()?;
        let (_birth, _boot) = (fields.next()?, fields.next()?);
        Some(Self { pid, run: fields.next()?.to_owned(), owner: fields.next()?.trim_end().to_owned() })
    }
}

/// The change that a skipped step waited for, from its frame's body.
pub fn waited_for(body: &[u8]) -> Option<usize> {
    std::str::from_utf8(body).ok()?.trim().parse().ok()
}
