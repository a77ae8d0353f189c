//! Where declarations meet: duplicates, references, the edges between resources.

use super::entry::References;
use super::graph::{Cycle, Edge, EdgeKind, Graph, cycle_text};
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Node, Yaml};
use crate::model::id::ResourceId;
use crate::model::span::Span;
use crate::resources::batch::{Batch, Declared, Type};
use crate::resources::{Edges, Need};
use std::collections::HashMap;

/// A resource that is declared, not yet typed.
pub(super) struct Pending {
    pub id: ResourceId,
    /// Which list, and its number in there.
    pub ty: usize,
    pub index: usize,
    pub span: Span,
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub controls: Vec<String>,
    pub references: References,
    /// It has left the manifest, and is to be removed.
    pub departed: bool,
}

/// All that is declared of one type.
pub(super) struct List {
    pub ty: &'static dyn Type,
    pub declared: Vec<Declared>,
    /// Once it is typed, if there is any.
    pub batch: Option<Box<dyn Batch>>,
}

impl List {
    pub fn of(ty: &'static dyn Type) -> Self {
        Self { ty, declared: vec![], batch: None }
    }
}

fn batch<'a>(lists: &'a [List], p: &Pending) -> Option<&'a dyn Batch> {
    lists.get(p.ty)?.batch.as_deref()
}

/// A path by the one of its names that it has on every host.
fn one_name(path: &str) -> String {
    let run = |old: &str| path.strip_prefix(old).filter(|rest| rest.starts_with('/'));
    match (run("/var/run"), run("/var/lock")) {
        (Some(rest), _) => format!("/run{rest}"),
        (_, Some(rest)) => format!("/run/lock{rest}"),
        _ => path.to_owned(),
    }
}

fn twice_at_a_path(p: &Pending, other: &Pending) -> Diagnostic {
    Diagnostic::error("two resources at one path", Some(p.span), format!("{} is what {} manages", p.id, other.id))
        .related(other.span, "first declared here")
        .help("keep one of the two; what stands there as something else is replaced with `force: true`")
}

/// Resources that stand in the catalog, each once, and the ways to find them.
pub(super) struct Linked<'a> {
    pending: &'a [Pending],
    pub kept: Vec<&'a Pending>,
    pub keys: Vec<String>,
    by_title: HashMap<(&'a str, &'a str), usize>,
    by_key: HashMap<(&'a str, String), usize>,
    /// By path: what others can stand in.
    holders: HashMap<String, usize>,
    /// What stands at a path.
    places: HashMap<String, usize>,
    /// By path: what brings it as a home.
    homes: HashMap<String, usize>,
    /// From the number a resource was declared under to its number here.
    number: Vec<usize>,
}

impl<'a> Linked<'a> {
    pub fn new(pending: &'a [Pending], lists: &[List], found: &mut Diagnostics) -> Self {
        let count = pending.len();
        let mut this = Self {
            pending,
            kept: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            by_title: HashMap::with_capacity(count),
            by_key: HashMap::with_capacity(count),
            holders: HashMap::new(),
            places: HashMap::new(),
            homes: HashMap::new(),
            number: Vec::with_capacity(count),
        };
        let mut paths: HashMap<String, usize> = HashMap::new();
        let declared = |p: &Pending| lists.get(p.ty).and_then(|list| list.declared.get(p.index));
        for p in pending {
            let key = batch(lists, p).map(|b| b.key(p.index)).unwrap_or_default();
            let first = this.by_key.get(&(p.id.kind.as_str(), key.clone())).copied();
            let first = first.or_else(|| this.by_title.get(&(p.id.kind.as_str(), p.id.title.as_str())).copied());
            if let Some(first) = first {
                let other = this.kept.get(first).copied().unwrap_or(p);
                let same = match (declared(p), declared(other)) {
                    (Some(a), Some(b)) => {
                        same(&a.params, &b.params)
                            && a.body == b.body
                            && a.title == b.title
                            && a.become_user == b.become_user
                    }
                    _ => false,
                };
                if !same {
                    found.push(
                        Diagnostic::error(
                            "resource declared twice",
                            Some(p.span),
                            format!("{} again, with other values", p.id),
                        )
                        .related(other.span, "first declared here")
                        .help("keep one of the two, or give both the same values"),
                    );
                }
                this.number.push(first);
                continue;
            }
            let n = this.kept.len();
            let path = batch(lists, p).and_then(|b| b.ty().path(&key)).map(|path| one_name(&path));
            if let Some(path) = path.filter(|_| declared(p).is_some_and(|d| d.departed.is_none())) {
                match paths.entry(path).or_insert(n) {
                    first if *first == n => {}
                    first => {
                        if let Some(other) = this.kept.get(*first) {
                            found.push(twice_at_a_path(p, other));
                        }
                    }
                }
            }
            this.number.push(n);
            this.by_title.insert((p.id.kind.as_str(), &p.id.title), n);
            this.by_key.insert((p.id.kind.as_str(), key.clone()), n);
            this.kept.push(p);
            this.keys.push(key);
        }
        this.find_places(lists);
        this
    }

