//! One apply is enough: what packages, users and commands bring is probed again and judged anew before the rest goes on.

use crate::host::{Fleet, Host, Kind};
use crate::offered::{self, Offered};
use crate::trueup::{Ran, Trueup, manifest, on, run_with, trueup};
use std::path::PathBuf;

/// A package of the test's own: a user and a group, a service that starts by itself, files, and a rewritten time zone.
const POSTINST: &str = r#"#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent group brings >/dev/null || groupadd --system brings
  getent passwd brings >/dev/null || useradd --system --no-create-home --gid brings brings
  echo brought >/etc/brings/made
  chmod 0640 /etc/brings/made
  echo Etc/UTC >/etc/timezone
  ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
  systemctl daemon-reload
  systemctl enable --now brings.service
fi
"#;
const PRERM: &str = r#"#!/bin/sh
systemctl disable --now brings.service 2>/dev/null || true
"#;
const UNIT: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";

fn offer(host: &Host) {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let brings = Offered {
        name: "brings".into(),
        version: "1.0".into(),
        files: text(&[
            ("/etc/brings/main.conf", "[main]\n"),
            ("/etc/brings/conf.d/default", "default\n"),
            ("/lib/systemd/system/brings.service", UNIT),
            ("/usr/bin/brings", "#!/bin/sh\necho brings\n"),
        ]),
        scripts: text(&[("postinst", POSTINST), ("prerm", PRERM)]),
        ..Offered::default()
    };
    offered::offer(host, &[brings]);
}

fn site(fleet: &Fleet, resources: &str) -> PathBuf {
    manifest(fleet, &format!("- hosts: all\n  resources:\n{resources}"))
}

/// One apply, and the plan after it is empty.
#[track_caller]
fn once(fleet: &Fleet, resources: &str) -> Ran {
    let site = site(fleet, resources);
    let applied = trueup(fleet, "apply", &site, &["--yes", "--no-history"]).code(0);
    let ran = trueup(fleet, "plan", &site, &[]);
    assert_eq!(ran.code, 0, "the plan after one apply\n{}\n--- the apply\n{}", ran.stdout, applied.stdout);
    applied
}

#[test]
fn what_a_package_brings_is_brought_into_sync_by_the_same_apply() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    offer(host);
    let fresh =
        || host.sh("apt-get -y -q purge brings; rm -rf /etc/brings; userdel brings; groupdel brings; true").text();

    // Files: absent, declared before the package and after it; and a folder that it fills.
    once(&fleet, "    - file: /etc/brings/conf.d/default\n      state: absent\n    - package: brings\n");
    assert_eq!(host.sh("ls /etc/brings/conf.d; systemctl is-active brings").text(), "active");
    fresh();
    once(&fleet, "    - package: brings\n    - directory: /etc/brings/conf.d\n      purge: true\n");
    assert_eq!(host.sh("ls /etc/brings/conf.d").text(), "");
    fresh();

    // A service that the package starts and enables by itself.
    once(&fleet, "    - service: brings\n      state: stopped\n      enabled: false\n    - package: brings\n");
    assert_eq!(host.sh("systemctl is-active brings; systemctl is-enabled brings; true").text(), "inactive\ndisabled");
    fresh();

    // An account that it makes: with a number of our own, after it and before it.
    once(&fleet, "    - package: brings\n    - user: brings\n      uid: 4321\n      system: true\n");
    assert_eq!(host.sh("id -u brings").text(), "4321");
    fresh();
    once(&fleet, "    - package: tree\n    - group: brings\n      gid: 4322\n    - package: brings\n");
    assert_eq!(host.sh("id -g brings").text(), "4322");
    fresh();

    // A guard that asks for what comes with a package.
    once(
        &fleet,
        "    - package: brings\n    - exec: use it\n      command: brings >/srv/used\n      onlyif: command -v brings && test ! -e /srv/used\n",
    );
    assert_eq!(host.sh("cat /srv/used").text(), "brings");
    fresh();

    // What it rewrites is set again; who did that is reported.
    once(&fleet, "    - timezone: Europe/Berlin\n    - package: brings\n")
        .says("package[brings] undid timezone[Europe/Berlin]");
    assert_eq!(host.sh("readlink /etc/localtime").text(), "/usr/share/zoneinfo/Europe/Berlin");
    fresh();

    // Attributes alone: the contents are the package's.
    once(&fleet, "    - file: /etc/brings/main.conf\n      mode: \"0600\"\n    - package: brings\n");
    assert_eq!(host.sh("cat /etc/brings/main.conf; stat -c %a /etc/brings/main.conf").text(), "[main]\n600");
    fresh();
    once(
        &fleet,
        "    - exec: make\n      command: echo kept >/srv/attributes\n      creates: /srv/attributes\n    - file: /srv/attributes\n      mode: \"0600\"\n",
    );
    assert_eq!(host.sh("cat /srv/attributes; stat -c %a /srv/attributes").text(), "kept\n600");

    // A home and its skeleton.
    once(&fleet, "    - file: /home/zed/.bashrc\n      state: absent\n    - user: zed\n");
    assert_eq!(host.sh("ls -A /home/zed | grep -c bashrc; stat -c %U /home/zed").text(), "0\nzed");
}

