//! What happened to each host and each change.

use super::timings::Timings;
use crate::model::id::ResourceId;
use crate::plan::HostPlan;
use crate::plan::basis::Basis;
use crate::resources::difference::Property;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a run made of one host.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    pub host: String,
    #[serde(flatten)]
    pub status: HostStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<HostPlan>,
    /// Of an apply: the wave that the host was in, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// One for each change of the plan, in its order; empty where nothing was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ChangeResult>,
    /// Of an apply that was to go back where it fails, and has failed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolledBack>,
    /// Scripts sent and answered after the handshake.
    pub round_trips: u32,
    /// Bytes of those scripts, and of contents before they are compressed.
    pub bytes_sent: u64,
    #[serde(skip)]
    pub timings: Timings,
    /// What its plan was made from, where that is asked for.
    #[serde(skip)]
    pub basis: Option<Arc<Basis>>,
}

impl HostReport {
    /// Of a host that nothing was done on yet.
    pub fn new(host: String, status: HostStatus) -> Self {
        let timings = Timings::default();
        let (plan, wave, results, rolled_back, basis) = (None, None, vec![], None, None);
        Self { host, status, plan, wave, results, rolled_back, round_trips: 0, bytes_sent: 0, timings, basis }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum HostStatus {
    /// Nothing to do.
    InLine,
    /// There are changes, and they were not applied.
    Drift,
    /// Every change was applied, and seen to be in line.
    Applied,
    /// A resource failed, or could not be judged.
    Failed,
    /// What was written is wrong for this host; nothing was done there. The findings as they are shown to people.
    Invalid { findings: Vec<String> },
    /// The host could not be spoken with, or the connection was lost.
    Unreachable { reason: String, help: Option<String> },
    /// No new connection has confirmed a change in time, so that the host has taken it back by itself.
    CutOff { reason: String },
    /// Its changes are applied, or there were none, and a check says that it is not well.
    Unhealthy {
        check: String,
        /// What the check said last.
        output: String,
    },
    /// Another run holds the host.
    Locked { by: String },
    /// It is not the machine any more that the saved plan was made for, so nothing was done. What is different, a line each.
    OtherHost { facts: Vec<String> },
    /// It was never started, because the run was stopped before.
    NotStarted {
        /// Why it was stopped.
        #[serde(default)]
        reason: String,
    },
}

impl HostStatus {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::InLine => "in line",
            Self::Drift => "drift",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Invalid { .. } => "not judged",
            Self::Unreachable { .. } => "unreachable",
            Self::CutOff { .. } => "cut off",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Locked { .. } => "locked",
            Self::OtherHost { .. } => "another host",
            Self::NotStarted { .. } => "not started",
        }
    }

    /// Whether it counts as failed for what a run bears.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::InLine | Self::Drift | Self::Applied | Self::NotStarted { .. } => false,
            Self::Failed
            | Self::Invalid { .. }
            | Self::Unreachable { .. }
            | Self::CutOff { .. }
            | Self::Unhealthy { .. }
            | Self::Locked { .. }
            | Self::OtherHost { .. } => true,
        }
    }
}

/// What came of taking back what a run had done to a host before it failed there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The run that has taken it back, which can be taken back in turn.
    pub run: String,
    /// One for each change that was taken back, or should have been.
    pub results: Vec<ChangeResult>,
    /// What stays, for there is no way back from it: what, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<(String, String)>,
    /// Why nothing was taken back, or it is not known whether it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeResult {
    pub id: ResourceId,
    #[serde(flatten)]
    pub status: ChangeStatus,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ChangeStatus {
    /// Done, and seen to be in line now where that can be seen.
    Applied,
    /// A step failed: its exit status, and the end of what it said.
    Failed { status: u8, output: String },
    /// Its steps went well, and yet the host is not in line.
    NotInLine { left: Vec<Property>, reason: Option<String> },
    /// Done, and undone by another change of the same run: the two are never both in line.
    Undone {
        /// One of these has done it.
        by: Vec<ResourceId>,
        left: Vec<Property>,
    },
    /// The run ended before it was decided.
    NotReached,
    /// Not done, because what it comes after was not.
    Skipped { because: ResourceId },
    /// A refresh that nothing asked for in the end.
    NotNeeded,
    /// There is no way back from it, so a rollback leaves it.
    Stays,
    /// The connection was lost before its result came.
    Unsettled,
    /// The run was killed on the host before this was done.
    Died,
    /// Done, and taken back by the host, because no new connection has confirmed it.
    TakenBack,
    /// Left as it is, because something else has touched it since.
    Moved,
}

impl ChangeStatus {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed { .. } => "failed",
            Self::NotInLine { .. } => "not in line",
            Self::Undone { .. } => "undone",
            Self::NotReached => "not reached",
            Self::Skipped { .. } => "skipped",
            Self::NotNeeded => "not needed",
            Self::Stays => "stays",
            Self::Unsettled => "unsettled",
            Self::Died => "died",
            Self::TakenBack => "taken back",
            Self::Moved => "moved",
        }
    }

    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Applied | Self::NotNeeded | Self::Stays)
    }
}

/// Hosts by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Totals {
    pub hosts: usize,
    pub in_line: usize,
    pub drift: usize,
    pub applied: usize,
    pub failed: usize,
    pub invalid: usize,
    pub unreachable: usize,
    pub not_started: usize,
}

impl Totals {
    pub fn of(reports: &[HostReport]) -> Self {
        let mut t = Self { hosts: reports.len(), ..Self::default() };
        for report in reports {
            *match report.status {
                HostStatus::InLine => &mut t.in_line,
                HostStatus::Drift => &mut t.drift,
                HostStatus::Applied => &mut t.applied,
                HostStatus::Failed
                | HostStatus::CutOff { .. }
                | HostStatus::Unhealthy { .. }
                | HostStatus::Locked { .. }
                | HostStatus::OtherHost { .. } => &mut t.failed,
                HostStatus::Invalid { .. } => &mut t.invalid,
                HostStatus::Unreachable { .. } => &mut t.unreachable,
                HostStatus::NotStarted { .. } => &mut t.not_started,
            } += 1;
        }
        t
    }
}

/// The exit code of a plan or an apply: the highest that holds.
///
/// | code | meaning |
/// |---|---|
/// | 0 | in line; all applied |
/// | 1 | an error before any host was judged |
/// | 2 | drift (of a plan alone) |
/// | 3 | a resource failed or could not be judged on some host |
/// | 4 | some host was unreachable |
pub fn exit_code(reports: &[HostReport]) -> u8 {
    let totals = Totals::of(reports);
    let judged = totals.in_line + totals.drift + totals.applied + totals.failed;
    if totals.unreachable > 0 {
        4
    } else if totals.failed > 0 || totals.not_started > 0 || (totals.invalid > 0 && judged > 0) {
        3
    } else if totals.drift > 0 {
        2
    } else {
        u8::from(totals.invalid > 0)
    }
}
