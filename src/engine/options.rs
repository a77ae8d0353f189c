//! How changes are applied.

use crate::model::run_name::RunName;
use crate::shell::apply::Keep;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Names this run on the hosts.
    pub run: RunName,
    /// Who runs it, for the lock on a host and its journal.
    pub owner: String,
    /// Seconds since 1970.
    pub started: u64,
    /// What is applied, for the journal: the manifest's path.
    pub source: String,
    /// By what name hosts know the project, for their ledgers; empty where there is none.
    pub project: String,
    pub reason: Option<String>,
    /// How long to wait for a host that another run holds.
    pub lock_wait: Duration,
    /// How long a host waits for a new connection to confirm a change that may cut the operator off.
    pub confirm_within: Duration,
    /// Whether that is asked for every change of the run, and not only for what is known to be part of a way in.
    pub confirm_all: bool,
    /// One step may take this long, where its type does not say otherwise.
    pub step_deadline: Duration,
    /// How much hosts keep, so that runs can be taken back.
    pub keep: Keep,
    /// Whether what was done to a host is taken back where the run fails on it.
    pub rollback_on_failure: bool,
}

/// How what has left the manifest is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Also what somebody else has changed since.
    pub force: bool,
}
