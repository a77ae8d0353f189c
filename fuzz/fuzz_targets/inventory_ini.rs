//! An inventory in Ansible's INI form, built and listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::inventory::assemble::Builder;
use trueup::inventory::ini;
use trueup::language::diagnostic::Diagnostics;
use trueup::model::span::Sources;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let file = sources.add("hosts.ini", text);
    let mut builder = Builder::default();
    let mut found = Diagnostics::default();
    ini::read(text, file, &mut builder, &mut found);
    let inventory = builder.build(&mut found);
    for host in inventory.hosts() {
        let _ = inventory.vars_of(&host.name);
    }
    for diagnostic in found.iter() {
        let _ = diagnostic.render(&sources, true);
    }
});
