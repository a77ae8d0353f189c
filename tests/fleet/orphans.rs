//! What left the manifest, of every type that can be removed, on a real host.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, run_with, trueup};

const STAYS: &str = "    - file: /srv/stays\n      content: x\n";
const LEAVES: &str = r#"    - package: trueup-probe
    - group: app
    - user: app
      group: app
      shell: /bin/bash
      password: "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."
    - directory: /srv/app
      owner: app
      mode: "0750"
    - file: /srv/app/config
      content: port=1
      owner: app
      mode: "0640"
    - symlink: /srv/app/current
      target: config
    - file: /etc/systemd/system/probe.service
      content: |
        [Service]
        ExecStart=/usr/bin/sleep 3600
        [Install]
        WantedBy=multi-user.target
    - service: probe
      state: running
      enabled: true
    - cron: nightly
      schedule: "0 3 * * *"
      user: app
      command: /bin/true
    - firewall: web
      allow: { port: 22/tcp }
    - file: /srv/there
      content: new
    - exec: once
      command: touch /srv/mark
      creates: /srv/mark
"#;

/// What is there of it: nothing, once it is removed.
const LOOK: &str = "dpkg-query -W -f '${db:Status-Abbrev}\n' trueup-probe 2>/dev/null | grep ii; getent group app; getent passwd app; \
    grep '^app:' /etc/shadow | cut -d: -f1,2; stat -c '%n %a %U' /srv/app /srv/app/config 2>/dev/null; readlink /srv/app/current; \
    ls /etc/systemd/system/probe.service /etc/cron.d/nightly 2>/dev/null; systemctl is-active -q probe && echo runs; \
    systemctl is-enabled -q probe 2>/dev/null && echo enabled; nft list table inet trueup 2>/dev/null | grep 'dport 22'; true";

fn site(resources: &str) -> String {
    format!("- hosts: all\n  resources:\n{resources}")
}

