//! Packages and services by real apt and systemd.

use crate::host::{Fleet, Kind};
use crate::trueup::{Trueup, manifest, on, trueup};
use std::time::{Duration, Instant};

fn site(resources: &str) -> String {
    format!("- hosts: all\n  resources:\n{resources}")
}

#[test]
fn versions_latest_and_absence_by_apt() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let version =
        || host.sh("dpkg-query -W -f '${db:Status-Abbrev}${Version}' trueup-probe 2>/dev/null || true").text();
    let apply = |text: &str, code: i32| trueup(&fleet, "apply", &manifest(&fleet, &site(text)), &["--yes"]).code(code);
    let plan = |text: &str, code: i32| trueup(&fleet, "plan", &manifest(&fleet, &site(text)), &[]).code(code);

    let old = "    - package: trueup-probe\n      version: 1.0\n";
    let old = &old.replace("1.0", "\"1.0\"");
    plan(old, 2).says("version: 1.0");
    apply(old, 0);
    assert_eq!(version(), "ii 1.0");
    plan("    - package: trueup-probe\n", 0);
    let latest = "    - package: trueup-probe\n      state: latest\n";
    plan(latest, 2).says("version: 1.0 → 1.1");
    apply(latest, 0);
    assert_eq!(version(), "ii 1.1");
    plan(latest, 0);
    apply(old, 0);
    assert_eq!(version(), "ii 1.0");
    let absent = "    - package: trueup-probe\n      state: absent\n";
    apply(absent, 0);
    plan(absent, 0);
    plan("    - package: trueup-probe\n      state: absent\n      purge: true\n", 2).says("configuration");
    apply("    - package: trueup-probe\n      state: absent\n      purge: true\n", 0);

    // Several at once are one transaction, and one that is nowhere is told, in apt's own words.
    apply("    - package: jq\n    - package: tree\n    - package: htop\n", 0);
    assert_eq!(host.sh("grep -c '^Commandline.*install -- jq tree htop' /var/log/apt/history.log").text(), "1");
    host.sh("apt-get -y -q remove tree").text();
    plan("    - package: jq\n    - package: tree\n", 2).says("+ package[tree]");
    apply("    - package: jq\n    - package: tree\n", 0);
    let nowhere = "    - package: no-such-package\n    - package: trueup-lib\n    - file: /srv/x\n      content: x\n";
    plan(nowhere, 3).says("no-such-package is not in the host's package lists");
    apply(nowhere, 3).says("+ package[trueup-lib]");
    assert_eq!(host.sh("cat /srv/x; trueup-lib").text(), "x1.0");
    plan("    - package: jqq\n", 3).says("did you mean jq?");
    plan("    - package: httpd\n", 3).says("declare one of them: nginx");
    plan("    - package: trueup-probe\n      version: \"9.9\"\n", 3)
        .says("have no version 9.9 of trueup-probe, but 1.1, 1.0");
}

/// A fleet of one host, and a way to write a site and plan or apply it.
struct One {
    fleet: Fleet,
}

impl One {
    fn up() -> Self {
        Self { fleet: Fleet::up(&[("web1", Kind::Debian)]) }
    }

    fn sh(&self, command: &str) -> String {
        self.fleet.host("web1").sh(command).text()
    }

    fn plan(&self, resources: &str, code: i32) -> crate::trueup::Ran {
        trueup(&self.fleet, "plan", &manifest(&self.fleet, &site(resources)), &[]).code(code)
    }

    fn apply(&self, resources: &str, code: i32) -> crate::trueup::Ran {
        trueup(&self.fleet, "apply", &manifest(&self.fleet, &site(resources)), &["--yes"]).code(code)
    }
}

