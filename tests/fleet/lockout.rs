//! Changes that would lock the operator out are taken back by the host itself.

use crate::host::{Fleet, Kind};
use crate::trueup::{Trueup, manifest, trueup};
use std::time::{Duration, Instant};

const FIREWALL: &str = "- hosts: all\n  resources:\n    - firewall: base\n      policy: drop\n      allow: { port: 80 }\n    - file: /srv/beside\n      content: stays\n";
const REFUSES_KEYS: &str = "- hosts: all\n  resources:\n    - file: /etc/ssh/sshd_config.d/keys.conf\n      content: \"PubkeyAuthentication no\\n\"\n      notify: service[ssh]\n    - service: ssh\n      state: running\n";

/// Applies what locks out, and looks whether the host is there again afterwards, as it was.
fn is_taken_back(fleet: &Fleet, text: &str, id: &str, gone: &str) {
    let host = fleet.host("web1");
    let site = manifest(fleet, text);
    trueup(fleet, "plan", &site, &[]).code(2).says("could cut you off");
    trueup(fleet, "apply", &site, &["--yes", "--confirm-timeout", "6", "--connect-timeout", "2"])
        .code(3)
        .says("kept new connections out")
        .says("not confirmed on web1")
        .says(id);
    trueup(fleet, "plan", &site, &[]).code(2).says(id);
    assert_eq!(host.sh(gone).text(), "gone");
    assert_eq!(host.sh("ls /var/lib/trueup/lock 2>/dev/null | wc -l").text(), "0");
}

#[test]
fn a_firewall_that_drops_ssh() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    is_taken_back(&fleet, FIREWALL, "firewall[base]", "nft list table inet trueup >/dev/null 2>&1 || echo gone");
    assert_eq!(fleet.host("web1").sh("cat /srv/beside").text(), "stays");
}

#[test]
fn an_sshd_that_refuses_the_key() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    is_taken_back(
        &fleet,
        REFUSES_KEYS,
        "file[/etc/ssh/sshd_config.d/keys.conf]",
        "test -e /etc/ssh/sshd_config.d/keys.conf || echo gone",
    );
}

#[test]
fn a_change_that_lets_the_operator_in_is_confirmed_and_stays() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, &FIREWALL.replace("port: 80", "port: 22"));
    trueup(&fleet, "apply", &site, &["--yes", "--confirm-timeout", "6"]).code(0);
    // Nothing is left that could take it back later.
    assert_eq!(host.sh("systemctl list-timers --all | grep -c trueup-revert || true").text(), "0");
    trueup(&fleet, "plan", &site, &[]).code(0);
}

#[test]
fn a_firewall_that_drops_ssh_where_nothing_else_keeps_time_for_the_host() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    fleet.host("web1").sh("mv /usr/bin/systemd-run /usr/bin/systemd-run.away").text();
    is_taken_back(&fleet, FIREWALL, "firewall[base]", "nft list table inet trueup >/dev/null 2>&1 || echo gone");
}

#[test]
fn a_host_is_there_again_though_the_operator_died_in_that_moment() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, FIREWALL);
    let run = Trueup::start(&fleet, "apply", &site, &["--yes", "--confirm-timeout", "6", "--connect-timeout", "2"]);
    let begun = Instant::now();
    let wait_until = |is_there: bool| {
        while host.sh("nft list table inet trueup >/dev/null 2>&1").status.success() != is_there {
            assert!(begun.elapsed() < Duration::from_secs(60), "the rules: there is {is_there}, never");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_until(true);
    run.kill();
    wait_until(false);
    trueup(&fleet, "plan", &site, &[]).code(2).says("firewall[base]");
}
