//! The text of a `trueup.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::model::span::Sources;
use trueup::language::toml;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let file = sources.add("trueup.toml", text);
    if let Err(found) = toml::parse(text, file) {
        for diagnostic in found.iter() {
            let _ = diagnostic.render(&sources, true);
        }
    }
});