#[test]
fn a_plan_shows_what_else_a_transaction_changes() {
    let one = One::up();
    let before = one.fleet.host("web1").snapshot();
    one.plan("    - package: trueup-app\n", 2).says("version: 1.0").says("also installs: trueup-lib 1.0");
    before.assert_same(&one.fleet.host("web1").snapshot());
    one.apply("    - package: trueup-app\n    - package: trueup-probe\n", 0);
    let ran = one.plan("    - package: trueup-lib\n      state: absent\n", 2);
    ran.says("- package[trueup-lib]").says("also removes trueup-app 1.0");
    // What the manifest wants is not removed with another, nor is what it does not want brought by one.
    let clash = "    - package: trueup-lib\n      state: absent\n    - package: trueup-app\n    - package: jq\n";
    one.plan(clash, 3).says("would remove trueup-app with it, which is to be installed").says("+ package[jq]");
    one.apply(clash, 3).says("would remove trueup-app with it");
    assert_eq!(one.sh("trueup-app; jq --version | cut -c1-4"), "1.0\njq-1");
    let rival = "    - package: trueup-rival\n    - package: trueup-app\n";
    one.plan(rival, 3).says("would remove trueup-app with it");
    one.apply("    - package: trueup-lib\n      state: absent\n", 0);
    assert_eq!(one.sh("dpkg-query -W -f '${db:Status-Abbrev}' trueup-app"), "rc");
    one.plan("    - package: trueup-app\n    - package: trueup-lib\n      state: absent\n", 3)
        .says("would install trueup-lib with it, which is to be absent");
    // The two in one transaction.
    one.apply("    - package: trueup-lib\n", 0);
    let instead = "    - package: trueup-lib\n      state: absent\n    - package: trueup-rival\n";
    one.apply(instead, 0);
    one.plan(instead, 0);
}

#[test]
fn a_purge_takes_no_other_package_s_configuration() {
    let one = One::up();
    let purge = |name: &str| format!("    - package: {name}\n      state: absent\n      purge: true\n");
    one.apply("    - package: trueup-app\n    - package: trueup-probe\n    - package: tree\n", 0);
    let absent = "    - package: trueup-probe\n      state: absent\n";
    let both = format!("{}{absent}", purge("trueup-lib"));
    one.plan(&both, 2).says("also removes trueup-app 1.0").says("cannot be undone");
    one.apply(&both, 0);
    one.plan(&both, 0);
    assert_eq!(one.sh("ls /etc/trueup-*.conf"), "/etc/trueup-app.conf\n/etc/trueup-probe.conf");
    // What was left behind is purged by itself, and what a purge came after is taken back.
    one.apply(&format!("{}{absent}", purge("trueup-app")), 0);
    assert_eq!(one.sh("ls /etc/trueup-*.conf"), "/etc/trueup-probe.conf");
    one.apply(&format!("{}    - package: tree\n      state: absent\n", purge("trueup-probe")), 0);
    assert_eq!(one.sh("dpkg-query -W -f '${db:Status-Abbrev}' tree trueup-probe 2>/dev/null || true"), "");
}

#[test]
fn stale_lists_are_fetched_first_and_what_they_have_not_fails_alone() {
    let one = One::up();
    let more = "    - package: trueup-extra\n    - package: no-such-package\n    - package: jq\n";
    one.plan(more, 3).says("trueup-extra is not in the host's package lists");
    one.sh("echo 'deb [trusted=yes] file:/srv/more ./' >/etc/apt/sources.list.d/more.list");
    one.plan(more, 2).says("fetched anew first");
    let ran = one.apply(more, 3);
    assert_eq!(one.sh("trueup-extra; jq --version | cut -c1-4"), "1.0\njq-1", "{}", ran.stdout);
    let ran = ran.says("Unable to locate package no-such-package");
    assert!(!ran.stdout.contains("✗ package[jq]"), "{}", ran.stdout);
    one.plan(more, 3).says("no-such-package is not in the host's package lists");
    one.plan("    - package: trueup-extra\n    - package: jq\n", 0);
    // None at all, and lists of another day.
    one.sh("rm -rf /var/lib/apt/lists/*Packages /var/lib/trueup/package-lists");
    one.plan("    - package: tree\n", 2).says("fetched anew first");
    one.apply("    - package: tree\n", 0);
    one.plan("    - package: no-such-package\n", 3);
    one.sh("touch -d '2 days ago' /var/lib/apt/lists /var/lib/trueup/package-lists");
    one.plan("    - package: no-such-package\n", 2).says("fetched anew first");
    one.plan("    - package: htop\n", 2).says("the package lists, which have 3.2.2-2, are fetched anew first");
    one.apply("    - package: htop\n", 0);
}

