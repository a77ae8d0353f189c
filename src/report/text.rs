//! Plans and outcomes for a person at a terminal.

use super::orphans;
use super::style::Style;
use super::summary::summary;
use super::words::{self, clean, named};
use crate::engine::outcome::{ChangeStatus, HostReport, HostStatus};
use crate::engine::stages::listed as ids;
use crate::model::id::ResourceId;
use crate::plan::{Change, HostPlan};
use crate::resources::difference::{Action, Shown, TextChange};
use similar::{ChangeTag, TextDiff};
use std::collections::HashMap;
use std::fmt::Write as _;

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub style: Style,
    /// Line by line differences of files.
    pub diff: bool,
    /// Without what a plan would change: the summary alone.
    pub quiet: bool,
}

/// Lines of one text difference that are shown.
const DIFF_LINES: usize = 120;

/// All hosts' plans: each change once with the hosts it is for, then a line a host, then the totals.
pub fn plan(reports: &[HostReport], options: &Options) -> String {
    let mut out = String::new();
    if !options.quiet {
        changes(&mut out, reports, options, |_| true);
        later(&mut out, reports, options.style);
        guards(&mut out, reports, options.style);
        orphans::listed(&mut out, reports, options.style);
    }
    trouble(&mut out, reports, options.style);
    summary(&mut out, reports, options.style);
    out
}

/// The changes alone, of a run that applied them unasked.
pub fn changes_of(reports: &[HostReport], options: &Options) -> String {
    let mut out = String::new();
    if !options.quiet {
        changes(&mut out, reports, options, |_| true);
        orphans::listed(&mut out, reports, options.style);
    }
    out
}

/// The changes that no plan could show, for another change has brought them about.
pub fn brought_changes(reports: &[HostReport], options: &Options) -> String {
    let mut out = String::new();
    if !options.quiet {
        changes(&mut out, reports, options, |c| !c.brought_by.is_empty());
    }
    match out.is_empty() {
        true => out,
        false => format!("{}\n{out}", options.style.dim("found after a stage, and changed as well:")),
    }
}

/// What became of an apply: failures whole, then a line a host, then the totals.
pub fn outcome(reports: &[HostReport], options: &Options) -> String {
    let mut out = String::new();
    failures(&mut out, reports, options.style);
    not_rolled_back(&mut out, reports, options.style);
    trouble(&mut out, reports, options.style);
    summary(&mut out, reports, options.style);
    out
}

/// Changes grouped by what they come to: one that is the same on many hosts is shown once.
fn changes(out: &mut String, reports: &[HostReport], options: &Options, which: impl Fn(&Change) -> bool) {
    let mut order: Vec<String> = vec![];
    let mut hosts: HashMap<String, Vec<&str>> = HashMap::new();
    let mut heads: HashMap<String, (String, String)> = HashMap::new();
    for plan in reports.iter().filter_map(|r| r.plan.as_ref()) {
        for change in plan.changes.iter().filter(|c| which(c)) {
            let (head, body) = (head(change, options.style), body(plan, change, options));
            let key = format!("{head}\n{body}");
            let list = hosts.entry(key.clone()).or_insert_with(|| {
                order.push(key.clone());
                vec![]
            });
            list.push(&plan.host);
            heads.entry(key).or_insert((head, body));
        }
    }
    for key in &order {
        let (Some((head, body)), Some(hosts)) = (heads.get(key), hosts.get(key)) else { continue };
        let on = if reports.len() > 1 { format!("  {}", options.style.dim(&named(hosts))) } else { String::new() };
        let _ = writeln!(out, "{head}{on}\n{body}");
    }
}

