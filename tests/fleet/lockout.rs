//! Changes that would lock the operator out are taken back by the host itself.

use crate::host::{Fleet, Kind};
use crate::trueup::{Trueup, manifest, trueup};
use std::time::{Duration, Instant};

const FIREWALL: &str = "- hosts: all\n  resources:\n    - firewall: base\n      policy: drop\n      allow: { port: 80 }\n    - file: /srv/beside\n      content: stays\n";
const REFUSES_KEYS: &str = "- hosts: all\n  resources:\n    - file: /etc/ssh/sshd_config.d/keys.conf\n      content: \"PubkeyAuthentication no\\n\"\n      notify: service[ssh]\n    - service: ssh\n      state: running\n";

/// What could still take a run back later.
const NOTHING_WAITS: &str = "systemctl list-timers --all | grep trueup; \
    find /etc/systemd /run/systemd -name 'trueup-revert*'; pgrep -f '/var/lib/trueup/runs/[^ ]*/revert' || true";

/// Applies what locks out, and looks whether the host is there again afterwards, as it was.
fn is_taken_back(fleet: &Fleet, text: &str, id: &str, gone: &str) {
    let host = fleet.host("web1");
    let site = manifest(fleet, text);
    trueup(fleet, "plan", &site, &[]).code(2).says("could cut you off");
    trueup(fleet, "apply", &site, &["--yes", "--confirm-timeout", "6", "--connect-timeout", "2"])
        .code(3)
        .says("web1  taken back by the host: no new connection ")
        .says("not confirmed on web1")
        .says(id);
    let plan = trueup(fleet, "plan", &site, &[]).code(2).says(id);
    assert!(!plan.stdout.contains("owed"), "{}", plan.stdout);
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

/// What a program does beyond its name is not known: then the operator has all of the run confirmed.
#[test]
fn a_program_of_which_nobody_knew_that_it_locks_out() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("printf '#!/bin/sh\\nnft -f - <<E\\ntable inet odd { chain in { type filter hook input priority 0; tcp dport 22 drop; }; }\\nE\\n' \
             >/srv/tune; chmod +x /srv/tune").text();
    let text = "- hosts: all\n  resources:\n    - file: /srv/beside\n      content: x\n    - exec: /srv/tune\n      \
                unless: nft list table inet odd\n      undo: nft delete table inet odd\n";
    let site = manifest(&fleet, text);
    let options = ["--yes", "--confirm-all", "--confirm-timeout", "6", "--connect-timeout", "2"];
    trueup(&fleet, "apply", &site, &options).code(3).says("taken back by the host").says("exec[/srv/tune]");
    assert_eq!(host.sh("nft list tables; ls -d /srv/beside 2>/dev/null || echo gone").text(), "gone");
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
    let harmless = manifest(&fleet, "- hosts: all\n  resources:\n    - file: /srv/beside\n      content: x\n");
    trueup(&fleet, "apply", &harmless, &options).code(0);
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
}

/// sshd refuses the keys of a home that others can write to.
#[test]
fn a_home_that_everybody_can_write_to() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    fleet
        .host("web1")
        .sh("mkdir -pm 700 /root/.ssh; cp /etc/ssh/fleet_keys /root/.ssh/authorized_keys; sed -i 's|/etc/ssh/fleet_keys ||' /etc/ssh/sshd_config.d/* /etc/ssh/sshd_config; systemctl reload ssh")
        .text();
    let open = "- hosts: all\n  resources:\n    - directory: /root\n      mode: \"0777\"\n    - exec: and so on\n      command: chmod 0777 /root\n      unless: test \"$(stat -c %a /root)\" = 777\n      undo: \"true\"\n";
    is_taken_back(&fleet, open, "directory[/root]", "test \"$(stat -c %a /root)\" = 700 && echo gone");
}

