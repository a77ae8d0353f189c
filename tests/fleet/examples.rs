//! Every example that ships is applied to a real host, and is in line after that.

use crate::host::{Fleet, Kind};
use crate::trueup::{example, run, trueup};
use std::path::Path;

#[test]
fn users_and_sudo() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("useradd -m carl").text();
    let site = example("users-and-sudo");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0).says("- user[carl]");
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(host.sh("id -nG anna").text(), "anna ops");
    assert!(host.sh("sudo -l -U bert").text().contains("/usr/bin/systemctl"));
    assert_eq!(host.sh("getent passwd carl || echo none").text(), "none");
    // Drift of an account is seen, and mended.
    host.sh("gpasswd -d anna ops; : >/home/bert/.ssh/authorized_keys").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("groups: (empty) → ops").says("authorized key: bert@example.net");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    assert!(host.sh("cat /home/bert/.ssh/authorized_keys").text().contains("bert@example.net"));
    host.sh("groupdel ops").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("+ group[ops]").says("~ user[anna]").says("~ user[bert]");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
}

#[test]
fn firewall_baseline() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = example("firewall-baseline");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    fleet.host("web1").reboot();
    trueup(&fleet, "plan", &site, &[]).code(0);
    // What would lock the operator out says so before anybody agrees.
    let locked = ["-e", "{from_admins: [203.0.113.0/24]}"];
    trueup(&fleet, "plan", &site, &locked)
        .code(2)
        .says("new SSH connections from 198.18.0.1 to port 22 will be refused");
    let host = fleet.host("web1");
    host.sh("nft delete table inet trueup").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("running rules");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    host.sh("nft list table inet trueup").text();
}

#[test]
fn the_module_that_ships_with_its_own_test() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/sudo_rule/tests/site.yml");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(fleet.host("web1").ssh("nosudo", "sudo -n true && echo may").text(), "may");
}

#[test]
fn quickstart() {
    let _ = std::fs::remove_dir_all("/tmp/trueup-quickstart");
    let site = example("quickstart").display().to_string();
    let go = |words: &[&str]| run(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
    go(&["plan", &site]).code(2);
    go(&["apply", "--yes", &site]).code(0).says("7 changes applied, all in line now");
    go(&["plan", &site]).code(0).says("localhost  in line (7 resources)");
    std::fs::write("/tmp/trueup-quickstart/hello.txt", "by hand\n").unwrap();
    go(&["plan", &site]).code(2).says("-by hand");
    std::fs::remove_dir_all("/tmp/trueup-quickstart").unwrap();
}
