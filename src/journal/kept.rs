//! All runs that a host has kept.

use super::{Journal, Record, RecordError, StepState};
use crate::model::run_name::RunName;
use crate::shell::frame::Frame;
use schemars::JsonSchema;
use serde::Serialize;

/// A run that a host has kept: its name, and what it tells, or why that cannot be read.
pub type Kept = (RunName, Result<(Record, Journal), RecordError>);

/// What a host's journal says of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every step went well.
    Applied,
    /// A step failed.
    Failed,
    /// It was cut off, or is still at it.
    NoEnd,
}

impl Journal {
    pub fn ending(&self) -> Ending {
        let failed = self.steps.values().any(|s| matches!(s, StepState::Done(status) if *status != 0));
        match (self.ended, failed) {
            (false, _) => Ending::NoEnd,
            (true, true) => Ending::Failed,
            (true, false) => Ending::Applied,
        }
    }
}

/// Reads the answers to [`crate::shell::history::all`]. What has no name of a run is passed over.
pub fn read(frames: &[Frame]) -> Vec<Kept> {
    let run = |three: &[Frame]| {
        let [name, record, journal] = three else { return None };
        let name = RunName::parse(std::str::from_utf8(&name.body).ok()?)?;
        Some((name, Record::parse(&record.body).map(|record| (record, Journal::parse(&journal.body)))))
    };
    frames.chunks(3).filter_map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_journal_tells_how_its_run_ended() {
        let ending = |text: &str| Journal::parse(text.as_bytes()).ending();
        assert_eq!(ending("begin 1 a\ndone 1 0\nidle 2\nend\n"), Ending::Applied);
        assert_eq!(ending("begin 1 a\ndone 1 7\nleft 2 1\nend\n"), Ending::Failed);
        assert_eq!(ending("begin 1 a\ndone 1 0\n"), Ending::NoEnd);
        assert_eq!(ending("end\n"), Ending::Applied);
    }

    proptest! {
        #[test]
        fn whatever_a_host_answers_is_no_panic(bodies in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let frame = |(slot, body): (usize, Vec<u8>)| Frame { slot: slot as u32, status: 0, body };
            let frames: Vec<Frame> = bodies.into_iter().enumerate().map(frame).collect();
            prop_assert!(read(&frames).len() <= 3);
        }
    }
}
