//! Going back: what a run did is taken back from what the host itself has kept.

use crate::host::{Fleet, Kind};
use crate::snapshot::{Difference, Snapshot};
use crate::trueup::{example, manifest, on, trueup};

/// What a rollback does not bring back, by the beginning of the path, and why.
const STAYS: &[(&str, &str)] = &[
    ("var/lib/trueup", "the journal itself"),
    ("var/log", "logs"),
    ("var/lib/apt", "the index that apt had fetched"),
    ("var/cache/apt", "packages that apt had fetched"),
    ("var/cache/debconf", "the copies that debconf makes of its own files"),
    ("var/www", "nginx leaves its first page there, also if it is purged"),
    ("var/cache/ldconfig", "made anew at each change of a library"),
    ("var/lib/dpkg", "dpkg's own bookkeeping"),
    ("var/lib/systemd", "when timers last ran, which units were enabled once"),
    ("etc/ld.so.cache", "made anew at each change of a library"),
    ("etc/passwd-", "the copy that the account programs leave of what was before them"),
    ("etc/shadow-", "likewise"),
    ("etc/group-", "likewise"),
    ("etc/gshadow-", "likewise"),
    ("etc/subuid", "likewise, with the ranges of a user that is gone"),
    ("etc/subgid", "likewise"),
    ("etc/.pwd.lock", "the account programs' lock"),
    ("usr/share/man", "the index of manual pages"),
    ("run", "in memory"),
    ("tmp", "in memory"),
    ("etc/trueup", "the firewall's folder"),
];

/// Whether a rollback leaves it as it is.
pub fn is_left(difference: &Difference) -> bool {
    STAYS.iter().any(|(path, _)| difference.path.to_string_lossy().starts_with(path))
}

pub fn assert_as_before(before: &Snapshot, after: &Snapshot) {
    let before = before.clone().without_mtimes();
    let left: Vec<String> = before.differences(after).iter().filter(|d| !is_left(d)).map(ToString::to_string).collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn a_whole_web_tier_goes_back_to_what_it_was_and_forth_again() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("db1", Kind::Debian)]);
    let host = fleet.host("web1");
    let group = fleet.dir().join("web.ini");
    std::fs::write(&group, "[web]\nweb1\n").unwrap();
    let group = group.display().to_string();
    let site = example("web-tier");
    let before = host.snapshot();
    trueup(&fleet, "apply", &site, &["-i", &group, "--yes"]).code(0);
    let applied = host.snapshot();

    on(&fleet, &["rollback", "last", "--plan"])
        .code(2)
        .says("< package[nginx-light]")
        .says("purging what the run brought");
    applied.assert_same(&host.snapshot());
    let ran = on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert!(ran.stderr.contains("not in that run: db1"), "{}", ran.stderr);
    assert_as_before(&before, &host.snapshot());
    assert_eq!(host.sh("dpkg-query -W -f '${db:Status-Status}' nginx-light 2>/dev/null; id deploy 2>&1; nft list tables | grep -c trueup; systemctl is-active nginx; true").text().replace('\n', " "),
        "id: ‘deploy’: no such user 0 inactive");

    // Taking back is a run, which can be taken back itself.
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    trueup(&fleet, "plan", &site, &["-i", &group]).code(0);
}

#[test]
fn what_somebody_else_has_touched_since_stays_with_what_it_stands_on() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("echo old >/srv/kept").text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /srv/kept\n      content: new\n    - directory: /srv/app\n    - file: /srv/app/config\n      content: ours\n    - exec: once\n      command: touch /srv/mark\n      creates: /srv/mark\n",
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    // A run of a clock that is wrong is not the last one.
    host.sh("cd /var/lib/trueup/runs; cp -a $(ls | tail -n 1) 20990101T000000.000Z-aaaa").text();
    let plan = on(&fleet, &["rollback", "last", "--plan"]).code(2);
    assert!(plan.stdout.starts_with("run 2") && !plan.stdout.contains("run 2099"), "{}", plan.stdout);
    assert!(
        plan.stderr.contains("passed over") && plan.stderr.contains("20990101T000000.000Z-aaaa"),
        "{}",
        plan.stderr
    );
    host.sh("rm -rf /var/lib/trueup/runs/20990101T000000.000Z-aaaa").text();
    host.sh("echo theirs >/srv/app/config").text();
    on(&fleet, &["rollback", "last", "--plan"])
        .code(2)
        .says("something else has touched it since")
        .says("! cannot be undone: no `undo` is given for the command");
    on(&fleet, &["rollback", "last", "--yes"]).code(3).says("left alone on web1");
    assert_eq!(host.sh("cat /srv/kept /srv/app/config; ls /srv/mark").text(), "old\ntheirs\n/srv/mark");
    let runs = host.sh("ls /var/lib/trueup/runs").text();
    let first = runs.lines().next().unwrap();
    on(&fleet, &["rollback", first, "--force", "--yes"]).code(0);
    assert_eq!(host.sh("cat /srv/kept; ls /srv/app 2>&1 | wc -l").text(), "old\n1");
    on(&fleet, &["rollback", "2031"]).code(1);
    on(&fleet, &["rollback", "no/run"]).code(1);
}

