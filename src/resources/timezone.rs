//! The host's time zone: what `/etc/localtime` leads to, and its name in `/etc/timezone` where the host keeps one.

use super::attributes;
use super::difference::{Action, Ahead, Difference, Shown};
use super::{Due, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Body;
use crate::shell::files::{self, FileKind, FileStat, FileState};
use crate::shell::probe::{Answers, BadAnswer, FileQuestion, ProbeScript};
use crate::shell::steps::{Attributes, Steps};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;

pub struct Timezone;

/// The title says it all: the zone's name in the IANA Time Zone Database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

const LINK: &str = "/etc/localtime";
const NAME_FILE: &str = "/etc/timezone";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    link: FileState,
    name: FileState,
    /// The zone's own data.
    data: FileState,
}

fn data(want: &Want<Params>) -> String {
    format!("/usr/share/zoneinfo/{}", want.title())
}

fn name_file(want: &Want<Params>) -> Body {
    Body::held(format!("{}\n", want.title()).into_bytes(), false)
}

fn questions(want: &Want<Params>) -> [FileQuestion; 3] {
    let ask = |path: &str, contents| FileQuestion { path: path.to_owned(), contents };
    [ask(LINK, None), ask(NAME_FILE, Some((&name_file(want)).into())), ask(&data(want), None)]
}

fn all(wants: &[&Want<Params>]) -> Vec<FileQuestion> {
    wants.iter().flat_map(|w| questions(w)).collect()
}

/// The zone that a link leads to, however it is written.
fn zone(link: &FileState) -> Option<&str> {
    match link {
        FileState::Present(FileStat { target: Some(target), .. }) => {
            target.split_once("zoneinfo/").map(|(_, zone)| zone)
        }
        _ => None,
    }
}

impl ResourceType for Timezone {
    const NAME: &'static str = "timezone";
    const ABOUT: &'static str = "The host's time zone.";
    const EXAMPLE: &'static str = "- timezone: Europe/Berlin\n";
    const ORPHANED: Orphaned = Orphaned::Stays("a host always has a time zone; it stays as it is");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        let name = want.title();
        if !name.chars().all(plain) || name.starts_with('/') || name.ends_with('/') {
            let label = format!("`{}` is no name of a time zone", name.escape_debug());
            out.push(
                Diagnostic::error("wrong title", Some(want.places.title), label).help("such as Europe/Berlin, or UTC"),
            );
        }
    }

    /// A host has one.
    fn key<'a>(&self, _: &'a Want<Params>, _: &Facts) -> Cow<'a, str> {
        Cow::Borrowed("timezone")
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(&all(wants));
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        let mut states = match answers.answer() {
            Ok(frame) => files::parse(&all(wants), &frame.body).into_iter(),
            Err(bad) => return wants.iter().map(|_| Err(bad.clone())).collect(),
        };
        let mut next = || states.next().unwrap_or_else(|| Err(BadAnswer("an answer is missing".into())));
        wants
            .iter()
            .map(|_| {
                let (link, name, data) = (next(), next(), next());
                Ok(Observed { link: link?, name: name?, data: data? })
            })
            .collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let mut difference = Difference::new(Action::Update);
        if zone(&seen.link) != Some(want.title()) {
            let from = zone(&seen.link).map_or(Shown::Absent, Shown::value);
            difference.note("zone", from, Shown::value(want.title()));
        }
        if let FileState::Present(file) = &seen.name
            && file.digest.as_ref() != Some(&name_file(want).digest)
        {
            difference.note("name", Shown::value("another"), Shown::value(want.title()));
        }
        let may_come = ahead.may_bring(&data(want));
        if seen.data == FileState::Absent && !difference.properties.is_empty() && !may_come {
            let why = format!("the host has no data of a zone {}; is tzdata installed?", want.title());
            return Err(Impossible(why));
        }
        Ok(difference.unless_empty())
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let link = FileStat { target: Some(data(want)), ..attributes::fresh(FileKind::Symlink, 0o777) };
        let name = match &seen.name {
            FileState::Absent => FileState::Absent,
            FileState::Present(file) => {
                FileState::Present(FileStat { digest: Some(name_file(want).digest), ..file.clone() })
            }
        };
        Observed { link: FileState::Present(link), name, data: seen.data.clone() }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, difference, .. } in due {
            if difference.has("zone") {
                steps.symlink(&want.id, LINK, &data(want));
            }
            if difference.has("name") {
                steps.replace_file(&want.id, NAME_FILE, name_file(want), Attributes::default(), None, false);
            }
        }
    }
}
