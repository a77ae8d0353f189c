//! What is kept of a run.

use crate::model::run_name::RunName;
use crate::model::utc::Utc;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

/// What a run was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Apply,
    Rollback,
    Forget,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Forget => "forget",
        }
    }
}

/// A run at its start. Written before anything is changed on any host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Began {
    /// Its name here and in the journals of its hosts.
    pub run: RunName,
    pub purpose: Purpose,
    pub at: Utc,
    pub by: By,
    pub from: From,
    /// The program and its arguments, without the values of variables that were given there.
    pub command: Vec<String>,
    /// The manifest's whole path.
    pub manifest: Option<String>,
    /// SHA-256 over the manifests, modules, templates and files that were read, with their names.
    pub sources: Option<String>,
    /// Of a rollback: the run that it took back.
    pub undoes: Option<RunName>,
    /// As `--reason` gave it.
    pub reason: Option<String>,
    /// The hosts it was for.
    pub hosts: Vec<String>,
    /// The version of trueup.
    pub version: String,
}

/// Who started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct By {
    pub user: String,
    pub uid: u32,
    /// Who became that user, as sudo says.
    pub sudo_user: Option<String>,
}

/// Where it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct From {
    /// This machine's name.
    pub host: String,
    /// `SSH_CONNECTION`: the client's address and port, and this machine's.
    pub ssh_connection: Option<String>,
    pub process: Process,
}

/// A process of this machine, told apart from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    pub pid: u32,
    /// When it began, in clock ticks after boot.
    pub birth: Option<u64>,
    pub boot: Option<String>,
}

impl Process {
    /// This one.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { pid, birth: birth(pid), boot: boot() }
    }

    pub fn is_alive(&self) -> bool {
        self.birth.is_some() && self.boot == boot() && birth(self.pid) == self.birth
    }
}

/// proc_pid_stat(5): the program's name stands in parentheses and may hold anything; the start time is field 22.
fn birth(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// A run at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    pub at: Utc,
    pub exit_code: u8,
    /// SHA-256 over what was planned for all hosts.
    pub plan: String,
    /// The totals of its report.
    pub totals: BTreeMap<String, usize>,
    /// Changes that were applied, on all hosts together.
    pub changes: usize,
}

/// One run, as far as it is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Run {
    #[serde(flatten)]
    pub began: Began,
    /// None of a run that is not over, or that died.
    pub ended: Option<Ended>,
}

impl Run {
    pub fn is_running(&self) -> bool {
        self.ended.is_none() && self.began.from.process.is_alive()
    }
}

/// In the place of what was pruned: the chain begins with the record after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pruned {
    pub at: Utc,
    /// The number of the last record that was pruned.
    pub through: i64,
    /// Its hash.
    pub hash: String,
    /// Runs that went.
    pub runs: usize,
}
