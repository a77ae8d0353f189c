//! Ways onto a host, and what an operator is told where there is none.

use crate::host::{Fleet, Kind};
use crate::trueup::{Ran, Trueup, manifest, run, run_with, trueup, with_inventory};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const WHO: &str = "- hosts: all\n  resources:\n    - file: /etc/trueup-was-here\n      content: yes-it-was\n";

fn plan(fleet: &Fleet, site: &Path, more: &[&str]) -> Ran {
    trueup(fleet, "plan", site, more)
}

/// An inventory of this host alone, under another user.
fn as_user(fleet: &Fleet, host: &str, user: &str) -> String {
    let path = fleet.dir().join(format!("{user}.ini"));
    let host = fleet.host(host);
    std::fs::write(&path, format!("{} ansible_host={} ansible_user={user}\n", host.name, host.address)).unwrap();
    path.display().to_string()
}

#[test]
fn sudo_works_with_and_without_a_password_and_says_when_it_does_not() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = manifest(&fleet, WHO);
    let admin = as_user(&fleet, "web1", "admin");
    with_inventory(&fleet, "apply", &site, &admin, &["--become", "--yes"]).code(0);
    assert_eq!(fleet.host("web1").sh("cat /etc/trueup-was-here").text(), "yes-it-was");

    let pw = as_user(&fleet, "web1", "pw");
    let secret = fleet.dir().join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let file = secret.display().to_string();
    with_inventory(&fleet, "plan", &site, &pw, &["--become", "--become-password-file", &file]).code(0);
    // Where sudo asks for none, the password goes nowhere.
    with_inventory(&fleet, "plan", &site, &admin, &["--become", "--become-password-file", &file]).code(0);
    std::fs::write(&secret, "wrong\n").unwrap();
    with_inventory(&fleet, "plan", &site, &pw, &["--become", "--become-password-file", &file])
        .code(4)
        .says("becoming root failed");
    with_inventory(&fleet, "plan", &site, &pw, &["--become"]).code(4).says("a password is required");
    let nosudo = as_user(&fleet, "web1", "nosudo");
    with_inventory(&fleet, "plan", &site, &nosudo, &["--become"]).code(4).says("becoming root failed");
    // Without rights the change itself fails, and says so; nothing is half done.
    let ran = with_inventory(&fleet, "apply", &site, &nosudo, &["--yes"]);
    assert!(ran.code == 0, "it is in line for everybody: {}", ran.stdout);
    let other = manifest(&fleet, &WHO.replace("was-here", "was-not-here"));
    with_inventory(&fleet, "apply", &other, &nosudo, &["--yes"]).code(3).says("Permission denied");
}

#[test]
fn host_keys_are_checked_always() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = manifest(&fleet, WHO);
    let empty = fleet.dir().join("empty_known_hosts").display().to_string();
    let inventory = fleet.inventory().display().to_string();
    let key = fleet.key().display().to_string();
    let site_path = site.display().to_string();
    let with = |more: &[&str]| {
        let args = ["plan", &site_path, "-i", &inventory, "--private-key", &key, "--known-hosts", &empty];
        run(&args.iter().chain(more).map(|a| (*a).to_owned()).collect::<Vec<_>>())
    };
    with(&[]).code(4).says("the host key of").says("is not known");
    with(&["--accept-new"]).code(2);
    with(&[]).code(2);
    let host = fleet.host("web1");
    host.sh("rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh").text();
    with(&["--accept-new"]).code(4).says("has CHANGED");
}

#[test]
fn one_bad_host_does_not_hold_up_the_others() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("web2", Kind::Debian), ("web3", Kind::Debian)]);
    let site = manifest(&fleet, WHO);
    fleet.host("web1").kill();
    fleet.host("web2").sh("echo 'DenyUsers root' >/etc/ssh/sshd_config.d/deny.conf && systemctl reload ssh").text();
    let ran = plan(&fleet, &site, &["--connect-timeout", "3"]).code(4);
    let ran =
        ran.says("web1").says("unreachable").says("refused every way to log in").says("1 with drift, 2 unreachable");
    assert!(ran.stdout.contains("web3  1 change"), "{}", ran.stdout);
}

