//! Hosts, groups, and which variables hold for a host.

use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Mapping, Node, Yaml};
use crate::language::span::Span;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub span: Option<Span>,
    /// From the inventory itself.
    pub vars: Mapping,
    /// From `host_vars`, the stronger.
    pub file_vars: Mapping,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Direct members, in order.
    pub hosts: Vec<String>,
    pub children: Vec<(String, Option<Span>)>,
    pub vars: Mapping,
    /// From `group_vars`, the stronger.
    pub file_vars: Mapping,
}

/// One level of variables.
#[derive(Clone, Debug)]
pub struct VarLayer<'a> {
    /// `group web`, `host web1`.
    pub origin: String,
    pub vars: &'a Mapping,
}

/// Hosts in the order they were named, and their groups.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(super) hosts: Vec<Host>,
    pub(super) groups: BTreeMap<String, Group>,
    by_name: HashMap<String, usize>,
}

/// Sets a variable, the later over the earlier.
pub(super) fn set(vars: &mut Mapping, more: Mapping) {
    for (key, value) in more {
        match vars.iter_mut().find(|(k, _)| k.value == key.value) {
            Some(slot) => *slot = (key, value),
            None => vars.push((key, value)),
        }
    }
}

/// Takes in what inventories say, in their order.
#[derive(Default)]
pub struct Builder {
    inventory: Inventory,
}

impl Builder {
    pub fn host(&mut self, name: &str, span: Option<Span>, vars: Mapping) {
        let inventory = &mut self.inventory;
        let n = *inventory.by_name.entry(name.to_owned()).or_insert(inventory.hosts.len());
        if n == inventory.hosts.len() {
            inventory.hosts.push(Host { name: name.to_owned(), span, vars: vec![], file_vars: vec![] });
        }
        if let Some(host) = inventory.hosts.get_mut(n) {
            set(&mut host.vars, vars);
        }
    }

    pub fn group(&mut self, name: &str) -> &mut Group {
        self.inventory.groups.entry(name.to_owned()).or_default()
    }

    pub fn member(&mut self, group: &str, host: &str) {
        let members = &mut self.group(group).hosts;
        if !members.iter().any(|h| h == host) {
            members.push(host.to_owned());
        }
    }

    pub fn child(&mut self, group: &str, child: &str, span: Option<Span>) {
        self.group(child);
        let children = &mut self.group(group).children;
        if !children.iter().any(|(c, _)| c == child) {
            children.push((child.to_owned(), span));
        }
    }

    pub fn group_vars(&mut self, group: &str, vars: Mapping) {
        set(&mut self.group(group).vars, vars);
    }

    pub fn build(mut self, found: &mut Diagnostics) -> Inventory {
        self.group("all");
        let inventory = self.inventory;
        for name in inventory.groups.keys() {
            if let Some(path) = inventory.cycle_from(name) {
                let span = inventory.groups.get(name).and_then(|g| g.children.first()).and_then(|(_, s)| *s);
                // Each group on the cycle would tell it again.
                if path.iter().min() == Some(name) {
                    found.push(Diagnostic::error("groups that contain one another", span, path.join(" → ")));
                }
            }
        }
        inventory
    }
}

impl Inventory {
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn host(&self, name: &str) -> Option<&Host> {
        self.by_name.get(name).and_then(|n| self.hosts.get(*n))
    }

    pub fn group_exists(&self, name: &str) -> bool {
        name == "ungrouped" || self.groups.contains_key(name)
    }

    pub fn group_list(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Hosts of a group and of all groups in it, in the inventory's order.
    pub fn members(&self, group: &str) -> Vec<&str> {
        if group == "all" {
            return self.hosts.iter().map(|h| h.name.as_str()).collect();
        }
        if group == "ungrouped" {
            let free = |h: &&Host| self.group_names(&h.name).is_empty();
            return self.hosts.iter().filter(free).map(|h| h.name.as_str()).collect();
        }
        let mut names = BTreeSet::new();
        for g in self.below(group) {
            names.extend(self.groups.get(&g).into_iter().flat_map(|g| &g.hosts).map(String::as_str));
        }
        self.hosts.iter().map(|h| h.name.as_str()).filter(|n| names.contains(n)).collect()
    }

    /// A group and all groups in it.
    fn below(&self, group: &str) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        let mut open = vec![group.to_owned()];
        while let Some(name) = open.pop() {
            if let Some(g) = self.groups.get(&name)
                && out.insert(name)
            {
                open.extend(g.children.iter().map(|(c, _)| c.clone()));
            }
        }
        out
    }

