//! What ansible-vault wrote, or somebody pasted: read, opened with keys that are derived once, and written again; as a file,
//! and as a value in YAML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use trueup::language::mask::masked;
use trueup::model::span::Sources;
use trueup::language::vault::cipher::Keys;
use trueup::language::vault::envelope::Envelope;
use trueup::language::yaml;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(b"correct horse", b"salt"));

fuzz_target!(|data: &[u8]| {
    let sealed = KEYS.seal(data, None, b"salt".to_vec()).expect("it is short");
    let read = Envelope::parse(sealed.to_text().as_bytes()).unwrap_or_else(|e| panic!("what is written is read: {e}"));
    assert!(KEYS.open(&read).is_ok_and(|text| text.as_slice() == data));
    if let Ok(envelope) = Envelope::parse(data) {
        assert!(Envelope::parse(envelope.to_text().as_bytes()).is_ok_and(|again| again == envelope));
        let _ = KEYS.open(&envelope);
    }
    let text = String::from_utf8_lossy(data);
    let inline = format!("a: !vault |\n  {}\n", text.replace('\n', "\n  "));
    for text in [&*text, &inline] {
        let shown = masked(text);
        assert_eq!(shown.len(), text.len());
        let mut sources = Sources::default();
        let file = sources.add("vars.yml", shown);
        if let Err(found) = yaml::parse_one(text, file) {
            found.iter().for_each(|d| drop(d.render(&sources, true)));
        }
    }
});
