//! Kernel parameters by real kernels.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, on, trueup};

#[test]
fn what_the_kernel_does_not_take_is_set_at_no_boot_either() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = |resources: &str| manifest(&fleet, &format!("- hosts: all\n  resources:\n{resources}"));
    let before = host.sh("ls /etc/sysctl.d").text();
    trueup(&fleet, "apply", &site("    - sysctl: net.ipv4.ip_forward\n      value: banana\n"), &["--yes"]).code(3);
    assert_eq!(host.sh("ls /etc/sysctl.d").text(), before);

    let good = "    - sysctl: net.ipv4.ip_forward\n      value: 1\n    - sysctl: net/ipv4/conf/all/rp_filter\n      value: 2\n";
    trueup(&fleet, "apply", &site(good), &["--yes"]).code(0);
    trueup(&fleet, "plan", &site(good), &[]).code(0);
    assert_eq!(host.sh("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.rp_filter").text(), "1\n2");
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("ls /etc/sysctl.d").text(), before);

    // One under two names, with different values.
    let clash =
        "    - sysctl: net.ipv4.ip_forward\n      value: 1\n    - sysctl: net/ipv4/ip_forward\n      value: 0\n";
    let ran = trueup(&fleet, "plan", &site(clash), &[]).code(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("again, with other values"), "{ran:?}");
}