    /// A host's groups, parents included, sorted, without `all`.
    pub fn group_names(&self, host: &str) -> Vec<String> {
        let direct = self.groups.iter().filter(|(n, g)| *n != "all" && g.hosts.iter().any(|h| h == host));
        let mut names: BTreeSet<String> = direct.map(|(n, _)| n.clone()).collect();
        loop {
            let holds = |g: &Group| g.children.iter().any(|(c, _)| names.contains(c));
            let more: Vec<_> = self
                .groups
                .iter()
                .filter(|(n, g)| *n != "all" && !names.contains(*n) && holds(g))
                .map(|(n, _)| n.clone())
                .collect();
            if more.is_empty() {
                return names.into_iter().collect();
            }
            names.extend(more);
        }
    }

    /// How far a group is from `all`; a group in several counts from the farthest.
    fn depth(&self, group: &str, seen: &mut Vec<String>) -> usize {
        if group == "all" || seen.iter().any(|s| s == group) {
            return 0;
        }
        seen.push(group.to_owned());
        let parents = self.groups.iter().filter(|(n, g)| *n != "all" && g.children.iter().any(|(c, _)| c == group));
        let depth = parents.map(|(n, _)| self.depth(n, seen)).max().unwrap_or(0) + 1;
        seen.pop();
        depth
    }

    /// A host's variables, the weakest first: `all`, parents before children, groups of one depth by
    /// `ansible_group_priority` and then by name, then the host's own.
    pub fn vars_of(&self, host: &str) -> Vec<VarLayer<'_>> {
        let mut groups: Vec<(usize, i64, String)> =
            self.group_names(host).into_iter().map(|g| (self.depth(&g, &mut vec![]), self.priority(&g), g)).collect();
        groups.sort();
        let names = ["all".to_owned()].into_iter().chain(groups.into_iter().map(|(.., g)| g));
        let mut layers = vec![];
        for name in names {
            if let Some(group) = self.groups.get(&name) {
                for vars in [&group.vars, &group.file_vars] {
                    layers.push(VarLayer { origin: format!("group {name}"), vars });
                }
            }
        }
        if let Some(host) = self.host(host) {
            for vars in [&host.vars, &host.file_vars] {
                layers.push(VarLayer { origin: format!("host {}", host.name), vars });
            }
        }
        layers.retain(|l| !l.vars.is_empty());
        layers
    }

    fn priority(&self, group: &str) -> i64 {
        let value = |g: &Group| match g.vars.iter().find(|(k, _)| k.value == "ansible_group_priority") {
            Some((_, Node { value: Yaml::Int(n), .. })) => Some(*n),
            _ => None,
        };
        self.groups.get(group).and_then(value).unwrap_or(1)
    }

    /// The shortest way from a group back to itself.
    fn cycle_from(&self, start: &str) -> Option<Vec<String>> {
        let mut queue = std::collections::VecDeque::from([vec![start.to_owned()]]);
        let mut seen = BTreeSet::new();
        while let Some(path) = queue.pop_front() {
            let group = self.groups.get(path.last()?)?;
            for (child, _) in &group.children {
                let mut next = path.clone();
                next.push(child.clone());
                if child == start {
                    return Some(next);
                }
                if seen.insert(child.clone()) {
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// Adds the machine that trueup runs on, for a pattern that names it.
    pub fn add_localhost(&mut self) {
        if self.by_name.contains_key("localhost") {
            return;
        }
        let node = Node::new(Span::default(), Yaml::String("local".into()));
        let key = crate::language::span::Spanned { value: "ansible_connection".to_owned(), span: Span::default() };
        self.by_name.insert("localhost".into(), self.hosts.len());
        let vars = vec![(key, node)];
        self.hosts.push(Host { name: "localhost".into(), span: None, vars, file_vars: vec![] });
    }
}
