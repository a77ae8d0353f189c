//! Hosts, groups, and which variables hold for a host.

use super::sealed::SealedFile;
use crate::language::diagnostic::Diagnostics;
use crate::language::node::{Layer, Mapping, Node, Yaml};
use crate::model::span::{FileId, Span, Spanned};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// The variables that one file gives to one host or group.
#[derive(Clone, Debug)]
pub struct Level {
    pub file: FileId,
    pub vars: Layer,
    /// Where the file is encrypted and not opened yet; then there are no variables.
    pub sealed: Option<SealedFile>,
}

#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    /// Where it was named first; `None` for the machine that trueup runs on, which needs no naming.
    pub span: Option<Span>,
    /// Its own, the weakest first: those of inventories in their order, then those of `host_vars`.
    pub levels: Vec<Level>,
    /// Named by a pattern though no inventory has it, so that `all` does not hold it.
    pub implicit: bool,
    /// Numbers of its groups, parents included and `all` left out, the weakest first.
    pub(super) groups: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    /// Numbers of its direct members, in order.
    pub(super) hosts: Vec<usize>,
    /// Numbers of the groups in it, in order, each with the place that puts it there.
    pub(super) children: Vec<(usize, Option<Span>)>,
    /// Its own variables, the weakest first: those of inventories in their order, then those of `group_vars`.
    pub levels: Vec<Level>,
}

/// Whose variables they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    Group(&'a str),
    Host(&'a str),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group {name}"),
            Self::Host(name) => write!(f, "host {name}"),
        }
    }
}

/// One level of a host's variables.
#[derive(Clone, Copy, Debug)]
pub struct VarLayer<'a> {
    pub origin: Origin<'a>,
    pub file: FileId,
    pub vars: &'a Layer,
}

/// Hosts in the order they were named, and their groups in theirs. Made by [`super::assemble::Builder`].
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(super) hosts: Vec<Host>,
    pub(super) groups: Vec<Group>,
    pub(super) host_numbers: HashMap<String, usize>,
    pub(super) group_numbers: HashMap<String, usize>,
    /// The machine that trueup runs on, until a pattern names it.
    pub(super) localhost: Option<Host>,
    pub(super) warnings: Diagnostics,
}

/// Sets variables, the later over the earlier.
pub(super) fn set(vars: &mut Mapping, more: Mapping) {
    for (key, mut value) in more {
        value.secret |= is_password(&key.value);
        match vars.iter_mut().find(|(k, _)| k.value == key.value) {
            Some(slot) => *slot = (key, value),
            None => vars.push((key, value)),
        }
    }
}

/// Sets variables of one file: at its own level, where it has one, or at a new and stronger one.
pub(super) fn set_level(levels: &mut Vec<Level>, file: FileId, more: Mapping) {
    if more.is_empty() {
        return;
    }
    match levels.iter_mut().find(|l| l.file == file) {
        Some(level) => set(Arc::make_mut(&mut level.vars), more),
        None => {
            let mut vars = vec![];
            set(&mut vars, more);
            levels.push(Level { file, vars: vars.into(), sealed: None });
        }
    }
}

/// Ansible's own variables for passwords are secret however they are written.
fn is_password(name: &str) -> bool {
    name.starts_with("ansible_") && name.contains("_pass")
}

impl Inventory {
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn host(&self, name: &str) -> Option<&Host> {
        self.host_numbers.get(name).and_then(|n| self.hosts.get(*n))
    }

