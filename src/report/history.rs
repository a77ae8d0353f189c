//! Runs of the history, for a person.

use super::style::Style;
use super::summary;
use crate::engine::outcome::Totals;
use crate::engine::rebuilt::{RebuiltRun, Unread};
use crate::journal::kept::Ending;
use crate::model::id::visible;
use crate::model::utc::Utc;
use crate::store::history::record::{Began, Purpose, Run};
use std::fmt::Write as _;

const HEADS: [&str; 6] = ["RUN", "WHEN", "WHO", "HOSTS", "OUTCOME", "REASON"];

/// A line a run, under a heading.
pub fn list(runs: &[Run], style: Style) -> String {
    let cells = |style: Style| {
        let row = |run: &Run| {
            let b = &run.began;
            let hosts = b.hosts.len().to_string();
            [b.run.to_string(), b.at.to_string(), who(b), hosts, outcome(run, style), reason(b.reason.as_deref())]
        };
        runs.iter().map(row).collect::<Vec<_>>()
    };
    table(&cells(Style::default()), &cells(style), style)
}

/// The same of what hosts have kept, and what could not be read of it.
pub fn rebuilt(runs: &[RebuiltRun], unread: &[Unread], style: Style) -> String {
    let cells = |style: Style| {
        let row = |run: &RebuiltRun| {
            let who = visible(&run.owner);
            let hosts = run.hosts.len().to_string();
            let reason = reason(run.reason.as_deref());
            [run.run.to_string(), Utc(run.started).to_string(), who, hosts, endings(run, style), reason]
        };
        runs.iter().map(row).collect::<Vec<_>>()
    };
    let mut out = table(&cells(Style::default()), &cells(style), style);
    for (host, run, why) in unread {
        let _ = writeln!(out, "{} {run} on {}: {}", style.yellow("unread"), visible(host), visible(why));
    }
    out
}

/// `2 applied, 1 failed`.
fn endings(run: &RebuiltRun, style: Style) -> String {
    let of = |ending: Ending| run.hosts.iter().filter(|h| h.ending == ending).count();
    let parts = [
        (of(Ending::Applied), style.green("applied")),
        (of(Ending::Failed), style.red("failed")),
        (of(Ending::NoEnd), style.red("without an end")),
    ];
    let told = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

/// `plain` is what `painted` is without colours, for the widths.
fn table(plain: &[[String; 6]], painted: &[[String; 6]], style: Style) -> String {
    if plain.is_empty() {
        return "no run is on record\n".into();
    }
    let wide = |cell: &str| cell.chars().count();
    let heads = HEADS.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(plain);
    let width = |n: usize| all().filter_map(|row| row.get(n)).map(|cell| wide(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let bold = HEADS.map(|head| style.bold(head));
    let mut out = String::new();
    for (plain, painted) in all().zip(std::iter::once(&bold).chain(painted)) {
        let cells = plain.iter().zip(painted).zip(&widths);
        let padded = cells.map(|((plain, shown), width)| format!("{shown}{}", " ".repeat(width - wide(plain))));
        let _ = writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    out
}

/// All that is on record of a run but for what its hosts reported.
pub fn head(run: &Run, style: Style) -> String {
    let b = &run.began;
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{}  {value}", style.bold(&format!("{name:<9}")));
    };
    line("run", &format!("{} ({}, trueup {})", b.run, b.purpose.as_str(), visible(&b.version)));
    let took = run.ended.as_ref().map(|e| format!(", took {}", duration(e.at.0.saturating_sub(b.at.0))));
    line("when", &format!("{}{}", b.at, took.unwrap_or_default()));
    let by = b.by.sudo_user.as_ref().map(|s| format!(", through sudo by {}", visible(s)));
    line("who", &format!("{} (uid {}){}", visible(&b.by.user), b.by.uid, by.unwrap_or_default()));
    let from = b.from.ssh_connection.as_ref().and_then(|c| c.split(' ').next());
    let from = from.map(|c| format!(", through SSH from {}", visible(c)));
    line("where", &format!("{}{}", visible(&b.from.host), from.unwrap_or_default()));
    line("command", &visible(&b.command.join(" ")));
    if let Some(manifest) = &b.manifest {
        line("manifest", &visible(manifest));
    }
    if let Some(sources) = &b.sources {
        line("sources", &format!("sha256 {}", visible(sources)));
    }
    if let Some(undone) = &b.undoes {
        line("undoes", undone.as_str());
    }
    if let Some(ended) = &run.ended {
        line("plan", &format!("sha256 {}", visible(&ended.plan)));
    }
    if let Some(reason) = &b.reason {
        line("reason", &visible(reason));
    }
    match &run.ended {
        Some(ended) => line("exit code", &ended.exit_code.to_string()),
        None if run.is_running() => line("outcome", &format!("still running, as process {}", b.from.process.pid)),
        None => line(
            "outcome",
            &style.red("did not end: what its hosts did is in their journals; plan again to see how they are"),
        ),
    }
    out
}

/// A run in a line, in a comparison.
pub(super) fn one_line(run: &Run) -> String {
    let b = &run.began;
    let parts =
        [b.run.to_string(), b.at.to_string(), who(b), outcome(run, Style::default()), reason(b.reason.as_deref())];
    parts.iter().filter(|p| !p.is_empty()).map(String::as_str).collect::<Vec<_>>().join("  ")
}

fn who(began: &Began) -> String {
    match &began.by.sudo_user {
        Some(sudo) => format!("{} ({})", visible(&began.by.user), visible(sudo)),
        None => visible(&began.by.user),
    }
}

fn reason(reason: Option<&str>) -> String {
    reason.map(visible).unwrap_or_default()
}

fn outcome(run: &Run, style: Style) -> String {
    let Some(ended) = &run.ended else {
        return if run.is_running() { style.yellow("running") } else { style.red("did not end") };
    };
    let totals = serde_json::to_value(&ended.totals).and_then(serde_json::from_value::<Totals>);
    let goes_back = run.began.purpose == Purpose::Rollback;
    let counts = summary::counts(totals.as_ref().unwrap_or(&Totals::default()), goes_back, style);
    match run.began.purpose {
        Purpose::Apply => counts,
        Purpose::Rollback => format!("rollback: {counts}"),
        Purpose::Forget => {
            let released = totals.map_or(0, |t| t.applied);
            format!("forget: on {released} host{}", if released == 1 { "" } else { "s" })
        }
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
