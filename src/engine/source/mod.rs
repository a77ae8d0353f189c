//! Where hosts' catalogs come from.
//!
//! The engine asks a source for a host's catalog with what is known of the host. A source that has said all it has to
//! say gives the whole of it; one that has to see first what a part of it comes to gives that part, and is asked again
//! once the part is in sync.

mod manifests;
mod saved;

pub use manifests::{ManifestHost, Manifests};
pub use saved::SavedPlans;

use crate::catalog::departed::Removal;
use crate::catalog::{Catalog, Whole};
use crate::facts::Facts;
use crate::manifest::rollout::Rollout;
use crate::model::body::Digest;
use crate::model::id::ResourceId;
use crate::plan::basis::SavedHost;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a host when it is compiled for.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub facts: &'a Facts,
    /// What has left the manifest and is to be removed along with the rest: what goes and what stays order one another.
    pub removals: &'a [Removal],
    /// What earlier stages have said, by the resource.
    pub outputs: &'a Outputs,
}

/// What the steps of resources said, the last of each.
pub type Outputs = BTreeMap<ResourceId, Output>;

/// What a step said, as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub status: u8,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The step was given a secret, and may well say it.
    pub secret: bool,
}

/// What a source has to say of a host.
pub enum Compiled {
    /// All there is.
    Whole(Whole),
    /// What can be said so far. What comes next begins with the same resources, in the same order.
    Part(Catalog),
}

impl Compiled {
    pub fn catalog(&self) -> &Catalog {
        match self {
            Self::Whole(whole) => whole,
            Self::Part(catalog) => catalog,
        }
    }

    /// Only from such a one can it be said what has left the manifest.
    pub fn whole(&self) -> Option<&Whole> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Part(_) => None,
        }
    }
}

/// Gives hosts their catalogs. Hosts go by their numbers in the run.
pub trait Source: Send + Sync {
    /// The catalog of a host, as far as it can be made by what is known.
    ///
    /// # Errors
    /// What is wrong for this host, as it is shown to people.
    fn compile(&self, host: usize, known: Known<'_>) -> Result<Compiled, Vec<String>>;

    /// The plan that is to be applied as it is, if there is one.
    fn saved(&self, _host: usize) -> Option<&Arc<SavedHost>> {
        None
    }

    /// A digest of all that was written, for the record.
    fn digest(&self) -> &Digest;

    /// How each play rolls out.
    fn rollouts(&self) -> Vec<Rollout> {
        vec![]
    }

    /// The numbers of the plays that a host is in.
    fn plays(&self, _host: usize) -> Vec<usize> {
        vec![]
    }
}
