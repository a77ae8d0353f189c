//! Runs on real hosts, told again by this machine and, where it has forgotten, by the hosts.

use crate::host::{Fleet, Kind};
use crate::trueup::{Ran, manifest, run_with, trueup};
use std::process::{Command, Stdio};

const WRITES: &str = "- hosts: all\n  resources:\n    - file: /etc/hello\n      content: hello\n    - exec: fail on one\n      command: test ! -e /srv/broken\n      creates: /srv/never\n      when: inventory_hostname == \"web2\"\n";
const WAITS: &str = "- hosts: web1\n  resources:\n    - exec: wait\n      command: touch /srv/begun; while test ! -e /srv/go; do sleep 0.1; done\n      creates: /srv/go\n";

/// A command that has no manifest, with the fleet's state.
pub fn told(fleet: &Fleet, args: &[&str]) -> Ran {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    run_with(&args, &[("XDG_STATE_HOME", &fleet.dir().join("state").display().to_string())])
}

fn from_hosts(fleet: &Fleet, more: &[&str]) -> Ran {
    let [inventory, known, key] =
        [fleet.inventory(), fleet.known_hosts(), fleet.key()].map(|p| p.display().to_string());
    let args = ["history", "--from-hosts", "-i", &inventory, "--known-hosts", &known, "--private-key", &key];
    told(fleet, &[&args[..], more].concat())
}

#[test]
fn runs_are_told_by_this_machine_and_by_their_hosts() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("web2", Kind::Debian), ("box", Kind::Busybox)]);
    fleet.host("web2").sh("touch /srv/broken").text();
    let site = manifest(&fleet, WRITES);
    let applied = trueup(&fleet, "apply", &site, &["--yes", "--reason", "CHG-7"]).code(3);
    let shown = told(&fleet, &["show", "last"]).code(0).says("CHG-7");
    assert!(shown.stdout.ends_with(&applied.stdout), "{}\n{}", shown.stdout, applied.stdout);
    told(&fleet, &["history"]).code(0).says("CHG-7").says("2 brought in line, 1 failed");

    // The journals of the hosts have the very same name.
    let json = told(&fleet, &["history", "--json"]).code(0).json();
    let name = json["runs"][0]["run"].as_str().unwrap().to_owned();
    for host in fleet.hosts() {
        assert_eq!(host.sh("ls /var/lib/trueup/runs").text(), name);
    }

    // The machine that applies dies in the middle of it.
    let waits = manifest(&fleet, WAITS);
    let mut apply = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args(["apply", "--yes", &waits.display().to_string(), "-i", &fleet.inventory().display().to_string()])
        .args(["--known-hosts", &fleet.known_hosts().display().to_string()])
        .args(["--private-key", &fleet.key().display().to_string()])
        .env("XDG_CACHE_HOME", fleet.dir().join("cache"))
        .env("XDG_STATE_HOME", fleet.dir().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    fleet.host("web1").sh("while test ! -e /srv/begun; do sleep 0.1; done").text();
    told(&fleet, &["history", "--limit", "1"]).code(0).says("running");
    apply.kill().unwrap();
    apply.wait().unwrap();
    told(&fleet, &["history", "--limit", "1"]).code(0).says("did not end");
    from_hosts(&fleet, &["web1"]).code(0).says("1 without an end");
    fleet.host("web1").sh("touch /srv/go; while test -L /var/lib/trueup/lock; do sleep 0.1; done").text();
    told(&fleet, &["history", "verify"]).code(0);

    // What is lost here is known there.
    std::fs::remove_dir_all(fleet.dir().join("state")).unwrap();
    told(&fleet, &["history"]).code(1);
    let rebuilt = from_hosts(&fleet, &["--json"]).code(0).json();
    assert_eq!(rebuilt["runs"].as_array().unwrap().len(), 2);
    let first = &rebuilt["runs"][1];
    assert_eq!((first["run"].as_str(), first["reason"].as_str()), (Some(name.as_str()), Some("CHG-7")));
    let endings: Vec<_> = first["hosts"].as_array().unwrap().iter().map(|h| &h["ending"]).collect();
    assert_eq!(endings.iter().filter(|e| **e == "failed").count(), 1, "{rebuilt}");
    assert_eq!(endings.len(), 3);
    fleet.host("web2").kill();
    from_hosts(&fleet, &["--connect-timeout", "2"]).code(4).says("CHG-7");
}
