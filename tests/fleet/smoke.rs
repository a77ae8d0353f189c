//! The fleet itself: its hosts are what the other tests take them for, and end without a trace.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::host::{Fleet, Kind, harness};

#[test]
fn hosts_are_whole_machines() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("web2", Kind::Debian), ("box", Kind::Busybox)]);
    for name in ["web1", "web2"] {
        let host = fleet.host(name);
        assert_eq!(host.sh("systemctl is-system-running").text(), "running");
        assert_eq!(host.ssh("root", "hostname").text(), name);
        host.sh("nft add table inet probe && nft list table inet probe").text();
    }

    let web = fleet.host("web1");
    assert_eq!(web.ssh("admin", "sudo -n id -u").text(), "0");
    assert!(!web.ssh("pw", "sudo -n id -u").status.success(), "pw needs a password for sudo");
    assert_eq!(web.ssh("pw", "echo 'correct horse' | sudo -S -p '' id -u").text(), "0");
    assert!(!web.ssh("nosudo", "sudo -n id -u").status.success(), "nosudo may not use sudo");

    for absent in ["jq", "nginx", "python3", "perl -v && python"] {
        assert!(!web.sh(absent).status.success(), "{absent} is there");
    }
    web.sh("apt-get install -y jq").text();
    assert_eq!(web.sh("echo '{\"a\":1}' | jq .a").text(), "1");
    web.sh("apt-get install -y trueup-probe=1.0").text();
    assert_eq!(web.sh("trueup-probe && apt-get install -y trueup-probe >/dev/null && trueup-probe").text(), "1.0\n1.1");
    assert!(!fleet.host("web2").sh("jq --version").status.success(), "hosts share a disk");

    let mut open = Command::new("ssh-keygen");
    open.args(["-y", "-P", "open sesame", "-f"]).arg(fleet.locked_key());
    let public = String::from_utf8(open.output().expect("ssh-keygen runs").stdout).expect("a public key");
    assert!(web.sh("cat /etc/ssh/fleet_keys").text().contains(public.trim()), "{public}");

    let bare = fleet.host("box");
    assert_eq!(bare.ssh("root", "hostname; id -u").text(), "box\n0");
    for absent in ["bash", "systemctl", "apt-get", "dpkg", "stat --version", "test -e /etc/os-release"] {
        assert!(!bare.sh(absent).status.success(), "{absent} is there");
    }

    let inventory = fs::read_to_string(fleet.inventory()).expect("an inventory");
    assert!(inventory.contains(&format!("ansible_ssh_private_key_file: {}\n", fleet.key().display())), "{inventory}");
    let known_hosts = fs::read_to_string(fleet.known_hosts()).expect("known hosts");
    for host in fleet.hosts() {
        assert!(known_hosts.contains(&format!("{} ssh-ed25519 ", host.address)), "{known_hosts}");
        assert!(host.upper.join("etc/hosts").exists());
        assert!(inventory.contains(&format!("{}: {{ ansible_host: {},", host.name, host.address)), "{inventory}");
    }
}

#[test]
fn a_host_keeps_its_disk_and_loses_its_memory() {
    let fleet = Fleet::up(&[("web", Kind::Debian), ("box", Kind::Busybox)]);
    for host in fleet.hosts() {
        let boot = "cat /proc/sys/kernel/random/boot_id";
        let first = host.sh(&format!("touch /srv-mark /run/mark && {boot}")).text();
        host.reboot();
        let second = host.sh(boot).text();
        assert_ne!(first, second, "{} did not reboot", host.name);
        host.sh("test -e /srv-mark && ! test -e /run/mark").text();

        host.kill();
        assert!(!host.sh("true").status.success(), "{} runs after its kill", host.name);
        host.start();
        assert_ne!(host.ssh("root", boot).text(), second);
        host.sh("test -e /srv-mark").text();
    }
    assert_eq!(fleet.host("web").sh("systemctl is-system-running").text(), "running");
}

#[test]
fn an_idle_host_leaves_its_disk_alone() {
    let fleet = Fleet::up(&[("web", Kind::Debian), ("box", Kind::Busybox)]);
    for host in fleet.hosts() {
        let before = host.snapshot();
        host.ssh("root", "true").text();
        if host.name == "web" {
            host.ssh("admin", "sudo -n systemctl daemon-reload").text();
            host.ssh("pw", "echo 'correct horse' | sudo -S -p '' true").text();
        }
        before.assert_same(&host.snapshot());
        host.reboot();
        before.without_mtimes().assert_same(&host.snapshot());
    }
}

