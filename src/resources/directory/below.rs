//! What is in a directory: whose attributes differ, and what no resource manages.

use super::super::attributes::{self, Wanted};
use super::super::difference::{Action, Ahead, Difference, Shown};
use super::super::value::{Mode, Scalar};
use super::super::{Impossible, Want};
use super::{Observed, Params, wanted};
use crate::shell::files::FileKind;
use crate::shell::steps::Attributes;
use crate::shell::tree::TreeEntry;
use std::collections::BTreeSet;

/// How many paths a plan names, of those whose attributes change.
const NAMED: usize = 3;
/// With more than this, attributes are set by one walk instead of one by one.
const ONE_BY_ONE: usize = 50;

/// The mode that `recurse` gives an entry.
fn mode_below(mode: Mode, entry: &TreeEntry) -> u32 {
    match entry.kind {
        FileKind::Directory => mode.0,
        // A set-ID bit is for directories.
        _ if entry.mode & 0o111 != 0 => mode.0 & 0o777,
        _ => mode.0 & 0o666,
    }
}

/// What of the wanted attributes an entry does not have.
fn lacks(params: &Params, entry: &TreeEntry) -> Attributes {
    let mut seen = attributes::fresh(entry.kind, entry.mode);
    (seen.uid, seen.gid, seen.owner, seen.group) = (entry.uid, entry.gid, entry.owner.clone(), entry.group.clone());
    let mode = params.mode.map(|mode| Mode(mode_below(mode, entry)));
    let mut difference = Difference::new(Action::Update);
    Wanted { mode, ..wanted(params) }.compare(&seen, &mut difference);
    let text =
        |name: &str, value: &Option<Scalar>| value.as_ref().filter(|_| difference.has(name)).map(|s| s.0.clone());
    Attributes {
        owner: text("owner", &params.owner),
        group: text("group", &params.group),
        mode: mode.filter(|_| difference.has("mode")).map(|m| m.0),
    }
}

/// Whether nothing is in a directory that has left the manifest, once what is removed before it is gone. What trueup has
/// not made goes with no directory.
///
/// # Errors
/// Where something is.
pub(super) fn is_emptied(seen: &Observed, path: &str, ahead: &Ahead<'_>) -> Result<(), Impossible> {
    let removed = |e: &&TreeEntry| {
        let kinds = ["file", "directory", "symlink"];
        kinds.iter().any(|kind| ahead.change(kind, &e.path).is_some_and(|d| d.action == Action::Remove))
    };
    let left: Vec<&TreeEntry> = seen.below.iter().filter(|e| e.path != path && !removed(e)).collect();
    match left.as_slice() {
        [] => Ok(()),
        [one] => Err(Impossible(format!("{} is in it, which is no orphan", one.path))),
        [one, ..] => Err(Impossible(format!("{} entries are in it that are no orphans: {}, …", left.len(), one.path))),
    }
}

/// The entries below whose attributes are to be set, with what is to be set.
pub(super) fn unlike<'a>(want: &Want<Params>, seen: &'a Observed) -> Vec<(&'a TreeEntry, Attributes)> {
    if !want.params.recurse {
        return vec![];
    }
    let removed: BTreeSet<&str> = unmanaged(want, seen).into_iter().map(|e| e.path.as_str()).collect();
    let managed: BTreeSet<&str> = want.managed_below.iter().map(String::as_str).collect();
    seen.below
        .iter()
        .filter(|e| e.kind != FileKind::Symlink && !managed.contains(e.path.as_str()))
        .filter(|e| !removed.contains(e.path.as_str()))
        .filter(|e| !attributes::above(&e.path).iter().any(|a| removed.contains(a)))
        .map(|e| (e, lacks(&want.params, e)))
        .filter(|(_, lacks)| *lacks != Attributes::default())
        .collect()
}

/// Whether attributes are set by one walk. That sets what has a resource of its own as well.
pub(super) fn by_a_walk(want: &Want<Params>, unlike: &[(&TreeEntry, Attributes)]) -> bool {
    want.managed_below.is_empty() && (unlike.len() > ONE_BY_ONE || unlike.iter().any(|(e, _)| !e.exact))
}

