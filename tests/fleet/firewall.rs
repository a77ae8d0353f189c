//! The firewall beside what others do to the kernel's rules.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, on, trueup};

const SITE: &str = "- hosts: all\n  resources:\n    - firewall: base\n      allow: { port: 9001 }\n";

#[test]
fn rules_outlive_a_restart_and_a_reload_of_nftables() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(
        &fleet,
        &format!(
            "{SITE}    - file: /etc/nftables.conf\n      content: \"flush ruleset\\n\"\n      notify: service[nftables]\n    - service: nftables\n      state: running\n      enabled: true\n"
        ),
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    for does in ["restart", "reload"] {
        host.sh(&format!("systemctl {does} nftables")).text();
        trueup(&fleet, "plan", &site, &[]).code(0);
    }
    host.reboot();
    trueup(&fleet, "plan", &site, &[]).code(0);
    // As an earlier trueup has made it.
    host.sh("rm /etc/systemd/system/nftables.service.d/trueup.conf").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("kept across reboot");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
}

#[test]
fn what_another_chain_drops_is_reported_also_if_all_is_in_sync() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = manifest(&fleet, SITE);
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    fleet.host("web1").sh("nft add table inet filter; nft 'add chain inet filter input { type filter hook input priority 0; policy accept; }'; nft add rule inet filter input tcp dport 22 accept; nft add rule inet filter input counter drop").text();
    let plan = trueup(&fleet, "plan", &site, &[]).code(0);
    let told = "web1: firewall[base]: what it allows may be dropped all the same: chain input of table inet filter";
    let all = format!("{}{}", plan.stdout, plan.stderr);
    assert_eq!(all.matches(told).count(), 1, "{all}");
}
