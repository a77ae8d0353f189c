//! Two operators at once.

use super::kill_point::{How, KillPoint};
use crate::host::{Fleet, Kind};
use crate::trueup::{Trueup, manifest, trueup};

const FIRST: &str = "- hosts: all\n  resources:\n    - file: /srv/first\n      content: first\n";
const SECOND: &str = "- hosts: all\n  resources:\n    - file: /srv/second\n      content: second\n";

#[test]
fn two_operators_at_once_one_waits_or_is_told_by_whom_the_host_is_held() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let kill_point = KillPoint::new(host);
    kill_point.arm(How::Controller, 1);
    let mut first = Trueup::start(&fleet, "apply", &manifest(&fleet, FIRST), &["--yes"]);
    assert!(kill_point.reached("the first operator", &mut first));

    let site = manifest(&fleet, SECOND);
    trueup(&fleet, "apply", &site, &["--yes"])
        .code(3)
        .says("another apply holds it: ")
        .says(", run 2")
        .says("--lock-timeout");
    let waits = Trueup::start(&fleet, "apply", &site, &["--yes", "--lock-timeout", "60"]);
    kill_point.go_on();
    first.wait().code(0);
    waits.wait().code(0);
    assert_eq!(
        host.sh("cat /srv/first /srv/second; ls -d /var/lib/trueup/lock* 2>/dev/null || true").text(),
        "firstsecond"
    );

    // A lock of a dead process, of another boot, or of a process whose number another has now, holds nobody up,
    // whatever the clock says: there is no time in it.
    for (n, owner) in
        ["999999 1 BOOT", "1 1 00000000-0000-0000-0000-000000000000", "1 999999999 BOOT"].iter().enumerate()
    {
        host.sh(&format!(
            "b=$(cat /proc/sys/kernel/random/boot_id); o='{owner} 20200101T000000Z-old anna@desk'; \
             ln -s \"$(echo \"$o\" | sed \"s/BOOT/$b/\")\" /var/lib/trueup/lock; touch -h -d '+{n} day' /var/lib/trueup/lock"
        ))
        .text();
        trueup(
            &fleet,
            "apply",
            &manifest(&fleet, &SECOND.replace("content: second", &format!("content: s{n}"))),
            &["--yes"],
        )
        .code(0);
    }
    println!("two operators: 5 cases");
}