    /// Where two make the same path, the type that stands first in the table has it.
    fn find_places(&mut self, lists: &[List]) {
        for (n, p) in self.kept.iter().enumerate() {
            let Some(batch) = batch(lists, p) else { continue };
            let made = batch.makes(p.index);
            if let Some(made) = made {
                self.places.entry(made.path.to_owned()).or_insert(n);
            }
            if let Some(made) = made.filter(|made| made.holds) {
                let holder = self.holders.entry(made.path.to_owned()).or_insert(n);
                if self.kept.get(*holder).is_some_and(|other| other.ty > p.ty) {
                    *holder = n;
                }
            }
            if let Some(home) = batch.home(p.index) {
                self.homes.entry(home).or_insert(n);
            }
        }
    }

    /// The edges that are written, those that the types imply, and then `more`, by the numbers of what was declared.
    pub fn graph(
        &self,
        lists: &[List],
        sets: &HashMap<String, Vec<usize>>,
        more: &[(usize, usize, Edge)],
        found: &mut Diagnostics,
    ) -> Graph {
        let mut graph = Graph::new(self.kept.len());
        self.add_written(&mut graph, lists, sets, found);
        self.add_implied(&mut graph, lists);
        // What was to go, and stands for something that stays, has no place in the order of what goes.
        let stays = |n: usize, kept: usize| {
            let departed = |p: Option<&Pending>| p.is_some_and(|p| p.departed);
            departed(self.pending.get(n)) && !departed(self.kept.get(kept).copied())
        };
        for (first, then, edge) in more {
            if let (Some(&a), Some(&b)) = (self.number.get(*first), self.number.get(*then))
                && a != b
                && !stays(*first, a)
                && !stays(*then, b)
            {
                graph.add(a, b, *edge);
            }
        }
        graph
    }

    fn add_written(
        &self,
        graph: &mut Graph,
        lists: &[List],
        sets: &HashMap<String, Vec<usize>>,
        found: &mut Diagnostics,
    ) {
        for (p, &n) in self.pending.iter().zip(&self.number) {
            let written = [
                (&p.references.require, EdgeKind::Require, false),
                (&p.references.before, EdgeKind::Require, true),
                (&p.references.notify, EdgeKind::Notify, true),
                (&p.references.subscribe, EdgeKind::Notify, false),
            ];
            for (references, kind, forward) in written {
                for reference in references {
                    for other in self.resolve(sets, reference, found) {
                        let edge = Edge { kind, span: reference.span };
                        let (first, then) = if forward { (n, other) } else { (other, n) };
                        if first == then {
                            let label = format!("{} refers to itself", p.id);
                            found.push(Diagnostic::error("resource that needs itself", Some(reference.span), label));
                            continue;
                        }
                        if kind == EdgeKind::Notify {
                            self.check_refreshes(lists, then, reference, found);
                        }
                        graph.add(first, then, edge);
                    }
                }
            }
        }
    }

