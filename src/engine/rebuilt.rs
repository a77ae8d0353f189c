//! Runs as the hosts' journals tell of them, where the history of the machine that ran them is lost. Pure.

use super::run::kept::HostKept;
use crate::journal::kept::Ending;
use crate::model::run_name::RunName;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A run, put together from its hosts' journals. Hosts that it had no change for keep nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RebuiltRun {
    pub run: RunName,
    /// Seconds since 1970, by the clock of who ran it.
    pub started: u64,
    /// Who ran it, and on which machine.
    pub owner: String,
    /// The manifest, or what a rollback says of itself.
    pub source: String,
    pub reason: Option<String>,
    /// The run that it took back.
    pub undoes: Option<RunName>,
    pub hosts: Vec<RebuiltHost>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RebuiltHost {
    pub host: String,
    pub ending: Ending,
    /// What it was to change there: `service[nginx]`.
    pub changes: Vec<String>,
}

/// A record that cannot be read: host, run, why.
pub type Unread = (String, RunName, String);

/// The newest first, and what could not be read.
pub fn runs(kept: &[HostKept]) -> (Vec<RebuiltRun>, Vec<Unread>) {
    let mut runs: BTreeMap<RunName, RebuiltRun> = BTreeMap::new();
    let mut unread = vec![];
    for host in kept {
        for (name, told) in host.runs.iter().flatten() {
            let (record, journal) = match told {
                Ok(told) => told,
                Err(error) => {
                    unread.push((host.host.clone(), name.clone(), error.to_string()));
                    continue;
                }
            };
            let run = runs.entry(name.clone()).or_insert_with(|| RebuiltRun {
                run: name.clone(),
                started: record.started,
                owner: record.owner.clone(),
                source: record.source.clone(),
                reason: record.reason.clone(),
                undoes: record.undoes.clone(),
                hosts: vec![],
            });
            run.hosts.push(RebuiltHost {
                host: host.host.clone(),
                ending: journal.ending(),
                changes: record.changes.iter().map(|c| c.id.clone()).collect(),
            });
        }
    }
    (runs.into_values().rev().collect(), unread)
}
