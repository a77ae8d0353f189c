//! A known_hosts file. Whatever stands in it, a key that is put on record after it is found there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use trueup::transport::known_hosts::KnownHosts;

const LINE: &str = "h.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n";

fuzz_target!(|text: &str| {
    let mut hosts = KnownHosts::default();
    hosts.add(Path::new("known_hosts"), text);
    for (host, port) in [("h.example", 22), ("10.0.0.1", 2222), ("H.EXAMPLE", 22)] {
        let _ = (hosts.algorithms(host, port), hosts.authorities(host, port), hosts.place(host, port));
    }
    hosts.add(Path::new("known_hosts"), LINE);
    assert!(!hosts.algorithms("h.example", 22).is_empty(), "what is put on record is on record");
});
