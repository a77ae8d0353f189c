//! What a run has done to a host before the stage that is planned. Pure.

use crate::model::id::ResourceId;
use std::collections::{BTreeMap, BTreeSet};

/// The past of one run on one host; empty before its first stage.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How many changes there are so far. A new one has the next number.
    pub changes: usize,
    pub resources: BTreeMap<usize, Touched>,
    /// What the host was owed when the run began and still is; `None` before the first stage, when the probe says it.
    pub owed: Option<BTreeSet<String>>,
}

/// What became of one resource.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Numbers of the changes that were applied to it, refreshes included.
    pub applied: Vec<usize>,
    /// How many of those changed the resource itself.
    pub changed: usize,
    /// Its command was found needless right before it was to be run.
    pub needless: bool,
    /// It has failed, or waits for this one, which has. Nothing more is done to it in this run.
    pub settled: Option<ResourceId>,
}

impl Past {
    /// By its number in the catalog.
    pub fn of(&self, resource: usize) -> Option<&Touched> {
        self.resources.get(&resource)
    }

    pub fn touch(&mut self, resource: usize) -> &mut Touched {
        self.resources.entry(resource).or_default()
    }

    /// The last change that was applied to it.
    pub fn last(&self, resource: usize) -> Option<usize> {
        self.of(resource)?.applied.last().copied()
    }

    /// A resource that has failed, if there is one.
    pub fn failed(&self) -> Option<&ResourceId> {
        self.resources.values().find_map(|t| t.settled.as_ref())
    }
}