/// The topmost entries that purging removes: those that no resource manages, and none below which one is managed.
pub(super) fn unmanaged<'a>(want: &Want<Params>, seen: &'a Observed) -> Vec<&'a TreeEntry> {
    if !want.params.purge {
        return vec![];
    }
    let managed: BTreeSet<&str> = want.managed_below.iter().map(String::as_str).collect();
    let leads: BTreeSet<&str> = managed.iter().flat_map(|path| attributes::above(path)).collect();
    let stays = |path: &str| managed.contains(path) || leads.contains(path);
    seen.below
        .iter()
        .filter(|e| !stays(&e.path))
        .filter(|e| {
            // What is in a directory with a resource of its own is that one's affair.
            let parent = attributes::parent(&e.path);
            parent == want.title() || (leads.contains(parent) && !managed.contains(parent))
        })
        .filter(|e| {
            !attributes::above(&e.path)
                .into_iter()
                .any(|a| attributes::is_below(a, want.title()) && managed.contains(a))
        })
        .collect()
}

pub(super) fn relative<'a>(want: &Want<Params>, entry: &'a TreeEntry) -> &'a str {
    entry.path.strip_prefix(want.title()).and_then(|p| p.strip_prefix('/')).unwrap_or(&entry.path)
}

/// Notes how many entries below lack one attribute, and the first of them.
fn note_one(difference: &mut Difference, name: &str, paths: &[&str], to: String) {
    if paths.is_empty() {
        return;
    }
    let mut from: Vec<&str> = paths.iter().copied().take(NAMED).collect();
    if paths.len() > NAMED {
        from.push("…");
    }
    let entries = if paths.len() == 1 { "entry" } else { "entries" };
    difference.note(
        name,
        Shown::Value(format!("another on {} {entries}: {}", paths.len(), from.join(", "))),
        Shown::Value(to),
    );
}

/// Notes what `recurse` and `purge` come to.
pub(super) fn note(difference: &mut Difference, want: &Want<Params>, seen: &Observed) {
    let unlike = unlike(want, seen);
    let params = &want.params;
    let with = |has: fn(&Attributes) -> bool| -> Vec<&str> {
        unlike.iter().filter(|(_, lacks)| has(lacks)).map(|(entry, _)| relative(want, entry)).collect()
    };
    let text = |value: &Option<Scalar>| value.as_ref().map(|s| s.0.clone()).unwrap_or_default();
    note_one(difference, "owner below", &with(|l| l.owner.is_some()), text(&params.owner));
    note_one(difference, "group below", &with(|l| l.group.is_some()), text(&params.group));
    let mode = params.mode.map(|m| m.to_string()).unwrap_or_default();
    note_one(difference, "mode below", &with(|l| l.mode.is_some()), mode);
    for entry in unmanaged(want, seen) {
        let from = format!("{} {}", entry.kind.as_str(), relative(want, entry));
        difference.note("purged", Shown::Value(from), Shown::Absent);
    }
}

/// What is below once the difference is applied.
pub(super) fn predict(want: &Want<Params>, seen: &Observed) -> Vec<TreeEntry> {
    let removed: BTreeSet<&str> = unmanaged(want, seen).into_iter().map(|e| e.path.as_str()).collect();
    let gone = |path: &str| removed.contains(path) || attributes::above(path).iter().any(|a| removed.contains(a));
    let unlike: BTreeSet<&str> = unlike(want, seen).into_iter().map(|(e, _)| e.path.as_str()).collect();
    let mut below: Vec<TreeEntry> = seen.below.iter().filter(|e| !gone(&e.path)).cloned().collect();
    for entry in below.iter_mut().filter(|e| unlike.contains(e.path.as_str())) {
        let mut stat = attributes::fresh(entry.kind, entry.mode);
        (stat.uid, stat.gid, stat.owner, stat.group) = (entry.uid, entry.gid, entry.owner.clone(), entry.group.clone());
        let mode = want.params.mode.map(|mode| Mode(mode_below(mode, entry)));
        Wanted { mode, ..wanted(&want.params) }.set(&mut stat);
        (entry.uid, entry.gid, entry.owner, entry.group) = (stat.uid, stat.gid, stat.owner, stat.group);
        entry.mode = stat.mode;
    }
    below
}
