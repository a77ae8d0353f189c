//! Directories: their owner, group and mode, and what is in them.

mod below;

use super::attributes::{self, Questions, Wanted};
use super::difference::{Action, Ahead, Difference, Shown};
use super::owners::{Owners, Unknown};
use super::value::{Mode, Presence, Scalar};
use super::{Due, Edges, Impossible, Made, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::shell::files::{FileKind, FileState};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use crate::shell::protected::Way;
use crate::shell::steps::{Attributes, Steps};
use crate::shell::tree::{self, Tree, TreeEntry};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

pub struct Directory;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Whether the directory is to be there. The default is `present`. One that is to be absent is removed with all
    /// that is in it.
    #[serde(default)]
    pub state: Presence,
    /// The user that owns it, by name or number. By default the owner is left alone, and a new directory belongs to
    /// the user that applies.
    pub owner: Option<Scalar>,
    /// The group it belongs to, by name or number. By default the group is left alone, and a new directory has the
    /// system's default.
    pub group: Option<Scalar>,
    /// Permission bits in octal, in quotes. By default they are left alone, and a new directory has `"0755"`.
    pub mode: Option<Mode>,
    /// Whether owner, group and mode hold for all that is below it too, on the same file system; symlinks are left
    /// alone, and so is what has a resource of its own. A file gets the mode's execute bits only where it has one
    /// already. The default is `false`.
    #[serde(default)]
    pub recurse: bool,
    /// Whether what is in it is removed, unless a resource manages it. The plan names each entry. The default is
    /// `false`.
    #[serde(default)]
    pub purge: bool,
    /// Whether missing directories above it are made too. The default is `false`: a missing one is an error then.
    #[serde(default)]
    pub parents: bool,
    /// Whether a file or link that stands at the path is removed. The default is `false`: that is an error then.
    #[serde(default)]
    pub force: bool,
}

/// What stands at the path, above it and below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    at: FileState,
    /// The parent last; all of them with `parents`, the nearest alone without.
    above: Vec<(String, FileState)>,
    /// Empty where it is not asked about.
    below: Vec<TreeEntry>,
    unknown: Unknown,
}

fn wanted(params: &Params) -> Wanted<'_> {
    Wanted { owner: params.owner.as_ref(), group: params.group.as_ref(), mode: params.mode }
}

fn owners<'a>(wants: &[&'a Want<Params>]) -> Owners<'a> {
    Owners::of(wants.iter().map(|want| wanted(&want.params)))
}

fn is_listed(params: &Params) -> bool {
    params.recurse || params.purge || params.state == Presence::Absent
}

fn above(want: &Want<Params>) -> Vec<String> {
    let all = attributes::above(want.title());
    if want.params.parents && !all.is_empty() {
        return all.into_iter().map(str::to_owned).collect();
    }
    vec![attributes::parent(want.title()).to_owned()]
}

fn questions(wants: &[&Want<Params>]) -> Questions {
    let mut questions = Questions::default();
    for want in wants {
        questions.ask(want.title(), None);
        above(want).iter().for_each(|path| questions.ask(path, None));
    }
    questions
}

/// Directories whose entries are listed. One below another is listed with it.
fn listed<'a>(wants: &[&'a Want<Params>]) -> BTreeSet<&'a str> {
    let all: BTreeSet<&str> = wants.iter().filter(|w| is_listed(&w.params)).map(|w| w.title()).collect();
    all.iter().copied().filter(|path| !attributes::above(path).iter().any(|above| all.contains(above))).collect()
}

/// Directories above that are not there, the topmost first.
fn missing_above(seen: &Observed) -> Vec<&str> {
    seen.above.iter().filter(|(_, state)| *state == FileState::Absent).map(|(path, _)| path.as_str()).collect()
}

/// Whether it can be made where it is to be, and which directories are made with it.
///
/// # Errors
/// Where what it stands in is missing, or is none.
fn parents<'a>(want: &Want<Params>, seen: &'a Observed, ahead: &Ahead<'_>) -> Result<Vec<&'a str>, Impossible> {
    if want.params.parents {
        for (path, state) in &seen.above {
            if let FileState::Present(stat) = state
                && !matches!(stat.kind, FileKind::Directory | FileKind::Symlink)
                && !ahead.may_bring(path)
                && !ahead.is_gone(path)
            {
                return Err(Impossible(format!("{path} above it is a {}", stat.kind.as_str())));
            }
        }
        return Ok(missing_above(seen).into_iter().filter(|path| !ahead.brings("directory", path)).collect());
    }
    if let Some((_, state)) = seen.above.last() {
        attributes::needs_parent(want.title(), state, ahead)?;
    }
    Ok(vec![])
}