#[test]
fn what_left_the_manifest_is_listed_removed_brought_back_and_released() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let on = |words: &[&str]| {
        let mut args: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        args.extend(["-i".into(), fleet.inventory().display().to_string()]);
        args.extend(["--known-hosts".into(), fleet.known_hosts().display().to_string()]);
        args.extend(["--private-key".into(), fleet.key().display().to_string()]);
        run_with(&args, &[])
    };
    host.sh("echo old >/srv/there").text();
    let all = manifest(&fleet, &site(&format!("{STAYS}{LEAVES}")));
    trueup(&fleet, "apply", &all, &["--yes"]).code(0);
    let made = host.sh(LOOK).text();
    for there in ["ii", "app:x:", "/srv/app 750 app", "/srv/app/config 640 app", "runs", "enabled", "tcp dport 22"] {
        assert!(made.contains(there), "no `{there}` in\n{made}");
    }
    assert_eq!(host.sh("stat -c '%a %U' /var/lib/trueup/ledger").text(), "600 root");

    let less = manifest(&fleet, &site(STAYS));
    let plan = trueup(&fleet, "plan", &less, &["--json"]).code(0).json();
    let planned = &plan["hosts"][0];
    assert_eq!(planned["plan"]["orphans"].as_array().unwrap().len(), 12, "{plan}");
    assert_eq!(planned["round_trips"], 1, "the ledger travels with the probe");

    let pruned = trueup(&fleet, "plan", &less, &["--prune", "--json"]).code(2).json();
    let changes = pruned["hosts"][0]["plan"]["changes"].as_array().unwrap();
    let place = |id: &str| changes.iter().position(|c| c["id"] == id).unwrap_or_else(|| panic!("{id}: {pruned}"));
    for (first, then) in [
        ("symlink[/srv/app/current]", "file[/srv/app/config]"),
        ("file[/srv/app/config]", "directory[/srv/app]"),
        ("directory[/srv/app]", "user[app]"),
        ("cron[nightly]", "user[app]"),
        ("user[app]", "group[app]"),
        ("service[probe]", "file[/etc/systemd/system/probe.service]"),
    ] {
        assert!(place(first) < place(then), "{first} before {then}");
    }
    assert_eq!(changes.len(), 10);
    assert_eq!(host.sh(LOOK).text(), made, "a plan removes nothing");

    trueup(&fleet, "apply", &less, &["--prune", "--yes"])
        .code(0)
        .says("exec[once]: a command that was run leaves nothing that could be removed")
        .says("file[/srv/there]: it was there before trueup managed it");
    assert_eq!(host.sh(LOOK).text(), "");
    assert_eq!(host.sh("cat /srv/there; ls /srv/mark").text(), "new/srv/mark");
    trueup(&fleet, "plan", &less, &[]).code(0).says("in line (1 resource)\n");

    on(&["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh(LOOK).text(), made);
    trueup(&fleet, "plan", &less, &[]).code(0).says(", 12 orphans");
    trueup(&fleet, "plan", &all, &[]).code(0);

    let less = less.display().to_string();
    on(&["forget", "user[app]", "group[app]", "--manifest", &less, "--reason", "CHG-1"])
        .code(0)
        .says("released user[app]");
    on(&["forget", "user[app]", "--manifest", &less]).code(1);
    assert!(host.sh("id app").text().contains("app"));
    on(&["plan", &less]).code(0).says(", 10 orphans");
    assert!(on(&["history", "--from-hosts"]).code(0).stdout.contains("CHG-1"));
}

#[test]
fn what_another_package_or_anybody_else_needs_stays() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    // What jq stands on, by its name in the base's own lists.
    let library = host.sh("apt-cache depends jq | sed -n 's/ *Depends: \\(libjq.*\\)/\\1/p' | head -n 1").text();
    let with = site(&format!("{STAYS}    - package: {library}\n    - directory: /srv/app\n"));
    trueup(&fleet, "apply", &manifest(&fleet, &with), &["--yes"]).code(0);
    let unit = "    - file: /etc/systemd/system/probe.service\n      content: |\n        [Service]\n        ExecStart=/usr/bin/sleep 3600\n    - service: probe\n      state: running\n";
    let with = format!("{with}{unit}    - user: app\n    - file: /srv/mine\n      content: x\n      owner: app\n");
    trueup(&fleet, "apply", &manifest(&fleet, &with), &["--yes"]).code(0);
    host.sh("echo '# theirs' >>/etc/systemd/system/probe.service").text();
    host.sh("apt-get -y -q install jq; echo theirs >/srv/app/data").text();
    let mine = format!("{STAYS}    - file: /srv/mine\n      content: x\n      owner: app\n");
    trueup(&fleet, "apply", &manifest(&fleet, &site(&mine)), &["--prune", "--yes"])
        .code(3)
        .says("depends on")
        .says("user[app]: file[/srv/mine] is still in the manifest and needs it")
        .says("service[probe]: file[/etc/systemd/system/probe.service], which it stands on, is left alone")
        .says("/srv/app/data is in it, which is no orphan");
    assert_eq!(host.sh("command -v jq; cat /srv/app/data").text(), "/usr/bin/jq\ntheirs");
    assert_eq!(host.sh("systemctl is-active probe").text(), "active");
}

#[test]
fn a_busybox_host_keeps_a_ledger_too() {
    let fleet = Fleet::up(&[("small", Kind::Busybox)]);
    let host = fleet.host("small");
    host.sh("mkdir -p /srv").text();
    let leaves = "    - group: app\n    - user: app\n      group: app\n    - directory: /srv/app\n    - file: /srv/app/a\n      content: x\n      owner: app\n    - symlink: /srv/app/b\n      target: a\n";
    let all = manifest(&fleet, &site(&format!("{STAYS}{leaves}")));
    let first = trueup(&fleet, "apply", &all, &["--yes"]).code(0);
    assert!(!first.stdout.contains("warning"), "{}", first.stdout);
    let look = "grep ^app: /etc/passwd /etc/group; ls /srv/app 2>/dev/null; true";
    let made = host.sh(look).text();
    let less = manifest(&fleet, &site(STAYS));
    trueup(&fleet, "plan", &less, &[]).code(0).says(", 5 orphans");
    let pruned = trueup(&fleet, "apply", &less, &["--prune", "--yes"]).code(0);
    assert!(!pruned.stdout.contains("warning"), "{}", pruned.stdout);
    assert_eq!(host.sh(look).text(), "", "{made}");
    trueup(&fleet, "plan", &less, &[]).code(0).says("in line (1 resource)\n");
}
