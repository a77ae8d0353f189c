//! An inventory in YAML, or as a script prints it in JSON, built and listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::inventory::assemble::Builder;
use trueup::inventory::{script, yaml};
use trueup::language::diagnostic::Diagnostics;
use trueup::model::span::Sources;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let file = sources.add("hosts.yml", text);
    let mut builder = Builder::default();
    let mut found = Diagnostics::default();
    match trueup::language::yaml::parse_one(text, file) {
        Ok(Some(document)) if document.get("_meta").is_some() => {
            script::read_json(&document, &mut builder, &mut found);
        }
        Ok(Some(document)) => yaml::read(&document, &mut builder, &mut found),
        Ok(None) => {}
        Err(errors) => found.extend(errors),
    }
    let inventory = builder.build(&mut found);
    for host in inventory.hosts() {
        let _ = inventory.vars_of(&host.name);
    }
    for diagnostic in found.iter() {
        let _ = diagnostic.render(&sources, true);
    }
});