#[test]
fn a_host_that_hangs_or_floods_is_cut_off() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("web2", Kind::Debian), ("web3", Kind::Debian)]);
    fleet
        .host("web1")
        .sh("printf '#!/bin/sh\\nexec yes\\n' >/bin/flood; chmod 755 /bin/flood; usermod -s /bin/flood root")
        .text();
    fleet
        .host("web2")
        .sh("printf '#!/bin/sh\\nexec sleep 600\\n' >/bin/hang; chmod 755 /bin/hang; usermod -s /bin/hang root")
        .text();
    fleet.host("web3").sh("printf '#!/bin/sh\\nhead -c 300000 /dev/urandom\\n' >/bin/rubbish; chmod 755 /bin/rubbish; usermod -s /bin/rubbish root").text();
    let site = manifest(&fleet, WHO);
    plan(&fleet, &site, &["--timeout", "3"])
        .code(4)
        .says("the host sent more than")
        .says("silent for 3 s")
        .says("its shell ended with status 0")
        .says("3 hosts: 3 unreachable");
}

#[test]
fn names_and_contents_are_data_whatever_is_in_them() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let files = fleet.dir().join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("binary"), [0u8, 255, 254, b'\n', b'$', b'(', 13, 10]).unwrap();
    let site = manifest(
        &fleet,
        r#"
- hosts: all
  vars:
    odd: ["with space", "quo'te", "dou\"ble", "new\nline", "$(reboot)", "`id`", "-dash", "semi;colon", "ünïcode", "back\\slash", "*"]
  resources:
    - directory: /srv/odd
      parents: true
    - file: "/srv/odd/{{ item }}"
      content: "{{ item }}"
      for_each: "{{ odd }}"
    - symlink: "/srv/odd/link to {{ item }}"
      target: "{{ item }}"
      for_each: "{{ odd }}"
    - file: /srv/odd/binary
      source: binary
    - exec: say
      command: printf '%s' "$WORD" > /srv/odd/said
      env: { WORD: "$(touch /tmp/pwned) 'x' \"y\"" }
      creates: /srv/odd/said
"#,
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0).says("2 in line");
    for host in fleet.hosts() {
        assert_eq!(host.sh("find /srv/odd -mindepth 1 -print0 | tr -cd '\\000' | wc -c").text(), "24");
        assert_eq!(host.sh("cat '/srv/odd/$(reboot)'").text(), "$(reboot)");
        assert_eq!(host.sh("cat /srv/odd/said").text(), "$(touch /tmp/pwned) 'x' \"y\"");
        assert_eq!(host.sh("od -An -tx1 /srv/odd/binary | tr -d ' \\n'").text(), "00fffe0a24280d0a");
        assert_eq!(host.sh("ls /tmp/pwned 2>/dev/null || echo none").text(), "none");
    }
}

#[test]
fn a_full_or_read_only_disk_fails_that_resource_and_loses_nothing() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("mkdir -p /mnt/full /mnt/ro && mount -t tmpfs -o size=64k tmpfs /mnt/full && mount -t tmpfs tmpfs /mnt/ro && echo old >/mnt/full/a && echo old >/mnt/ro/a && mount -o remount,ro /mnt/ro").text();
    let files = fleet.dir().join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("large"), vec![b'x'; 2 << 20]).unwrap();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /mnt/full/a\n      source: large\n    - file: /mnt/ro/a\n      content: new\n    - file: /srv/fine\n      content: fine\n    - exec: after\n      command: touch /srv/after\n      creates: /srv/after\n      require: file[/mnt/ro/a]\n",
    );
    let ran = trueup(&fleet, "apply", &site, &["--yes"]).code(3);
    let ran =
        ran.says("No space left on device").says("Read-only file system").says("skipped, because of file[/mnt/ro/a]");
    assert!(ran.stdout.contains("1 applied, 2 failed, 1 skipped"), "{}", ran.stdout);
    assert_eq!(
        host.sh("cat /mnt/full/a /mnt/ro/a /srv/fine; ls -A /mnt/full /mnt/ro | sort -u").text(),
        "old\nold\nfine\n\n/mnt/full:\n/mnt/ro:\na".replace("fine\n\n", "fine\n")
    );
}

/// Ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_a_password_and_a_certified_host_key_are_enough() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let site = manifest(&fleet, WHO).display().to_string();
    let host = fleet.host("web1");
    let known = fleet.known_hosts().display().to_string();
    let home = fleet.dir().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let home = home.display().to_string();
    let args = |inventory: &str, known: &str| {
        ["plan", &site, "-i", inventory, "--known-hosts", known].map(str::to_owned).to_vec()
    };

    // By the agent alone.
    let socket = fleet.dir().join("agent").display().to_string();
    let _agent = Agent(Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn().unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !Path::new(&socket).exists() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let added =
        Command::new("ssh-add").arg(fleet.key()).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null()).status().unwrap();
    assert!(added.success());
    let root = as_user(&fleet, "web1", "root");
    run_with(&args(&root, &known), &[("SSH_AUTH_SOCK", &socket), ("HOME", &home)]).code(2);
    run_with(&args(&root, &known), &[("HOME", &home)]).code(4).says("tried: nothing");

    // By a password from the inventory, which is not shown.
    let inventory = fleet.dir().join("password.ini");
    let line =
        |password: &str| format!("web1 ansible_host={} ansible_user=pw ansible_password='{password}'\n", host.address);
    std::fs::write(&inventory, line("correct horse")).unwrap();
    let inventory = inventory.display().to_string();
    run_with(&args(&inventory, &known), &[("HOME", &home)]).code(2);
    std::fs::write(&inventory, line("wrong battery")).unwrap();
    let ran = run_with(&args(&inventory, &known), &[("HOME", &home)]).code(4).says("tried: password");
    assert!(!ran.stdout.contains("battery"));

    // A host key that an authority has signed is known without being on record; one that it has not is not.
    let authority = fleet.dir().join("authority").display().to_string();
    let keygen = |args: &[&str]| {
        let made = Command::new("ssh-keygen").args(args).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &authority]);
    let public = fleet.dir().join("host_key.pub").display().to_string();
    std::fs::write(&public, host.sh("ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key").text() + "\n").unwrap();
    keygen(&["-s", &authority, "-I", "web1", "-h", "-n", &host.address, &public]);
    let certificate = std::fs::read(fleet.dir().join("host_key-cert.pub")).unwrap();
    std::fs::write(host.root.join("etc/ssh/ssh_host_ed25519_key-cert.pub"), certificate).unwrap();
    host.sh("echo HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub >/etc/ssh/sshd_config.d/cert.conf && systemctl reload ssh").text();
    let certified = fleet.dir().join("certified").display().to_string();
    let key = std::fs::read_to_string(format!("{authority}.pub")).unwrap();
    std::fs::write(&certified, format!("@cert-authority 198.18.* {key}")).unwrap();
    let by_key = |known: &str| {
        let mut args = args(&root, known);
        args.extend(["--private-key".into(), fleet.key().display().to_string()]);
        run_with(&args, &[("HOME", &home)])
    };
    by_key(&certified).code(2);
    std::fs::write(&certified, format!("@cert-authority 10.* {key}")).unwrap();
    by_key(&certified).code(4).says("is not known");
    std::fs::write(&certified, format!("@cert-authority 198.18.* {key}@revoked 198.18.* {key}")).unwrap();
    by_key(&certified).code(4);
}

/// Runs the program on a terminal of its own, and types these lines.
fn at_a_terminal(args: &[String], typed: &str) -> Ran {
    let words: Vec<String> =
        [env!("CARGO_BIN_EXE_trueup").to_owned()].iter().chain(args).map(|a| format!("'{a}'")).collect();
    let state = tempfile::tempdir().unwrap();
    let mut child = Command::new("script")
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env_remove("SSH_AUTH_SOCK")
        .env("TERM", "dumb")
        .env("XDG_STATE_HOME", state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), stdout, stderr: String::new() }
}

