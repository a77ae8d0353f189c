//! A file of allowed signers, and a signature; the two are parted by a byte of 0x1e.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::saved::signature;
use trueup::saved::signers::Signers;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |b| *b == 0x1e);
    let signers = Signers::parse(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
    let _ = signature::verify_text(b"a plan", parts.next().unwrap_or_default(), &signers, 1);
});
