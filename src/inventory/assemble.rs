//! From what inventories say, piece by piece, to an [`Inventory`].

use super::hosts::{Group, Host, Inventory, localhost, set_level};
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Yaml};
use crate::model::span::{FileId, Span};
use std::collections::{HashMap, HashSet, VecDeque};

const PRIORITY: &str = "ansible_group_priority";
const ALL: usize = 0;
const UNGROUPED: usize = 1;

/// Takes in what inventories say, in their order. Numbers are those of [`Inventory`]'s lists.
pub struct Builder {
    inventory: Inventory,
    members: HashSet<(usize, usize)>,
    edges: HashSet<(usize, usize)>,
    /// Groups that a text refers to and that something has to define, each with its place.
    wanted: Vec<(String, Span)>,
    defined: HashSet<usize>,
    priorities: HashMap<usize, i64>,
    found: Diagnostics,
}

impl Default for Builder {
    fn default() -> Self {
        let mut builder = Self {
            inventory: Inventory::default(),
            members: HashSet::new(),
            edges: HashSet::new(),
            wanted: vec![],
            defined: HashSet::new(),
            priorities: HashMap::new(),
            found: Diagnostics::default(),
        };
        builder.group("all");
        builder.group("ungrouped");
        builder.edge(ALL, UNGROUPED, None);
        builder
    }
}

impl Builder {
    /// A host, with variables that its inventory gives it.
    pub fn host(&mut self, name: &str, span: Span, vars: Mapping) {
        let inventory = &mut self.inventory;
        let n = match inventory.host_numbers.get(name) {
            Some(n) => *n,
            None => {
                inventory.host_numbers.insert(name.to_owned(), inventory.hosts.len());
                let (name, span) = (name.to_owned(), Some(span));
                inventory.hosts.push(Host { name, span, levels: vec![], implicit: false, groups: vec![] });
                inventory.hosts.len() - 1
            }
        };
        if let Some(host) = inventory.hosts.get_mut(n) {
            set_level(&mut host.levels, span.file, vars);
        }
    }

    pub fn has_host(&self, name: &str) -> bool {
        self.inventory.host_numbers.contains_key(name)
    }

