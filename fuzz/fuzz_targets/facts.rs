//! The answers of the script that gathers facts, parted by bytes of 0x1e; after nine of them, custom facts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::facts::Facts;
use trueup::facts::parse::parse;
use trueup::shell::facts::{FIRST_CUSTOM, FIRST_SLOT};
use trueup::shell::frame::Frame;

fuzz_target!(|data: &[u8]| {
    let slots = (FIRST_SLOT..FIRST_SLOT + 9).chain(FIRST_CUSTOM..FIRST_CUSTOM + 129);
    let bodies = data.split(|b| *b == 0x1e).map(<[u8]>::to_vec);
    let frames: Vec<Frame> = slots.zip(bodies).map(|(slot, body)| Frame { slot, status: 0, body }).collect();
    if let Ok((facts, _)) = parse(&frames) {
        // They are remembered on this machine, and have to come back from there.
        let text = serde_json::to_vec(&facts).expect("facts are plain data");
        let _: Facts = serde_json::from_slice(&text).expect("what is remembered can be read back");
    }
});
