//! What files, directories and links have in common: a path, what it stands in, an owner, a group and a mode.

use super::difference::{Action, Ahead, Difference, Shown};
use super::value::{Mode, Scalar};
use super::{Edges, Impossible, Want};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Digest;
use crate::model::id::ResourceId;
use crate::shell::files::{self, FileKind, FileStat, FileState, Sought};
use crate::shell::probe::{Answers, BadAnswer, FileQuestion};
use crate::shell::protected::{self, Way};
use crate::shell::steps::Attributes;
use std::collections::HashMap;

/// Owner, group and mode as they are wanted; `None` is not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub owner: Option<&'a Scalar>,
    pub group: Option<&'a Scalar>,
    pub mode: Option<Mode>,
}

/// Whether an owner or group is the wanted one: by number where that is all digits, else by name.
fn is(name: &str, id: u32, wanted: &str) -> bool {
    match number(wanted) {
        Some(number) => number == id,
        None => name == wanted,
    }
}

fn number(wanted: &str) -> Option<u32> {
    if wanted.bytes().all(|b| b.is_ascii_digit()) { wanted.parse().ok() } else { None }
}

impl Wanted<'_> {
    pub fn check<P>(&self, want: &Want<P>, out: &mut Diagnostics) {
        for (param, name) in [("owner", self.owner), ("group", self.group)] {
            let wrong = |n: &str| n.is_empty() || n.starts_with('-') || n.contains([':', '\n', '\0', ' ']);
            if let Some(Scalar(name)) = name.filter(|n| wrong(&n.0)) {
                let label = format!("`{}` is neither a name nor a number", name.escape_debug());
                out.push(Diagnostic::error("wrong value", Some(want.places.of(param)), label));
            }
        }
    }

    /// Notes what differs.
    pub fn compare(&self, seen: &FileStat, difference: &mut Difference) {
        for (param, name, id, wanted) in
            [("owner", &seen.owner, seen.uid, self.owner), ("group", &seen.group, seen.gid, self.group)]
        {
            if let Some(Scalar(wanted)) = wanted.filter(|w| !is(name, id, &w.0)) {
                let from = if number(wanted).is_some() { id.to_string() } else { name.clone() };
                difference.note(param, Shown::Value(from), Shown::value(wanted));
            }
        }
        if let Some(mode) = self.mode {
            difference.compare("mode", &Mode(seen.mode), &mode);
        }
    }

    /// Notes those of what is not there yet.
    pub fn note_new(&self, difference: &mut Difference) {
        for (param, wanted) in [("owner", self.owner), ("group", self.group)] {
            if let Some(Scalar(wanted)) = wanted {
                difference.note(param, Shown::Absent, Shown::value(wanted));
            }
        }
        if let Some(mode) = self.mode {
            difference.note("mode", Shown::Absent, Shown::value(mode));
        }
    }

    pub fn attributes(&self) -> Attributes {
        let text = |s: Option<&Scalar>| s.map(|s| s.0.clone());
        Attributes { owner: text(self.owner), group: text(self.group), mode: self.mode.map(|m| m.0) }
    }

    /// As a probe would see it once it is set.
    pub fn set(&self, stat: &mut FileStat) {
        for (wanted, name, id) in
            [(self.owner, &mut stat.owner, &mut stat.uid), (self.group, &mut stat.group, &mut stat.gid)]
        {
            match wanted.map(|w| (number(&w.0), &w.0)) {
                Some((Some(number), _)) => *id = number,
                Some((None, wanted)) => name.clone_from(wanted),
                None => {}
            }
        }
        if let Some(mode) = self.mode {
            stat.mode = mode.0;
        }
    }

    /// After the user and the group that it belongs to.
    pub fn relate(&self, id: &ResourceId, edges: &mut Edges) {
        for (kind, wanted) in [("user", self.owner), ("group", self.group)] {
            if let Some(wanted) = wanted.filter(|w| number(&w.0).is_none()) {
                edges.require(id, kind, wanted.0.clone());
            }
        }
    }
}

/// As a fresh one is made, where nothing else is wanted.
pub(super) fn fresh(kind: FileKind, mode: u32) -> FileStat {
    FileStat {
        kind,
        mode,
        uid: 0,
        gid: 0,
        owner: "root".into(),
        group: "root".into(),
        size: 0,
        target: None,
        digest: None,
        text: None,
        loses_list: false,
        bound: None,
    }
}