#[test]
fn the_latest_follows_a_changed_source_once() {
    let one = One::up();
    let latest = "    - package: trueup-probe\n      state: latest\n";
    one.apply(latest, 0);
    assert_eq!(one.sh("trueup-probe"), "1.1");
    let both = format!(
        "    - file: /etc/apt/sources.list.d/more.list\n      content: \"deb [trusted=yes] file:/srv/more ./\\n\"\n      before: package[trueup-probe]\n{latest}"
    );
    one.apply(
        "    - file: /etc/apt/sources.list.d/more.list\n      content: \"deb [trusted=yes] file:/srv/more ./\\n\"\n",
        0,
    );
    one.plan(&both, 2).says("unless the package lists that are fetched first have another");
    one.apply(&both, 0);
    assert_eq!(one.sh("trueup-probe"), "2.0");
    one.plan(&both, 0);
    // A fetch that finds nothing new ends it as well, and so it does if the source's time is in the future.
    one.sh("touch -d 'next year' /etc/apt/sources.list.d/more.list");
    one.plan(&both, 0);
    one.sh("echo '# nothing' >>/etc/apt/sources.list; touch -d 'next year' /etc/apt/sources.list");
    one.plan(latest, 2);
    one.apply(latest, 0);
    one.plan(latest, 0);
    // A source that has gone makes nothing due that is not newer.
    one.sh("rm /etc/apt/sources.list.d/more.list");
    one.apply(latest, 0);
    one.plan(latest, 0);
}

#[test]
fn lists_that_were_fetched_since_are_no_reason_to_refuse_a_rollback() {
    let one = One::up();
    one.apply("    - package: trueup-probe\n      state: latest\n", 0);
    one.sh("echo 'deb [trusted=yes] file:/srv/more ./' >/etc/apt/sources.list.d/more.list; apt-get -q update");
    on(&one.fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(one.sh("dpkg -l trueup-probe 2>&1 | grep -c 'no packages'"), "1", "what nobody knew before is purged");
}

#[test]
fn a_rollback_takes_back_what_its_run_changed_and_nothing_that_came_since() {
    let one = One::up();
    one.sh("apt-get -q -y install trueup-app; apt-mark showauto | grep -q trueup-lib; apt-get -q -y remove trueup-app");
    // What comes for its sake and was there for another's keeps its mark; what comes since stays.
    one.apply(
        "    - package: trueup-app\n    - package: trueup-probe\n    - package: trueup-lib\n      version: \"1.0\"\n",
        0,
    );
    one.sh("apt-get -q -y install jq");
    on(&one.fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(one.sh("jq --version | cut -c1-4; dpkg-query -W -f '${db:Status-Abbrev}\n' trueup-lib; apt-mark showauto trueup-lib"), "jq-1\nii \ntrueup-lib");
    assert_eq!(
        one.sh("dpkg-query -W -f '${db:Status-Abbrev}\n' trueup-app; ls /etc | grep -c trueup-probe; true"),
        "rc \n0"
    );

    // What was there for another's sake is so again, in its version.
    one.sh("apt-get -q -y install trueup-probe=1.0; apt-mark auto trueup-probe");
    one.apply("    - package: trueup-probe\n      state: latest\n", 0);
    assert_eq!(one.sh("trueup-probe; apt-mark showauto trueup-probe"), "1.1");
    on(&one.fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(one.sh("trueup-probe; apt-mark showauto trueup-probe"), "1.0\ntrueup-probe");

    // Nor does what came since go because it needs what is to go.
    one.sh("apt-get -q -y purge trueup-app trueup-lib");
    one.apply("    - package: trueup-lib\n", 0);
    one.sh("apt-get -q -y install trueup-app");
    on(&one.fleet, &["rollback", "last", "--yes"]).code(3).says("what has come since needs it: trueup-app");
    assert_eq!(one.sh("trueup-app"), "1.0");
}

#[test]
fn a_mirror_that_is_down_fails_what_needs_it_alone() {
    let one = One::up();
    one.sh("echo 'deb [trusted=yes] http://127.0.0.1:9/x ./' >/etc/apt/sources.list.d/down.list");
    let latest = "    - package: trueup-probe\n      state: latest\n";
    one.apply(&format!("{latest}    - package: jq\n"), 0);
    one.plan(&format!("{latest}    - package: jq\n"), 0);
    one.plan("    - package: trueup-extra\n", 3).says("not fetched with them: http://127.0.0.1:9/x");
    // One whose file cannot be had.
    one.sh("mv /srv/packages/tree_*.deb /srv/");
    let ran = one.apply("    - package: tree\n    - package: trueup-lib\n", 3).says("Failed to fetch");
    assert_eq!(one.sh("trueup-lib"), "1.0", "{}", ran.stdout);
    one.plan("    - package: tree\n    - package: trueup-lib\n", 2);
    // None that can be reached.
    one.sh("rm /etc/apt/sources.list");
    one.plan(latest, 2);
    one.apply(latest, 3).says("127.0.0.1");
}

#[test]
fn two_names_of_one_package_are_one() {
    let one = One::up();
    one.apply("    - package: tree:amd64\n", 0);
    one.plan("    - package: tree\n", 0);
    let ran = trueup(
        &one.fleet,
        "plan",
        &manifest(&one.fleet, &site("    - package: tree\n    - package: tree:amd64\n      state: absent\n")),
        &[],
    );
    assert!(ran.code != 0 && ran.code != 2 && format!("{}{}", ran.stdout, ran.stderr).contains("tree"), "{ran:?}");
}

#[test]
fn a_service_of_our_own_unit_starts_restarts_and_is_masked() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let unit = |seconds: u32| {
        site(&format!(
            "    - file: /etc/systemd/system/probe.service\n      content: |\n        [Service]\n        ExecStart=/usr/bin/sleep {seconds}\n        [Install]\n        WantedBy=multi-user.target\n      notify: service[probe]\n    - service: probe\n      state: running\n      enabled: true\n"
        ))
    };
    let go = |command: &str, text: &str, code: i32| {
        let more: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
        trueup(&fleet, command, &manifest(&fleet, text), more).code(code)
    };
    go("plan", &unit(1000), 2).says("service[probe]").says("state: running");
    go("apply", &unit(1000), 0);
    go("plan", &unit(1000), 0);
    let running = || host.sh("ps -o args= -p $(systemctl show -p MainPID --value probe)").text();
    assert_eq!(running(), "/usr/bin/sleep 1000");
    go("plan", &unit(2000), 2).says("↻ service[probe]").says("refreshed by file[/etc/systemd/system/probe.service]");
    go("apply", &unit(2000), 0);
    assert_eq!(running(), "/usr/bin/sleep 2000");
    let off = site("    - service: probe\n      state: stopped\n      enabled: false\n");
    go("apply", &off, 0);
    go("plan", &off, 0);
    let masked = site("    - service: cron\n      state: stopped\n      masked: true\n");
    go("apply", &masked, 0);
    go("plan", &masked, 0);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("systemctl is-active cron; systemctl is-enabled cron").text(), "active\nenabled");
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("systemctl is-active cron; systemctl is-enabled cron; true").text(), "inactive\nmasked");
    go("plan", &site("    - service: cron\n      state: running\n"), 3).says("cron is masked");
    go("plan", &site("    - service: nowhere\n      state: running\n"), 3).says("there is no service nowhere");
}

