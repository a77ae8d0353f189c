//! What a plan's file holds, host by host.

use super::contents::{Content, ContentError};
use super::document::HostDocument;
use super::file::{self, FrameError};
use super::seal::{SealError, Sealed};
use crate::engine::outcome::HostReport;
use crate::manifest::rollout::Rollout;
use crate::model::body::Digest;
use crate::model::utc::Utc;
use crate::shell::apply::Keep;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A saved plan.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub head: Head,
    /// What `plan` printed, host by host.
    pub reports: Vec<HostReport>,
    /// How each play's hosts are come to.
    pub rollout: Vec<Rollout>,
    pub(super) hosts: Vec<HostDocument>,
    pub(super) contents: BTreeMap<Digest, Content>,
    /// The secrets, where a key was given.
    pub(super) sealed: Option<Sealed>,
    /// Where none was given: the resources whose secrets are not in here.
    pub(super) left_out: Vec<String>,
}

/// Where a plan comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of trueup that made it.
    pub version: String,
    pub at: Utc,
    pub by: String,
    pub manifest: String,
    /// By what name hosts know the manifest.
    pub project: String,
    /// How much hosts keep for going back.
    pub keep: Keep,
    /// Over all manifests, modules, templates and files that were read: their names and contents.
    pub sources: Digest,
}

/// Why a plan cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the plan {0}")]
    Frame(#[from] FrameError),
    #[error("the plan cannot be written down: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a file cannot be taken for a plan.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("is damaged, though its checksum is right: {0}")]
    Json(#[from] serde_json::Error),
}

impl SavedPlan {
    /// The file's bytes, which were tried to be read again.
    ///
    /// # Errors
    /// Where it is larger, or nested more deeply, than what is read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SaveError> {
        let document = serde_json::to_vec(self)?;
        serde_json::from_slice::<Self>(&document)?;
        Ok(file::frame(&document)?)
    }

    /// # Errors
    /// What is wrong with the file. Whether it comes from a friend is a signature's to say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        Ok(serde_json::from_slice(&file::unframe(bytes)?)?)
    }
}
