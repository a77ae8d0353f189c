//! Cron entries, each a file of its own in `/etc/cron.d`. Format: crontab(5).

use super::difference::{Action, Ahead, Difference, Shown};
use super::value::Presence;
use super::{Due, Edges, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Body;
use crate::shell::files::{self, FileKind, FileStat, FileState};
use crate::shell::probe::{Answers, BadAnswer, FileQuestion, ProbeScript};
use crate::shell::steps::{Attributes, Steps};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub struct Cron;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// When: five fields as in a crontab, or `@daily` and its kin. Needed, unless it is to be absent.
    pub schedule: Option<String>,
    /// The user it runs as. The default is `root`.
    #[serde(default = "root")]
    pub user: String,
    /// What runs. `%` is taken as it is, and so is `\%`, which a crontab has for it. Needed, unless it is to be absent.
    pub command: Option<String>,
    /// Variables of its environment, such as MAILTO. By default none.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the entry is to be there. The default is `present`.
    #[serde(default)]
    pub state: Presence,
}

fn root() -> String {
    "root".into()
}

const WORDS: &[&str] = &["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// cron passes over files whose names hold anything else.
fn file_name(title: &str) -> String {
    title.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).collect()
}

fn path(want: &Want<Params>) -> String {
    format!("/etc/cron.d/{}", file_name(want.title()))
}

/// The file's text.
fn text(want: &Want<Params>) -> String {
    let p = &want.params;
    let env: String = p.env.iter().map(|(k, v)| format!("{k}=\"{v}\"\n")).collect();
    let (schedule, command) = (p.schedule.as_deref().unwrap_or_default(), p.command.as_deref().unwrap_or_default());
    format!("{env}{schedule} {} {}\n", p.user, escaped(command))
}

/// cron makes a line break of a percent sign that no backslash stands before.
fn escaped(command: &str) -> String {
    let (mut out, mut backslashes) = (String::with_capacity(command.len()), 0);
    for c in command.chars() {
        if c == '%' && backslashes % 2 == 0 {
            out.push('\\');
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        out.push(c);
    }
    out
}

fn question(want: &Want<Params>) -> FileQuestion {
    FileQuestion { path: path(want), contents: Some((&body(want)).into()) }
}

fn body(want: &Want<Params>) -> Body {
    Body::held(text(want).into_bytes(), want.sensitive)
}

/// One field: `*`, numbers, ranges, lists, steps, names of months and days.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let number = |t: &str| {
        let named = names.iter().position(|n| t.eq_ignore_ascii_case(n)).map(|n| n as u32 + low);
        let n = named.or_else(|| t.parse().ok()).ok_or_else(|| format!("`{t}` is no number"))?;
        if (low..=high).contains(&n) { Ok(n) } else { Err(format!("{n} is not within {low} to {high}")) }
    };
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(r, s)| (r, Some(s)));
        if let Some(step) = step
            && step.parse::<u32>().ok().is_none_or(|s| s == 0)
        {
            return Err(format!("`/{step}` is no step"));
        }
        match range.split_once('-') {
            _ if range == "*" => {}
            Some((a, b)) => {
                if number(a)? > number(b)? {
                    return Err(format!("`{range}` runs backwards"));
                }
            }
            None => {
                number(range)?;
            }
        }
    }
    Ok(())
}

fn schedule(text: &str) -> Result<(), String> {
    if text.starts_with('@') {
        return if WORDS.contains(&text) { Ok(()) } else { Err(format!("`{text}` is none of {}", WORDS.join(", "))) };
    }
    const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!(
            "five fields are wanted (minute, hour, day, month, day of the week), these are {}",
            fields.len()
        ));
    };
    let in_field = |name: &str, result: Result<(), String>| result.map_err(|e| format!("in the {name}: {e}"));
    in_field("minute", field(minute, 0, 59, &[]))?;
    in_field("hour", field(hour, 0, 23, &[]))?;
    in_field("day", field(day, 1, 31, &[]))?;
    in_field("month", field(month, 1, 12, MONTHS))?;
    in_field("day of the week", field(weekday, 0, 7, DAYS))
}

