//! What has left the manifest, for a person at a terminal.

use super::style::Style;
use super::words::{clean, named};
use crate::engine::outcome::HostReport;
use crate::plan::orphan::{Fate, Orphan};
use std::fmt::Write as _;

/// Orphans by what becomes of them; one that is the same on many hosts stands once.
pub(super) fn listed(out: &mut String, reports: &[HostReport], style: Style) {
    let removed = |o: &Orphan| (o.fate == Fate::Remove).then(String::new);
    let released = |o: &Orphan| match &o.fate {
        Fate::Release(why) => Some(format!(": {}", clean(why))),
        _ => None,
    };
    let settled = |o: &Orphan| match &o.fate {
        Fate::Released(why) => Some(format!(": {}", clean(why))),
        _ => None,
    };
    let kept = |o: &Orphan| match &o.fate {
        Fate::Keep(why) => Some(format!(": {}", clean(why))),
        _ => None,
    };
    section(
        out,
        reports,
        style,
        "no longer in the manifest; `apply --prune` removes them, `trueup forget` releases them:",
        removed,
    );
    section(out, reports, style, "no longer in the manifest, and not trueup's to remove:", released);
    section(out, reports, style, "no longer in the manifest, and released as they are:", settled);
    section(out, reports, style, "no longer in the manifest, and left alone:", kept);
}

fn section(
    out: &mut String,
    reports: &[HostReport],
    style: Style,
    heading: &str,
    of: impl Fn(&Orphan) -> Option<String>,
) {
    let mut lines: Vec<(String, Vec<&str>)> = vec![];
    let mut numbers = std::collections::HashMap::new();
    for plan in reports.iter().filter_map(|r| r.plan.as_ref()) {
        for orphan in &plan.orphans {
            let Some(why) = of(orphan) else { continue };
            let place = orphan.place.as_ref().map(|p| format!("  {}", style.dim(&clean(p)))).unwrap_or_default();
            let line = format!("    {}{why}{place}", clean(&orphan.id));
            let number = *numbers.entry(line.clone()).or_insert(lines.len());
            if number == lines.len() {
                lines.push((line, vec![]));
            }
            if let Some((_, hosts)) = lines.get_mut(number) {
                hosts.push(&plan.host);
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", style.yellow(heading));
    for (line, hosts) in &lines {
        let on = if reports.len() > 1 { format!("  {}", style.dim(&named(hosts))) } else { String::new() };
        let _ = writeln!(out, "{line}{on}");
    }
    out.push('\n');
}

/// `, 2 orphans`, on a host's line.
pub(super) fn counted(report: &HostReport, style: Style) -> String {
    let stays = |o: &&Orphan| !matches!(o.fate, Fate::Released(_));
    match report.plan.as_ref().map_or(0, |p| p.orphans.iter().filter(stays).count()) {
        0 => String::new(),
        1 => format!(", {}", style.yellow("1 orphan")),
        n => format!(", {}", style.yellow(&format!("{n} orphans"))),
    }
}