    /// Names of the hosts that there are so far.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.inventory.hosts.iter().map(|h| h.name.as_str())
    }

    /// Defines a group.
    pub fn group(&mut self, name: &str) {
        let n = self.number(name);
        self.defined.insert(n);
    }

    /// Refers to a group that this inventory or another one has to define.
    pub fn want_group(&mut self, name: &str, span: Span) {
        self.wanted.push((name.to_owned(), span));
    }

    fn number(&mut self, name: &str) -> usize {
        let inventory = &mut self.inventory;
        if let Some(n) = inventory.group_numbers.get(name) {
            return *n;
        }
        let n = inventory.groups.len();
        inventory.group_numbers.insert(name.to_owned(), n);
        inventory.groups.push(Group { name: name.to_owned(), hosts: vec![], children: vec![], levels: vec![] });
        n
    }

    /// Puts a host that there is into a group.
    pub fn member(&mut self, group: &str, host: &str) {
        let group = self.number(group);
        let Some(host) = self.inventory.host_numbers.get(host).copied() else { return };
        if self.members.insert((group, host))
            && let Some(group) = self.inventory.groups.get_mut(group)
        {
            group.hosts.push(host);
        }
    }

    /// Puts a group into a group.
    pub fn child(&mut self, group: &str, child: &str, span: Span) {
        if child == "all" {
            let label = format!("`all` cannot be in `{group}`");
            let d = Diagnostic::error("`all` in a group", Some(span), label);
            return self.found.push(d.help("`all` holds every group and host; nothing holds it"));
        }
        let (group, child) = (self.number(group), self.number(child));
        self.edge(group, child, Some(span));
    }

    fn edge(&mut self, group: usize, child: usize, span: Option<Span>) {
        if self.edges.insert((group, child))
            && let Some(group) = self.inventory.groups.get_mut(group)
        {
            group.children.push((child, span));
        }
    }

    /// Variables that an inventory gives to a group.
    pub fn group_vars(&mut self, group: &str, file: FileId, mut vars: Mapping) {
        let n = self.number(group);
        // It is about the group, and no variable of its hosts.
        vars.retain(|(key, value)| {
            if key.value != PRIORITY {
                return true;
            }
            let number = match &value.value {
                Yaml::Int(n) => Some(*n),
                Yaml::String(s) => s.trim().parse().ok(),
                _ => None,
            };
            match number {
                Some(number) => drop(self.priorities.insert(n, number)),
                None => self.found.push(Diagnostic::error(
                    "wrong value",
                    Some(value.span),
                    format!("{PRIORITY} is a whole number, this is {}", value.value.kind()),
                )),
            }
            false
        });
        if let Some(group) = self.inventory.groups.get_mut(n) {
            set_level(&mut group.levels, file, vars);
        }
    }

    /// The inventory, once everything has been said.
    pub fn build(mut self, found: &mut Diagnostics) -> Inventory {
        self.undefined();
        self.same_names();
        let order = match parents_first(&self.inventory.groups) {
            Ok(order) => order,
            Err(left) => {
                self.found.push(cycle(&self.inventory.groups, &left));
                vec![]
            }
        };
        self.ungrouped();
        self.orphans();
        let depths = depths(&self.inventory.groups, &order);
        self.strengths(&order, &depths);
        let mut inventory = self.inventory;
        if !inventory.host_numbers.contains_key("localhost") {
            inventory.localhost = Some(localhost());
        }
        found.extend(self.found);
        inventory
    }

    fn undefined(&mut self) {
        let mut told = HashSet::new();
        for (name, span) in std::mem::take(&mut self.wanted) {
            let known = self.inventory.group_numbers.get(&name).is_some_and(|n| self.defined.contains(n));
            if known || !told.insert(name.clone()) {
                continue;
            }
            let names = self.defined.iter().filter_map(|n| self.inventory.groups.get(*n)).map(|g| g.name.as_str());
            // From a set, so in no order: the nearest has to be the same one each time.
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            let d = Diagnostic::error("unknown group", Some(span), format!("no inventory defines `{name}`"));
            self.found.push(match did_you_mean(&name, names) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help(format!("a line `[{name}]` defines it, empty or not")),
            });
        }
    }

    fn same_names(&mut self) {
        for host in &self.inventory.hosts {
            if self.inventory.group_numbers.contains_key(&host.name) {
                let label = format!("`{}` is also a group", host.name);
                let d = Diagnostic::warning("a host and a group of one name", host.span, label);
                self.found.push(d.help("a pattern with this name means the group: rename one of the two"));
            }
        }
    }

    /// `ungrouped` holds who is in no other group but `all`: those first who were put there.
    fn ungrouped(&mut self) {
        let elsewhere: HashSet<usize> =
            self.members.iter().filter(|(g, _)| *g != ALL && *g != UNGROUPED).map(|(_, h)| *h).collect();
        let placed = &self.members;
        let Some(group) = self.inventory.groups.get_mut(UNGROUPED) else { return };
        group.hosts.retain(|h| !elsewhere.contains(h));
        let rest = 0..self.inventory.hosts.len();
        group.hosts.extend(rest.filter(|h| !elsewhere.contains(h) && !placed.contains(&(UNGROUPED, *h))));
    }

    /// Groups that are in no other are in `all`.
    fn orphans(&mut self) {
        let held: HashSet<usize> = self.edges.iter().map(|(_, child)| *child).collect();
        for n in 0..self.inventory.groups.len() {
            if n != ALL && !held.contains(&n) {
                self.edge(ALL, n, None);
            }
        }
    }

    /// Gives each host its groups, the weakest first.
    fn strengths(&mut self, order: &[usize], depths: &[usize]) {
        let groups = &self.inventory.groups;
        // From parents down: a group's set is its own ancestors and itself.
        let mut above: Vec<HashSet<usize>> = vec![HashSet::new(); groups.len()];
        for n in order {
            let Some(mine) = above.get_mut(*n) else { continue };
            if *n != ALL {
                mine.insert(*n);
            }
            let mine = mine.clone();
            for (child, _) in groups.get(*n).into_iter().flat_map(|g| &g.children) {
                above.get_mut(*child).into_iter().for_each(|a| a.extend(&mine));
            }
        }
        let mut of_hosts: Vec<HashSet<usize>> = vec![HashSet::new(); self.inventory.hosts.len()];
        for (n, group) in groups.iter().enumerate().filter(|(n, _)| *n != ALL) {
            for host in &group.hosts {
                if let (Some(set), Some(above)) = (of_hosts.get_mut(*host), above.get(n)) {
                    set.extend(above);
                }
            }
        }
        let strength = |n: &usize| {
            let name = groups.get(*n).map(|g| g.name.clone());
            (depths.get(*n).copied().unwrap_or_default(), self.priorities.get(n).copied().unwrap_or(1), name)
        };
        for (host, set) in self.inventory.hosts.iter_mut().zip(of_hosts) {
            host.groups = set.into_iter().collect();
            host.groups.sort_by_cached_key(strength);
        }
    }
}

