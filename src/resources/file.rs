//! Files: their contents, owner, group and mode.

use super::attributes::{self, Questions, Wanted};
use super::difference::{Action, Ahead, Brings, Difference, Shown, TextChange};
use super::owners::{Owners, Unknown};
use super::package_sources;
use super::value::{Mode, Scalar};
use super::{Due, Edges, Impossible, Made, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::{Body, Digest};
use crate::shell::files::{Bound, FileKind, FileStat, FileState, Sought};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::protected::Way;
use crate::shell::steps::Steps;
use schemars::JsonSchema;
use serde::Deserialize;

/// The largest text that is shown line by line, in bytes; a probe brings along no larger one either.
const SHOWN: u64 = 128 * 1024;

pub struct File;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The file is there, with the contents if they are given.
    #[default]
    Present,
    /// A missing file is made, empty. What is in one that is there is left alone.
    Empty,
    Absent,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Whether the file is to be there. The default is `present`. `empty` makes a missing file without contents, and
    /// leaves alone what is in one that is there.
    #[serde(default)]
    pub state: State,
    /// The contents, as they are. By default the contents are left alone, and a file that is missing is an error, unless
    /// `state` is `empty`.
    pub content: Option<String>,
    /// A file in the folder `files` beside the manifest, or in the module's own, with the contents. By default none.
    pub source: Option<String>,
    /// A template in the folder `templates` beside the manifest, or in the module's own, that renders to the contents.
    /// By default none.
    pub template: Option<String>,
    /// The user that owns it, by name or number. By default the owner is left alone, and a new file belongs to the
    /// user that applies.
    pub owner: Option<Scalar>,
    /// The group it belongs to, by name or number. By default the group is left alone, and a new file has the
    /// system's default.
    pub group: Option<Scalar>,
    /// Permission bits in octal, in quotes. By default they are left alone, and a new file has `"0644"`.
    pub mode: Option<Mode>,
    /// A command that checks new contents before they take the old one's place; `%s` stands for the candidate's path.
    /// Where it fails, the file stays as it was. By default nothing is checked.
    pub validate: Option<String>,
    /// Whether a directory, a link or a device that stands at the path is removed, with all that is in it. The default
    /// is `false`: that is an error then, but for a link where the contents are given, which is replaced.
    #[serde(default)]
    pub force: bool,
}

/// What stands at the path, and what at its parent's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    at: FileState,
    parent: FileState,
    unknown: Unknown,
}

fn wanted(params: &Params) -> Wanted<'_> {
    Wanted { owner: params.owner.as_ref(), group: params.group.as_ref(), mode: params.mode }
}

fn owners<'a>(wants: &[&'a Want<Params>]) -> Owners<'a> {
    Owners::of(wants.iter().map(|want| wanted(&want.params)))
}

/// What is to be asked about.
fn questions(wants: &[&Want<Params>]) -> Questions {
    let mut questions = Questions::default();
    for want in wants {
        let mark = || {
            let digest = Digest::parse(want.departed.as_ref()?.mark.as_ref()?)?;
            Some(Sought { digest, size: None })
        };
        questions.ask(want.title(), want.body.as_ref().map(Sought::from).or_else(mark));
        questions.ask(attributes::parent(want.title()), None);
    }
    questions
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok().filter(|t| !t.contains('\0'))
}

/// Both texts, where both are text and small.
fn text_change(before: &[u8], body: &Body) -> Option<TextChange> {
    let after = body.held_bytes().filter(|_| body.size <= SHOWN && !body.secret)?;
    Some(TextChange { before: text(before)?, after: text(after)? })
}

/// What has to be done with the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replace {
    /// They are as they should be.
    No,
    Contents,
    /// What stands there has to go first.
    Removing,
}

/// Whether there is something to put where nothing is, or something else.
fn has_contents(want: &Want<Params>) -> bool {
    want.body.is_some() || want.params.state == State::Empty
}

