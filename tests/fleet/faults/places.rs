//! Places that cannot be written to: nothing is half done, and it goes on once there is room.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, trueup};

#[test]
fn full_and_read_only_places_are_told_and_leave_nothing_half_done() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = |v: u32| {
        let content = format!("of version {v}\\n").repeat(4000);
        manifest(
            &fleet,
            &format!(
                "- hosts: all\n  resources:\n    - file: /srv/target/managed\n      content: \"{content}\"\n    - file: /srv/beside\n      content: \"{v}\"\n"
            ),
        )
    };
    host.sh("mkdir -p /srv/target").text();
    trueup(&fleet, "apply", &site(1), &["--yes"]).code(0);
    let old = host.sh("sha256sum </srv/target/managed").text();
    let mut cases = 0;

    // Each: how it comes about, what is said, what ends it.
    let target = "cp -p /srv/target/managed /tmp/m && mount -t tmpfs -o size=100k none /srv/target && cp -p /tmp/m /srv/target/managed";
    let state = "cp -a /var/lib/trueup /tmp/state && mount -t tmpfs -o size=8m,mode=700 none /var/lib/trueup && cp -a /tmp/state/. /var/lib/trueup";
    let broken = [
        (
            format!("{target} && head -c 40000 /dev/zero >/srv/target/filler; true"),
            "umount /srv/target",
            3,
            "is its file system full?",
        ),
        (format!("{target} && mount -o remount,ro /srv/target"), "umount /srv/target", 3, "Read-only file system"),
        (
            format!("{state} && head -c 9999999 /dev/zero >/var/lib/trueup/filler; true"),
            "umount /var/lib/trueup",
            4,
            "nothing more can be written below /var/lib/trueup; is its file system full?",
        ),
        (
            format!("{state} && mount -o remount,ro /var/lib/trueup"),
            "umount /var/lib/trueup",
            4,
            "no place to keep its journal",
        ),
    ];
    for (v, (breaks, mends, code, says)) in (2..).zip(broken) {
        host.sh(&breaks).text();
        trueup(&fleet, "apply", &site(v), &["--yes"]).code(code).says(says);
        assert_eq!(host.sh("sha256sum </srv/target/managed").text(), old, "{breaks}");
        let left = "find /srv -xdev -name '*.trueup'; ls -d /var/lib/trueup/lock 2>/dev/null || true";
        assert_eq!(host.sh(left).text(), "", "{breaks}");
        host.sh(mends).text();
        trueup(&fleet, "apply", &site(v), &["--yes"]).code(0);
        trueup(&fleet, "plan", &site(v), &[]).code(0);
        trueup(&fleet, "apply", &site(1), &["--yes"]).code(0);
        cases += 1;
    }

    // A clock that jumps: `date` and the times of what the host keeps are all that could tell.
    for jump in ["+1 day", "-1 day"] {
        host.sh(&format!(
            "printf '#!/bin/sh\\nexec /bin/date -d \"{jump}\" \"$@\"\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date; \
             find /var/lib/trueup -exec touch -h -d '{jump}' {{}} +"
        ))
        .text();
        trueup(&fleet, "apply", &site(9), &["--yes"]).code(0);
        trueup(&fleet, "plan", &site(9), &[]).code(0);
        trueup(&fleet, "apply", &site(1), &["--yes"]).code(0);
        cases += 1;
    }
    println!("places and clocks: {cases} cases");
    assert_eq!(cases, 6);
}