/// All groups, each after all those that hold it; or those that a cycle keeps from being put in order.
fn parents_first(groups: &[Group]) -> Result<Vec<usize>, Vec<usize>> {
    let mut holders = vec![0usize; groups.len()];
    for (child, _) in groups.iter().flat_map(|g| &g.children) {
        holders.get_mut(*child).into_iter().for_each(|h| *h += 1);
    }
    let mut ready: VecDeque<usize> = (0..groups.len()).filter(|n| holders.get(*n) == Some(&0)).collect();
    let mut order = vec![];
    while let Some(n) = ready.pop_front() {
        order.push(n);
        for (child, _) in groups.get(n).into_iter().flat_map(|g| &g.children) {
            if let Some(left) = holders.get_mut(*child) {
                *left -= 1;
                if *left == 0 {
                    ready.push_back(*child);
                }
            }
        }
    }
    if order.len() == groups.len() {
        return Ok(order);
    }
    Err((0..groups.len()).filter(|n| holders.get(*n).is_some_and(|h| *h > 0)).collect())
}

/// How far each group is from `all`; one that several hold counts from the farthest.
fn depths(groups: &[Group], order: &[usize]) -> Vec<usize> {
    let mut depths: Vec<usize> = (0..groups.len()).map(|n| usize::from(n != ALL)).collect();
    for n in order.iter().filter(|n| **n != ALL) {
        let below = depths.get(*n).copied().unwrap_or_default() + 1;
        for (child, _) in groups.get(*n).into_iter().flat_map(|g| &g.children) {
            depths.get_mut(*child).into_iter().for_each(|d| *d = below.max(*d));
        }
    }
    depths
}

/// The shortest cycle among these groups, with the place of each step.
fn cycle(groups: &[Group], among: &[usize]) -> Diagnostic {
    let shortest = among.iter().filter_map(|start| way_back(groups, *start)).min_by_key(Vec::len).unwrap_or_default();
    let name = |n: usize| groups.get(n).map_or("", |g| g.name.as_str());
    let steps: Vec<(Option<Span>, String)> = shortest
        .iter()
        .map(|(group, child, span)| (*span, format!("`{}` is in `{}`", name(*child), name(*group))))
        .collect();
    let mut names: Vec<_> = shortest.iter().map(|(group, ..)| name(*group)).collect();
    names.extend(names.first().copied());
    let (span, label) = steps.first().cloned().unwrap_or_default();
    let mut d = Diagnostic::error("groups that contain one another", span, label);
    for (span, label) in steps.into_iter().skip(1) {
        d.related.extend(span.map(|s| (s, label)));
    }
    d.help(format!("take one of these steps out: {}", names.join(" → ")))
}

type Step = (usize, usize, Option<Span>);

fn way_back(groups: &[Group], start: usize) -> Option<Vec<Step>> {
    let mut came: HashMap<usize, Step> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(n) = queue.pop_front() {
        for (child, span) in &groups.get(n)?.children {
            let step = (n, *child, *span);
            if *child == start {
                let mut way = vec![step];
                let mut at = n;
                while at != start {
                    let step = came.get(&at)?;
                    way.push(*step);
                    at = step.0;
                }
                way.reverse();
                return Some(way);
            }
            if !came.contains_key(child) {
                came.insert(*child, step);
                queue.push_back(*child);
            }
        }
    }
    None
}
