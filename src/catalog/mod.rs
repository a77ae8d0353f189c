//! One host's resources as a dependency graph, all values final.

pub mod departed;
pub mod draft;
pub mod entry;
pub mod graph;
mod link;
mod managed;
pub mod parts;
mod selection;

use crate::facts::Facts;
use crate::model::id::ResourceId;
use crate::model::span::Place;
use crate::resources::batch::{Batch, Declared};
use crate::shell::health::HealthCheck;
use graph::Graph;
pub use selection::Selection;

/// What one host is to be. Made from a [`draft::Draft`], or from its [`parts::Parts`] again.
pub struct Catalog {
    pub host: String,
    pub facts: Facts,
    /// In the manifest's order.
    pub resources: Vec<Resource>,
    pub batches: Vec<Box<dyn Batch>>,
    /// What each batch was made from.
    pub declared: Vec<Vec<Declared>>,
    pub graph: Graph,
    /// The resources' numbers in an order that respects every edge.
    pub order: Vec<usize>,
    /// What shows after its changes that the host is well.
    pub health: Vec<HealthCheck>,
    /// What does not stand in the way, but should be told: as the language renders it.
    pub warnings: Vec<String>,
}

/// A catalog that has all there is for its host, so that what it lacks has left the manifest.
#[derive(Debug)]
pub struct Whole(pub Catalog);

impl std::ops::Deref for Whole {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        &self.0
    }
}

/// One resource of a catalog, whatever its type.
#[derive(Clone, Debug)]
pub struct Resource {
    pub id: ResourceId,
    /// Identity on the host.
    pub key: String,
    /// For people, where it has one.
    pub name: Option<String>,
    /// Where it was declared.
    pub place: Option<Place>,
    /// Which batch, and its number in there.
    pub batch: usize,
    pub index: usize,
    pub tags: Vec<String>,
    pub controls: Vec<String>,
    /// Left out by tags: it is known, so that edges hold, but neither looked at nor changed.
    pub selected: bool,
    /// It has left the manifest, and is to be removed.
    pub departed: bool,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog")
            .field("host", &self.host)
            .field("resources", &self.resources.len())
            .finish_non_exhaustive()
    }
}