impl ResourceType for Directory {
    const NAME: &'static str = "directory";
    const ABOUT: &'static str = "A directory: its owner, group and mode, and what is in it.";
    const EXAMPLE: &'static str = "- directory: /srv/app\n  owner: app\n  group: app\n  mode: \"0750\"\n- directory: /etc/app/conf.d\n  parents: true\n  purge: true\n";
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");
    const GOES_EMPTY: bool = true;

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let params = &want.params;
        let ways = [
            (params.state == Presence::Absent && want.departed.is_none(), Way::RemoveAll),
            (params.state == Presence::Absent, Way::Remove),
            (params.purge, Way::Empty),
            (params.recurse, Way::ChangeAll),
        ];
        attributes::check_path(want, ways.into_iter().filter(|(is_due, _)| *is_due).map(|(_, way)| way), out);
        wanted(params).check(want, out);
        let attributes = wanted(params).attributes() != Attributes::default();
        let mut wrong = |name: &str, label: &str| {
            let span = Some(want.places.of(name));
            out.push(Diagnostic::error("parameters that exclude one another", span, label));
        };
        if params.recurse && !attributes {
            wrong("recurse", "there is no owner, group or mode to be set below");
        }
        if params.state == Presence::Absent {
            let given = [
                ("owner", params.owner.is_some()),
                ("group", params.group.is_some()),
                ("mode", params.mode.is_some()),
                ("recurse", params.recurse),
                ("purge", params.purge),
                ("parents", params.parents),
            ];
            for (name, _) in given.iter().filter(|(_, given)| *given) {
                wrong(name, &format!("a directory that is to be absent has no {name}"));
            }
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn path(&self, key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn makes<'a>(&self, want: &'a Want<Params>) -> Option<Made<'a>> {
        Some(Made { path: want.title(), holds: true })
    }

