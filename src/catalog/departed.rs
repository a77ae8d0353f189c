//! Resources that the manifest no longer has and that are to be removed: they join the catalog, to be absent.

use super::compile::{Compiler, Pending};
use super::graph::{Edge, EdgeKind, Graph};
use super::link::References;
use crate::facts::Facts;
use crate::language::diagnostic::Diagnostics;
use crate::language::node::{Node, Yaml};
use crate::language::yaml;
use crate::model::id::ResourceId;
use crate::model::span::{FileId, Span};
use crate::resources::batch::{Declared, Type};
use crate::resources::{Departed, Places, TYPES};

/// One of them. No other resource of the catalog has its type and key.
#[derive(Clone)]
pub struct Removal {
    pub ty: &'static dyn Type,
    pub title: String,
    /// As a manifest has them.
    pub params: &'static str,
    pub departed: Departed,
    /// Numbers of those in the same list that it is removed before; each is greater than its own.
    pub before: Vec<usize>,
}

impl Removal {
    /// Whether its type takes it, and what its key is then. What a host's ledger says may be anything.
    ///
    /// # Errors
    /// Why not, in a few words.
    pub fn check(&self, facts: &Facts) -> Result<String, String> {
        let mut found = Diagnostics::default();
        if self.title.is_empty() || self.title.contains('\0') {
            return Err("it has no title that could be one".into());
        }
        let batch = self.ty.batch(&[self.declared()], facts, &mut found);
        match (batch, found.iter().next()) {
            (Some(batch), None) => Ok(batch.key(0)),
            (_, found) => Err(found.map(|d| d.label.clone()).unwrap_or_default()),
        }
    }

    fn declared(&self) -> Declared {
        let params = yaml::parse_one(self.params, FileId::default()).ok().flatten();
        Declared {
            title: self.title.clone(),
            params: params.unwrap_or(Node::new(Span::default(), Yaml::Map(vec![]))),
            body: None,
            sensitive: false,
            become_user: None,
            places: Places::default(),
            managed_below: vec![],
            departed: Some(self.departed.clone()),
        }
    }
}

impl Compiler<'_> {
    /// Adds them after all that was declared.
    pub(super) fn depart(&mut self, removals: &[Removal]) {
        for removal in removals {
            let Some(ty) = TYPES.iter().position(|t| t.name() == removal.ty.name()) else { continue };
            let Some(list) = self.declared.get_mut(ty) else { continue };
            self.pending.push(Pending {
                id: ResourceId::new(removal.ty.name(), removal.title.clone()),
                ty,
                index: list.len(),
                span: Span::default(),
                name: None,
                tags: vec![],
                controls: vec![],
                references: References::default(),
                departed: true,
            });
            list.push(removal.declared());
        }
    }
}

/// Each before what it came after; what a type implies is for what is to be there.
pub(super) fn edges(graph: &mut Graph, removals: &[Removal], kept: &[&Pending]) {
    let first = kept.iter().take_while(|p| !p.departed).count();
    // Where one of them were a duplicate, nothing could be told by its number.
    if kept.len() - first != removals.len() {
        return;
    }
    for (n, removal) in removals.iter().enumerate() {
        for then in &removal.before {
            let edge = Edge { kind: EdgeKind::Require, span: Span::default() };
            graph.add(first + n, first + then, edge);
        }
    }
}
