//! Where the time went, stage by stage, and which hosts were slowest.

use super::style::Style;
use crate::engine::outcome::HostReport;
use crate::engine::timings::Stage;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Hosts that are named for a stage, and below the table.
const SLOWEST: usize = 3;

/// The time of a whole run.
#[derive(Serialize, JsonSchema)]
pub struct RunTimings {
    /// From reading what was written to the last host's report, in milliseconds.
    total_ms: f64,
    /// Reading manifests, modules and the inventory, in milliseconds.
    load_ms: f64,
    /// Each stage that some host came through, in the order of a run.
    stages: Vec<StageTimings>,
    /// Each host's milliseconds, by stage.
    hosts: BTreeMap<String, BTreeMap<&'static str, f64>>,
}

#[derive(Serialize, JsonSchema)]
struct StageTimings {
    stage: &'static str,
    hosts: usize,
    median_ms: f64,
    max_ms: f64,
    /// The hosts it took longest on, the longest first.
    slowest: Vec<String>,
}

impl RunTimings {
    pub fn of(reports: &[HostReport], load: Duration, total: Duration) -> Self {
        let stages = Stage::ALL.iter().filter_map(|stage| {
            let mut took: Vec<(Duration, &str)> =
                reports.iter().filter_map(|r| Some((r.timings.of(*stage)?, r.host.as_str()))).collect();
            took.sort_by(|a, b| b.cmp(a));
            let (max, _) = took.first()?;
            let (median, _) = took.get(took.len() / 2)?;
            Some(StageTimings {
                stage: stage.name(),
                hosts: took.len(),
                median_ms: ms(*median),
                max_ms: ms(*max),
                slowest: took.iter().take(SLOWEST).map(|(_, h)| (*h).to_owned()).collect(),
            })
        });
        let hosts = reports.iter().map(|r| {
            let stages = Stage::ALL.iter().filter_map(|s| Some((s.name(), ms(r.timings.of(*s)?))));
            (r.host.clone(), stages.collect())
        });
        Self { total_ms: ms(total), load_ms: ms(load), stages: stages.collect(), hosts: hosts.collect() }
    }

    /// A table for people.
    pub fn text(&self, style: Style) -> String {
        let mut out =
            format!("\n{}\n", style.bold(&format!("{:<9}{:>11}{:>11}  slowest hosts", "stage", "median", "longest")));
        let _ = writeln!(out, "{:<9}{:>11}{:>11}", "load", show(self.load_ms), "");
        for s in &self.stages {
            let (median, max) = (show(s.median_ms), show(s.max_ms));
            let _ = writeln!(out, "{:<9}{median:>11}{max:>11}  {}", s.stage, s.slowest.join(", "));
        }
        let mut hosts: Vec<(f64, &str, &BTreeMap<&str, f64>)> =
            self.hosts.iter().map(|(h, stages)| (stages.values().sum(), h.as_str(), stages)).collect();
        hosts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        for (total, host, stages) in hosts.iter().take(SLOWEST) {
            let most = stages.iter().max_by(|a, b| a.1.total_cmp(b.1)).map_or("", |(stage, _)| stage);
            let _ = writeln!(out, "{host}: {}, most of it {most}", show(*total));
        }
        let _ = writeln!(out, "all: {}", show(self.total_ms));
        out
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}

fn show(ms: f64) -> String {
    if ms >= 1000.0 { format!("{:.2} s", ms / 1000.0) } else { format!("{ms:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::HostStatus;
    use crate::engine::timings::Timings;

    fn host(name: &str, connect: u64, probe: Option<u64>) -> HostReport {
        let mut timings = Timings::default();
        timings.add(Stage::Connect, Duration::from_millis(connect));
        if let Some(probe) = probe {
            timings.add(Stage::Probe, Duration::from_millis(probe));
        }
        HostReport { timings, ..HostReport::new(name.into(), HostStatus::InLine) }
    }

    #[test]
    fn each_stage_with_its_slowest_hosts() {
        let reports = [host("web1", 12, Some(30)), host("web2", 2400, None), host("web3", 14, Some(55))];
        let timings = RunTimings::of(&reports, Duration::from_millis(3), Duration::from_millis(2500));
        insta::assert_snapshot!(timings.text(Style::default()));
    }
}