/// A path that is one thing's only name, as far as text can tell. `ways`: what is to happen to it, which what belongs to the
/// system is kept from before anything is probed.
pub(super) fn check_path<P>(want: &Want<P>, ways: impl IntoIterator<Item = Way>, out: &mut Diagnostics) {
    let path = want.title();
    let mut parts = path.split('/').skip(1);
    let label = if !path.starts_with('/') {
        format!("`{}` is no absolute path", path.escape_debug())
    } else if path == "/" {
        "the root directory is not managed".to_owned()
    } else if path.ends_with('/') {
        "a path is written without a slash at its end".to_owned()
    } else if parts.any(|p| p.is_empty() || p == "." || p == "..") {
        "a path is written without `//`, `.` and `..` in it".to_owned()
    } else if path.contains('\0') {
        "a path holds no NUL".to_owned()
    } else {
        if let Some(why) = ways.into_iter().find_map(|way| protected::refused(path, way)) {
            let d = Diagnostic::error("a path of the system", Some(want.places.title), why);
            out.push(d.help("name what is to be changed in it"));
        }
        return;
    };
    out.push(Diagnostic::error("wrong path", Some(want.places.title), label));
}

/// The directory that it stands in.
pub(super) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// All directories above it but the root, the topmost first.
pub(super) fn above(path: &str) -> Vec<&str> {
    path.match_indices('/').skip(1).filter_map(|(n, _)| path.get(..n)).collect()
}

/// Whether `path` is below `top`.
pub(super) fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn is_at_or_below(path: &str, top: &str) -> bool {
    path == top || is_below(path, top)
}

/// One question about each path, however many ask about it.
#[derive(Default)]
pub(super) struct Questions {
    asked: Vec<FileQuestion>,
    at: HashMap<String, usize>,
}

/// The answers, by path.
pub(super) struct States {
    at: HashMap<String, usize>,
    states: Vec<Result<FileState, BadAnswer>>,
}

impl Questions {
    pub fn ask(&mut self, path: &str, contents: Option<Sought>) {
        match self.at.get(path).and_then(|n| self.asked.get_mut(*n)) {
            Some(known) => known.contents = known.contents.take().or(contents),
            None => {
                self.at.insert(path.to_owned(), self.asked.len());
                self.asked.push(FileQuestion { path: path.to_owned(), contents });
            }
        }
    }

    pub fn list(&self) -> &[FileQuestion] {
        &self.asked
    }

    /// Reads the next answer.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read(self, answers: &mut Answers) -> Result<States, BadAnswer> {
        let frame = answers.answer()?;
        Ok(States { states: files::parse(&self.asked, &frame.body), at: self.at })
    }
}

impl States {
    pub fn of(&self, path: &str) -> Result<FileState, BadAnswer> {
        let state = self.at.get(path).and_then(|n| self.states.get(*n)).cloned();
        state.unwrap_or_else(|| Err(BadAnswer("it was not asked about".into())))
    }
}

/// Whether what `path` stands in is there, or will be.
///
/// # Errors
/// Where nothing brings it.
pub(super) fn needs_parent(path: &str, seen: &FileState, ahead: &Ahead<'_>) -> Result<(), Impossible> {
    let parent = parent(path);
    match seen {
        // Where a link leads is told when it is followed.
        FileState::Present(stat) if matches!(stat.kind, FileKind::Directory | FileKind::Symlink) => Ok(()),
        _ if brought(parent, ahead) => Ok(()),
        FileState::Present(stat) => {
            Err(Impossible(format!("{parent}, which it is to stand in, is a {}", stat.kind.as_str())))
        }
        FileState::Absent => {
            Err(Impossible(format!("the directory {parent} is not there, and no resource before this one makes it")))
        }
    }
}

/// Whether a change ahead makes this directory, or may well make it.
fn brought(directory: &str, ahead: &Ahead<'_>) -> bool {
    // What is below a link that is still to be made cannot be seen yet.
    let links = |path: &str| ahead.change("symlink", path).is_some_and(|d| d.action != Action::Remove);
    // One that makes its own parents makes all that is above it.
    let deeper =
        || ahead.of_type("directory").any(|(id, d)| d.action == Action::Create && is_below(&id.title, directory));
    let linked = || links(directory) || above(directory).into_iter().any(links);
    ahead.brings("directory", directory) || linked() || ahead.may_bring(directory) || deeper()
}

/// Contents as a plan names them.
pub(super) fn contents(size: u64, digest: Option<&Digest>) -> String {
    let unit = if size == 1 { "byte" } else { "bytes" };
    match digest.and_then(|d| d.as_str().get(..12)) {
        Some(short) => format!("{size} {unit}, sha256 {short}"),
        None => format!("{size} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_stands_in() {
        assert_eq!((parent("/a"), parent("/a/b c")), ("/", "/a"));
        assert_eq!(above("/a/b/c"), ["/a", "/a/b"]);
        assert!(above("/a").is_empty());
        assert!(is_below("/a/b", "/a") && !is_below("/ab", "/a") && !is_below("/a", "/a"));
    }

    #[test]
    fn digits_are_an_id() {
        assert!(is("root", 0, "0") && is("root", 0, "root") && !is("root", 0, "1"));
        assert!(!is("UNKNOWN", 4_000_000_000, "99999999999"));
    }
}
