//! Hosts that answer with rubbish, without end, slowly, or not to the end.

use super::kill_point::{How, KillPoint};
use crate::host::{Fleet, Kind};
use crate::trueup::{Trueup, manifest, trueup};
use std::time::{Duration, Instant};

const WHO: &str = "- hosts: all\n  resources:\n    - file: /srv/managed\n      content: yes\n    - sysctl: net.ipv4.ip_default_ttl\n      value: 77\n";

/// Each: a login shell or a tool of the host's, by its path, and what is said of a host with that.
const RUBBISH: &[(&str, &str, &str)] = &[
    ("/bin/faulty-shell", "head -c 300000 /dev/urandom", "the connection was lost"),
    ("/bin/faulty-shell", "exec yes", "the host sent more than"),
    ("/bin/faulty-shell", "while printf x; do sleep 0.2; done", "not done within 6 s"),
    ("/bin/faulty-shell", "exec sleep 600", "silent for 3 s"),
    ("/bin/faulty-shell", "echo 'This account is not available.'; exit 1", "This account is not available."),
    ("/usr/local/bin/sysctl", "exec cat /dev/zero", "the host sent more than"),
    ("/usr/local/bin/sysctl", "exec yes net.ipv4.ip_default_ttl = 64", "the host sent more than"),
    ("/usr/local/bin/sysctl", "while printf x; do sleep 0.2; done", "not done within 6 s"),
    ("/usr/local/bin/sysctl", "kill -STOP $(ps -o ppid= -p $PPID); sleep 60", "silent for 3 s"),
];

/// The most memory that a process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn rubbish_floods_and_drips_end_bounded_in_memory_and_time() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, WHO);
    for (path, what, says) in RUBBISH {
        host.sh(&format!("cat >{path} <<'E'\n#!/bin/sh\n{what}\nE\nchmod 755 {path}")).text();
        if path.ends_with("shell") {
            host.sh(&format!("usermod -s {path} root")).text();
        }
        // A drip never falls silent, so its end is the host's own deadline.
        let within = if says.starts_with("not done") { "6" } else { "80" };
        let (begun, mut most) = (Instant::now(), 0);
        let mut run = Trueup::start(&fleet, "apply", &site, &["--yes", "--timeout", "3", "--host-timeout", within]);
        while !run.has_ended() {
            most = most.max(peak(run.id()));
            assert!(begun.elapsed() < Duration::from_secs(90), "{what} has no end");
            std::thread::sleep(Duration::from_millis(20));
        }
        run.wait().code(4).says(says);
        assert!(most < 600 * 1024, "{what}: {most} KiB");
        host.sh(&format!("usermod -s /bin/sh root; rm {path}")).text();
    }
    // What a banner or a start-up file says is noise, not an answer.
    host.sh("echo 'echo noise; head -c 3000 /dev/urandom' >/root/.profile; seq 2000 >/etc/motd; printf 'Banner /etc/motd\\n' >/etc/ssh/sshd_config.d/b.conf; systemctl reload ssh").text();
    trueup(&fleet, "plan", &site, &[]).code(2);
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    println!("answers: {} cases", RUBBISH.len() + 1);
}

#[test]
fn an_sshd_that_stops_in_the_middle_of_an_apply_is_given_up_and_nothing_is_lost() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let kill_point = KillPoint::new(host);
    let site = manifest(&fleet, WHO);
    kill_point.arm(How::Controller, 1);
    let mut run = Trueup::start(&fleet, "apply", &site, &["--yes", "--timeout", "3", "--step-timeout", "2"]);
    assert!(kill_point.reached("the first step", &mut run));
    host.sh("pid=$(readlink /var/lib/trueup/lock); pid=${pid%% *}; while [ \"$(cat /proc/$pid/comm)\" != sshd ]; do pid=$(ps -o ppid= -p $pid | tr -d ' '); done; kill -STOP $pid").text();
    kill_point.go_on();
    // The host went on alone, and its results were fetched by a new connection.
    run.wait().code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    println!("an sshd that stops: 1 case");
}
