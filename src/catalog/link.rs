//! Where declarations meet: duplicates, references, the edges between resources.

use super::compile::{Compiler, Pending};
use super::graph::{Cycle, Edge, EdgeKind, Graph, cycle_text};
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Node, Yaml};
use crate::model::id::ResourceId;
use crate::resources::batch::{Batch, Declared};
use crate::resources::{Edges, Need, TYPES};
use std::collections::HashMap;

/// What a declaration refers to, by the words it is written under.
#[derive(Clone, Default)]
pub(super) struct References {
    pub require: Vec<Node>,
    pub before: Vec<Node>,
    pub notify: Vec<Node>,
    pub subscribe: Vec<Node>,
}

impl References {
    pub fn extend(&mut self, other: &Self) {
        self.require.extend_from_slice(&other.require);
        self.before.extend_from_slice(&other.before);
        self.notify.extend_from_slice(&other.notify);
        self.subscribe.extend_from_slice(&other.subscribe);
    }
}

/// Resources that stand in the catalog, each once, and the ways to find them.
pub(super) struct Linked<'a> {
    pub kept: Vec<&'a Pending>,
    pub keys: Vec<String>,
    by_title: HashMap<(&'a str, &'a str), usize>,
    by_key: HashMap<(&'a str, String), usize>,
    /// From the number a resource was declared under to its number here.
    number: Vec<usize>,
}

impl<'a> Linked<'a> {
    pub fn new(compiler: &'a Compiler<'_>, batches: &[Option<Box<dyn Batch>>], found: &mut Diagnostics) -> Self {
        let count = compiler.pending.len();
        let mut this = Self {
            kept: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            by_title: HashMap::with_capacity(count),
            by_key: HashMap::with_capacity(count),
            number: Vec::with_capacity(count),
        };
        let declared = |p: &Pending| compiler.declared.get(p.ty).and_then(|list| list.get(p.index));
        for p in &compiler.pending {
            let key = batches.get(p.ty).and_then(Option::as_ref).map(|b| b.key(p.index)).unwrap_or_default();
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
            this.number.push(n);
            this.by_title.insert((p.id.kind.as_str(), &p.id.title), n);
            this.by_key.insert((p.id.kind.as_str(), key.clone()), n);
            this.kept.push(p);
            this.keys.push(key);
        }
        this
    }

    pub fn edges(&self, compiler: &Compiler<'_>, batches: &[Option<Box<dyn Batch>>], found: &mut Diagnostics) -> Graph {
        let mut graph = Graph::new(self.kept.len());
        for (p, &n) in compiler.pending.iter().zip(&self.number) {
            let lists = [
                (&p.references.require, EdgeKind::Require, false),
                (&p.references.before, EdgeKind::Require, true),
                (&p.references.notify, EdgeKind::Notify, true),
                (&p.references.subscribe, EdgeKind::Notify, false),
            ];
            for (references, kind, forward) in lists {
                for reference in references {
                    for other in self.resolve(compiler, reference, found) {
                        let edge = Edge { kind, span: reference.span };
                        let (first, then) = if forward { (n, other) } else { (other, n) };
                        if first == then {
                            let label = format!("{} refers to itself", p.id);
                            found.push(Diagnostic::error("resource that needs itself", Some(reference.span), label));
                            continue;
                        }
                        if kind == EdgeKind::Notify {
                            self.check_refreshes(then, reference, found);
                        }
                        graph.add(first, then, edge);
                    }
                }
            }
        }
        let departed = |n: usize| self.kept.get(n).is_some_and(|p| p.departed);
        let mut implied = Edges::default();
        batches.iter().flatten().for_each(|b| b.relate(&mut implied));
        for (id, need) in implied.0 {
            let Some(&n) = self.by_title.get(&(id.kind.as_str(), id.title.as_str())) else { continue };
            if departed(n) {
                continue;
            }
            let other = match need {
                Need::Resource { kind, key } => self.by_key.get(&(kind, key)).copied(),
                Need::Parent(path) => self.parent(&path),
            };
            if let (Some(other), Some(p)) = (other.filter(|&o| o != n && !departed(o)), self.kept.get(n)) {
                graph.add(other, n, Edge { kind: EdgeKind::Implied, span: p.span });
            }
        }
        graph
    }

    fn check_refreshes(&self, n: usize, reference: &Node, found: &mut Diagnostics) {
        let Some(p) = self.kept.get(n) else { return };
        if TYPES.get(p.ty).is_some_and(|t| !t.refreshes()) {
            let can: Vec<_> = TYPES.iter().filter(|t| t.refreshes()).map(|t| t.name()).collect();
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

    /// The nearest resource that makes a directory above this path.
    fn parent(&self, path: &str) -> Option<usize> {
        let mut at = path;
        loop {
            at = at.rsplit_once('/')?.0;
            if at.is_empty() {
                return None;
            }
            for kind in ["directory", "symlink"] {
                if let Some(n) = self.by_key.get(&(kind, at.to_owned())) {
                    return Some(*n);
                }
            }
        }
    }

    /// What a reference such as `service[nginx]` means.
    fn resolve(&self, compiler: &Compiler<'_>, node: &Node, found: &mut Diagnostics) -> Vec<usize> {
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
        if kind == "module" {
            if let Some(numbers) = compiler.modules.get(title) {
                return numbers.iter().filter_map(|n| self.number.get(*n)).copied().collect();
            }
        } else if let Some(ty) = TYPES.iter().find(|t| t.name() == kind)
            && let Some(n) =
                self.by_title.get(&(ty.name(), title)).or_else(|| self.by_key.get(&(ty.name(), title.to_owned())))
        {
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

/// Tells each directory that is purged what of it is managed.
pub(super) fn tell_what_is_managed(pending: &[Pending], declared: &mut [Vec<Declared>]) {
    let paths = pending.iter().filter(|p| ["directory", "file", "symlink"].contains(&p.id.kind.as_str()));
    let mut paths: Vec<&str> = paths.map(|p| p.id.title.as_str()).collect();
    paths.sort_unstable();
    let directories = TYPES.iter().zip(declared).filter(|(ty, _)| ty.name() == "directory");
    for (_, declared) in directories {
        for directory in declared.iter_mut().filter(|d| d.params.get("purge").or(d.params.get("recurse")).is_some()) {
            let top = format!("{}/", directory.title);
            directory.managed_below = {
                let from = paths.partition_point(|p| *p < top.as_str());
                let below = paths.iter().skip(from).take_while(|p| p.starts_with(&top));
                below.map(|p| (*p).to_owned()).collect()
            };
        }
    }
}