#[test]
fn a_host_on_which_a_run_fails_is_taken_back_by_it() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let web1 = fleet.host("web1");
    web1.sh("echo old >/srv/config").text();
    let resources = "
    - directory: /srv
    - file: /srv/config
      content: new
    - file: /srv/fresh
      content: new
    - user: deploy
      system: true
      when: facts.hostname == 'web1'
    - exec: migrate
      command: touch /srv/migrated
      creates: /srv/migrated
      when: facts.hostname == 'web1'
    - exec: last
      command: test ! -e /usr/bin/apt
      require: file[/srv/config]
";
    let site = manifest(&fleet, &format!("- hosts: all\n  resources:{resources}"));
    let before = web1.snapshot();
    let ran = trueup(&fleet, "apply", &site, &["--yes", "--rollback-on-failure"]).code(3);
    ran.says("failed on web1")
        .says("stays on web1: exec[migrate]: no `undo` is given for the command\n")
        .says("1 failed, 0 skipped; not all of it is taken back\n");
    web1.sh("rm /srv/migrated").text();
    assert_as_before(&before, &web1.snapshot());
    assert_eq!(web1.sh("cat /srv/config").text(), "old");
    assert_eq!(fleet.host("box").sh("cat /srv/config").text(), "new", "where all went well it stays");
    assert_eq!(web1.sh("ls /var/lib/trueup/runs | wc -l").text(), "2", "taking back is a run of its own");

    // A host that is not well counts as failed.
    let unhealthy = manifest(
        &fleet,
        "- hosts: web1\n  health:\n    - port: 81\n      retries: 1\n      delay: 0\n  resources:\n    - file: /srv/config\n      content: newer\n",
    );
    let json = trueup(&fleet, "apply", &unhealthy, &["--yes", "--rollback-on-failure", "--json"]).code(3).json();
    let host = &json["hosts"][0];
    assert_eq!((&host["status"], &host["results"][0]["result"]), (&"unhealthy".into(), &"applied".into()));
    assert_eq!(host["rolled_back"]["results"][0]["result"], "applied", "{host}");
    assert_eq!(web1.sh("cat /srv/config").text(), "old");
}

#[test]
fn a_command_is_taken_back_where_and_as_whom_it_has_run() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - directory: /srv\n    - directory: /srv/it's here\n      mode: \"0777\"\n    - exec: plain\n      command: touch made\n      creates: /srv/it's here/made\n      undo: pwd >undone\n      cwd: /srv/it's here\n    - exec: with all\n      command: id -un >made; echo \"$WHAT\" >>made\n      creates: /tmp/made\n      undo: id -un >undone; echo \"$WHAT\" >>undone\n      cwd: /tmp\n      env: { WHAT: \"it's $HOME\" }\n      become_user: nobody\n      when: facts.hostname == 'web1'\n",
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    on(&fleet, &["rollback", "last", "--plan"]).code(2).says("pwd >undone");
    on(&fleet, &["rollback", "last", "--yes"]).code(3).says("Directory not empty");
    for host in [fleet.host("web1"), fleet.host("box")] {
        assert_eq!(host.sh("cat '/srv/it'\\''s here/undone'").text(), "/srv/it's here", "{}", host.name);
    }
    let with_all = fleet.host("web1").sh("cat /tmp/made; cat /tmp/undone").text();
    assert_eq!(with_all, "nobody\nit's $HOME\nnobody\nit's $HOME");
}
