//! A host pattern against an inventory with groups in groups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::inventory::assemble::Builder;
use trueup::inventory::{Pattern, ini};
use trueup::language::diagnostic::Diagnostics;
use trueup::model::span::{FileId, Sources, Span};

const HOSTS: &str = "db1\nlb.example.org\n[web]\nweb[01:12]\n[prod:children]\nweb\n[odd]\nweb03\ndb1\n";

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let file = sources.add("--limit", text);
    let mut builder = Builder::default();
    ini::read(HOSTS, FileId(1), &mut builder, &mut Diagnostics::default());
    let inventory = builder.build(&mut Diagnostics::default());
    match Pattern::parse(text, Some(Span::new(file, 0, text.len()))) {
        Ok(pattern) => {
            let (hosts, notes) = pattern.select(&inventory);
            assert!(hosts.len() <= inventory.hosts().len(), "no host is picked twice");
            for note in notes {
                let _ = note.render(&sources, true);
            }
        }
        Err(diagnostic) => {
            let _ = diagnostic.render(&sources, true);
        }
    }
});
