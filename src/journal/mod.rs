//! What a host keeps of each run, so that it can be shown and taken back: written by the run itself, before its first
//! step, as `runs/RUN/record` beside the journal.
//!
//! It comes back from the host, so it is as untrusted as any answer: bounded, and strict in what it may hold. A host
//! that lies in it can harm itself alone, for what it says is carried out nowhere else.

pub mod kept;
pub mod undo;
pub mod unfinished;

use crate::model::run_name::RunName;
use crate::shell::frame::Frame;
use crate::shell::steps::Undo;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The record's shape.
pub const VERSION: u32 = 1;

/// A run on one host: who, what for, and each change with how it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub version: u32,
    pub run: RunName,
    pub owner: String,
    /// Seconds since 1970, by the operator's clock.
    pub started: u64,
    /// What was applied: the manifest's path, or what a rollback says of itself.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run that this one took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunName>,
    pub changes: Vec<RecordedChange>,
    pub steps: Vec<RecordedStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedChange {
    /// `service[nginx]`.
    pub id: String,
    /// `create`, `update`, `remove`, `refresh`, `run`, …: the word that the plan has.
    pub action: String,
    /// Numbers of the changes it came after.
    pub needs: Vec<usize>,
    /// Whether what it left behind was noted, so that it can be told whether something else has touched it since.
    pub noted: bool,
    /// Whether it could keep the operator from coming back.
    pub cuts_off: bool,
    /// Whether its values are never shown, nor what its steps say.
    pub sensitive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedStep {
    pub slot: u32,
    /// Numbers of the changes it served.
    pub serves: Vec<usize>,
    /// The file it changed, where it changed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The program it ran, where that can be run again: one that read nothing and ran as nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// What it noted first, for its undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<String>>,
    pub undo: Undo,
    /// Of a refresh: the changes that made it due.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_if_changed: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("its record cannot be read: {0}")]
    Malformed(String),
    #[error("its record has the format {0}, and this trueup knows {VERSION} at most")]
    Newer(u32),
}

impl Record {
    /// As JSON, in one line.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From what a host has kept.
    ///
    /// # Errors
    /// Where it is no record, or one whose numbers point nowhere.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let malformed = |e: serde_json::Error| RecordError::Malformed(e.to_string());
        let any: Any = serde_json::from_slice(bytes).map_err(malformed)?;
        if any.version > VERSION {
            return Err(RecordError::Newer(any.version));
        }
        let record: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        let count = record.changes.len();
        let needs = record.changes.iter().flat_map(|c| &c.needs);
        let serves = record.steps.iter().flat_map(|s| s.serves.iter().chain(&s.only_if_changed));
        if needs.chain(serves).any(|n| *n >= count) {
            return Err(RecordError::Malformed("it speaks of a change that it does not have".into()));
        }
        Ok(record)
    }
}

/// What became of a step, as a journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It began, and nothing says that it ended.
    Begun,
    /// With this exit status.
    Done(u8),
    /// Left out: for a failure before it, or because nothing made it due.
    Left,
}

/// A run's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    pub steps: HashMap<u32, StepState>,
    /// Whether the run came to its end.
    pub ended: bool,
}

impl Journal {
    /// Total: what cannot be read is passed over, as a line that was cut off by a power failure has to be.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut journal = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let what = words.next();
            let slot = words.next().and_then(|w| w.parse::<u32>().ok());
            match (what, slot) {
                (Some("end"), None) => journal.ended = true,
                (Some("begin"), Some(slot)) => {
                    journal.steps.insert(slot, StepState::Begun);
                }
                (Some("done"), Some(slot)) => {
                    let status = words.next().and_then(|w| w.parse().ok());
                    journal.steps.insert(slot, status.map_or(StepState::Begun, StepState::Done));
                }
                (Some("left" | "idle" | "moved"), Some(slot)) => {
                    journal.steps.insert(slot, StepState::Left);
                }
                _ => {}
            }
        }
        journal
    }

    /// Whether the step may have done something.
    pub fn has_begun(&self, slot: u32) -> bool {
        matches!(self.steps.get(&slot), Some(StepState::Begun | StepState::Done(_)))
    }
}

/// A run as a host tells of it.
#[derive(Clone, Debug)]
pub struct HostRun {
    pub record: Record,
    pub journal: Journal,
    /// Numbers of the changes that something else has touched since.
    pub moved: Vec<usize>,
}

/// Reads the answers to [`crate::shell::history::look`]: the run's name, its record, its journal, and what has moved.
///
/// `Ok(None)` where the host has no such run.
///
/// # Errors
/// Where the record cannot be read.
pub fn read(frames: &[Frame]) -> Result<Option<HostRun>, RecordError> {
    use crate::shell::history::{JOURNAL, MOVED, RECORD};
    let body = |slot: u32| frames.iter().find(|f| f.slot == slot && f.status == 0).map(|f| f.body.as_slice());
    let Some(record) = body(RECORD).filter(|b| !b.is_empty()) else { return Ok(None) };
    let moved = String::from_utf8_lossy(body(MOVED).unwrap_or_default());
    Ok(Some(HostRun {
        record: Record::parse(record)?,
        journal: Journal::parse(body(JOURNAL).unwrap_or_default()),
        moved: moved.split_whitespace().filter_map(|w| w.parse().ok()).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_journal_that_was_cut_off_is_read_as_far_as_it_goes() {
        let journal = Journal::parse(b"begin 1 file[/etc/a b]\ndone 1 0\nbegin 2 service[x]\nleft 3 2\nidle 4\ndo");
        assert_eq!(journal.steps.get(&1), Some(&StepState::Done(0)));
        assert!(journal.has_begun(2) && !journal.has_begun(3) && !journal.has_begun(4) && !journal.ended);
        assert!(Journal::parse(b"begin 1 x\ndone 1 0\nend\n").ended);
    }

    proptest! {
        #[test]
        fn whatever_a_host_has_kept_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Record::parse(&bytes);
            let _ = Journal::parse(&bytes);
        }
    }
}
