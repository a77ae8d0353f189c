//! Plans that are made in one place and applied from another, while hosts move on.

use crate::host::{Fleet, Kind};
use crate::trueup::{Ran, manifest, run_with, trueup};

const SITE: &str = "- hosts: all\n  resources:\n    - group: app\n      system: true\n    - directory: /srv/app\n      group: app\n      mode: \"0750\"\n    - file: /srv/app/config\n      content: \"port = 80\\n\"\n      notify: service[cron]\n    - file: /etc/app.conf\n      content: \"new\\n\"\n    - file: /etc/app.d\n      content: \"of app.conf\\n\"\n      require: file[/etc/app.conf]\n    - file: /etc/token\n      content: !secret hunter2-of-the-fleet\n    - service: cron\n      state: running\n";

/// Applies a plan from a folder with nothing in it but what a bastion has: keys and known hosts.
fn apply(fleet: &Fleet, more: &[&str]) -> Ran {
    let text = |path: std::path::PathBuf| path.display().to_string();
    let mut args = vec!["apply".to_owned(), text(fleet.dir().join("p.plan")), "--yes".into()];
    args.extend(["--known-hosts".into(), text(fleet.known_hosts()), "--private-key".into(), text(fleet.key())]);
    args.extend(["--seal-key".into(), text(fleet.dir().join("seal.key"))]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    run_with(&args, &[])
}

#[test]
fn a_saved_plan_is_applied_from_elsewhere_where_nothing_has_moved() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("web2", Kind::Debian)]);
    let (web1, web2) = (fleet.host("web1"), fleet.host("web2"));
    for host in [web1, web2] {
        host.sh("echo old >/etc/app.conf").text();
    }
    let site = manifest(&fleet, SITE);
    std::fs::write(fleet.dir().join("seal.key"), "a key that nobody can guess\n").unwrap();
    let plan = fleet.dir().join("p.plan").display().to_string();
    let key = fleet.dir().join("seal.key").display().to_string();
    let planned = trueup(
        &fleet,
        "plan",
        &site,
        &["--out", &plan, "--seal-key", &key, "--sign-key", &fleet.key().display().to_string()],
    )
    .code(2);
    let shown = run_with(&["show".into(), plan.clone()], &[]).code(0);
    assert_eq!(shown.stdout, planned.stdout);
    std::fs::remove_file(&site).unwrap();
    // Somebody works on one of the hosts meanwhile.
    web2.sh("echo by hand >/etc/app.conf").text();

    let allowed = fleet.dir().join("allowed");
    let public = std::process::Command::new("ssh-keygen").arg("-yf").arg(fleet.key()).output().unwrap().stdout;
    std::fs::write(&allowed, format!("ci@example.org {}", String::from_utf8_lossy(&public))).unwrap();
    let applied = apply(&fleet, &["--require-signature", "--allowed-signers", &allowed.display().to_string()]).code(3);
    let applied =
        applied.says("file[/etc/app.conf] has moved since the plan").says("skipped, because of file[/etc/app.conf]");
    assert!(applied.stderr.contains("signed by ci@example.org"), "{}", applied.stderr);
    assert_eq!(
        web1.sh("cat /etc/app.conf /etc/app.d /srv/app/config /etc/token").text(),
        "new\nof app.conf\nport = 80\nhunter2-of-the-fleet"
    );
    assert_eq!(web2.sh("cat /etc/app.conf").text(), "by hand");
    assert_eq!(web2.sh("test -e /etc/app.d || echo left").text(), "left");
    assert_eq!(web2.sh("cat /srv/app/config").text(), "port = 80");
    assert_eq!(web1.sh("stat -c '%U:%G %a' /srv/app").text(), "root:app 750");
}

#[test]
fn another_machine_under_the_same_name_is_refused() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, SITE);
    std::fs::write(fleet.dir().join("seal.key"), "a key that nobody can guess\n").unwrap();
    let (plan, key) = (fleet.dir().join("p.plan"), fleet.dir().join("seal.key"));
    let (plan, key) = (plan.display().to_string(), key.display().to_string());
    trueup(&fleet, "plan", &site, &["--out", &plan, "--seal-key", &key]).code(2);
    host.sh("sed -i s/^VERSION_ID=.*/VERSION_ID=99/ /etc/os-release").text();
    apply(&fleet, &[]).code(3).says("it is not the host any more that the plan was made for: os was debian 12");
    assert_eq!(host.sh("test -e /srv/app || echo untouched").text(), "untouched");
}