    fn wants_managed_below(&self, want: &Want<Params>) -> bool {
        want.params.purge || want.params.recurse
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        edges.require_parent(&want.id, want.title());
        edges.require_home(&want.id, want.title());
        wanted(&want.params).relate(&want.id, edges);
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(questions(wants).list());
        owners(wants).ask(probe);
        let listed = listed(wants);
        if !listed.is_empty() {
            probe.ask(Query::Tree, listed);
        }
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        let states = questions(wants).read(answers);
        let owners = owners(wants).read(answers);
        let roots = listed(wants);
        let tree = if roots.is_empty() {
            Ok(Tree::default())
        } else {
            answers.answer().and_then(|frame| tree::parse(&frame.body))
        };
        let (states, owners) = match states.and_then(|states| Ok((states, owners?))) {
            Ok(both) => both,
            Err(bad) => return wants.iter().map(|_| Err(bad.clone())).collect(),
        };
        wants
            .iter()
            .map(|want| {
                let tree = tree.as_ref().map_err(Clone::clone).and_then(|tree| {
                    tree.is_whole(want.title(), roots.iter().copied())?;
                    Ok(&tree.entries)
                });
                let below = match &tree {
                    _ if !is_listed(&want.params) => vec![],
                    Ok(tree) => tree.iter().filter(|e| attributes::is_below(&e.path, want.title())).cloned().collect(),
                    // Of what is to be removed whole, the entries are only counted.
                    Err(_) if want.params.state == Presence::Absent => vec![],
                    Err(bad) => return Err(bad.clone()),
                };
                let above = above(want).into_iter().map(|path| states.of(&path).map(|state| (path, state)));
                let (at, above) = (states.of(want.title())?, above.collect::<Result<_, _>>()?);
                Ok(Observed { at, above, below, unknown: owners.among(wanted(&want.params)) })
            })
            .collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let path = want.title();
        let mut difference = Difference::new(Action::Update);
        let kind = match &seen.at {
            FileState::Absent => None,
            FileState::Present(stat) => Some(stat.kind),
        };
        if let Some(kind) = kind.filter(|k| *k != FileKind::Directory) {
            if !want.params.force {
                let why =
                    format!("{path} is a {}, no directory; it is removed with `force: true` alone", kind.as_str());
                return Err(Impossible(why));
            }
            difference.warnings.push(format!("the {} {path} is removed", kind.as_str()));
        }
        let from = kind.map_or(Shown::Absent, |kind| Shown::value(kind.as_str()));
        match (want.params.state, &seen.at) {
            (Presence::Absent, FileState::Absent) => return Ok(None),
            (Presence::Absent, FileState::Present(_)) => {
                difference.action = Action::Remove;
                difference.note("state", from, Shown::Absent);
                if want.departed.is_some() {
                    below::is_emptied(seen, path, ahead)?;
                    return Ok(Some(difference));
                }
                let entries = match seen.below.len() {
                    0 => None,
                    1 => Some("1 entry".to_owned()),
                    n => Some(format!("{n} entries")),
                };
                difference.warnings.extend(entries.map(|e| format!("{path} is removed with the {e} below it")));
            }
            (Presence::Present, FileState::Present(stat)) if stat.kind == FileKind::Directory => {
                wanted(&want.params).compare(stat, &mut difference);
                let unlike = below::unlike(want, seen);
                let mut named = below::unmanaged(want, seen);
                named.extend(unlike.iter().map(|(e, _)| *e).filter(|_| !below::by_a_walk(want, &unlike)));
                if let Some(odd) = named.iter().find(|e| !e.exact) {
                    let why = format!("{} cannot be changed: its name is no UTF-8", odd.path.escape_debug());
                    return Err(Impossible(why));
                }
                below::note(&mut difference, want, seen);
            }
            (Presence::Present, _) => {
                let made = parents(want, seen, ahead)?;
                if kind.is_none() {
                    difference.action = Action::Create;
                }
                difference.note("state", from, Shown::value("directory"));
                if !made.is_empty() {
                    difference.note("parents", Shown::Absent, Shown::Value(made.join(", ")));
                }
                wanted(&want.params).note_new(&mut difference);
            }
        }
        seen.unknown.check(&difference, ahead)?;
        Ok(difference.unless_empty())
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        crate::resources::lifeline::directory(want.title())
    }

    fn sees(&self, want: &Want<Params>, path: &str) -> bool {
        attributes::is_at_or_below(want.title(), path) || attributes::is_below(path, want.title())
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let (at, below) = match (want.params.state, &seen.at) {
            (Presence::Absent, _) => (FileState::Absent, vec![]),
            (Presence::Present, at) => {
                let (mut stat, below) = match at {
                    FileState::Present(stat) if stat.kind == FileKind::Directory => {
                        (stat.clone(), below::predict(want, seen))
                    }
                    _ => (attributes::fresh(FileKind::Directory, 0o755), vec![]),
                };
                wanted(&want.params).set(&mut stat);
                (FileState::Present(stat), below)
            }
        };
        Observed { at, above: seen.above.clone(), below, unknown: Unknown::default() }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, difference } in due {
            let (id, path) = (&want.id, want.title());
            let attributes = wanted(&want.params).attributes();
            match (want.params.state, &seen.at) {
                (Presence::Absent, _) if want.departed.is_some() => steps.remove(id, path, false),
                (Presence::Absent, _) => steps.remove(id, path, true),
                (Presence::Present, FileState::Present(stat)) if stat.kind == FileKind::Directory => {
                    for entry in below::unmanaged(want, seen) {
                        steps.remove(id, &entry.path, entry.kind == FileKind::Directory);
                    }
                    let unlike = below::unlike(want, seen);
                    let own = ["owner", "group", "mode"].iter().any(|name| difference.has(name));
                    let walk = below::by_a_walk(want, &unlike);
                    if own || walk {
                        steps.set_attributes(id, path, attributes, walk);
                    }
                    for (entry, lacks) in unlike.into_iter().filter(|_| !walk) {
                        steps.set_attributes(id, &entry.path, lacks, false);
                    }
                }
                (Presence::Present, at) => {
                    if *at != FileState::Absent {
                        steps.remove(id, path, false);
                    }
                    for above in missing_above(seen).into_iter().filter(|_| want.params.parents) {
                        steps.make_directory(id, above, Attributes::default());
                    }
                    steps.make_directory(id, path, attributes);
                }
            }
        }
    }
}
