//! What holds for a run holds across its stages: the way back, the ledger, the lock, and what is on record.

use crate::history::told;
use crate::host::{Fleet, Host, Kind};
use crate::rollback::assert_as_before;
use crate::trueup::{Trueup, manifest, on, trueup};
use std::path::PathBuf;

fn site(fleet: &Fleet, resources: &str) -> PathBuf {
    manifest(fleet, &format!("- hosts: all\n  resources:\n{resources}"))
}

/// A command that ends a stage: it can bring anything.
const FIRST: &str = "    - file: /srv/one\n      content: one\n    - exec: first\n      command: touch /srv/first\n      creates: /srv/first\n      undo: rm -f /srv/first\n";
/// A command that waits in its stage until it is let go.
const WAITS: &str = "    - exec: waits\n      command: touch /srv/waits; while [ ! -e /srv/go ]; do sleep 0.05; done; touch /srv/waited\n      creates: /srv/waited\n      undo: rm -f /srv/waited /srv/waits\n      require: exec[first]\n";
const SECOND: &str = "    - file: /srv/two\n      content: two\n      require: exec[first]\n";

/// The shell that runs an apply, as `p`.
const WORKER: &str = "read -r p _ </var/lib/trueup/runs/$(ls /var/lib/trueup/runs | tail -n 1)/worker";

fn wait_for(host: &Host, test: &str) {
    host.sh(&format!("for i in $(seq 600); do {test} && exit; sleep 0.05; done; exit 1")).text();
}

/// Nothing of a run is left where it does not belong.
fn is_tidy(host: &Host) {
    let left = "cd /var/lib/trueup; ls -d lock* incoming/* owed/* 2>/dev/null; for r in runs/*/; do [ -s $r/record ] || echo $r; done";
    assert_eq!(host.sh(left).text(), "");
}

#[test]
fn what_cuts_off_in_a_later_stage_is_taken_back_and_what_does_not_is_confirmed() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let quick = ["--yes", "--confirm-timeout", "6", "--connect-timeout", "2"];
    let firewall = |name: &str, port: u16, after: &str| {
        format!("    - firewall: {name}\n      policy: drop\n      allow: {{ port: {port} }}\n      require: {after}\n")
    };
    // One that lets the operator in, in both stages: each is confirmed.
    let sshd = "    - file: /etc/ssh/sshd_config.d/one.conf\n      content: \"MaxAuthTries 7\\n\"\n      notify: service[ssh]\n    - service: ssh\n      state: running\n";
    let good = format!("{sshd}{FIRST}{}", firewall("base", 22, "exec[first]"));
    trueup(&fleet, "apply", &site(&fleet, &good), &quick).code(0);
    trueup(&fleet, "plan", &site(&fleet, &good), &[]).code(0);
    is_tidy(host);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(
        host.sh("ls /srv /etc/ssh/sshd_config.d; nft list tables | grep -c trueup; true").text().lines().last(),
        Some("0")
    );

    // One that cuts off in the second stage: the host takes that run back.
    let bad = format!("{FIRST}{SECOND}{}", firewall("base", 80, "file[/srv/two]"));
    trueup(&fleet, "apply", &site(&fleet, &bad), &quick).code(3).says("taken back by the host").says("firewall[base]");
    wait_for(host, "! nft list table inet trueup >/dev/null 2>&1");
    trueup(&fleet, "plan", &site(&fleet, &bad), &[]).code(2).says("firewall[base]");
    is_tidy(host);
}

#[test]
fn what_several_stages_made_is_pruned_and_comes_back() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let all = format!(
        "{FIRST}{SECOND}    - exec: third\n      command: touch /srv/third\n      creates: /srv/third\n      require: file[/srv/two]\n    - file: /srv/three\n      content: three\n      require: exec[third]\n"
    );
    trueup(&fleet, "apply", &site(&fleet, &all), &["--yes"]).code(0);
    let lists = |names: &str| {
        assert_eq!(host.sh("cd /srv; ls one two three 2>/dev/null | xargs").text(), names);
    };
    lists("one three two");
    let less = "    - file: /srv/other\n      content: x\n    - exec: again\n      command: touch /srv/again\n      creates: /srv/again\n";
    trueup(&fleet, "plan", &site(&fleet, less), &[])
        .says("file[/srv/one]")
        .says("file[/srv/two]")
        .says("file[/srv/three]");
    let before = host.snapshot();
    trueup(&fleet, "apply", &site(&fleet, less), &["--yes", "--prune"]).code(0);
    lists("");
    trueup(&fleet, "plan", &site(&fleet, less), &[]).code(0);
    on(&fleet, &["rollback", "last", "--yes"]).code(0).says("4 changes taken back, 1 cannot be undone and stays");
    lists("one three two");
    host.sh("rm -f /srv/again").text();
    assert_as_before(&before, &host.snapshot());
    // They are trueup's again, too.
    trueup(&fleet, "apply", &site(&fleet, less), &["--yes", "--prune"]).code(0);
    lists("");
}

#[test]
fn a_failure_in_a_later_stage_takes_all_stages_back() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("echo old >/srv/one").text();
    let before = host.snapshot();
    let resources = format!(
        "{FIRST}{SECOND}    - exec: fails\n      command: echo no; exit 7\n      require: file[/srv/two]\n      undo: \"true\"\n"
    );
    trueup(&fleet, "apply", &site(&fleet, &resources), &["--yes", "--rollback-on-failure"]).code(3).says("exec[fails]");
    assert_as_before(&before, &host.snapshot());
    is_tidy(host);
}