/// Judges an existing thing of whatever kind.
fn replace(want: &Want<Params>, seen: &FileStat) -> Result<Replace, Impossible> {
    let path = want.title();
    match (seen.kind, &want.body) {
        (FileKind::Regular, Some(body)) if seen.digest.as_ref() != Some(&body.digest) && seen.bound.is_some() => {
            Err(Impossible(match seen.bound {
                Some(Bound::Fixed) => {
                    format!("{path} cannot be replaced: it is immutable (`chattr -i` makes it changeable)")
                }
                _ => format!("{path} cannot be replaced: it is a mount point"),
            }))
        }
        (FileKind::Regular, Some(body)) => match &seen.digest {
            Some(digest) if *digest == body.digest => Ok(Replace::No),
            Some(_) => Ok(Replace::Contents),
            None if seen.size != body.size => Ok(Replace::Contents),
            None => Err(Impossible(format!("{path} cannot be read, so its contents cannot be compared"))),
        },
        (FileKind::Regular, None) => Ok(Replace::No),
        (FileKind::Symlink, Some(_)) => Ok(Replace::Contents),
        (_, _) if !has_contents(want) => {
            Err(Impossible(format!("{path} is a {}, and no contents are given to replace it with", kind(seen))))
        }
        (FileKind::Directory, _) if want.params.force => Ok(Replace::Removing),
        (_, _) if want.params.force => Ok(Replace::Contents),
        (kind, _) => Err(Impossible(format!("{path} is a {}; it is replaced with `force: true` alone", kind.as_str()))),
    }
}

fn kind(stat: &FileStat) -> String {
    match &stat.target {
        Some(target) => format!("symlink to {target}"),
        None => stat.kind.as_str().to_owned(),
    }
}

