//! Resources that the manifest no longer has and that are to be removed: they join the catalog, to be absent.

use crate::facts::Facts;
use crate::language::diagnostic::Diagnostics;
use crate::language::node::{Node, Yaml};
use crate::language::yaml;
use crate::model::span::{FileId, Span};
use crate::resources::batch::{Declared, Type};
use crate::resources::{Departed, Places};

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

    pub(super) fn declared(&self) -> Declared {
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
