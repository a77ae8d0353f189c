//! What a file carries besides its owner and mode: it outlives a replacement, or a plan says that it does not.

use crate::host::{Fleet, Kind};
use crate::rollback::assert_as_before;
use crate::trueup::{manifest, on, trueup};

#[test]
fn an_access_control_list_outlives_new_contents_and_lets_nobody_else_in() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("useradd reader; useradd -m owner; mkdir /srv/open; chown owner /srv/open").text();
    for path in ["/srv/secret", "/srv/tight", "/srv/open/theirs"] {
        host.sh(&format!("echo old >{path}; chmod 0640 {path}; setfacl -m u:reader:rw {path}")).text();
    }
    host.sh("cd /srv; echo old >'with space'; setfacl -m u:reader:r 'with space'; echo old >plain").text();
    let lists = "cd /srv; getfacl -np secret 'with space' plain tight open/theirs";
    let before = host.sh(lists).text();
    let disk = host.snapshot();

    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /srv/secret\n      content: new\n    - file: /srv/with space\n      content: new\n    \
         - file: /srv/plain\n      content: new\n    - file: /srv/tight\n      content: new\n      mode: \"0600\"\n    \
         - file: /srv/open/theirs\n      content: new\n",
    );
    let plan = trueup(&fleet, "plan", &site, &[]).code(2);
    let lost = plan.stdout.lines().filter(|l| l.contains("access control list")).count();
    assert!(lost == 1 && plan.stdout.contains("access control list of /srv/open/theirs is lost"), "{}", plan.stdout);
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    let of = |path: &str| host.sh(&format!("getfacl -cnp '{path}'; cat '{path}'")).text();
    let reader = host.sh("id -u reader").text();
    assert_eq!(of("/srv/secret"), format!("user::rw-\nuser:{reader}:rw-\ngroup::r--\nmask::rw-\nother::---\n\nnew"));
    assert_eq!(
        of("/srv/with space"),
        format!("user::rw-\nuser:{reader}:r--\ngroup::r--\nmask::r--\nother::r--\n\nnew")
    );
    assert_eq!(of("/srv/plain"), "user::rw-\ngroup::r--\nother::r--\n\nnew");
    assert_eq!(host.sh("su -s /bin/sh reader -c 'cat /srv/tight' 2>/dev/null || echo no").text(), "no");
    assert!(!host.sh("getfacl -cnp /srv/open/theirs").text().contains(&reader));
    trueup(&fleet, "plan", &site, &[]).code(0);

    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh(lists).text(), before);
    assert_as_before(&disk, &host.snapshot());
}

#[test]
fn a_file_that_nothing_can_take_the_place_of_is_a_finding_of_the_plan() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    for host in fleet.hosts() {
        host.sh("mkdir -p /srv; cd /srv; for f in mounted fixed 'a b' same; do echo old >\"$f\"; done; echo new >same")
            .text();
        host.sh("cd /srv; mount --bind /etc/hostname mounted; mount --bind /etc/hostname 'a b'").text();
    }
    let debian = fleet.host("web1");
    debian.sh("chattr +i /srv/fixed /srv/same").text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /srv/mounted\n      content: new\n    - file: /srv/a b\n      content: new\n    \
         - file: /srv/same\n      content: \"new\\n\"\n    - file: /srv/fixed\n      content: new\n",
    );
    let plan = trueup(&fleet, "plan", &site, &[]).code(3);
    for told in ["/srv/mounted cannot be replaced: it is a mount point", "/srv/a b cannot be replaced: it is a mount"] {
        assert_eq!(plan.stdout.matches(told).count(), 2, "{}", plan.stdout);
    }
    assert!(plan.stdout.contains("/srv/fixed cannot be replaced: it is immutable"), "{}", plan.stdout);
    debian.sh("chattr -i /srv/fixed /srv/same").text();
}