#[test]
fn a_snapshot_sees_every_change() {
    let fleet = Fleet::up(&[("web", Kind::Debian)]);
    let web = fleet.host("web");
    let before = web.snapshot().without_mtimes();
    web.sh("cp -a /etc/motd /etc/motd.kept && echo changed >/etc/motd && chmod 0600 /etc/issue").text();
    web.sh("rm /etc/debian_version && rm -r /etc/cron.d && mkdir /etc/cron.d && ln -s /nowhere /etc/new").text();
    let said: Vec<String> = before.differences(&web.snapshot()).iter().map(ToString::to_string).collect();
    let of = |path: &str| said.iter().find(|line| line.starts_with(&format!("{path}: "))).map(String::as_str);
    assert!(of("etc/motd").is_some_and(|line| line.contains("size")), "{said:#?}");
    assert_eq!(of("etc/issue"), Some("etc/issue: mode 0644 -> 0600"));
    assert_eq!(of("etc/new"), Some("etc/new: added, symlink to /nowhere 0777 0:0"));
    assert!(of("etc/debian_version").is_some_and(|line| line.contains("removed, was file")), "{said:#?}");
    assert!(of("etc/cron.d/e2scrub_all").is_some_and(|line| line.contains("removed")), "{said:#?}");
    assert!(of("etc/hosts").is_none(), "{said:#?}");

    let base = fs::read_link(web.root.with_file_name("lower")).expect("a base");
    web.sh("mv /etc/motd.kept /etc/motd && chmod 0644 /etc/issue && rm /etc/new").text();
    for lost in ["etc/debian_version", "etc/cron.d"] {
        let copied = Command::new("cp").arg("-aT").args([base.join(lost), web.root.join(lost)]).status();
        assert!(copied.expect("cp").success());
    }
    before.assert_same(&web.snapshot());
}

#[test]
fn the_end_leaves_nothing() {
    let fleet = Fleet::up(&[("web", Kind::Debian), ("box", Kind::Busybox)]);
    let dir = fleet.dir().to_owned();
    let machines = machines(&dir);
    assert!(!traces(&dir, &machines).is_empty());
    drop(fleet);
    assert_eq!(traces(&dir, &machines), Vec::<String>::new());
    let again = harness("down", &dir).output().expect("fleet runs");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn a_fleet_ends_after_its_owner_and_its_supervisors_died() {
    let dir = std::env::temp_dir().join(format!("trueup-fleet-orphan-{}", std::process::id()));
    let mut owner = Command::new("sleep").arg("600").spawn().expect("sleep runs");
    let up = harness("up", &dir).args(["--owner", &owner.id().to_string(), "web"]).output().expect("fleet runs");
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let machines = machines(&dir);

    let supervisor = fs::read_to_string(dir.join("hosts/web/supervisor")).expect("a supervisor");
    let supervisor = supervisor.split(' ').next().expect("its id");
    assert!(Command::new("kill").args(["-KILL", supervisor]).status().expect("kill runs").success());
    owner.kill().expect("its own process");
    owner.wait().expect("its own process");

    let sweep = harness("sweep", &dir).output().expect("fleet runs");
    assert!(sweep.status.success(), "{}", String::from_utf8_lossy(&sweep.stderr));
    assert_eq!(traces(&dir, &machines), Vec::<String>::new());
    assert!(!dir.exists());
}

/// What the hosts of a fleet are called by the kernel.
fn machines(fleet: &Path) -> Vec<String> {
    let hosts = fs::read_dir(fleet.join("hosts")).expect("hosts");
    hosts
        .map(|host| {
            let file = host.expect("a host").path().join("machine");
            fs::read_to_string(file).expect("a machine's name").trim().to_owned()
        })
        .collect()
}

/// All that is left on this machine of a fleet: links, cgroups, mounts, processes, files. Another
/// test's fleet may have taken over a name in the meantime, so what is in the registry for
/// another directory is not ours.
fn traces(fleet: &Path, machines: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let dir = fleet.to_str().expect("a path in UTF-8");
    for machine in machines {
        let registered = fs::read_to_string(format!("/run/trueup-fleet/hosts/{machine}")).unwrap_or_default();
        if !registered.is_empty() && !registered.starts_with(dir) {
            continue;
        }
        let mut paths = vec![
            format!("/run/trueup-fleet/hosts/{machine}"),
            format!("/sys/class/net/vb-{machine}"),
            format!("/run/systemd/nspawn/propagate/{machine}"),
        ];
        for mount in fs::read_to_string("/proc/self/mounts").expect("mounts").lines() {
            if let [_, path, "cgroup" | "cgroup2", ..] = mount.split(' ').collect::<Vec<_>>()[..] {
                paths.push(format!("{path}/{machine}"));
            }
        }
        found.extend(paths.into_iter().filter(|path| Path::new(path).exists()));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    found.extend(mounts.lines().filter(|line| line.contains(dir)).map(str::to_owned));
    for process in fs::read_dir("/proc").expect("processes") {
        let line = fs::read(process.expect("a process").path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&format!("{dir}/")) {
            found.push(line);
        }
    }
    if fleet.join("hosts").exists() {
        found.push(format!("{dir}/hosts"));
    }
    found
}