/// What is in sync, or cannot be judged, until a change before it is made: by that change.
fn later(out: &mut String, reports: &[HostReport], style: Style) {
    let mut groups: Vec<(String, Vec<&str>)> = vec![];
    for plan in reports.iter().filter_map(|r| r.plan.as_ref()) {
        let mut by_cause: Vec<(&ResourceId, Vec<String>)> = vec![];
        for later in &plan.later {
            let id = later.id.to_string();
            match by_cause.iter_mut().find(|(after, _)| **after == later.after) {
                Some((_, ids)) => ids.push(id),
                None => by_cause.push((&later.after, vec![id])),
            }
        }
        for (after, ids) in by_cause {
            let more = ids.len().saturating_sub(words::NAMED);
            let mut text = ids.iter().take(words::NAMED).cloned().collect::<Vec<_>>().join(", ");
            if more > 0 {
                let _ = write!(text, ", … {more} more");
            }
            let line = format!("{}  {text}", style.dim(&format!("? decided after {after}:")));
            match groups.iter_mut().find(|(known, _)| *known == line) {
                Some((_, hosts)) => hosts.push(&plan.host),
                None => groups.push((line, vec![&plan.host])),
            }
        }
    }
    for (line, hosts) in &groups {
        let on = if reports.len() > 1 { format!("  {}", style.dim(&named(hosts))) } else { String::new() };
        let _ = writeln!(out, "{line}{on}");
    }
    let plans = reports.iter().filter_map(|r| r.plan.as_ref());
    let parts: Vec<&str> = plans.filter(|p| p.is_part).map(|p| p.host.as_str()).collect();
    if !parts.is_empty() {
        let on = if reports.len() > 1 { format!("  {}", style.dim(&named(&parts))) } else { String::new() };
        let _ = writeln!(out, "{}{on}", style.dim("? more is decided once all of this is in sync"));
    }
    if !groups.is_empty() || !parts.is_empty() {
        out.push('\n');
    }
}

fn head(change: &Change, style: Style) -> String {
    let (sign, id) = (change.difference.action, change.id.to_string());
    let line = match sign {
        Action::Create => style.green(&format!("+ {id}")),
        Action::Update => style.yellow(&format!("~ {id}")),
        Action::Remove => style.red(&format!("- {id}")),
        Action::Run => style.cyan(&format!("> {id}")),
        Action::Refresh => style.cyan(&format!("↻ {id}")),
        Action::Restore => style.yellow(&format!("< {id}")),
        Action::Forget => style.dim(&format!("released {id}")),
    };
    let line = if change.departed { format!("{line}  {}", style.dim("no longer in the manifest")) } else { line };
    let name = change.name.as_ref().map(|n| format!("  {}", style.dim(&format!("“{}”", n.escape_debug()))));
    format!("{line}{}", name.unwrap_or_default())
}

fn body(plan: &HostPlan, change: &Change, options: &Options) -> String {
    let style = options.style;
    let mut out = String::new();
    let difference = &change.difference;
    for property in &difference.properties {
        let line = match (&property.from, &property.to) {
            (Shown::Absent, to) => format!("{}: {to}", property.name),
            (from, to) => format!("{}: {from} → {to}", property.name),
        };
        let _ = writeln!(out, "    {line}");
    }
    let causes: Vec<String> =
        change.refreshed_by.iter().filter_map(|n| plan.changes.get(*n)).map(|c| c.id.to_string()).collect();
    if !causes.is_empty() {
        let _ = writeln!(out, "    refreshed by {}", causes.join(", "));
    }
    if let Some(after) = &change.decided_after {
        let _ = writeln!(out, "    {}", style.dim(&format!("decided after {after}")));
    }
    if !change.brought_by.is_empty() {
        let _ = writeln!(out, "    {}", style.dim(&format!("brought by {}", ids(&change.brought_by))));
    }
    if let Some(text) = difference.text.as_ref().filter(|_| options.diff) {
        out.push_str(&text_diff(text, style));
    }
    for warning in &difference.warnings {
        let _ = writeln!(out, "    {}", style.yellow(&format!("! {}", clean(warning))));
    }
    if change.commit_confirm {
        let text = "! could cut you off: the host takes it back by itself unless a new connection confirms it";
        let _ = writeln!(out, "    {}", style.yellow(text));
    }
    for why in &change.irreversible {
        let _ = writeln!(out, "    {}", style.yellow(&format!("! cannot be undone: {}", clean(why))));
    }
    out
}

/// A unified difference with three lines around each change.
fn text_diff(text: &TextChange, style: Style) -> String {
    let diff = TextDiff::from_lines(&text.before, &text.after);
    // It may be all that two lines differ by.
    let ends_differ = !text.before.is_empty() && text.before.ends_with('\n') != text.after.ends_with('\n');
    let mut lines = vec![];
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        lines.push(style.cyan(&format!("      {}", hunk.header())));
        for change in hunk.iter_changes() {
            let line = words::line(change.value().trim_end_matches('\n'));
            lines.push(match change.tag() {
                ChangeTag::Delete => style.red(&format!("      -{line}")),
                ChangeTag::Insert => style.green(&format!("      +{line}")),
                ChangeTag::Equal => format!("       {line}"),
            });
            if ends_differ && change.missing_newline() {
                lines.push(style.dim("       (without a line break at its end)"));
            }
        }
    }
    let more = lines.len().saturating_sub(DIFF_LINES);
    lines.truncate(DIFF_LINES);
    if more > 0 {
        lines.push(style.dim(&format!("      … {more} more lines")));
    }
    lines.iter().map(|l| format!("{l}\n")).collect()
}

