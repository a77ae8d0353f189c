//! Kernel parameters: the running value, and what is set at boot.

use super::difference::{Action, Ahead, Difference, Shown};
use super::value::Scalar;
use super::{Due, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::model::body::Body;
use crate::shell::files::{self, FileState};
use crate::shell::probe::{Answers, BadAnswer, FileQuestion, ProbeScript, Query};
use crate::shell::steps::{Attributes, Command, Steps, Undo};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;

pub struct Sysctl;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The value, as `sysctl` prints it; several numbers are separated by spaces.
    pub value: Scalar,
}

/// The running value and the file in `/etc/sysctl.d` that keeps it across a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    running: Option<String>,
    kept: FileState,
}

fn path(want: &Want<Params>) -> String {
    format!("/etc/sysctl.d/90-trueup-{}.conf", want.id.title.replace('/', "."))
}

fn body(want: &Want<Params>) -> Body {
    Body::held(format!("{} = {}\n", want.id.title, want.params.value.0).into_bytes(), want.sensitive)
}

/// The same for both ways to write a parameter: whichever of `.` and `/` comes first is what separates, and the other one is
/// part of a name, as in `net.ipv4.conf.eth0/1.rp_filter`. Source: sysctl(8).
fn canonical(title: &str) -> String {
    if title.find(['.', '/']).and_then(|at| title.get(at..)).is_some_and(|rest| rest.starts_with('/')) {
        return title.to_owned();
    }
    let swap = |c: char| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    title.chars().map(swap).collect()
}

/// `sysctl` separates several numbers by tabs.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn questions(wants: &[&Want<Params>]) -> Vec<FileQuestion> {
    wants.iter().map(|w| FileQuestion { path: path(w), contents: Some((&body(w)).into()) }).collect()
}

impl ResourceType for Sysctl {
    const NAME: &'static str = "sysctl";
    const ABOUT: &'static str = "A kernel parameter: its running value, kept across a reboot.";
    const EXAMPLE: &'static str = "- sysctl: net.ipv4.ip_forward\n  value: 0\n";
    const ORPHANED: Orphaned =
        Orphaned::Stays("a parameter of the kernel has no state of its own to go back to; it stays as it is");

    type Params = Params;
    type Observed = Observed;

    fn key<'a>(&self, want: &'a Want<Params>, _: &Facts) -> Cow<'a, str> {
        Cow::Owned(canonical(want.title()))
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask(Query::Sysctl, wants.iter().map(|w| &w.id.title));
        probe.ask_files(&questions(wants));
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        let running = answers.text();
        let kept = answers.answer().map(|frame| files::parse(&questions(wants), &frame.body));
        let (running, kept) = match (running, kept) {
            (Ok(running), Ok(kept)) => (running, kept),
            (Err(bad), _) | (_, Err(bad)) => return wants.iter().map(|_| Err(bad.clone())).collect(),
        };
        wants
            .iter()
            .zip(kept)
            .map(|(want, kept)| {
                let value = |line: &str| {
                    let (key, value) = line.split_once('=')?;
                    (canonical(key.trim()) == canonical(want.title())).then(|| normal(value))
                };
                Ok(Observed { running: running.lines().find_map(value), kept: kept? })
            })
            .collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let wanted = normal(&want.params.value.0);
        let mut difference = Difference::new(Action::Update);
        match &seen.running {
            Some(running) => difference.compare("value", running, &wanted),
            None if !ahead.may_bring_anything() => {
                return Err(Impossible(format!("the kernel has no parameter {}", want.id.title)));
            }
            None => difference.note("value", Shown::Absent, Shown::Value(wanted)),
        }
        let kept = match &seen.kept {
            FileState::Present(file) => file.digest.as_ref() == Some(&body(want).digest),
            FileState::Absent => false,
        };
        if !kept {
            difference.note("kept across reboot", Shown::value("no"), Shown::value("yes"));
        }
        Ok(difference.unless_empty())
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        super::lifeline::sysctl(want.title())
    }

    fn predict(&self, want: &Want<Params>, _: &Observed) -> Observed {
        let stat = files::FileStat {
            kind: files::FileKind::Regular,
            mode: 0o644,
            uid: 0,
            gid: 0,
            owner: "root".into(),
            group: "root".into(),
            size: body(want).size,
            target: None,
            digest: Some(body(want).digest),
            text: None,
            loses_list: false,
            bound: None,
        };
        Observed { running: Some(normal(&want.params.value.0)), kept: FileState::Present(stat) }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, difference } in due {
            let id = &want.id;
            // What the kernel does not take is not to be set at the next boot either.
            if difference.has("value") {
                let set =
                    |value: &str| vec!["sysctl".to_owned(), "-q".into(), "-w".into(), format!("{}={value}", id.title)];
                let undo = match &seen.running {
                    Some(value) => Undo::Run(set(value)),
                    None => Undo::Irreversible("the kernel did not have the parameter before".into()),
                };
                steps.run(&[id], Command::new(set(&normal(&want.params.value.0))), undo);
            }
            if difference.has("kept across reboot") {
                let attributes = Attributes { mode: Some(0o644), ..Attributes::default() };
                steps.replace_file(id, &path(want), body(want), attributes, None, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_parameter_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_ne!(canonical("net.ipv4.conf.eth0/1.rp_filter"), canonical("net.ipv4.conf.eth0.1.rp_filter"));
    }
}
