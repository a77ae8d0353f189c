//! What a host's ledger says, and what it is told of a run. Pure.

use super::options::Prune;
use super::source::Compiled;
use crate::catalog::departed::Removal;
use crate::ledger::{Ledger, Owner};
use crate::model::run_name::RunName;
use crate::plan::notes::{self, Notes};
use crate::plan::{Change, HostPlan, orphans};

/// A host's ledger as the run found it, and how the run deals with it.
#[derive(Clone, Debug)]
pub struct Bookkeeping {
    pub ledger: Ledger,
    pub owner: Owner,
    pub run: RunName,
    pub prune: Option<Prune>,
    /// Whether what goes was decided when the plan was saved.
    pub is_saved: bool,
}

impl Bookkeeping {
    /// What the ledger is told of these changes, and of what is in sync. `now` is the plan of the host as it is.
    pub fn notes(&self, compiled: &Compiled, made: &[Change], now: &HostPlan) -> Notes {
        let catalog = compiled.catalog();
        let mut notes = notes::of(catalog, made, now, &self.ledger, self.owner.clone(), &self.run);
        let Some(whole) = compiled.whole() else { return notes };
        let mut found = orphans::of(whole, &self.ledger, &self.owner);
        if self.is_saved {
            notes.extend(orphans::settle_saved(found, catalog, made, now));
        } else if let Some(prune) = self.prune {
            orphans::removals(catalog, &mut found, prune.force);
            notes.extend(orphans::settle(found, catalog, made, now).1);
        }
        notes
    }

    /// Lists the orphans in a plan. What comes back is to be removed, and joins the catalog for it.
    pub fn list_orphans(&self, compiled: &Compiled, plan: &mut HostPlan) -> Vec<Removal> {
        let Some(catalog) = compiled.whole().filter(|_| !self.is_saved) else { return vec![] };
        let mut found = orphans::of(catalog, &self.ledger, &self.owner);
        let Some(prune) = self.prune else {
            plan.orphans = found.into_iter().map(|f| f.orphan).collect();
            return vec![];
        };
        let removals = orphans::removals(catalog, &mut found, prune.force);
        plan.orphans = orphans::settle(found, catalog, &plan.changes, plan).0;
        removals
    }
}
