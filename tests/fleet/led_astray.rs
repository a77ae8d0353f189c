//! A user of a host who lays links where root is to go, before a run and while it goes on.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, trueup};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ anna@example.net";

/// All that a user could be after: owners, modes and digests.
const LOOK: &str = "find /etc /root -xdev ! -path '/etc/passwd*' ! -path '/etc/group*' ! -path '/etc/*shadow*' ! -path '/etc/sub?id*' \
                    -printf '%p %u %g %m %l\\n' -type f -exec sha256sum {} + | sort; stat -c '%n %U %G %a' /etc/shadow";

#[test]
fn root_follows_nobody() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    for user in ["keys", "folder", "config", "conf", "good"] {
        host.sh(&format!("useradd -m {user}")).text();
    }
    let as_user = |user: &str, text: &str| host.sh(&format!("su -s /bin/sh {user} -c '{text}'")).text();
    as_user("keys", "mkdir -m 700 ~/.ssh && ln -s /etc/shadow ~/.ssh/authorized_keys");
    as_user("folder", "ln -s /etc/cron.hourly ~/.ssh");
    as_user("config", "ln -s /etc ~/.config");
    as_user("conf", "ln -s /etc/cron.hourly ~/conf");
    as_user("good", "mkdir -p ~/releases/5 && ln -s releases/5 ~/current");
    let before = host.sh(LOOK).text();

    let users = ["keys", "folder"].map(|user| {
        format!("    - user: {user}\n      authorized_keys: ['{KEY}']\n      authorized_keys_exact: true\n")
    });
    let site = manifest(
        &fleet,
        &format!(
            "- hosts: all\n  resources:\n{}    - directory: /home/config/.config/systemd\n      owner: config\n    \
             - file: /home/conf/conf/app\n      content: x\n      owner: conf\n      mode: \"0755\"\n    \
             - file: /home/good/current/app\n      content: fine\n      owner: good\n    \
             - user: good\n      authorized_keys: ['{KEY}']\n",
            users.concat()
        ),
    );
    let shadow = host.sh("grep ^root: /etc/shadow").text();
    for (command, options) in [("plan", &[][..]), ("plan", &["--json"]), ("apply", &["--yes"])] {
        let out = trueup(&fleet, command, &site, options);
        assert!(out.code != 0, "{command}: {}", out.stdout);
        let all = format!("{}{}", out.stdout, out.stderr);
        assert!(!all.contains(&shadow) && !all.contains("root:"), "{all}");
        for why in ["in the hands of config leads to /etc,", "in the hands of conf leads to /etc/cron.hourly,"] {
            assert!(all.contains(why), "{why}: {all}");
        }
        assert!(all.contains("/home/keys/.ssh/authorized_keys is no file"), "{all}");
        assert!(all.contains("/home/folder/.ssh is a symlink"), "{all}");
    }
    assert_eq!(host.sh(LOOK).text(), before);
    assert_eq!(host.sh("cat /home/good/releases/5/app; stat -c %U /home/good/releases/5/app").text(), "finegood");
    let keys = host.sh("stat -c '%U %a' /home/good/.ssh /home/good/.ssh/authorized_keys").text();
    assert_eq!(keys, "good 700\ngood 600");
}

/// What a guard finds in a user's own folder is the user's: root does not run it.
#[test]
fn a_guard_is_run_as_whom_its_command_is() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let resources = "    - user: app\n      home: /home/app\n    - exec: work\n      command: id -un >>/home/app/ran\n      unless: id -un >>/tmp/asked; test -s /home/app/ran\n      cwd: /home/app\n      become_user: app\n      require: user[app]\n";
    let site = manifest(&fleet, &format!("- hosts: all\n  resources:\n{resources}"));
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    for host in fleet.hosts() {
        assert_eq!(host.sh("cat /home/app/ran; sort -u /tmp/asked").text(), "app\napp", "{}", host.name);
    }
    let nobody =
        resources.replace("    - user: app\n      home: /home/app\n", "").replace(": app\n", ": nobody-knows\n");
    let site =
        manifest(&fleet, &format!("- hosts: all\n  resources:\n{}", nobody.replace("      require: user[app]\n", "")));
    trueup(&fleet, "plan", &site, &[])
        .code(3)
        .says("its guard `unless` gives no answer: there is no user nobody-knows");
}

#[test]
fn nor_does_it_while_somebody_swaps_directories_for_links() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("useradd -m evil").text();
    host.sh(
        "su -s /bin/sh evil -c 'cd; mkdir -p d/sub e; for n in shadow passwd cron.d x y z; do echo $n >d/$n; echo $n >d/sub/$n; done'",
    )
    .text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - directory: /home/evil/d\n      owner: evil\n      mode: \"0777\"\n      recurse: true\n    \
         - directory: /home/evil/d/sub\n      purge: true\n    - file: /home/evil/d/shadow\n      content: new\n      owner: evil\n      mode: \"0666\"\n",
    );
    let before = host.sh(LOOK).text();
    let swap = "cd /home/evil; while [ ! -e stop ]; do \
                mv d away && ln -s /etc d; rm -f d; mv away d; \
                mv d/sub away && ln -s /etc d/sub; rm -f d/sub; mv away d/sub; \
                mv d/x away && ln -s /etc/shadow d/x; rm -f d/x; mv away d/x; \
                touch d/sub/new; chmod 600 d/y; done 2>/dev/null; touch ended";
    host.sh(&format!("su -s /bin/sh evil -c '{swap}' >/dev/null 2>&1 </dev/null &")).text();
    for _ in 0..6 {
        trueup(&fleet, "apply", &site, &["--yes"]);
    }
    host.sh("touch /home/evil/stop; while [ ! -e /home/evil/ended ]; do sleep 0.1; done").text();
    assert_eq!(host.sh(LOOK).text(), before);
}
