//! Symbolic links.

use super::attributes::{self, Questions};
use super::difference::{Action, Ahead, Brings, Difference, Shown};
use super::package_sources;
use super::value::Presence;
use super::{Due, Edges, Impossible, Made, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Digest;
use crate::shell::files::{FileKind, FileStat, FileState};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::protected::Way;
use crate::shell::steps::Steps;
use schemars::JsonSchema;
use serde::Deserialize;

pub struct Symlink;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Where the link leads: an absolute path, or one from the directory that the link stands in. It need not be
    /// there. It is needed unless `state` is `absent`.
    pub target: Option<String>,
    /// Whether the link is to be there. The default is `present`.
    #[serde(default)]
    pub state: Presence,
    /// Whether a file or directory that stands at the path is removed, with all that is in it. The default is `false`:
    /// that is an error then.
    #[serde(default)]
    pub force: bool,
}

/// What stands at the path, and what at its parent's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    at: FileState,
    parent: FileState,
}

fn questions(wants: &[&Want<Params>]) -> Questions {
    let mut questions = Questions::default();
    for want in wants {
        questions.ask(want.title(), None);
        questions.ask(attributes::parent(want.title()), None);
    }
    questions
}

/// The path that a link leads to, by its text alone.
fn leads_to(link: &str, target: &str) -> String {
    let base = if target.starts_with('/') { "" } else { attributes::parent(link) };
    let mut parts: Vec<&str> = vec![];
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A thing that is no link, and may go.
///
/// # Errors
/// Where it may not.
fn in_the_way(want: &Want<Params>, stat: &FileStat, difference: &mut Difference) -> Result<(), Impossible> {
    let (path, kind) = (want.title(), stat.kind.as_str());
    if !want.params.force {
        return Err(Impossible(format!("{path} is a {kind}, no symlink; it is removed with `force: true` alone")));
    }
    let all = if stat.kind == FileKind::Directory { " with all that is in it" } else { "" };
    difference.warnings.push(format!("the {kind} {path} is removed{all}"));
    Ok(())
}

impl ResourceType for Symlink {
    const NAME: &'static str = "symlink";
    const ABOUT: &'static str = "A symbolic link and where it leads.";
    const EXAMPLE: &'static str = "- symlink: /srv/app/current\n  target: releases/42\n";
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let absent = want.params.state == Presence::Absent;
        attributes::check_path(want, [if absent { Way::Remove } else { Way::Replace }], out);
        match (&want.params.target, want.params.state) {
            (None, Presence::Present) => {
                let label = "`target` is needed here";
                out.push(Diagnostic::error("missing parameter", Some(want.places.title), label));
            }
            (Some(target), _) if target.is_empty() || target.contains('\0') => {
                let label = "a link leads to a path";
                out.push(Diagnostic::error("wrong value", Some(want.places.of("target")), label));
            }
            _ => {}
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        want.params.target.as_ref().map(|t| Digest::of(t.as_bytes()).as_str().to_owned())
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        match &seen.at {
            FileState::Present(stat) => Some(Digest::of(stat.target.as_ref()?.as_bytes()).as_str().to_owned()),
            FileState::Absent => None,
        }
    }

    fn path(&self, key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn makes<'a>(&self, want: &'a Want<Params>) -> Option<Made<'a>> {
        Some(Made { path: want.title(), holds: true })
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        edges.require_parent(&want.id, want.title());
        if let (Some(target), Presence::Present) = (&want.params.target, want.params.state) {
            edges.require_at(&want.id, &leads_to(want.title(), target));
        }
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(questions(wants).list());
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        match questions(wants).read(answers) {
            Ok(states) => wants
                .iter()
                .map(|want| {
                    let parent = states.of(attributes::parent(want.title()))?;
                    Ok(Observed { at: states.of(want.title())?, parent })
                })
                .collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let wanted = want.params.target.clone().unwrap_or_default();
        let mut difference = Difference::new(Action::Update);
        match (want.params.state, &seen.at) {
            (Presence::Absent, FileState::Absent) => return Ok(None),
            (Presence::Absent, FileState::Present(stat)) => {
                difference.action = Action::Remove;
                let from = match &stat.target {
                    Some(target) => format!("symlink to {target}"),
                    None => {
                        in_the_way(want, stat, &mut difference)?;
                        stat.kind.as_str().to_owned()
                    }
                };
                difference.note("state", Shown::Value(from), Shown::Absent);
            }
            (Presence::Present, FileState::Absent) => {
                attributes::needs_parent(want.title(), &seen.parent, ahead)?;
                difference.action = Action::Create;
                difference.note("target", Shown::Absent, Shown::Value(wanted));
            }
            (Presence::Present, FileState::Present(stat)) => match &stat.target {
                Some(target) => difference.compare("target", target, &wanted),
                None => {
                    in_the_way(want, stat, &mut difference)?;
                    difference.note("state", Shown::value(stat.kind.as_str()), Shown::value("symlink"));
                    difference.note("target", Shown::Absent, Shown::Value(wanted));
                }
            },
        }
        Ok(difference.unless_empty())
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        super::lifeline::path(want.title())
    }

    fn brings(&self, want: &Want<Params>, _: &Difference) -> Brings {
        package_sources::brings(want.title())
    }

    fn sees(&self, want: &Want<Params>, path: &str) -> bool {
        attributes::is_at_or_below(want.title(), path)
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let at = match want.params.state {
            Presence::Absent => FileState::Absent,
            Presence::Present => {
                let target = Some(want.params.target.clone().unwrap_or_default());
                FileState::Present(FileStat { target, ..attributes::fresh(FileKind::Symlink, 0o777) })
            }
        };
        Observed { at, parent: seen.parent.clone() }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, .. } in due {
            let directory = matches!(&seen.at, FileState::Present(stat) if stat.kind == FileKind::Directory);
            match (want.params.state, &want.params.target) {
                (Presence::Absent, _) => steps.remove(&want.id, want.title(), directory),
                (Presence::Present, Some(target)) => {
                    if directory {
                        steps.remove(&want.id, want.title(), true);
                    }
                    steps.symlink(&want.id, want.title(), target);
                }
                (Presence::Present, None) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_link_leads() {
        for (link, target, path) in [
            ("/srv/app/current", "releases/42", "/srv/app/releases/42"),
            ("/srv/app/current", "../x/./y", "/srv/x/y"),
            ("/a", "b", "/b"),
            ("/a", "../../b/", "/b"),
            ("/a", "/", "/"),
        ] {
            assert_eq!(leads_to(link, target), path);
        }
    }
}
