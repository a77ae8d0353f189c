//! What a run came to: a line a host, and the totals.

use super::orphans;
use super::style::Style;
use super::words::clean;
use crate::engine::outcome::{ChangeStatus, HostReport, HostStatus, Totals};
use crate::resources::difference::Action;
use std::fmt::Write as _;

/// A line a host, and the totals.
pub(super) fn summary(out: &mut String, reports: &[HostReport], style: Style) {
    let width = reports.iter().map(|r| r.host.chars().count()).max().unwrap_or(0);
    for report in reports {
        let pad = " ".repeat(width - report.host.chars().count());
        let _ = writeln!(
            out,
            "{}{pad}  {}",
            style.bold(&report.host),
            status(report, style) + &orphans::counted(report, style)
        );
    }
    let goes_back = reports.iter().any(goes_back);
    let _ = writeln!(out, "\n{}", totals(&Totals::of(reports), goes_back, style));
}

/// What became of a failed host's changes.
fn rolled_back(report: &HostReport, style: Style) -> String {
    let Some(rolled) = &report.rolled_back else { return String::new() };
    let failed = rolled.results.iter().filter(|r| r.status.is_failure()).count();
    if rolled.reason.is_some() || failed > 0 || !rolled.stays.is_empty() {
        return style.red("; not all of it is taken back");
    }
    if rolled.results.is_empty() { "; there was nothing to take back".into() } else { style.green("; taken back") }
}

/// One line on one host.
fn status(report: &HostReport, style: Style) -> String {
    format!("{}{}", came_to(report, style), rolled_back(report, style))
}

fn came_to(report: &HostReport, style: Style) -> String {
    let in_line = report.plan.as_ref().map_or(0, |p| p.in_line);
    let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    let planned = report.plan.as_ref().map_or(0, |p| p.changes.len());
    let bad = report.plan.as_ref().map_or(0, |p| p.unjudged.len() + p.blocked.len());
    let unjudged = if bad > 0 { format!(", {}", style.red(&format!("{bad} cannot be judged"))) } else { String::new() };
    match &report.status {
        HostStatus::InLine if goes_back(report) => style.yellow("nothing of it can be taken back"),
        HostStatus::InLine => style.green(&format!("in line ({})", count(in_line, "resource"))),
        HostStatus::Drift if goes_back(report) => {
            let changes = report.plan.iter().flat_map(|p| &p.changes);
            let stay = changes.filter(|c| !c.irreversible.is_empty()).count();
            let those = if stay > 0 { format!(", {stay} of which cannot be") } else { String::new() };
            style.yellow(&format!("{} to be taken back{those}", count(planned, "change")))
        }
        HostStatus::Drift if !report.results.is_empty() => {
            let done = report.results.iter().filter(|r| r.status == ChangeStatus::Applied).count();
            format!(
                "{}, {}",
                count(done, "change") + " applied",
                style.yellow("drift that the plan does not hold is left")
            )
        }
        HostStatus::Drift => {
            let later = report.plan.as_ref().map_or(0, |p| p.later.len());
            let later = if later > 0 { format!(", {later} decided later") } else { String::new() };
            format!("{}{later}, {in_line} in line", style.yellow(&count(planned, "change")))
        }
        HostStatus::Applied => {
            let of = |status: ChangeStatus| report.results.iter().filter(|r| r.status == status).count();
            let (done, stays) = (of(ChangeStatus::Applied), of(ChangeStatus::Stays));
            match (goes_back(report), stays) {
                (false, _) => style.green(&format!("{} applied, all in line now", count(done, "change"))),
                (true, 0) => style.green(&format!("{} taken back", count(done, "change"))),
                (true, _) => {
                    let stays = style
                        .yellow(&format!("{stays} cannot be undone and stay{}", if stays == 1 { "s" } else { "" }));
                    format!("{}, {stays}", style.green(&format!("{} taken back", count(done, "change"))))
                }
            }
        }
        HostStatus::Failed if report.results.is_empty() => {
            format!("{}, {in_line} in line{unjudged}", style.yellow(&count(planned, "change")))
        }
        HostStatus::Failed => {
            let of = |f: &dyn Fn(&ChangeStatus) -> bool| report.results.iter().filter(|r| f(&r.status)).count();
            let applied = of(&|s| matches!(s, ChangeStatus::Applied));
            let skipped = of(&|s| matches!(s, ChangeStatus::Skipped { .. }));
            let failed = of(&ChangeStatus::is_failure) - skipped;
            let done = if goes_back(report) { "taken back" } else { "applied" };
            format!("{applied} {done}, {}, {skipped} skipped{unjudged}", style.red(&format!("{failed} failed")))
        }
        HostStatus::Invalid { .. } => style.red("not judged: the manifest is wrong for it"),
        HostStatus::Unreachable { .. } if report.results.is_empty() => style.red("unreachable"),
        HostStatus::Unreachable { .. } => {
            let done = report.results.iter().filter(|r| r.status == ChangeStatus::Applied).count();
            style.red(&format!("lost after {}", count(done, "applied change")))
        }
        HostStatus::CutOff { reason } => {
            let stays = match report.results.iter().filter(|r| r.status == ChangeStatus::Applied).count() {
                0 => String::new(),
                1 => "; 1 other change stays".to_owned(),
                n => format!("; {n} other changes stay"),
            };
            style.red(&format!("taken back by the host: {}{stays}", clean(reason)))
        }
        HostStatus::Unhealthy { .. } => {
            let done = report.results.iter().filter(|r| r.status == ChangeStatus::Applied).count();
            format!("{} applied, {}", count(done, "change"), style.red("and it is not well"))
        }
        HostStatus::Locked { .. } => style.red("locked, nothing was done"),
        HostStatus::OtherHost { .. } => style.red("another host than planned for, nothing was done"),
        HostStatus::NotStarted { reason } if reason.is_empty() => style.yellow("not started"),
        HostStatus::NotStarted { reason } => style.yellow(&format!("not started: {reason}")),
    }
}

/// `10 hosts: 8 in line, 2 with drift`.
fn totals(t: &Totals, goes_back: bool, style: Style) -> String {
    let noun = if t.hosts == 1 { "host" } else { "hosts" };
    format!("{} {noun}: {}", t.hosts, counts(t, goes_back, style))
}

/// Whether what is planned for a host is to take a run back.
fn goes_back(report: &HostReport) -> bool {
    report.plan.iter().any(|p| p.changes.iter().any(|c| c.difference.action == Action::Restore))
}

/// `8 in line, 2 with drift`.
pub(super) fn counts(t: &Totals, goes_back: bool, style: Style) -> String {
    let (drift, applied) =
        if goes_back { ("to be taken back", "taken back") } else { ("with drift", "brought in line") };
    let mut parts = vec![];
    let mut part = |n: usize, text: &str, paint: &dyn Fn(&str) -> String| {
        if n > 0 {
            parts.push(paint(&format!("{n} {text}")));
        }
    };
    part(t.in_line, "in line", &|s| style.green(s));
    part(t.applied, applied, &|s| style.green(s));
    part(t.drift, drift, &|s| style.yellow(s));
    part(t.failed, "failed", &|s| style.red(s));
    part(t.invalid, "not judged", &|s| style.red(s));
    part(t.unreachable, "unreachable", &|s| style.red(s));
    part(t.not_started, "not started", &|s| style.yellow(s));
    parts.join(", ")
}