#[test]
fn a_person_is_asked_for_a_passphrase_and_before_anything_is_changed() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(&fleet, WHO).display().to_string();
    let inventory = fleet.dir().join("plain.ini");
    std::fs::write(&inventory, format!("web1 ansible_host={} ansible_user=root\n", host.address)).unwrap();
    let paths = [fleet.known_hosts(), fleet.locked_key()].map(|p| p.display().to_string());
    let words = [
        "apply",
        &site,
        "-i",
        &inventory.display().to_string(),
        "--known-hosts",
        &paths[0],
        "--private-key",
        &paths[1],
    ];
    let args = words.map(str::to_owned);
    let there = || host.sh("cat /etc/trueup-was-here 2>/dev/null || echo no").text();

    at_a_terminal(&args, "open sesame\nn\n")
        .code(0)
        .says("Apply 1 change on 1 host? [y/N]")
        .says("nothing was changed");
    assert_eq!(there(), "no");
    at_a_terminal(&args, "wrong\n").code(4).says("the passphrase is wrong");
    at_a_terminal(&args, "open sesame\ny\n").code(0).says("1 brought in line");
    assert_eq!(there(), "yes-it-was");
    // Without a terminal there is nobody to ask, and that is said.
    run(&[&["plan".to_owned()], &args[1..]].concat()).code(4).says("nobody can be asked");
    assert!(run(&args).code(1).stderr.contains("standard input is no terminal"));
}

#[test]
fn facts_that_have_changed_are_never_taken_for_what_they_were() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("mkdir -p /etc/trueup/facts.d && echo '\"blue\"' >/etc/trueup/facts.d/colour.json && echo x >/srv/blue")
        .text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /srv/{{ facts.custom.colour }}\n      content: \"{{ facts.custom.colour }}\\n\"\n      when: facts.custom.colour != 'green'\n",
    );
    let trips = |colour: &str, expected: u64| {
        let plan = trueup(&fleet, "plan", &site, &["--json"]).code(2).json();
        let host = &plan["hosts"][0];
        assert_eq!(host["plan"]["changes"][0]["id"], format!("file[/srv/{colour}]"), "{plan}");
        assert_eq!(host["round_trips"], expected, "{colour}");
    };
    trips("blue", 2);
    trips("blue", 1);
    host.sh("echo '\"red\"' >/etc/trueup/facts.d/colour.json").text();
    trips("red", 2);
    trips("red", 1);
    // What is not wanted any more is not asked about.
    host.sh("echo '\"green\"' >/etc/trueup/facts.d/colour.json").text();
    let plan = trueup(&fleet, "plan", &site, &["--json"]).code(0).json();
    assert_eq!(plan["hosts"][0]["round_trips"], 1);
    // A second look at the same facts, while another question is new.
    host.sh("echo '\"blue\"' >/etc/trueup/facts.d/colour.json; printf 'blue\\n' >/srv/blue").text();
    let plan = trueup(&fleet, "plan", &site, &["--json"]).code(0).json();
    assert_eq!(plan["hosts"][0]["round_trips"], 2);
    assert_eq!(plan["hosts"][0]["plan"]["in_line"], 1);
}

