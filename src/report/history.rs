//! Runs of the history, for a person.

use super::style::Style;
use super::text;
use crate::catalog::id::visible;
use crate::engine::outcome::Totals;
use crate::store::history::record::{Began, Run};
use std::fmt::Write as _;

/// A line a run, under a heading.
pub fn list(runs: &[Run], style: Style) -> String {
    let heads = ["RUN", "WHEN", "WHO", "HOSTS", "OUTCOME", "REASON"];
    let plain = Style::default();
    let rows: Vec<[String; 6]> = runs
        .iter()
        .map(|run| {
            let b = &run.began;
            let hosts = b.hosts.len().to_string();
            [b.run.to_string(), b.at.to_string(), who(b), hosts, outcome(run, plain), reason(b)]
        })
        .collect();
    let wide = |s: &String| s.chars().count();
    let width = |n: usize| rows.iter().filter_map(|r| r.get(n)).map(wide).chain([heads[n].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &[String; 6], painted: &dyn Fn(usize, &str) -> String| {
        let padded =
            cells.iter().zip(&widths).enumerate().map(|(n, (cell, width))| {
                format!("{}{}", painted(n, cell), " ".repeat(width.saturating_sub(wide(cell))))
            });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = line(&heads.map(str::to_owned), &|_, cell| style.bold(cell));
    for (run, cells) in runs.iter().zip(&rows) {
        out.push_str(&line(cells, &|n, cell| if n == 4 { outcome(run, style) } else { cell.to_owned() }));
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
    let parts = [b.run.to_string(), b.at.to_string(), who(b), outcome(run, Style::default()), reason(b)];
    parts.iter().filter(|p| !p.is_empty()).map(String::as_str).collect::<Vec<_>>().join("  ")
}

fn who(began: &Began) -> String {
    match &began.by.sudo_user {
        Some(sudo) => format!("{} ({})", visible(&began.by.user), visible(sudo)),
        None => visible(&began.by.user),
    }
}

fn reason(began: &Began) -> String {
    began.reason.as_deref().map(visible).unwrap_or_default()
}

fn outcome(run: &Run, style: Style) -> String {
    let Some(ended) = &run.ended else {
        return if run.is_running() { style.yellow("running") } else { style.red("did not end") };
    };
    let totals = serde_json::to_value(&ended.totals).and_then(serde_json::from_value::<Totals>);
    text::counts(&totals.unwrap_or_default(), style)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