    fn add_implied(&self, graph: &mut Graph, lists: &[List]) {
        let departed = |n: usize| self.kept.get(n).is_some_and(|p| p.departed);
        let mut implied = Edges::default();
        lists.iter().filter_map(|list| list.batch.as_ref()).for_each(|b| b.relate(&mut implied));
        for (id, need) in implied.0 {
            let Some(&n) = self.by_title.get(&(id.kind.as_str(), id.title.as_str())) else { continue };
            if departed(n) {
                continue;
            }
            let others = match need {
                Need::Resource { kind, key } => [self.by_key.get(&(kind, key)).copied(), None],
                Need::At(path) => [self.places.get(&path).copied(), None],
                Need::Parent(path) => [nearest(&self.holders, &path), nearest(&self.homes, &path)],
                Need::Home(path) => [self.homes.get(&path).copied(), None],
            };
            for other in others.into_iter().flatten().filter(|&o| o != n && !departed(o)) {
                if let Some(p) = self.kept.get(n) {
                    graph.add(other, n, Edge { kind: EdgeKind::Implied, span: p.span });
                }
            }
        }
    }

    fn check_refreshes(&self, lists: &[List], n: usize, reference: &Node, found: &mut Diagnostics) {
        let Some(p) = self.kept.get(n) else { return };
        if lists.get(p.ty).is_some_and(|list| !list.ty.refreshes()) {
            let can: Vec<_> = lists.iter().map(|list| list.ty).filter(|t| t.refreshes()).map(|t| t.name()).collect();
            found.push(
                Diagnostic::error(
                    "nothing to refresh",
                    Some(reference.span),
                    format!("a {} cannot be refreshed", p.id.kind),
                )
                .help(format!("what can be: {}; for order alone use `before` or `require`", can.join(", "))),
            );
        }
    }

    /// What a reference such as `service[nginx]` means.
    fn resolve(&self, sets: &HashMap<String, Vec<usize>>, node: &Node, found: &mut Diagnostics) -> Vec<usize> {
        let Yaml::String(text) = &node.value else {
            let label = format!("a reference is written `type[title]`, this is {}", node.value.kind());
            found.push(Diagnostic::error("wrong reference", Some(node.span), label));
            return vec![];
        };
        let parts = text.trim().split_once('[').and_then(|(kind, rest)| Some((kind, rest.strip_suffix(']')?)));
        let Some((kind, title)) = parts else {
            let d = Diagnostic::error("wrong reference", Some(node.span), format!("`{text}` is no `type[title]`"));
            let meant = self.kept.iter().find(|p| p.id.title == *text);
            found.push(match meant {
                Some(p) => d.help(format!("did you mean `{}`?", p.id)),
                None => d.help("such as `service[nginx]`"),
            });
            return vec![];
        };
        if let Some(numbers) = sets.get(text.trim()) {
            return numbers.iter().filter_map(|n| self.number.get(*n)).copied().collect();
        }
        if let Some(n) = self.by_title.get(&(kind, title)).or_else(|| self.by_key.get(&(kind, title.to_owned()))) {
            return vec![*n];
        }
        let d = Diagnostic::error("unknown resource", Some(node.span), format!("{text} is not declared for this host"));
        let names: Vec<_> = self.kept.iter().map(|p| p.id.to_string()).collect();
        found.push(match did_you_mean(text, names.iter().map(String::as_str)) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("declare it, or see whether its `when` holds for this host"),
        });
        vec![]
    }
}

pub(super) fn cycle_error(cycle: &Cycle, linked: &Linked<'_>) -> Diagnostic {
    let id = |n: usize| linked.kept.get(n).map_or_else(ResourceId::unknown, |p| p.id.clone());
    let mut edges = cycle.iter().enumerate().map(|(at, (n, edge))| {
        let then = cycle.get((at + 1) % cycle.len()).map_or(*n, |(m, _)| *m);
        (edge.span, format!("{} comes before {}", id(*n), id(then)))
    });
    let (span, label) = edges.next().unzip();
    let mut d = Diagnostic::error("resources that wait for one another", span, label.unwrap_or_default());
    for (span, label) in edges {
        d = d.related(span, label);
    }
    d.help(format!("the shortest cycle is {}: take out one of these", cycle_text(cycle, id)))
}

/// What is found under the nearest path above this one.
fn nearest(by_path: &HashMap<String, usize>, path: &str) -> Option<usize> {
    let mut at = path;
    while let Some((above, _)) = at.rsplit_once('/') {
        if let Some(n) = by_path.get(above) {
            return Some(*n);
        }
        at = above;
    }
    None
}

/// Equal values, wherever they were written.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Yaml::List(a), Yaml::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Yaml::Map(a), Yaml::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.iter().any(|(l, w)| k.value == l.value && same(v, w)))
        }
        (a, b) => a == b,
    }
}