#[test]
fn a_plan_says_what_an_earlier_stage_decides_and_a_refresh_comes_once() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    offer(host);
    let resources = "    - package: brings\n    - file: /etc/brings/main.conf\n      content: \"[ours]\\n\"\n      require: package[brings]\n      notify: service[brings]\n    - exec: count\n      command: echo x >>/srv/count\n      creates: /srv/count\n    - file: /etc/brings/extra.conf\n      content: x\n      notify: service[brings]\n      require: [\"package[brings]\", \"exec[count]\"]\n    - service: brings\n      state: running\n";
    let site = site(&fleet, resources);
    let before = host.snapshot();
    trueup(&fleet, "plan", &site, &[])
        .code(2)
        .says("decided after package[brings]")
        .says("+ file[/etc/brings/extra.conf]");
    before.assert_same(&host.snapshot());
    let json = trueup(&fleet, "apply", &site, &["--yes", "--json"]).code(0).json();
    let results = json["hosts"][0]["results"].as_array().unwrap();
    assert!(results.iter().all(|r| r["result"] == "applied"), "{results:?}");
    // Started by the package, and restarted once, after all that it listens to.
    assert_eq!(host.sh("journalctl -u brings -o cat | grep -c '^Started'").text(), "2");
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(host.sh("ls /var/lib/trueup/owed; ls -d /var/lib/trueup/lock* 2>&1 | grep -c 'No such'").text(), "1");

    // All of it goes back as one run, the last stage first.
    assert_eq!(host.sh("ls /var/lib/trueup/runs | wc -l").text(), "1");
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("ls /etc/brings/extra.conf /usr/bin/brings 2>&1 | grep -c 'No such'").text(), "2");
    // With what the package alone had brought, but for what only its scripts know of.
    assert_eq!(host.sh("ls /etc/brings; getent passwd brings; getent group brings; true").text(), "made");
}

#[test]
fn two_resources_that_undo_each_other_are_named() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = site(
        &fleet,
        "    - file: /srv/y\n      content: ours\n    - exec: theirs\n      command: echo theirs >/srv/y\n      unless: grep -q theirs /srv/y\n",
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(3).says("exec[theirs] undoes it").says("file[/srv/y]");
    let each_time = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /srv/z\n      content: ours\n    - exec: theirs\n      command: echo theirs >/srv/z\n",
    );
    trueup(&fleet, "apply", &each_time, &["--yes"]).code(3).says("undone: exec[theirs] undoes it");
}

#[test]
fn a_saved_plan_makes_what_it_holds_and_reports_the_rest() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    offer(host);
    let site = site(
        &fleet,
        "    - file: /etc/brings/conf.d/default\n      state: absent\n    - package: brings\n    - file: /etc/brings/main.conf\n      content: \"[ours]\\n\"\n      require: package[brings]\n",
    );
    let plan = fleet.dir().join("p.plan").display().to_string();
    trueup(&fleet, "plan", &site, &["--out", &plan]).code(2);
    let text = |path: PathBuf| path.display().to_string();
    let args =
        ["apply", &plan, "--yes", "--known-hosts", &text(fleet.known_hosts()), "--private-key", &text(fleet.key())];
    run_with(&args.map(str::to_owned), &[])
        .code(2)
        .says("file[/etc/brings/conf.d/default] is drift that the plan does not hold");
    assert_eq!(host.sh("cat /etc/brings/main.conf; ls /etc/brings/conf.d").text(), "[ours]\ndefault");
    trueup(&fleet, "plan", &site, &[]).code(2).says("- file[/etc/brings/conf.d/default]");
}

#[test]
fn an_operator_that_dies_between_two_stages_leaves_what_the_next_apply_completes() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = site(
        &fleet,
        "    - file: /srv/before\n      content: x\n      notify: service[cron]\n    - exec: first\n      command: while [ ! -e /srv/go ]; do sleep 0.1; done; touch /srv/first\n      creates: /srv/first\n    - file: /srv/after\n      content: x\n      require: exec[first]\n    - service: cron\n      state: running\n",
    );
    let started = || host.sh("systemctl show -p ExecMainStartTimestampMonotonic --value cron").text();
    let was = started();
    let mut run = Trueup::start(&fleet, "apply", &site, &["--yes"]);
    host.sh("for i in $(seq 300); do [ -e /srv/before ] && exit; sleep 0.1; done; exit 1").text();
    assert!(!run.has_ended());
    run.kill();
    host.sh("touch /srv/go; for i in $(seq 300); do [ -e /srv/first ] && exit; sleep 0.1; done; exit 1").text();
    host.sh("for i in $(seq 300); do grep -q staged /var/lib/trueup/runs/*/journal && exit; sleep 0.1; done; exit 1")
        .text();
    assert_eq!(host.sh("ls /srv/after 2>&1 | grep -c 'No such'").text(), "1");
    assert_eq!(started(), was);
    trueup(&fleet, "plan", &site, &[]).code(2).says("owed by an earlier run");
    trueup(&fleet, "apply", &site, &["--yes", "--lock-timeout", "60"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_ne!(started(), was, "the refresh that was owed is done");
}