#[test]
fn what_was_changed_twice_goes_back_to_what_it_was_and_forth_again() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("echo old >/srv/file; chmod 0604 /srv/file; mkdir -m 0710 /srv/dir; echo x >/srv/dir/x").text();
    // The command undoes both, once; they are made again.
    let resources = "    - file: /srv/file\n      content: new\n      mode: \"0640\"\n    - directory: /srv/dir\n      mode: \"0750\"\n    - symlink: /srv/link\n      target: file\n    - exec: undoes\n      command: echo theirs >/srv/file; chmod 0600 /srv/file; chmod 0700 /srv/dir; rm /srv/link; touch /srv/undone\n      creates: /srv/undone\n      undo: rm -f /srv/undone\n";
    let before = host.snapshot();
    trueup(&fleet, "apply", &site(&fleet, resources), &["--yes"]).code(0);
    trueup(&fleet, "plan", &site(&fleet, resources), &[]).code(0);
    let applied = host.snapshot();
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_as_before(&before, &host.snapshot());
    on(&fleet, &["rollback", "last", "--yes"]).code(0).says("7 changes taken back");
    host.sh("touch /srv/undone").text();
    assert_as_before(&applied, &host.snapshot());
}

#[test]
fn a_connection_that_is_lost_in_any_stage_leaves_what_the_next_apply_completes() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let early =
        WAITS.replace("waits", "early").replace("waited", "earlied").replace("      require: exec[first]\n", "");
    for (name, resources) in
        [("first", format!("{early}{FIRST}{SECOND}")), ("second", format!("{FIRST}{WAITS}{SECOND}"))]
    {
        let site = site(&fleet, &resources);
        let apply = Trueup::start(&fleet, "apply", &site, &["--yes"]);
        wait_for(host, "test -e /srv/waits || test -e /srv/early");
        host.sh(&format!("{WORKER}; until [ \"$(cat /proc/$p/comm)\" = sshd ]; do p=$(ps -o ppid= -p $p | tr -d ' '); done; kill -9 $p"))
            .text();
        // The run goes on at the host, and is asked what came of it by a new connection.
        host.sh("touch /srv/go").text();
        apply.wait().code(0).says("4 changes applied, all in line now");
        wait_for(host, "! readlink /var/lib/trueup/lock >/dev/null");
        trueup(&fleet, "apply", &site, &["--yes", "--lock-timeout", "60"]).code(0);
        trueup(&fleet, "plan", &site, &[]).code(0);
        assert_eq!(host.sh("cat /srv/one /srv/two").text(), "onetwo", "{name}");
        is_tidy(host);
        host.sh("rm -rf /srv/*; rm -rf /var/lib/trueup").text();
    }
}

#[test]
fn who_had_to_wait_for_a_run_of_several_stages_does_nothing_twice() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = site(
        &fleet,
        &format!(
            "{FIRST}{WAITS}{SECOND}    - exec: count\n      command: echo x >>/srv/count\n      creates: /srv/count\n      require: file[/srv/two]\n"
        ),
    );
    let first = Trueup::start(&fleet, "apply", &site, &["--yes"]);
    wait_for(host, "test -e /srv/waits");
    trueup(&fleet, "apply", &site, &["--yes"]).code(3).says("another apply holds it: ");
    let second = Trueup::start(&fleet, "apply", &site, &["--yes", "--lock-timeout", "60"]);
    wait_for(host, "[ $(ls /var/lib/trueup/runs | wc -l) -gt 1 ]");
    host.sh("touch /srv/go").text();
    assert_eq!((first.wait().code, second.wait().code), (0, 0));
    assert_eq!(host.sh("cat /srv/count; ls /var/lib/trueup/runs | wc -l").text(), "x\n1");
    is_tidy(host);
}

#[test]
fn a_run_of_two_stages_is_one_run_on_record() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = site(&fleet, &format!("{FIRST}{SECOND}"));
    let json = trueup(&fleet, "apply", &site, &["--yes", "--json"]).code(0).json();
    let host = &json["hosts"][0];
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&host["results"]), ["file[/srv/one]", "exec[first]", "file[/srv/two]"]);
    assert_eq!(ids(&host["plan"]["changes"]), ids(&host["results"]));
    let shown = told(&fleet, &["show", "last"]).code(0);
    for id in ids(&host["results"]) {
        assert!(shown.stdout.contains(&id), "{id}: {}", shown.stdout);
    }
    told(&fleet, &["history", "verify"]).code(0);
    on(&fleet, &["rollback", "last", "--plan"])
        .code(2)
        .says("< file[/srv/two]")
        .says("< exec[first]")
        .says("< file[/srv/one]");
}

#[test]
fn a_shell_that_is_killed_in_a_later_stage_is_reported_completed_and_rolled_back_by_name() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let before = host.snapshot();
    let site = site(&fleet, &format!("{FIRST}{WAITS}{SECOND}"));
    let apply = Trueup::start(&fleet, "apply", &site, &["--yes"]);
    wait_for(host, "test -e /srv/waits");
    host.sh(&format!("{WORKER}; /bin/kill -9 -- \"-$(ps -o pgid= -p $p | tr -d ' ')\"")).text();
    apply.wait().code(3).says("cut short on web1");
    let dead = host.sh("ls /var/lib/trueup/runs").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("file[/srv/two]");
    host.sh("touch /srv/go").text();
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    on(&fleet, &["rollback", &dead, "--yes"]).code(0);
    host.sh("rm -f /srv/go /srv/waits /srv/waited").text();
    assert_as_before(&before, &host.snapshot());
    is_tidy(host);
}
