//! What a host has kept of a run: its record, its journal, what has moved since, parted by bytes of 0x1e; and the plan
//! that takes it back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use trueup::journal::undo::{How, of};
use trueup::journal::{Record, read};
use trueup::model::run_name::RunName;
use trueup::shell::frame::Frame;
use trueup::shell::history::{JOURNAL, MOVED, RECORD};

fuzz_target!(|data: &[u8]| {
    let bodies = data.split(|b| *b == 0x1e).map(<[u8]>::to_vec);
    let frames: Vec<Frame> =
        [RECORD, JOURNAL, MOVED].into_iter().zip(bodies).map(|(slot, body)| Frame { slot, status: 0, body }).collect();
    let Ok(Some(run)) = read(&frames) else { return };
    let which = (0..run.record.changes.len()).filter(|n| !run.moved.contains(n)).collect();
    let Some(name) = RunName::parse("undo") else { return };
    let how = How {
        run: name,
        owner: "o".into(),
        now: 1,
        reason: None,
        force: false,
        step_deadline: Duration::from_secs(1),
        confirm_within: Some(Duration::from_secs(60)),
        confirm_all: false,
    };
    let undoing = of(&run.record, &which, &how);
    let again = Record::parse(&undoing.record.to_bytes()).expect("what takes it back can be read back");
    assert_eq!(again, undoing.record);
});
