//! Plans that were made before: each holds the catalog that it was made from.

use super::{Compiled, Known, Source};
use crate::catalog::Whole;
use crate::language::diagnostic::Diagnostic;
use crate::model::body::Digest;
use crate::model::span::Sources;
use crate::plan::basis::SavedHost;
use std::sync::Arc;

pub struct SavedPlans {
    pub hosts: Vec<Arc<SavedHost>>,
    /// Of what they were made from.
    pub digest: Digest,
}

impl Source for SavedPlans {
    fn compile(&self, host: usize, known: Known<'_>) -> Result<Compiled, Vec<String>> {
        let Some(host) = self.hosts.get(host) else { return Err(vec![]) };
        match host.basis.parts.assemble(known.facts.clone()) {
            Ok(catalog) => Ok(Compiled::Whole(Whole(catalog))),
            Err(found) => {
                let without_host = |d: &Diagnostic| Diagnostic { host: None, ..d.clone() };
                Err(found.iter().map(|d| without_host(d).render(&Sources::default(), false)).collect())
            }
        }
    }

    fn saved(&self, host: usize) -> Option<&Arc<SavedHost>> {
        self.hosts.get(host)
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }
}