    /// What was odd in the inventories, and no error.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    pub fn group_exists(&self, name: &str) -> bool {
        matches!(name, "all" | "ungrouped") || self.group_numbers.contains_key(name)
    }

    /// Names of all groups but `ungrouped`, in the order they were named; `all` is the first.
    pub fn group_list(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|g| g.name.as_str()).filter(|n| *n != "ungrouped")
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.group_numbers.get(name).and_then(|n| self.groups.get(*n))
    }

    /// Names of the groups that stand in a group, in order; those in no other stand in `all`.
    pub fn children(&self, group: &str) -> Vec<&str> {
        let children = self.group(group).into_iter().flat_map(|g| &g.children);
        children.filter_map(|(n, _)| self.groups.get(*n)).map(|g| g.name.as_str()).collect()
    }

    /// Names of the hosts that stand in a group itself, in order.
    pub fn direct_members(&self, group: &str) -> Vec<&str> {
        self.names(self.group(group).into_iter().flat_map(|g| &g.hosts))
    }

    /// Names of a group's hosts and of those in all groups in it: the group's own first, each in its order.
    pub fn members(&self, group: &str) -> Vec<&str> {
        if group == "all" {
            return self.hosts.iter().filter(|h| !h.implicit).map(|h| h.name.as_str()).collect();
        }
        let mut seen = HashSet::new();
        let below = self.below(group);
        self.names(below.iter().flat_map(|g| &g.hosts).filter(|n| seen.insert(**n)))
    }

    fn names<'a, 'b>(&'a self, numbers: impl Iterator<Item = &'b usize>) -> Vec<&'a str> {
        numbers.filter_map(|n| self.hosts.get(*n)).map(|h| h.name.as_str()).collect()
    }

    /// A group and all groups in it, level by level.
    fn below(&self, group: &str) -> Vec<&Group> {
        let mut queue: VecDeque<usize> = self.group_numbers.get(group).copied().into_iter().collect();
        let mut seen: HashSet<usize> = queue.iter().copied().collect();
        let mut out = vec![];
        while let Some(group) = queue.pop_front().and_then(|n| self.groups.get(n)) {
            out.push(group);
            queue.extend(group.children.iter().map(|(n, _)| *n).filter(|n| seen.insert(*n)));
        }
        out
    }

    /// A host's groups, parents included, sorted, without `all`.
    pub fn group_names(&self, host: &str) -> Vec<String> {
        let numbers = self.host(host).into_iter().flat_map(|h| &h.groups);
        let mut names: Vec<_> = numbers.filter_map(|n| self.groups.get(*n)).map(|g| g.name.clone()).collect();
        names.sort();
        names
    }

    /// A host's variables, the weakest first: `all`, parents before children, groups of one depth by
    /// `ansible_group_priority` and then by name, then the host's own. Of each group, and of the host, what the
    /// inventories say comes before what `group_vars` and `host_vars` say.
    ///
    /// Ansible puts every inventory's group variables below every file of `group_vars`. Here a group's depth counts
    /// first, so that moving a variable from the inventory to a file changes nothing.
    pub fn vars_of(&self, host: &str) -> Vec<VarLayer<'_>> {
        self.levels_of(host).map(|(origin, l)| VarLayer { origin, file: l.file, vars: &l.vars }).collect()
    }

    pub(super) fn levels_of(&self, host: &str) -> impl Iterator<Item = (Origin<'_>, &Level)> {
        let host = self.host(host);
        let groups = self.group("all").into_iter().filter(move |_| host.is_some());
        let groups = groups.chain(host.into_iter().flat_map(|h| &h.groups).filter_map(|n| self.groups.get(*n)));
        let of_groups = groups.flat_map(|g| g.levels.iter().map(|l| (Origin::Group(&g.name), l)));
        of_groups.chain(host.into_iter().flat_map(|h| h.levels.iter().map(|l| (Origin::Host(&h.name), l))))
    }

    /// Adds the machine that trueup runs on, for a pattern that names it; reached without a connection.
    pub fn add_localhost(&mut self) {
        if self.host_numbers.contains_key("localhost") {
            return;
        }
        let host = self.localhost.take().unwrap_or_else(localhost);
        self.host_numbers.insert(host.name.clone(), self.hosts.len());
        self.hosts.push(host);
    }
}

/// The machine that trueup runs on, as no inventory names it.
pub(super) fn localhost() -> Host {
    // Nobody wrote it, so there is no place to show.
    let nowhere = Span { file: FileId(u32::MAX), start: 0, end: 0 };
    let key = Spanned { value: "ansible_connection".to_owned(), span: nowhere };
    let vars = vec![(key, Node::new(nowhere, Yaml::String("local".into())))];
    let levels = vec![Level { file: nowhere.file, vars: vars.into(), sealed: None }];
    Host { name: "localhost".into(), span: None, levels, implicit: true, groups: vec![] }
}
