//! What a host says that trueup has made there: its ledger, and the order in which that would be removed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueup::ledger::{Entry, Ledger, Note, Owner, When, lines};
use trueup::plan::orphans::order;

fuzz_target!(|data: &[u8]| {
    let Ok(ledger) = Ledger::parse(data) else { return };
    let owner = Owner { project: "fleet:site.yml".into(), host: "web1".into() };
    let entries: Vec<&Entry> = ledger.of(&owner).collect();
    let mut removed = order(&entries);
    removed.sort_unstable();
    removed.dedup();
    assert_eq!(removed.len(), entries.len(), "each once");
    for entry in entries {
        assert!(ledger.entry(&owner, &entry.thing()).is_some());
        let note = Note { when: When::Found, thing: entry.thing(), entry: Some(entry.clone()) };
        let said = lines(&owner, &[note]);
        assert!(
            said.is_ascii() && said.iter().filter(|b| **b == b'\n').count() == 2,
            "a line for it, and one for its owner"
        );
    }
});
