//! A resource that has left the manifest, and what becomes of it.

use crate::model::run_name::RunName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One resource that has left the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphan {
    /// `file[/etc/x]`, as it was declared.
    pub id: String,
    /// Whether trueup has made it. What was there before is merely changed.
    pub made: bool,
    /// The run that made it, or that found it in line first.
    pub run: RunName,
    /// Where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(flatten)]
    pub fate: Fate,
}

/// What `--prune` does with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "prune", content = "because", rename_all = "snake_case")]
pub enum Fate {
    /// It is removed.
    Remove,
    /// It stays as it is, and is no longer known as trueup's; why.
    Release(String),
    /// With this run it stays as it is, and is no longer known as trueup's; why.
    Released(String),
    /// It is left alone, and stays an orphan; why.
    Keep(String),
}