impl ResourceType for Cron {
    const NAME: &'static str = "cron";
    const ABOUT: &'static str = "A command that cron runs: an entry of its own in /etc/cron.d.";
    const EXAMPLE: &'static str =
        "- cron: nightly-backup\n  schedule: \"30 2 * * *\"\n  user: root\n  command: /usr/local/bin/backup --all\n";
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = FileState;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let p = &want.params;
        if p.state == Presence::Absent {
            return;
        }
        let mut wrong = |param: &str, label: String| {
            out.push(Diagnostic::error("wrong value", Some(want.places.of(param)), label));
        };
        match &p.schedule {
            None => wrong("schedule", "`schedule` is needed here".into()),
            Some(text) => {
                if let Err(why) = schedule(text) {
                    wrong("schedule", why);
                }
            }
        }
        match &p.command {
            None => wrong("command", "`command` is needed here".into()),
            Some(text) if text.contains(['\n', '\r']) => {
                wrong("command", "a crontab has one line a command: put a longer one into a file of its own".into());
            }
            Some(_) => {}
        }
        if p.user.is_empty() || p.user.contains(|c: char| c.is_whitespace()) {
            wrong("user", format!("`{}` is no user's name", p.user.escape_debug()));
        }
        for (name, value) in &p.env {
            if name.contains(['=', '\n', ' ']) || value.contains(['\n', '"']) {
                wrong("env", format!("`{}` cannot stand in a crontab", name.escape_debug()));
            }
        }
    }

    fn path(&self, key: &str) -> Option<String> {
        Some(format!("/etc/cron.d/{key}"))
    }

    fn key<'a>(&self, want: &'a Want<Params>, _: &Facts) -> Cow<'a, str> {
        Cow::Owned(file_name(want.title()))
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        Some(body(want).digest.as_str().to_owned())
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &FileState) -> Option<String> {
        match seen {
            FileState::Present(stat) => stat.digest.as_ref().map(|d| d.as_str().to_owned()),
            FileState::Absent => None,
        }
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        edges.require(&want.id, "user", want.params.user.as_str());
        edges.require(&want.id, "package", "cron");
        edges.require_parent(&want.id, &path(want));
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(&wants.iter().map(|w| question(w)).collect::<Vec<_>>());
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<FileState, BadAnswer>> {
        let questions: Vec<_> = wants.iter().map(|w| question(w)).collect();
        match answers.answer() {
            Ok(frame) => files::parse(&questions, &frame.body),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &FileState, _: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let wanted = || Shown::value(text(want).trim_end());
        Ok(match (want.params.state, seen) {
            (Presence::Absent, FileState::Absent) => None,
            (Presence::Absent, FileState::Present(_)) => {
                let mut d = Difference::new(Action::Remove);
                d.note("entry", Shown::value(path(want)), Shown::Absent);
                Some(d)
            }
            (Presence::Present, FileState::Absent) => {
                let mut d = Difference::new(Action::Create);
                d.note("entry", Shown::Absent, wanted());
                Some(d)
            }
            (Presence::Present, FileState::Present(file)) => {
                let mut d = Difference::new(Action::Update);
                if file.kind != FileKind::Regular || file.digest.as_ref() != Some(&body(want).digest) {
                    let before = file.text.as_deref().map(|t| String::from_utf8_lossy(t).trim_end().to_owned());
                    d.note("entry", before.map_or(Shown::value("another"), Shown::Value), wanted());
                }
                // cron passes over an entry that others can write, or that is not root's.
                if file.kind == FileKind::Regular && (file.mode & 0o022 != 0 || file.uid != 0) {
                    let is = format!("{:04o} of {}", file.mode, file.owner);
                    d.note("mode", Shown::Value(is), Shown::value("0644 of root"));
                }
                d.unless_empty()
            }
        })
    }

    fn predict(&self, want: &Want<Params>, _: &FileState) -> FileState {
        if want.params.state == Presence::Absent {
            return FileState::Absent;
        }
        let fresh = super::attributes::fresh(FileKind::Regular, 0o644);
        FileState::Present(FileStat { size: body(want).size, digest: Some(body(want).digest), ..fresh })
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, .. } in due {
            if want.params.state == Presence::Absent {
                steps.remove(&want.id, &path(want), false);
            } else {
                let root = Some("root".to_owned());
                let attributes = Attributes { owner: root.clone(), group: root, mode: Some(0o644) };
                steps.replace_file(&want.id, &path(want), body(want), attributes, None, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, schedule};

    #[test]
    fn a_percent_sign_is_one_whether_or_not_it_is_written_as_in_a_crontab() {
        for (command, line) in [
            ("date +%F", r"date +\%F"),
            (r"date +\%F", r"date +\%F"),
            (r"date '+\%H%%M'", r"date '+\%H\%\%M'"),
            (r"echo a\\%", r"echo a\\\%"),
        ] {
            assert_eq!(escaped(command), line);
        }
    }

    #[test]
    fn schedules_are_checked_field_by_field() {
        for good in ["* * * * *", "*/5 0-6,22 1 jan-mar mon,fri", "@daily", "0 0 * * 7"] {
            assert_eq!(schedule(good), Ok(()), "{good}");
        }
        for bad in ["* * * *", "60 * * * *", "* 5-2 * * *", "*/0 * * * *", "@dayly", "a * * * *"] {
            assert!(schedule(bad).is_err(), "{bad}");
        }
    }
}
