//! A catalog in the making: resources are added, whoever declares them; then they are typed, and edges are drawn.

use super::departed::Removal;
use super::entry::{Entry, References};
use super::graph::{Edge, EdgeKind};
use super::link::{Linked, List, Pending, cycle_error};
use super::managed;
use super::selection::{Candidate, Selection};
use super::{Catalog, Resource};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostics, Severity};
use crate::model::id::ResourceId;
use crate::model::span::{Sources, Span};
use crate::resources::Together;
use crate::resources::batch::{Declared, Type};
use crate::resources::types::TYPES;
use crate::shell::health::HealthCheck;
use std::collections::HashMap;

/// What is declared for one host so far.
pub struct Draft {
    host: String,
    facts: Facts,
    /// Every type, in the order of [`TYPES`].
    lists: Vec<List>,
    pending: Vec<Pending>,
    /// What stands for several resources in a reference.
    sets: HashMap<String, Vec<usize>>,
    edges: Vec<(usize, usize, Edge)>,
    health: Vec<HealthCheck>,
    /// What is wrong with what was declared, as far as whoever fills the draft sees it.
    pub found: Diagnostics,
}

impl Draft {
    pub fn new(host: &str, facts: Facts) -> Self {
        Self {
            host: host.to_owned(),
            facts,
            lists: TYPES.iter().map(|ty| List::of(*ty)).collect(),
            pending: vec![],
            sets: HashMap::new(),
            edges: vec![],
            health: vec![],
            found: Diagnostics::default(),
        }
    }

    /// Adds a resource, and says by what number [`Self::edge`] knows it.
    pub fn add(&mut self, ty: &'static dyn Type, entry: Entry) -> usize {
        let Entry { declared, name, tags, controls, references, within } = entry;
        let number = self.pending.len();
        for set in within {
            self.sets.entry(set).or_default().push(number);
        }
        let id = ResourceId::new(ty.name(), declared.title.clone());
        let (span, departed) = (declared.places.title, declared.departed.is_some());
        let (ty, index) = self.place(ty, declared);
        self.pending.push(Pending { id, ty, index, span, name, tags, controls, references, departed });
        number
    }

    /// Puts a declaration among those of its type.
    fn place(&mut self, ty: &'static dyn Type, declared: Declared) -> (usize, usize) {
        for (n, list) in self.lists.iter_mut().enumerate() {
            if list.ty.name() == ty.name() {
                list.declared.push(declared);
                return (n, list.declared.len() - 1);
            }
        }
        self.lists.push(List { declared: vec![declared], ..List::of(ty) });
        (self.lists.len() - 1, 0)
    }

    /// Adds what has left the manifest and is to be removed. What a type implies is for what is to be there, so each goes
    /// before what it came after.
    pub fn remove(&mut self, removals: &[Removal]) {
        let first = self.pending.len();
        for removal in removals {
            let entry = Entry {
                declared: removal.declared(),
                name: None,
                tags: vec![],
                controls: vec![],
                references: References::default(),
                within: vec![],
            };
            self.add(removal.ty, entry);
        }
        for (n, removal) in removals.iter().enumerate() {
            for then in &removal.before {
                self.edge(first + n, first + then, EdgeKind::Require, Span::default());
            }
        }
    }

    /// The first of two resources comes before the second.
    pub fn edge(&mut self, first: usize, then: usize, kind: EdgeKind, span: Span) {
        self.edges.push((first, then, Edge { kind, span }));
    }

    /// What shows after the changes that the host is well. Equal checks are one.
    pub fn check_health(&mut self, check: HealthCheck) {
        if !self.health.contains(&check) {
            self.health.push(check);
        }
    }

    /// Types the declarations, draws the edges and selects by tags.
    ///
    /// # Errors
    /// All that is wrong with what was declared for this host.
    pub fn finish(mut self, selection: &Selection, sources: &Sources) -> Result<Catalog, Diagnostics> {
        let mut found = std::mem::take(&mut self.found);
        let host = self.host.clone();
        match self.link(selection, sources, &mut found) {
            Some(catalog) if !found.has_errors() => Ok(catalog),
            _ => {
                for d in found.iter_mut() {
                    d.host.get_or_insert_with(|| host.clone());
                }
                Err(found)
            }
        }
    }

    fn link(mut self, selection: &Selection, sources: &Sources, found: &mut Diagnostics) -> Option<Catalog> {
        for list in self.lists.iter_mut().filter(|list| !list.declared.is_empty()) {
            list.batch = list.ty.batch(&list.declared, &self.facts, found);
        }
        if found.has_errors() {
            return None;
        }
        managed::tell(&mut self.lists);
        let linked = Linked::new(&self.pending, &self.lists, found);
        let mut graph = linked.graph(&self.lists, &self.sets, &self.edges, found);
        let order = match graph.order() {
            Ok(order) => order,
            Err(cycle) => {
                found.push(cycle_error(&cycle, &linked));
                return None;
            }
        };
        if found.has_errors() {
            return None;
        }
        let is_one = |p: &Pending| self.lists.get(p.ty).is_some_and(|list| list.ty.together() == Together::All);
        let candidates: Vec<_> = linked
            .kept
            .iter()
            .map(|p| Candidate { id: &p.id, tags: &p.tags, one_with: is_one(p).then_some(p.ty) })
            .collect();
        let mut selected = selection.of(&candidates, &graph, &order);
        let skipped = match selection.start(&candidates, &order, &mut selected) {
            Ok(skipped) => skipped,
            Err(d) => {
                found.push(d);
                return None;
            }
        };
        // Numbers of the batches that are there.
        let there = self.lists.iter().scan(0, |next, list| {
            let place = *next;
            *next += usize::from(list.batch.is_some());
            Some(place)
        });
        let place: Vec<usize> = there.collect();
        let resources = linked
            .kept
            .iter()
            .zip(selected)
            .zip(&linked.keys)
            .map(|((p, selected), key)| Resource {
                id: p.id.clone(),
                key: key.clone(),
                name: p.name.clone(),
                place: if p.departed { None } else { sources.place(p.span) },
                batch: place.get(p.ty).copied().unwrap_or_default(),
                index: p.index,
                tags: p.tags.clone(),
                controls: p.controls.clone(),
                selected,
                departed: p.departed,
            })
            .collect();
        let warnings = found.iter().filter(|d| d.severity == Severity::Warning).map(|d| d.render(sources, false));
        let warnings = warnings.chain(skipped).collect();
        let there = self.lists.into_iter().filter_map(|list| Some((list.batch?, list.declared)));
        let (batches, declared) = there.unzip();
        let (host, facts, health) = (self.host, self.facts, self.health);
        Some(Catalog { host, facts, resources, batches, declared, graph, order, health, warnings })
    }
}