/// Foreign commands that a plan runs or brings with it, each once.
fn guards(out: &mut String, reports: &[HostReport], style: Style) {
    let plans = || reports.iter().filter_map(|r| r.plan.as_ref());
    let guards = plans().flat_map(|p| p.guards.iter().cloned()).collect();
    listed(out, "run while planning, to decide (guards of exec):", guards, style);
    let health = plans().flat_map(|p| p.health.iter().map(|c| c.asks.to_string())).collect();
    listed(out, "asked of a host after its changes (health):", health, style);
}

fn listed(out: &mut String, heading: &str, mut lines: Vec<String>, style: Style) {
    lines.sort_unstable();
    lines.dedup();
    if !lines.is_empty() {
        let _ = writeln!(out, "{}", style.dim(heading));
        for line in lines {
            let _ = writeln!(out, "    {}", clean(&line));
        }
        out.push('\n');
    }
}

/// What stands in the way: unreachable hosts, findings, resources that cannot be judged.
fn trouble(out: &mut String, reports: &[HostReport], style: Style) {
    let mut findings: Vec<(&str, Vec<&str>)> = vec![];
    // Where one host is in the way to many, it is told once.
    let mut unreachable: HashMap<(&str, &Option<String>), Vec<&str>> = HashMap::new();
    for report in reports {
        if let HostStatus::Unreachable { reason, help } = &report.status {
            unreachable.entry((reason, help)).or_default().push(&report.host);
        }
    }
    for report in reports {
        let host = style.bold(&report.host);
        match &report.status {
            HostStatus::Invalid { findings: found } => {
                for text in found {
                    match findings.iter_mut().find(|(t, _)| t == text) {
                        Some((_, hosts)) => hosts.push(&report.host),
                        None => findings.push((text, vec![&report.host])),
                    }
                }
            }
            HostStatus::Unreachable { reason, help } => {
                if let Some(hosts) = unreachable.remove(&(reason.as_str(), help)) {
                    let host = if hosts.len() > 1 { style.bold(&named(&hosts)) } else { host.clone() };
                    let _ = writeln!(out, "{} {host}: {}", style.red("unreachable"), clean(reason));
                    if let Some(help) = help {
                        let _ = writeln!(out, "    {help}");
                    }
                }
            }
            HostStatus::Unhealthy { check, output } => {
                let _ = writeln!(out, "{} {host}: {}", style.red("unhealthy"), clean(check));
                for line in output.lines() {
                    let _ = writeln!(out, "    {}", clean(line));
                }
            }
            HostStatus::Locked { by } => {
                let _ = writeln!(
                    out,
                    "{} {host}: another apply holds it: {}\n    wait for it with --lock-timeout SECONDS",
                    style.red("locked"),
                    clean(by)
                );
            }
            HostStatus::OtherHost { facts } => {
                let _ = writeln!(
                    out,
                    "{} {host}: it is not the host any more that the plan was made for: {}",
                    style.red("refused"),
                    clean(&facts.join("; "))
                );
            }
            _ => {}
        }
        for warning in report.plan.iter().flat_map(|p| &p.warnings) {
            let lines: Vec<String> = warning.trim_end().lines().map(words::line).collect();
            let _ = writeln!(out, "{} {host}: {}", style.yellow("warning"), lines.join("\n"));
        }
        for unjudged in report.plan.iter().flat_map(|p| &p.unjudged) {
            let place = unjudged.place.as_ref().map(|p| format!("  {p}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "{} {host}: {}{}",
                style.red("cannot be brought in line"),
                unjudged.id,
                style.dim(&place)
            );
            let _ = writeln!(out, "    {}", clean(&unjudged.reason));
        }
        for blocked in report.plan.iter().flat_map(|p| &p.blocked) {
            let _ =
                writeln!(out, "{} {host}: {} waits for {}", style.yellow("left alone"), blocked.id, blocked.because);
        }
    }
    for (text, hosts) in findings {
        let _ = writeln!(out, "{text}");
        if reports.len() > 1 {
            let _ = writeln!(out, "  on {}", style.bold(&named(&hosts)));
        }
        out.push('\n');
    }
}

/// What went wrong, once: the resources and the hosts of which the same is to be said stand together.
struct Failure {
    head: String,
    resources: Vec<String>,
    body: String,
    hosts: Vec<String>,
}

fn failures(out: &mut String, reports: &[HostReport], style: Style) {
    let mut all: Vec<Failure> = vec![];
    for report in reports {
        let mut own: Vec<Failure> = vec![];
        for (result, change) in report.results.iter().zip(report.plan.iter().flat_map(|p| &p.changes)) {
            let place = change.place.as_ref().map(|p| style.dim(&format!("  {p}"))).unwrap_or_default();
            let Some((head, body)) = failure(&result.status, style) else { continue };
            let resource = format!("{}{place}", result.id);
            match own.iter_mut().find(|f| f.head == head && f.body == body) {
                Some(same) => same.resources.push(resource),
                None => own.push(Failure { head, resources: vec![resource], body, hosts: vec![] }),
            }
        }
        for failure in own {
            let same =
                |f: &&mut Failure| f.head == failure.head && f.body == failure.body && f.resources == failure.resources;
            match all.iter_mut().find(same) {
                Some(same) => same.hosts.push(report.host.clone()),
                None => all.push(Failure { hosts: vec![report.host.clone()], ..failure }),
            }
        }
    }
    for f in all {
        let hosts: Vec<&str> = f.hosts.iter().map(String::as_str).collect();
        let on = if hosts.len() == 1 { hosts.concat() } else { named(&hosts) };
        let _ = writeln!(out, "{} on {}", f.head, style.bold(&on));
        for resource in &f.resources {
            let _ = writeln!(out, "    {resource}");
        }
        out.push_str(&f.body);
    }
}

/// What is said of a change that was not applied: a heading, and what stands below the resources.
fn failure(status: &ChangeStatus, style: Style) -> Option<(String, String)> {
    let mut body = String::new();
    let head = match status {
        ChangeStatus::Applied | ChangeStatus::NotNeeded | ChangeStatus::Stays => return None,
        ChangeStatus::Failed { status, output } => {
            let lines: Vec<&str> = output.lines().collect();
            let hidden = lines.len().saturating_sub(30);
            if hidden > 0 {
                let _ = writeln!(body, "        … {hidden} lines before");
            }
            for line in lines.iter().skip(hidden) {
                let _ = writeln!(body, "        {}", clean(line));
            }
            let _ = writeln!(body, "        {}", style.dim(&format!("exit status {status}")));
            style.red("failed")
        }
        ChangeStatus::NotInLine { left, reason } => {
            for p in left {
                let _ = writeln!(body, "        {}: {} is wanted, {} was found", p.name, p.to, p.from);
            }
            if let Some(reason) = reason {
                let _ = writeln!(body, "        {}", clean(reason));
            }
            style.red("applied, and still not in line,")
        }
        ChangeStatus::Undone { by, left } => {
            for p in left {
                let _ = writeln!(body, "        {}: {} is wanted, {} was found", p.name, p.to, p.from);
            }
            body.push_str("        the two are never both in sync: one of them has to go, or to give way\n");
            let by = if by.is_empty() { "something else".to_owned() } else { ids(by) };
            style.red(&format!("undone: {by} undoes it,"))
        }
        ChangeStatus::NotReached => style.yellow("not reached"),
        ChangeStatus::Skipped { because } => style.yellow(&format!("skipped, because of {because},")),
        ChangeStatus::Unsettled => {
            body.push_str("        the connection was lost before its result came; plan again to see\n");
            style.red("unsettled")
        }
        ChangeStatus::Died => {
            body.push_str("        the run was killed on the host before this was done; apply again\n");
            style.red("cut short")
        }
        ChangeStatus::TakenBack => {
            body.push_str("        the host has taken it back by itself\n");
            style.red("not confirmed")
        }
        ChangeStatus::Moved => {
            body.push_str("        something else has touched it since; it was left as it is\n");
            style.yellow("left alone")
        }
    };
    Some((head, body))
}

/// What was to be taken back of a failed run, and was not.
fn not_rolled_back(out: &mut String, reports: &[HostReport], style: Style) {
    for report in reports {
        let Some(rolled) = &report.rolled_back else { continue };
        let host = style.bold(&report.host);
        if let Some(reason) = &rolled.reason {
            let _ = writeln!(out, "{} {host}: {}", style.red("could not be taken back on"), clean(reason));
        }
        for (id, why) in &rolled.stays {
            let _ = writeln!(out, "{} {host}: {}: {}", style.yellow("stays on"), clean(id), clean(why));
        }
        for result in &rolled.results {
            if let Some((head, body)) = failure(&result.status, style) {
                let _ = writeln!(out, "{} {host}: {} {head}", style.red("not taken back on"), result.id);
                out.push_str(&body);
            }
        }
    }
}
