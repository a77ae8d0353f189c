//! Where a host's time went.

use std::time::Duration;

/// A stretch of a host's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Resolving the name, TCP, the key exchange, checking the host's key; tries that failed included.
    Connect,
    /// Logging in and starting the shell.
    LogIn,
    /// Facts alone, where none were remembered or those that were had changed what is asked.
    Facts,
    /// On this machine: making the catalog.
    Compile,
    /// The probe, with the facts where both travelled together.
    Probe,
    /// On this machine: from what was seen to a plan.
    Diff,
    /// Contents, steps, and the second look.
    Apply,
}

impl Stage {
    pub const ALL: [Self; 7] =
        [Self::Connect, Self::LogIn, Self::Facts, Self::Compile, Self::Probe, Self::Diff, Self::Apply];

    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::LogIn => "log in",
            Self::Facts => "facts",
            Self::Compile => "compile",
            Self::Probe => "probe",
            Self::Diff => "diff",
            Self::Apply => "apply",
        }
    }
}

/// How long each stage took that a host came through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings([Option<Duration>; Stage::ALL.len()]);

impl Timings {
    /// Adds to what the stage took before.
    pub fn add(&mut self, stage: Stage, took: Duration) {
        if let Some(slot) = self.0.get_mut(stage as usize) {
            *slot = Some(slot.unwrap_or_default() + took);
        }
    }

    pub fn of(&self, stage: Stage) -> Option<Duration> {
        self.0.get(stage as usize).copied().flatten()
    }

    pub fn total(&self) -> Duration {
        self.0.iter().flatten().sum()
    }
}