#[test]
fn an_sshd_that_an_earlier_run_owes_a_restart_is_restarted_once_its_files_are_back() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let owes = "- hosts: all\n  resources:\n    - file: /etc/ssh/sshd_config.d/tries.conf\n      content: \"MaxAuthTries 7\\n\"\n      notify: service[ssh]\n    - exec: fails\n      command: exit 7\n      require: file[/etc/ssh/sshd_config.d/tries.conf]\n    - service: ssh\n      state: running\n      require: exec[fails]\n";
    trueup(&fleet, "apply", &manifest(&fleet, owes), &["--yes"]).code(3);
    let site = manifest(&fleet, REFUSES_KEYS);
    trueup(&fleet, "plan", &site, &[]).code(2).says("owed by an earlier run");
    trueup(&fleet, "apply", &site, &["--yes", "--confirm-timeout", "6", "--connect-timeout", "2"])
        .code(3)
        .says("web1  taken back by the host");
    // What the earlier run owes, it owes still.
    trueup(&fleet, "plan", &site, &[]).code(2).says("+ file[/etc/ssh/sshd_config.d/keys.conf]");
    trueup(&fleet, "apply", &manifest(&fleet, &owes.replace("exit 7", "\"true\"")), &["--yes"]).code(0);
}

#[test]
fn a_change_that_lets_the_operator_in_is_confirmed_and_stays() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, &FIREWALL.replace("port: 80", "port: 22"));
    trueup(&fleet, "apply", &site, &["--yes", "--confirm-timeout", "6"]).code(0);
    // Nothing is left that could take it back later.
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
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

/// Starts a run that has all the time there is to be confirmed, and waits until it has done its work.
fn unconfirmed(fleet: &Fleet, text: &str) -> Trueup {
    let host = fleet.host("web1");
    let site = manifest(fleet, text);
    let mut run =
        Trueup::start(fleet, "apply", &site, &["--yes", "--confirm-timeout", "600", "--connect-timeout", "2"]);
    let begun = Instant::now();
    while !host.sh("tail -qn 1 /var/lib/trueup/runs/*/journal | grep -q '^end$'").status.success() {
        assert!(!run.has_ended() && begun.elapsed() < Duration::from_secs(60), "the run never comes to its end");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(host.sh("systemctl list-timers --all | grep -c trueup-confirm").text(), "1", "systemd keeps the time");
    run
}

#[test]
fn a_host_that_lost_its_power_in_that_moment_takes_it_back_as_it_starts() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let run = unconfirmed(&fleet, REFUSES_KEYS);
    assert!(!host.ssh("root", "true").status.success());
    host.kill();
    run.kill();
    host.start();
    trueup(&fleet, "plan", &manifest(&fleet, REFUSES_KEYS), &[])
        .code(2)
        .says("+ file[/etc/ssh/sshd_config.d/keys.conf]");
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
}

#[test]
fn a_host_that_lost_its_power_while_it_took_it_back_begins_again_as_it_starts() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let slow =
        "#!/bin/sh\ncase $* in *keys.conf) mkdir /srv/begun 2>/dev/null && sleep 600 ;; esac\nexec /bin/rm \"$@\"\n";
    std::fs::write(host.root.join("usr/local/bin/rm"), slow).unwrap();
    host.sh("chmod 755 /usr/local/bin/rm").text();
    let site = manifest(&fleet, REFUSES_KEYS);
    let run = Trueup::start(&fleet, "apply", &site, &["--yes", "--confirm-timeout", "4", "--connect-timeout", "2"]);
    let begun = Instant::now();
    while !host.root.join("srv/begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never taken back");
        std::thread::sleep(Duration::from_millis(100));
    }
    host.kill();
    run.kill();
    host.start();
    trueup(&fleet, "plan", &site, &[]).code(2).says("+ file[/etc/ssh/sshd_config.d/keys.conf]");
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
    assert_eq!(host.sh("ls /var/lib/trueup/lock 2>/dev/null | wc -l").text(), "0");
}

#[test]
fn what_its_operator_could_not_confirm_is_confirmed_by_the_next_apply() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let run = unconfirmed(&fleet, FIREWALL);
    run.kill();
    // Somebody at the console lets the operator in again.
    host.sh("nft insert rule inet trueup input tcp dport 22 accept").text();
    let site = manifest(&fleet, &FIREWALL.replace("port: 80", "port: 22"));
    trueup(&fleet, "plan", &site, &[]).code(2).says("not confirmed");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    assert_eq!(host.sh(NOTHING_WAITS).text(), "");
    trueup(&fleet, "plan", &site, &[]).code(0);
}
