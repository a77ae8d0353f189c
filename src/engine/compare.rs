//! How two runs differ: which hosts, which changes, and what came of them. Pure.

use super::outcome::{ChangeStatus, HostReport, HostStatus};
use crate::model::id::ResourceId;
use crate::resources::difference::Difference;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;

/// Two runs, host by host.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// Hosts that differ, those of the first run before those that are only in the second.
    pub hosts: Vec<HostComparison>,
    /// How many hosts do not.
    pub same: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HostComparison {
    pub host: String,
    /// What became of it in the first run; none where it was not in that.
    pub before: Option<HostStatus>,
    pub after: Option<HostStatus>,
    /// Changes that differ.
    pub changes: Vec<ChangeComparison>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ChangeComparison {
    pub id: ResourceId,
    /// None where the run did not plan it.
    pub before: Option<Planned>,
    pub after: Option<Planned>,
}

/// A change in one run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Planned {
    pub difference: Difference,
    /// What came of it; none where it was not applied.
    pub result: Option<ChangeStatus>,
}

impl Comparison {
    pub fn of(before: &[HostReport], after: &[HostReport]) -> Self {
        let (first, second) = (by_host(before), by_host(after));
        let mut hosts = vec![];
        let mut same = 0;
        let only_after = after.iter().filter(|r| !first.contains_key(r.host.as_str()));
        for report in before.iter().chain(only_after) {
            let host = report.host.as_str();
            let (a, b) = (first.get(host).copied(), second.get(host).copied());
            let changes = changes(a, b);
            if changes.is_empty() && a.map(|r| &r.status) == b.map(|r| &r.status) {
                same += 1;
            } else {
                let status = |r: Option<&HostReport>| r.map(|r| r.status.clone());
                hosts.push(HostComparison { host: host.to_owned(), before: status(a), after: status(b), changes });
            }
        }
        Self { hosts, same }
    }
}

fn by_host(reports: &[HostReport]) -> HashMap<&str, &HostReport> {
    reports.iter().map(|r| (r.host.as_str(), r)).collect()
}

fn changes(before: Option<&HostReport>, after: Option<&HostReport>) -> Vec<ChangeComparison> {
    let (first, second) = (planned(before), planned(after));
    let in_second: HashMap<&ResourceId, &Planned> = second.iter().map(|(id, p)| (*id, p)).collect();
    let in_first: HashMap<&ResourceId, &Planned> = first.iter().map(|(id, p)| (*id, p)).collect();
    let mut out = vec![];
    for (id, _) in first.iter().chain(second.iter().filter(|(id, _)| !in_first.contains_key(id))) {
        let (a, b) = (in_first.get(id).copied(), in_second.get(id).copied());
        if a != b {
            out.push(ChangeComparison { id: (*id).clone(), before: a.cloned(), after: b.cloned() });
        }
    }
    out
}

fn planned(report: Option<&HostReport>) -> Vec<(&ResourceId, Planned)> {
    let Some((report, plan)) = report.and_then(|r| Some((r, r.plan.as_ref()?))) else { return vec![] };
    let results = report.results.iter().map(|r| Some(&r.status)).chain(std::iter::repeat(None));
    let both = plan.changes.iter().zip(results);
    both.map(|(c, result)| (&c.id, Planned { difference: c.difference.clone(), result: result.cloned() })).collect()
}
