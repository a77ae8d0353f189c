//! Changes that may cut the operator off: the host takes them back by itself, unless a new connection confirms them.
//!
//! Before such a step the host sets itself a timer, of systemd where it is there and a process of its own elsewhere.
//! Under systemd a unit beside it does the same when the host starts again, for a timer does not outlive the host.
//! When it rings, and nobody has confirmed, it stops the run and takes back what the run has done so far, which is a
//! run of its own. Whether it is confirmed or taken back is decided by who makes the link `decided` first.

use super::{ApplyPlan, functions, step};
use crate::model::run_name::RunName;
use crate::shell::frame::Nonce;
use crate::shell::probe::ProbeScript;
use crate::shell::quote::word;
use crate::shell::state::StateDir;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// The status of a confirmation that comes too late: the host has begun to take it back.
pub const TOO_LATE: u8 = 1;

/// How a run is taken back where nobody confirms it.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The steps that may cut the operator off. Each sets the time anew.
    pub slots: BTreeSet<u32>,
    /// From the end of such a step until it is taken back.
    pub within: Duration,
    /// The run that takes it back.
    pub undo: Box<ApplyPlan>,
}

impl Guard {
    /// What the timer runs, by a plain `sh`.
    pub(super) fn revert(&self, plan: &ApplyPlan) -> Vec<u8> {
        let mut undo = (*self.undo).clone();
        undo.lock_wait = Duration::from_secs(30);
        // Nobody reads its frames.
        let nonce = Nonce::new([0; 16]);
        let mut out = format!("(\n{}trap '' HUP\ntrap : PIPE\n", functions());
        out.push_str(&plan.state_dir.locate());
        let _ = writeln!(out, "o=$s/runs/{0}\ndecide {0} {1} || exit 0", plan.run, undo.run);
        // A run that hangs because it was cut off itself must not hold the lock.
        out.push_str(
            "if read -r p born <\"$o/worker\" && [ \"$(birth \"$p\")\" = \"$born\" ]; then\n\
             kill \"$p\"; sleep 1; if [ \"$(birth \"$p\")\" = \"$born\" ]; then kill -9 \"$p\"; fi\nfi 2>/dev/null\n",
        );
        super::body_of(&mut out, &undo, &ProbeScript::default(), 0);
        let _ = write!(out, "unhook {}\nexit 0\n)\n", word(plan.run.as_str()));
        crate::shell::script::whole(&nonce, &out)
    }

    /// The longest until the host has taken it back, once it was cut off.
    pub fn at_most(&self, plan: &ApplyPlan) -> Duration {
        let guarded = plan.steps.iter().filter(|s| self.slots.contains(&s.slot));
        let longest = guarded.filter_map(|s| step::deadline(&s.act)).max().unwrap_or_default();
        let steps = self.undo.steps.iter().map(|s| step::deadline(&s.act).unwrap_or(Duration::from_secs(20)));
        self.within + longest + Duration::from_secs(10) + steps.sum::<Duration>().min(Duration::from_secs(120))
    }
}

/// A script that confirms a run, and with it those that nobody was left to confirm. Its one frame is `slot`: status 0, or [`TOO_LATE`].
pub fn confirm(run: &RunName, state_dir: &StateDir, slot: u32, nonce: &Nonce) -> Vec<u8> {
    let text = format!(
        "b {slot}\n(\n{}{}confirm {} || exit {TOO_LATE}\n\
         for d in \"$s\"/runs/*/; do\nif [ -f \"$d/revert\" ] && [ ! -L \"$d/decided\" ]; then d=${{d%/}}; confirm \"${{d##*/}}\"; fi\ndone\n\
         exit 0\n)\ne {slot} $?\n",
        functions(),
        state_dir.locate(),
        word(run.as_str())
    );
    crate::shell::script::whole(nonce, &text)
}
