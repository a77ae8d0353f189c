//! Plans and outcomes for machines. The shape is versioned: `trueup schema plan` prints it.

use super::timings::RunTimings;
use crate::engine::outcome::{HostReport, Totals, exit_code};
use schemars::JsonSchema;
use serde::Serialize;

/// The shape's version.
pub const VERSION: u32 = 1;

/// What `plan --json` and `apply --json` print.
#[derive(Serialize, JsonSchema)]
pub struct Document<'a> {
    /// `trueup/plan` or `trueup/apply`.
    pub kind: &'static str,
    /// Raised when a field changes its meaning or goes away; a new field does not raise it.
    pub version: u32,
    /// What the command exits with.
    pub exit_code: u8,
    pub totals: Totals,
    /// In the inventory's order.
    pub hosts: &'a [HostReport],
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
        timings,
    })
}
