//! How a host is reached, as a plan holds it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a host is reached. Passwords and keys are a matter of who applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reach {
    Local { become_user: Option<String> },
    Ssh { place: SshPlace, become_user: Option<String> },
}

/// Where a host is, and by way of which others it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshPlace {
    pub address: String,
    pub port: u16,
    pub user: String,
    pub host_key_alias: Option<String>,
    pub key_files: Vec<PathBuf>,
    pub identities_only: bool,
    pub via: Option<Box<Self>>,
}

/// How a host is reached, and the numbers of its plays.
pub type Reached = (Reach, Vec<usize>);
