//! Waves over real hosts: what stops them, and what is left alone then.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, trueup};

fn boxes() -> Fleet {
    Fleet::up(&["box1", "box2", "box3", "box4"].map(|name| (name, Kind::Busybox)))
}

fn has(fleet: &Fleet, path: &str) -> Vec<bool> {
    fleet.hosts().map(|h| h.sh(&format!("test -e {path}")).status.success()).collect()
}

#[test]
fn an_unreachable_host_stops_a_rollout_one_by_one() {
    let fleet = boxes();
    let site = manifest(&fleet, "- hosts: all\n  resources:\n    - file: /root/mark\n      content: x\n");
    fleet.host("box2").kill();
    let ran = trueup(&fleet, "apply", &site, &["--yes", "--serial", "1"]).code(4);
    assert!(ran.stdout.contains("box3  not started: 1 host has failed, and none may\n"), "{}", ran.stdout);
    fleet.host("box2").start();
    assert_eq!(has(&fleet, "/root/mark"), [true, false, false, false]);
    let json =
        trueup(&fleet, "apply", &site, &["--yes", "--retry", "last", "--serial", "1,2", "--json"]).code(0).json();
    let waves: Vec<_> = json["hosts"].as_array().unwrap().iter().map(|h| (&h["host"], &h["wave"])).collect();
    let waves: Vec<_> = waves.iter().map(|(h, w)| (h.as_str().unwrap(), w.as_u64().unwrap())).collect();
    assert_eq!(waves, [("box2", 1), ("box3", 2), ("box4", 2)]);
    assert_eq!(has(&fleet, "/root/mark"), [true; 4]);
}

#[test]
fn canaries_that_are_not_well_keep_the_rest_as_it_is() {
    let fleet = boxes();
    let site = |port: u16| {
        let text = format!(
            "- hosts: all\n  health:\n    - port: {port}\n      retries: 1\n      delay: 0\n  resources:\n    - file: /root/mark\n      content: x\n"
        );
        manifest(&fleet, &text)
    };
    let ran = trueup(&fleet, "apply", &site(81), &["--yes", "--canary", "2"]).code(3);
    ran.says("unhealthy box1: port 81\n    nothing listens on port 81\n");
    assert_eq!(has(&fleet, "/root/mark"), [true, true, false, false]);
    // The SSH server listens.
    let port = fleet.host("box1").port;
    let json = trueup(&fleet, "apply", &site(port), &["--yes", "--canary", "1", "--json"]).code(0).json();
    assert_eq!(json["totals"]["applied"], 2, "{json}");
    assert_eq!(has(&fleet, "/root/mark"), [true; 4]);
}