#[test]
fn a_refresh_that_a_failed_run_owes_is_paid_by_the_next() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let text = site(
        "    - file: /srv/config\n      content: new\n      notify: exec[restart it]\n    - exec: in between\n      command: test -e /srv/mended\n      unless: test -e /srv/mended\n      require: file[/srv/config]\n    - exec: restart it\n      command: echo restarted >>/srv/log\n      refresh_only: true\n      require: exec[in between]\n",
    );
    let site = manifest(&fleet, &text);
    trueup(&fleet, "apply", &site, &["--yes"]).code(3).says("skipped, because of exec[in between]");
    host.sh("touch /srv/mended").text();
    trueup(&fleet, "plan", &site, &[]).code(2).says("owed by an earlier run");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    assert_eq!(host.sh("cat /srv/log").text(), "restarted");
    trueup(&fleet, "plan", &site, &[]).code(0);
}

#[test]
fn a_password_is_set_and_never_shown() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
    let text = format!(
        "- hosts: all\n  vars:\n    hash: !secret {hash}\n    token: !secret hunter2\n  resources:\n    - user: anna\n      password: \"{{{{ hash }}}}\"\n    - file: /srv/token\n      content: \"token={{{{ token }}}}\"\n      mode: \"0600\"\n"
    );
    let site = manifest(&fleet, &text);
    let mut said = String::new();
    for (command, more, code) in
        [("plan", &["--json"][..], 2), ("plan", &[], 2), ("apply", &["--yes"], 0), ("plan", &["--json"], 0)]
    {
        let ran = trueup(&fleet, command, &site, more).code(code);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    let host = fleet.host("web1");
    assert_eq!(host.sh("getent shadow anna | cut -d: -f2").text(), hash);
    assert_eq!(host.sh("cat /srv/token").text(), "token=hunter2");
    host.sh("echo other >/srv/token").text();
    said.push_str(&trueup(&fleet, "plan", &site, &[]).code(2).stdout);
    assert!(!said.contains("hunter2") && !said.contains("qFmFH") && !said.contains("other"), "{said}");
    assert_eq!(host.sh("grep -r hunter2 /var/lib/trueup /var/log 2>/dev/null | wc -l").text(), "0");
}

