//! All changes of all hosts, ordered: what will be done, shown before anything is.

pub mod basis;
mod departed;
pub mod diff;
pub mod digest;
pub mod notes;
pub mod order;
pub mod orphan;
pub mod orphans;
pub mod past;
pub mod probe;
pub mod stage;

use crate::model::id::ResourceId;
use crate::model::span::Place;
use crate::resources::difference::{Brings, Difference};
use crate::shell::health::HealthCheck;
use crate::shell::steps::PlannedStep;
use orphan::Orphan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One host's plan. Made by [`diff::plan`] alone, from what a probe saw.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostPlan {
    pub host: String,
    /// In the order they are applied in.
    pub changes: Vec<Change>,
    /// Resources of which it cannot be said whether they are in line, or which cannot be brought there.
    pub unjudged: Vec<Unjudged>,
    /// Resources that wait for one of those.
    pub blocked: Vec<Blocked>,
    /// Resources of which an earlier stage decides: what is missing may be there by then, and what is as it should be may
    /// be another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Later>,
    /// Whether more of the host is said once this much is in sync.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_part: bool,
    /// How many resources are as they should be.
    pub in_line: usize,
    /// Foreign commands that were run to decide: the guards of `exec`.
    pub guards: Vec<String>,
    pub warnings: Vec<String>,
    /// Checks that are run after the changes, to see whether the host is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<HealthCheck>,
    /// What trueup manages on the host and the manifest no longer has, in the order that it is removed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<Orphan>,
    /// Of those that are to be removed, what is left alone, and why.
    #[serde(skip)]
    pub left: Vec<Unjudged>,
    /// What is run, in order.
    #[serde(skip)]
    pub steps: Vec<Step>,
    /// The number of its first change; those below are of earlier stages of the run.
    #[serde(skip)]
    pub first: usize,
}

/// One resource's change.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub id: ResourceId,
    pub name: Option<String>,
    pub place: Option<Place>,
    pub controls: Vec<String>,
    pub difference: Difference,
    /// Numbers of the changes that have to be applied before it.
    pub needs: Vec<usize>,
    /// Numbers of the changes that refresh it.
    pub refreshed_by: Vec<usize>,
    /// Steps of it that cannot be taken back, and why.
    pub irreversible: Vec<String>,
    /// Whether it could keep the operator from coming back, and so is taken back by the host itself unless a new
    /// connection confirms it.
    pub commit_confirm: bool,
    /// Its values are never shown, nor what its steps say.
    pub sensitive: bool,
    /// It removes what has left the manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub departed: bool,
    /// The change after which the host is probed again, and this one is decided. None: nothing before it can change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_after: Option<ResourceId>,
    /// Of one that the plan did not have: the changes of which one has brought it about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brought_by: Vec<ResourceId>,
    /// Its number in the catalog.
    #[serde(skip)]
    pub resource: usize,
    /// Whether a probe can tell afterwards that it is in line.
    #[serde(skip)]
    pub verifiable: bool,
    /// What it can bring besides itself.
    #[serde(skip)]
    pub brings: Brings,
}

/// A resource that is decided after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Later {
    pub id: ResourceId,
    pub place: Option<Place>,
    pub after: ResourceId,
    /// Why it cannot be judged now. None: it is in sync now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Unjudged {
    pub id: ResourceId,
    pub place: Option<Place>,
    pub reason: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    pub id: ResourceId,
    pub place: Option<Place>,
    /// The unjudged resource that it waits for.
    pub because: ResourceId,
}

/// A step with the changes it belongs to, by their numbers.
#[derive(Clone, Debug)]
pub struct Step {
    pub planned: PlannedStep,
    pub serves: Vec<usize>,
    /// A refresh: run only where one of these changes was applied. Empty: always.
    pub only_if_changed: Vec<usize>,
}

impl HostPlan {
    /// Of a host that nothing is known of.
    pub fn empty(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            changes: vec![],
            unjudged: vec![],
            blocked: vec![],
            later: vec![],
            is_part: false,
            in_line: 0,
            guards: vec![],
            warnings: vec![],
            health: vec![],
            orphans: vec![],
            left: vec![],
            steps: vec![],
            first: 0,
        }
    }

    /// Whether a step that serves these changes must not be heard.
    pub fn is_sensitive(&self, serves: &[usize]) -> bool {
        serves.iter().any(|n| self.changes.get(*n).is_none_or(|c| c.sensitive))
    }

    pub fn is_in_line(&self) -> bool {
        self.changes.is_empty() && self.unjudged.is_empty() && self.blocked.is_empty()
    }
}
