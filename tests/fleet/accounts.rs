//! Users and groups by the programs that real hosts have.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, on, trueup};

#[test]
fn a_user_has_the_group_of_its_name_whoever_makes_that_and_a_rollback_leaves_what_was_there() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let accounts =
        || -> Vec<String> { fleet.hosts().map(|host| host.sh("sort /etc/passwd /etc/group").text()).collect() };
    for host in fleet.hosts() {
        host.sh("if command -v groupadd; then groupadd -g 2003 three; else echo three:x:2003: >>/etc/group; fi").text();
    }
    let before = accounts();
    let resources = "    - user: one\n      system: true\n    - group: one\n      gid: 2001\n    - group: two\n      gid: 2002\n    - user: two\n      system: true\n    - user: three\n      system: true\n    - user: four\n      system: true\n";
    let site = manifest(&fleet, &format!("- hosts: all\n  resources:\n{resources}"));
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    for host in fleet.hosts() {
        assert_eq!(
            host.sh("id -g one; id -g two; id -g three; id -gn four").text(),
            "2001\n2002\n2003\nfour",
            "{}",
            host.name
        );
    }
    let plan = on(&fleet, &["rollback", "last", "--plan"]).code(2);
    assert!(!plan.stdout.contains("while IFS"), "{}", plan.stdout);
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(accounts(), before);

    // What goes, goes in an order in which it can.
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    let gone =
        resources.replace("      system: true\n", "").replace("      gid: 2001\n", "").replace("      gid: 2002\n", "");
    let gone: String = gone.lines().map(|line| format!("{line}\n      state: absent\n")).collect();
    let site = manifest(&fleet, &format!("- hosts: all\n  resources:\n    - group: four\n      state: absent\n{gone}"));
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    let plan = on(&fleet, &["rollback", "last", "--plan"]).code(2).says("by: making the user four what it was");
    assert!(!plan.stdout.contains("while "), "{}", plan.stdout);
    on(&fleet, &["rollback", "last", "--yes", "--limit", "web1"]).code(0);
    assert_eq!(fleet.host("web1").sh("id -g one; id -g three; id -gn four").text(), "2001\n2003\nfour");
}

#[test]
fn an_account_comes_back_with_all_that_limits_it() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let web1 = fleet.host("web1");
    web1.sh("useradd olga; useradd otto; echo 'olga:$6$x$y' | chpasswd -e; usermod -a -G cdrom olga; chage -d 2025-03-01 -m 1 -M 90 -W 5 -I 3 -E 2020-01-01 olga").text();
    fleet.host("box").sh("echo olga:x:5001:5001::/home/olga:/bin/sh >>/etc/passwd; echo olga:x:5001: >>/etc/group; echo wheel:x:5002:otto,olga >>/etc/group").text();
    let accounts = || -> Vec<String> {
        let all = "sort /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid 2>/dev/null";
        fleet.hosts().map(|host| host.sh(&format!("{all}; true")).text()).collect()
    };
    let before = accounts();
    let site = manifest(&fleet, "- hosts: all\n  resources:\n    - user: olga\n      state: absent\n");
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    assert_eq!(
        web1.sh("grep -c olga /etc/passwd /etc/shadow /etc/subuid; true").text(),
        "/etc/passwd:0\n/etc/shadow:0\n/etc/subuid:0"
    );
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(accounts(), before);
}

#[test]
fn a_home_that_came_with_a_user_goes_with_it_unless_something_is_in_it() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - user: plain\n    - user: used\n    - user: there\n    - user: elsewhere\n      home: /srv/elsewhere/\n",
    );
    let homes = "ls -A /home /srv/elsewhere 2>/dev/null; true";
    for host in fleet.hosts() {
        host.sh("mkdir -p /home/there /srv").text();
    }
    let before: Vec<String> = fleet.hosts().map(|host| host.sh(homes).text()).collect();
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    for host in fleet.hosts() {
        assert_eq!(host.sh("stat -c %U /home/plain /srv/elsewhere").text(), "plain\nelsewhere", "{}", host.name);
        host.sh("echo precious >/home/used/notes").text();
    }
    on(&fleet, &["rollback", "last", "--yes"]).code(3).says("the home /home/used is not removed");
    for host in fleet.hosts() {
        assert_eq!(
            host.sh("stat -c '%u %a' /home/used; cat /home/used/notes").text(),
            "0 700\nprecious",
            "{}",
            host.name
        );
        host.sh("rm -r /home/used").text();
    }
    let after: Vec<String> = fleet.hosts().map(|host| host.sh(homes).text()).collect();
    assert_eq!(after, before);
    // And is there again if that is taken back in turn.
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    for host in fleet.hosts() {
        assert_eq!(host.sh("stat -c %U /home/plain /srv/elsewhere").text(), "plain\nelsewhere", "{}", host.name);
    }
    let gone = manifest(&fleet, "- hosts: web1\n  resources:\n    - user: plain\n      state: absent\n");
    trueup(&fleet, "plan", &gone, &[]).code(2).says("its home /home/plain stays if it is there");
}

#[test]
fn what_cannot_be_had_is_told_by_the_plan() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    for host in fleet.hosts() {
        host.sh("echo taken:x:5001:5001::/:/bin/sh >>/etc/passwd; echo taken:x:5001: >>/etc/group").text();
    }
    let plan = |resources: &str, code: i32| {
        trueup(&fleet, "plan", &manifest(&fleet, &format!("- hosts: all\n  resources:\n{resources}")), &[]).code(code)
    };
    plan("    - user: new\n      uid: 5001\n", 3).says("the number 5001 is that of the user taken");
    plan("    - group: new\n      gid: 5001\n", 3).says("the number 5001 is that of the group taken");
    plan("    - user: new\n      groups: [nowhere]\n", 3)
        .says("there is no group nowhere, and no resource before this one");
    plan("    - file: /etc/f\n      content: x\n      owner: nobody-knows\n", 3)
        .says("there is no user nobody-knows, and no resource before this one");
    plan("    - directory: /etc/d\n      owner: taken\n      group: nowhere\n", 3).says("there is no group nowhere");
    plan(
        "    - file: /etc/f\n      content: x\n      owner: new\n      group: new\n    - user: new\n      system: true\n",
        2,
    );
    // Nor is it told where it can be had by then.
    let freed = "    - user: taken\n      state: absent\n    - group: taken\n      state: absent\n    - group: nowhere\n    - group: new\n      gid: 5001\n    - user: new\n      uid: 5001\n      groups: [nowhere]\n      system: true\n";
    plan(freed, 2);
    let site = manifest(&fleet, &format!("- hosts: all\n  resources:\n{freed}"));
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    plan(freed, 0);
}
