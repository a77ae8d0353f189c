//! What a host sends, cut anywhere. A byte of 1 stands for the nonce, which no fuzzer would guess; the first byte says
//! how the stream is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::shell::frame::{Frame, FrameParser, Limits, Nonce};

fuzz_target!(|data: &[u8]| {
    let Some((cut, rest)) = data.split_first() else { return };
    let nonce = Nonce::new([0xab; 16]);
    let mut stream = vec![];
    for byte in rest {
        match byte {
            1 => stream.extend_from_slice(nonce.as_str().as_bytes()),
            byte => stream.push(*byte),
        }
    }
    let limits = Limits { frame: 256, total: 4096, ..Limits::default() };
    let read = |size: usize| {
        let mut parser = FrameParser::new(&nonce, limits);
        let mut frames: Vec<Frame> = vec![];
        let mut error = None;
        for part in stream.chunks(size) {
            error = parser.push(part, &mut frames).err();
            if error.is_some() {
                break;
            }
        }
        assert!(frames.iter().all(|f| f.body.len() <= limits.frame), "no answer is longer than the limit");
        (frames, parser.is_finished(), error)
    };
    let (whole, one) = (read(stream.len().max(1)), read(usize::from(*cut).max(1)));
    // One that is cut off keeps what came before.
    if whole.2.is_none() && one.2.is_none() {
        assert_eq!(whole, one, "how a stream is cut changes nothing");
    }
    assert!(stream.len() > limits.total || whole.2.is_none() == one.2.is_none(), "nor whether it is refused");
});
