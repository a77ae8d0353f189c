//! The document of a saved plan, which may come from anybody where no signature is asked for: read, shown, opened, and
//! made catalogs of again. The frame around it is read as it comes, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::plan::probe;
use trueup::report::style::Style;
use trueup::report::text;
use trueup::saved::{SavedPlan, file};

fuzz_target!(|data: &[u8]| {
    let _ = SavedPlan::from_bytes(data);
    let Ok(framed) = file::frame(data) else { return };
    let Ok(plan) = SavedPlan::from_bytes(&framed) else { return };
    let _ = text::plan(&plan.reports, &text::Options { style: Style::default(), diff: true, quiet: false });
    let written = plan.to_bytes().expect("what was read can be written");
    assert!(SavedPlan::from_bytes(&written).is_ok(), "and read again");
    let Ok(opened) = plan.open(None) else { return };
    for host in opened {
        let facts = host.saved.basis.facts.clone();
        if let Ok(catalog) = host.saved.basis.parts.assemble(facts) {
            let _ = probe::all_and_kept(&catalog);
        }
    }
});
