//! Plans and outcomes for machines. The shape is versioned: `trueup schema plan` prints it.

use super::timings::RunTimings;
use crate::engine::compare::Comparison;
use crate::engine::outcome::{HostReport, Totals, exit_code};
use crate::engine::rebuilt::{RebuiltRun, Unread};
use crate::store::history::record::Run;
use schemars::JsonSchema;
use serde::Serialize;

/// The shape's version.
pub const VERSION: u32 = 1;

/// What `plan --json`, `apply --json`, `forget --json` and `show RUN --json` print.
#[derive(Serialize, JsonSchema)]
pub struct Document<'a> {
    /// `trueup/plan`, `trueup/apply`, `trueup/forget` or `trueup/run`.
    pub kind: &'static str,
    /// Raised when a field changes its meaning or goes away; a new field does not raise it.
    pub version: u32,
    /// What the command exits with.
    pub exit_code: u8,
    pub totals: Totals,
    /// In the inventory's order.
    pub hosts: &'a [HostReport],
    /// Of `show RUN`: the run that it was. One that did not end has no hosts here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<&'a Run>,
    /// With `--timings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<&'a RunTimings>,
}

/// One JSON document on one run.
///
/// # Errors
/// None in practice: every key is text.
pub fn document(
    kind: &'static str,
    reports: &[HostReport],
    timings: Option<&RunTimings>,
) -> Result<String, serde_json::Error> {
    let totals = Totals::of(reports);
    serde_json::to_string_pretty(&Document {
        kind,
        version: VERSION,
        exit_code: exit_code(reports),
        totals,
        hosts: reports,
        run: None,
        timings,
    })
}

/// A run of the history as one JSON document.
///
/// # Errors
/// As [`document`].
pub fn run(run: &Run, reports: &[HostReport]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Document {
        kind: "trueup/run",
        version: VERSION,
        exit_code: run.ended.as_ref().map_or(1, |e| e.exit_code),
        totals: Totals::of(reports),
        hosts: reports,
        run: Some(run),
        timings: None,
    })
}

/// What `history --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct HistoryDocument<'a> {
    /// `trueup/history`.
    pub kind: &'static str,
    /// As [`Document::version`].
    pub version: u32,
    /// The newest first.
    pub runs: &'a [Run],
}

/// Runs of the history as one JSON document.
///
/// # Errors
/// As [`document`].
pub fn history(runs: &[Run]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&HistoryDocument { kind: "trueup/history", version: VERSION, runs })
}

/// What `history --from-hosts --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct RebuiltDocument<'a> {
    /// `trueup/history-from-hosts`.
    pub kind: &'static str,
    /// As [`Document::version`].
    pub version: u32,
    /// The newest first.
    pub runs: &'a [RebuiltRun],
    /// Runs that a host has kept and that cannot be read: host, run, why.
    pub unread: &'a [Unread],
}

/// Runs as their hosts tell of them, as one JSON document.
///
/// # Errors
/// As [`document`].
pub fn rebuilt(runs: &[RebuiltRun], unread: &[Unread]) -> Result<String, serde_json::Error> {
    let document = RebuiltDocument { kind: "trueup/history-from-hosts", version: VERSION, runs, unread };
    serde_json::to_string_pretty(&document)
}

/// What `diff RUN..RUN --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct ComparisonDocument<'a> {
    /// `trueup/diff`.
    pub kind: &'static str,
    /// As [`Document::version`].
    pub version: u32,
    pub before: &'a Run,
    pub after: &'a Run,
    #[serde(flatten)]
    pub comparison: &'a Comparison,
}

/// How two runs differ as one JSON document.
///
/// # Errors
/// As [`document`].
pub fn comparison(before: &Run, after: &Run, comparison: &Comparison) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&ComparisonDocument {
        kind: "trueup/diff",
        version: VERSION,
        before,
        after,
        comparison,
    })
}
