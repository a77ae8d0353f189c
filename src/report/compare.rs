//! How two runs differ, for a person.

use super::history::one_line;
use super::style::Style;
use super::words::{clean, named};
use crate::engine::compare::{ChangeComparison, Comparison, HostComparison, Planned};
use crate::store::history::record::Run;
use std::fmt::Write as _;

/// The two runs, whether they had the same sources and the same plan, and what differs on which hosts: what is the same
/// on several stands once.
pub fn text(before: &Run, after: &Run, comparison: &Comparison, style: Style) -> String {
    let mut out = format!(
        "{}\n{}\n\n",
        style.red(&format!("- {}", one_line(before))),
        style.green(&format!("+ {}", one_line(after)))
    );
    let sources = (&before.began.sources, &after.began.sources);
    let same = |same: bool| if same { "the same" } else { "not the same" };
    let _ = writeln!(out, "manifests, modules and files: {}", same(sources.0 == sources.1));
    if let (Some(a), Some(b)) = (&before.ended, &after.ended) {
        let _ = writeln!(out, "plan: {}", same(a.plan == b.plan));
    }
    out.push('\n');
    let mut groups: Vec<(String, Vec<&str>)> = vec![];
    for host in &comparison.hosts {
        let body = body(host, style);
        match groups.iter_mut().find(|(b, _)| *b == body) {
            Some((_, hosts)) => hosts.push(&host.host),
            None => groups.push((body, vec![&host.host])),
        }
    }
    for (body, hosts) in &groups {
        let head = match hosts.as_slice() {
            [one] => (*one).to_owned(),
            several => named(several),
        };
        let _ = write!(out, "{}: {body}", style.bold(&clean(&head)));
    }
    if comparison.hosts.is_empty() {
        out.push_str("no host differs\n");
    } else if comparison.same > 0 {
        let noun = if comparison.same == 1 { "host does" } else { "hosts do" };
        let _ = writeln!(out, "\n{} {noun} not differ", comparison.same);
    }
    out
}

fn body(host: &HostComparison, style: Style) -> String {
    let mut out = match (&host.before, &host.after) {
        (Some(a), Some(b)) if a.as_str() == b.as_str() => format!("{} in both\n", a.as_str()),
        (Some(a), Some(b)) => format!("{} → {}\n", a.as_str(), b.as_str()),
        (Some(a), None) => format!("{}; not in the second run\n", a.as_str()),
        (None, Some(b)) => format!("{}; not in the first run\n", b.as_str()),
        (None, None) => "\n".to_owned(),
    };
    for change in &host.changes {
        let _ = writeln!(out, "    {}", line(change, style));
    }
    out
}

fn line(change: &ChangeComparison, style: Style) -> String {
    let id = &change.id;
    match (&change.before, &change.after) {
        (Some(a), None) => style.red(&format!("- {id}  {}", words(a))),
        (None, Some(b)) => style.green(&format!("+ {id}  {}", words(b))),
        (Some(a), Some(b)) if words(a) == words(b) => {
            let what = if a.difference == b.difference { "with another outcome" } else { "to other values" };
            style.yellow(&format!("~ {id}  {}, {what}", words(a)))
        }
        (Some(a), Some(b)) => style.yellow(&format!("~ {id}  {} → {}", words(a), words(b))),
        (None, None) => id.to_string(),
    }
}

fn words(planned: &Planned) -> String {
    let result = planned.result.as_ref().map_or("not applied", |r| r.as_str());
    format!("{}: {result}", planned.difference.action.as_str())
}