impl ResourceType for File {
    const NAME: &'static str = "file";
    const ABOUT: &'static str = "A file: its contents, owner, group and mode.";
    const EXAMPLE: &'static str = "- file: /etc/motd\n  content: |\n    Welcome.\n  owner: root\n  group: root\n  mode: \"0644\"\n- file: /etc/nologin\n  state: absent\n";
    const HAS_BODY: bool = true;
    const SECRETS: &'static [&'static str] = &["content"];
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let absent = want.params.state == State::Absent;
        attributes::check_path(want, [if absent { Way::Remove } else { Way::Replace }], out);
        wanted(&want.params).check(want, out);
        let params = &want.params;
        if let Some(validate) = &params.validate
            && !validate.contains("%s")
        {
            let label = "it does not say with `%s` where the candidate's path goes";
            out.push(Diagnostic::error("wrong value", Some(want.places.of("validate")), label));
        }
        if want.body.as_ref().is_some_and(|b| b.secret) && params.mode.is_none() {
            let place = ["content", "template"].into_iter().find(|p| want.places.has(p)).unwrap_or_default();
            let label = "this is secret, and a new file can be read by everyone";
            let d = Diagnostic::warning("a secret in the open", Some(want.places.of(place)), label);
            out.push(d.help("say who may read it: mode: \"0600\""));
        }
        let given = [
            ("content", params.content.is_some()),
            ("source", params.source.is_some()),
            ("template", params.template.is_some()),
            ("owner", params.owner.is_some()),
            ("group", params.group.is_some()),
            ("mode", params.mode.is_some()),
            ("validate", params.validate.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given && params.state == State::Absent) {
            let label = format!("a file that is to be absent has no {name}");
            out.push(Diagnostic::error("parameters that exclude one another", Some(want.places.of(name)), label));
        }
        if params.state == State::Empty && want.body.is_some() {
            let label = "with contents it is not empty";
            out.push(Diagnostic::error("parameters that exclude one another", Some(want.places.of("state")), label));
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state != State::Absent
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        want.body.as_ref().map(|b| b.digest.as_str().to_owned())
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        match &seen.at {
            FileState::Present(stat) => stat.digest.as_ref().map(|d| d.as_str().to_owned()),
            FileState::Absent => None,
        }
    }

    fn path(&self, key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn makes<'a>(&self, want: &'a Want<Params>) -> Option<Made<'a>> {
        Some(Made { path: want.title(), holds: false })
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        edges.require_parent(&want.id, want.title());
        wanted(&want.params).relate(&want.id, edges);
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(questions(wants).list());
        owners(wants).ask(probe);
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        let states = questions(wants).read(answers);
        let owners = owners(wants).read(answers);
        match states.and_then(|states| Ok((states, owners?))) {
            Ok((states, owners)) => wants
                .iter()
                .map(|want| {
                    let parent = states.of(attributes::parent(want.title()))?;
                    let unknown = owners.among(wanted(&want.params));
                    Ok(Observed { at: states.of(want.title())?, parent, unknown })
                })
                .collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let path = want.title();
        let mut difference;
        match (want.params.state, &seen.at) {
            (State::Absent, FileState::Absent) => return Ok(None),
            (State::Absent, FileState::Present(stat)) => {
                difference = Difference::new(Action::Remove);
                difference.note("state", Shown::value(kind(stat)), Shown::Absent);
                if stat.kind == FileKind::Directory {
                    if !want.params.force {
                        return Err(Impossible(format!(
                            "{path} is a directory; it is removed with `force: true` alone"
                        )));
                    }
                    difference.warnings.push(format!("the directory {path} is removed with all that is in it"));
                }
            }
            (State::Present | State::Empty, FileState::Absent) => {
                attributes::needs_parent(path, &seen.parent, ahead)?;
                if !has_contents(want) && !ahead.may_bring(path) {
                    return Err(Impossible(format!(
                        "{path} is not there, and no contents are given for it; `state: empty` makes an empty file"
                    )));
                }
                difference = Difference::new(Action::Create);
                difference.note("state", Shown::Absent, Shown::value("file"));
                note_contents(&mut difference, Shown::Absent, want.body.as_ref());
                difference.text = want.body.as_ref().and_then(|b| text_change(b"", b));
                wanted(&want.params).note_new(&mut difference);
            }
            (State::Present | State::Empty, FileState::Present(stat)) => {
                difference = Difference::new(Action::Update);
                let replace = replace(want, stat)?;
                if stat.kind == FileKind::Regular {
                    if let (Replace::Contents, Some(body)) = (replace, &want.body) {
                        let from = Shown::Value(attributes::contents(stat.size, stat.digest.as_ref()));
                        note_contents(&mut difference, from, Some(body));
                        difference.text = stat.text.as_deref().and_then(|before| text_change(before, body));
                    }
                    if replace == Replace::Contents && stat.loses_list {
                        let why = "its directory can be changed by others, so nothing of it is taken over";
                        difference.warnings.push(format!("the access control list of {path} is lost: {why}"));
                    }
                    wanted(&want.params).compare(stat, &mut difference);
                } else {
                    difference.note("state", Shown::value(kind(stat)), Shown::value("file"));
                    note_contents(&mut difference, Shown::Absent, want.body.as_ref());
                    wanted(&want.params).note_new(&mut difference);
                    difference.warnings.push(match replace {
                        Replace::Removing => format!("the directory {path} is removed with all that is in it"),
                        _ => format!("the {} at {path} is replaced by a file", kind(stat)),
                    });
                }
            }
        }
        seen.unknown.check(&difference, ahead)?;
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
            State::Absent => FileState::Absent,
            State::Present | State::Empty => {
                let mut stat = match &seen.at {
                    FileState::Present(stat) if stat.kind == FileKind::Regular => stat.clone(),
                    _ => FileStat { digest: Some(Digest::of(b"")), ..attributes::fresh(FileKind::Regular, 0o644) },
                };
                if let Some(body) = &want.body {
                    (stat.size, stat.digest, stat.text) = (body.size, Some(body.digest.clone()), None);
                }
                wanted(&want.params).set(&mut stat);
                FileState::Present(stat)
            }
        };
        Observed { at, parent: seen.parent.clone(), unknown: Unknown::default() }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, .. } in due {
            let (id, path, params) = (&want.id, want.title(), &want.params);
            let replaces = match (params.state, &seen.at) {
                (State::Absent, at) => {
                    let recurse = matches!(at, FileState::Present(stat) if stat.kind == FileKind::Directory);
                    steps.remove(id, path, recurse);
                    continue;
                }
                (_, FileState::Absent) if !has_contents(want) => Replace::No,
                (_, FileState::Absent) => Replace::Contents,
                (_, FileState::Present(stat)) => replace(want, stat).unwrap_or(Replace::No),
            };
            if replaces == Replace::Removing {
                steps.remove(id, path, true);
            }
            let attributes = wanted(params).attributes();
            if replaces == Replace::No {
                steps.set_attributes(id, path, attributes, false);
            } else {
                let body = want.body.clone().unwrap_or_else(|| Body::held(Vec::new(), false));
                let fresh = seen.at == FileState::Absent;
                steps.replace_file(id, path, body, attributes, params.validate.clone(), fresh);
            }
        }
    }
}

fn note_contents(difference: &mut Difference, from: Shown, body: Option<&Body>) {
    if let Some(body) = body {
        difference.note("content", from, Shown::Value(attributes::contents(body.size, Some(&body.digest))));
    }
}
