//! A catalog taken apart, so that it can be made again where what was written is not at hand.

use super::graph::{Edge, EdgeKind, Graph};
use super::{Catalog, Resource};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::span::{Sources, Span};
use crate::resources::batch::{Declared, Type};
use crate::resources::types::TYPES;

/// All of a catalog but what it is made for: facts are given to it again.
#[derive(Clone, Debug)]
pub struct Parts {
    pub host: String,
    pub resources: Vec<Resource>,
    /// By batch, its type's name with it.
    pub declared: Vec<(&'static str, Vec<Declared>)>,
    /// From, to, why: by numbers of resources.
    pub edges: Vec<(usize, usize, EdgeKind)>,
}

impl Parts {
    pub fn of(catalog: &Catalog) -> Self {
        let kinds = catalog.batches.iter().map(|b| b.ty().name());
        Self {
            host: catalog.host.clone(),
            resources: catalog.resources.clone(),
            declared: kinds.zip(catalog.declared.iter().cloned()).collect(),
            edges: catalog.graph.edges().map(|(a, b, edge)| (a, b, edge.kind)).collect(),
        }
    }

    /// The catalog again, for a host with these facts.
    ///
    /// # Errors
    /// What the types say of it; and what does not fit together, for nothing here is taken on trust.
    pub fn assemble(&self, facts: Facts) -> Result<Catalog, Diagnostics> {
        let mut found = Diagnostics::default();
        let mut batches = vec![];
        for (kind, declared) in &self.declared {
            let ty: Option<&'static dyn Type> = TYPES.iter().copied().find(|t| t.name() == *kind);
            match ty {
                Some(ty) => batches.extend(ty.batch(declared, &facts, &mut found)),
                None => found.push(damaged(format!("there is no type {kind}"))),
            }
        }
        let mut resources = self.resources.clone();
        let mut graph = Graph::new(resources.len());
        for (a, b, kind) in &self.edges {
            if *a.max(b) >= resources.len() {
                found.push(damaged("an edge leads to no resource".into()));
                break;
            }
            graph.add(*a, *b, Edge { kind: *kind, span: Span::default() });
        }
        if !found.has_errors() {
            for resource in &mut resources {
                match batches.get(resource.batch).filter(|b| resource.index < b.len()) {
                    Some(batch) => resource.key = batch.key(resource.index),
                    None => found.push(damaged(format!("{} is not declared", resource.id))),
                }
            }
        }
        let order = graph.order().unwrap_or_else(|_| {
            found.push(damaged("resources wait for one another".into()));
            vec![]
        });
        if found.has_errors() {
            found.iter_mut().for_each(|d| d.host = Some(self.host.clone()));
            return Err(found);
        }
        let sources = Sources::default();
        let warnings =
            found.iter().filter(|d| d.severity == Severity::Warning).map(|d| d.render(&sources, false)).collect();
        let declared = self.declared.iter().map(|(_, list)| list.clone()).collect();
        Ok(Catalog {
            host: self.host.clone(),
            facts,
            resources,
            batches,
            declared,
            graph,
            order,
            health: vec![],
            warnings,
        })
    }
}

fn damaged(why: String) -> Diagnostic {
    Diagnostic::error("the saved plan is damaged", None, why)
}