#[test]
fn a_large_file_is_streamed_and_an_unchanged_one_is_not_sent() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let files = fleet.dir().join("files");
    std::fs::create_dir_all(&files).unwrap();
    // One that shrinks and one that does not.
    std::fs::write(files.join("text"), "all work and no play\n".repeat(400_000)).unwrap();
    let noise: Vec<u8> = (0..6_000_000u64)
        .map(|n| (n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n << 7) >> 33) as u8)
        .collect();
    std::fs::write(files.join("noise"), &noise).unwrap();
    let text = site("    - file: /srv/text\n      source: text\n      mode: \"0600\"\n    - file: /srv/noise\n      source: noise\n")
        .replace("  resources:\n", "  resources:\n    - directory: /srv\n      parents: true\n");
    let site = manifest(&fleet, &text);
    let first = trueup(&fleet, "apply", &site, &["--yes", "--json"]).code(0).json();
    assert_eq!(first["hosts"][0]["round_trips"], 5, "facts, probe, two files, steps");
    let again = trueup(&fleet, "apply", &site, &["--yes", "--json"]).code(0).json();
    assert_eq!(again["hosts"][0]["round_trips"], 1);
    assert!(again["hosts"][0]["bytes_sent"].as_u64().unwrap() < 40_000, "{again}");
    for host in fleet.hosts() {
        let sum = host.sh("sha256sum </srv/noise").text();
        let local = std::process::Command::new("sha256sum").arg(files.join("noise")).output().unwrap().stdout;
        assert_eq!(sum.split(' ').next(), String::from_utf8(local).unwrap().split(' ').next());
        assert_eq!(host.sh("wc -c </srv/text").text(), "8400000");
        assert_eq!(host.sh("ls /var/lib/trueup/incoming").text(), "");
    }
}

#[test]
fn a_time_zone_is_set_and_one_that_is_nowhere_is_told() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("mkdir -p /usr/share/zoneinfo/Europe && : >/usr/share/zoneinfo/Europe/Berlin && echo UTC >/etc/timezone")
        .text();
    let berlin = manifest(&fleet, &site("    - timezone: Europe/Berlin\n"));
    trueup(&fleet, "plan", &berlin, &[]).code(2).says("Europe/Berlin");
    trueup(&fleet, "apply", &berlin, &["--yes"]).code(0);
    trueup(&fleet, "plan", &berlin, &[]).code(0);
    assert_eq!(
        host.sh("cat /etc/timezone; readlink /etc/localtime").text(),
        "Europe/Berlin\n/usr/share/zoneinfo/Europe/Berlin"
    );
    let nowhere = manifest(&fleet, &site("    - timezone: Europe/Nowhere\n"));
    trueup(&fleet, "plan", &nowhere, &[]).code(3).says("is tzdata installed?");
}

/// Ends the host in the midst of dpkg's unpacking.
fn dies_over(fleet: &Fleet, site: &std::path::Path) {
    let host = fleet.host("web1");
    let slow = "#!/bin/sh\ncase $* in *--fsys-tarfile*) mkdir /srv/begun 2>/dev/null && sleep 600 ;; esac\nexec /usr/bin/dpkg-deb.whole \"$@\"\n";
    host.sh("test -e /usr/bin/dpkg-deb.whole || mv /usr/bin/dpkg-deb /usr/bin/dpkg-deb.whole; rm -rf /srv/begun")
        .text();
    std::fs::write(host.root.join("usr/bin/dpkg-deb"), slow).unwrap();
    host.sh("chmod 755 /usr/bin/dpkg-deb").text();
    let run = Trueup::start(fleet, "apply", site, &["--yes"]);
    let begun = Instant::now();
    while !host.root.join("srv/begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "dpkg unpacks nothing");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.kill();
    run.kill();
    host.start();
    assert!(!host.sh("apt-get -y -q install tree").status.success(), "apt itself does not mind");
}

#[test]
fn a_dpkg_that_died_in_its_midst_is_finished_by_the_next_apply_or_by_the_rollback() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let installed = || host.sh("dpkg-query -W -f '${db:Status-Status} ${binary:Package}\\n'").text();
    let before = installed();
    let site = manifest(&fleet, &site("    - package: jq\n    - package: tree\n"));
    dies_over(&fleet, &site);
    trueup(&fleet, "plan", &site, &[]).code(2).says("+ package[jq]").says("died here at package[jq]");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(host.sh("dpkg --audit").text(), "");
    host.sh("apt-get -y -q remove jq tree && apt-get -y -q autoremove").text();
    dies_over(&fleet, &site);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("dpkg --audit").text(), "");
    assert_eq!(installed(), before);
}