#[test]
fn hosts_behind_a_bastion_are_reached_by_one_connection_to_it() {
    let fleet = Fleet::up(&[("bastion", Kind::Debian), ("web1", Kind::Debian), ("web2", Kind::Debian)]);
    let bastion = fleet.host("bastion");
    for web in ["web1", "web2"] {
        let rules = format!(
            "add table inet door; add chain inet door in {{ type filter hook input priority 0; }}; add rule inet door in tcp dport 22 ip saddr != {} drop",
            bastion.address
        );
        fleet.host(web).sh(&format!("nft '{rules}'")).text();
    }
    let logins =
        || bastion.sh("journalctl -q -u ssh | grep -c 'Accepted publickey'; true").text().parse::<u32>().unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(fleet.dir().join(name), text).unwrap();
        fleet.dir().join(name).display().to_string()
    };
    let key = fleet.key().display().to_string();
    let config = write(
        "ssh_config",
        format!(
            "Host jump\n  HostName {}\n  User root\nHost web*\n  ProxyJump jump\n  User root\n  IdentityFile {key}\n\
             Host web1\n  HostName {}\nHost web2\n  HostName {}\n",
            bastion.address,
            fleet.host("web1").address,
            fleet.host("web2").address
        ),
    );
    // Names alone: the rest is in OpenSSH's configuration.
    let names = write("names.ini", "web1\nweb2\n".into());
    let site = manifest(&fleet, WHO);
    let straight = ["--ssh-config", "none", "--connect-timeout", "1", "--limit", "web1"];
    trueup(&fleet, "plan", &site, &straight).code(4).says("no answer from");

    let by_config = ["--ssh-config", config.as_str()];
    let before = logins();
    with_inventory(&fleet, "apply", &site, &names, &[&by_config[..], &["--yes"]].concat()).code(0);
    // The first to come logs in there, and nobody else.
    assert_eq!(logins() - before, 1);
    assert_eq!(fleet.host("web2").sh("cat /etc/trueup-was-here").text(), "yes-it-was");

    // A change that could shut the door is confirmed by a new connection, by way of the bastion as well.
    let door = "- hosts: all\n  resources:\n    - file: /etc/ssh/sshd_config.d/50-door.conf\n      content: \"MaxAuthTries 5\\n\"\n      notify: service[ssh]\n    - service: ssh\n      state: running\n";
    let door = manifest(&fleet, door);
    with_inventory(&fleet, "apply", &door, &names, &[&by_config[..], &["--yes"]].concat())
        .code(0)
        .says("could cut you off");

    // As Ansible's inventories have it, old and new; and a saved plan knows the way by itself.
    let place = format!("web1 ansible_host={} ansible_user=root", fleet.host("web1").address);
    for args in [
        format!("-o ProxyCommand=\"ssh -W %h:%p -q root@{}\"", bastion.address),
        format!("-J root@{}", bastion.address),
    ] {
        let old = write("old.ini", format!("{place} ansible_ssh_common_args='{args}'\n"));
        with_inventory(&fleet, "plan", &site, &old, &["--ssh-config", "none"]).code(0);
        let saved = fleet.dir().join("p.plan").display().to_string();
        let site = manifest(&fleet, &WHO.replace("was-here", &format!("was-here-by-{}", &args[..2].replace('-', ""))));
        with_inventory(&fleet, "plan", &site, &old, &["--ssh-config", "none", "--out", &saved]).code(2);
        let apply =
            ["apply", saved.as_str(), "--yes", "--private-key", key.as_str(), "--known-hosts"].map(str::to_owned);
        run(&[&apply[..], &[fleet.known_hosts().display().to_string()]].concat()).code(0);
    }

    // What is in the way is told by its name.
    bastion.sh("echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/a.conf; systemctl reload ssh").text();
    with_inventory(&fleet, "plan", &site, &names, &by_config).code(4).says("does not pass connections on to");
    bastion.sh("echo 'DenyUsers root' >/etc/ssh/sshd_config.d/a.conf; systemctl reload ssh").text();
    with_inventory(&fleet, "plan", &site, &names, &by_config)
        .code(4)
        .says("2 hosts: web1, web2: by way of root@")
        .says("refused every way to log in");
    let command = write("command.ini", format!("{place} ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'\n"));
    let ran = with_inventory(&fleet, "plan", &site, &command, &["--ssh-config", "none"]);
    assert!(ran.code == 1 && ran.stderr.contains("a ProxyCommand is not run: `nc %h %p`"), "{ran:?}");
}

#[test]
fn a_bastion_that_drops_its_connections_in_the_middle_of_an_apply_loses_nothing() {
    let fleet = Fleet::up(&[("bastion", Kind::Debian), ("web1", Kind::Debian), ("web2", Kind::Debian)]);
    let webs = ["web1", "web2"].map(|name| fleet.host(name));
    let config = fleet.dir().join("ssh_config");
    let jump =
        format!("Host {} {}\n  ProxyJump root@{}\n", webs[0].address, webs[1].address, fleet.host("bastion").address);
    std::fs::write(&config, jump).unwrap();
    let slow = "- hosts: web*\n  resources:\n    - exec: wait\n      command: touch /srv/begun; until test -e /srv/go; do sleep 0.05; done; touch /srv/done\n      creates: /srv/done\n    - file: /srv/after\n      content: x\n";
    let site = manifest(&fleet, slow);
    let mut run = Trueup::start(&fleet, "apply", &site, &["--yes", "--ssh-config", &config.display().to_string()]);
    let begun = std::time::Instant::now();
    while !webs.iter().all(|web| web.root.join("srv/begun").exists()) {
        assert!(!run.has_ended() && begun.elapsed().as_secs() < 60, "both begin");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fleet.host("bastion").sh("pkill -f 'sshd: [r]oot'").text();
    webs.iter().for_each(|web| drop(web.sh("touch /srv/go").text()));
    run.wait().code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
}
