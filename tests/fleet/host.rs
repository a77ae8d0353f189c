//! Real hosts for tests, made and ended by the `fleet` script beside this file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::snapshot::Snapshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian 12 under systemd.
    Debian,
    /// busybox and dropbear, nothing else.
    Busybox,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Debian => "debian",
            Kind::Busybox => "busybox",
        }
    }
}

/// Hosts of one test, in a directory of their own. Dropping it ends them; with
/// `TRUEUP_FLEET_KEEP` set they stay, to be looked at.
#[derive(Debug)]
pub struct Fleet {
    dir: PathBuf,
    hosts: BTreeMap<String, Host>,
}

#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    pub address: String,
    pub port: u16,
    /// What differs from the base: the overlay's upper directory.
    pub upper: PathBuf,
    /// The host's whole disk as the host sees it, for reading and writing past the host.
    pub root: PathBuf,
    fleet: PathBuf,
}

/// What a command gave back.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The trimmed standard output of a command that must succeed.
    #[track_caller]
    pub fn text(self) -> String {
        assert!(self.status.success(), "{}\n{}{}", self.status, self.stdout, self.stderr);
        self.stdout.trim().to_owned()
    }
}

impl Fleet {
    /// Makes and boots the hosts; returns once all have booted and answer.
    #[track_caller]
    pub fn up(hosts: &[(&str, Kind)]) -> Fleet {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let me = std::process::id();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("trueup-fleet-{me}-{count}"));
        let mut fleet = Fleet { dir, hosts: BTreeMap::new() };
        fleet.add(hosts);
        fleet
    }

    /// Makes and boots more hosts in this fleet; the inventory is written anew.
    #[track_caller]
    pub fn add(&mut self, hosts: &[(&str, Kind)]) {
        let mut up = harness("up", &self.dir);
        if !stays() {
            up.args(["--owner", &std::process::id().to_string()]);
        }
        for (name, kind) in hosts {
            up.args(["--kind", kind.word(), name]);
        }
        for line in output(&mut up).text().lines() {
            let [name, address, port] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("`fleet up` printed {line:?}");
            };
            let files = self.dir.join("hosts").join(name);
            self.hosts.insert(
                name.to_owned(),
                Host {
                    name: name.to_owned(),
                    address: address.to_owned(),
                    port: port.parse().expect("a port"),
                    upper: files.join("upper"),
                    root: files.join("root"),
                    fleet: self.dir.clone(),
                },
            );
        }
    }

    /// The fleet's directory; a test may keep its own files there.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// An inventory of all hosts, with address, user, key and known hosts.
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("hosts.yml")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// The private key that every user of every host lets in.
    pub fn key(&self) -> PathBuf {
        self.dir.join("client_key")
    }

    /// Like [`key`](Self::key), with the passphrase `open sesame`.
    pub fn locked_key(&self) -> PathBuf {
        self.dir.join("locked_key")
    }

    #[track_caller]
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("no host {name} in this fleet"))
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if stays() {
            eprintln!("the fleet stays in {0}; end it with: fleet down --dir {0}", self.dir.display());
            return;
        }
        let down = output(&mut harness("down", &self.dir));
        if down.status.success() {
            // Only once nothing is mounted below.
            let _ = std::fs::remove_dir_all(&self.dir);
        } else if !std::thread::panicking() {
            panic!("the fleet in {} was not ended: {}", self.dir.display(), down.stderr);
        }
    }
}

impl Host {
    /// Runs a shell command as root inside the host, past ssh: it works with sshd broken,
    /// and leaves no trace of a login.
    pub fn sh(&self, command: &str) -> Output {
        output(harness("exec", &self.fleet).args([&self.name, "sh", "-c", command]))
    }

    /// Runs a shell command as a user, through ssh.
    pub fn ssh(&self, user: &str, command: &str) -> Output {
        let known_hosts = format!("UserKnownHostsFile={}", self.fleet.join("known_hosts").display());
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-n", "-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=none", "-o", &known_hosts])
            .args(["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-i"])
            .arg(self.fleet.join("client_key"))
            .args(["-p", &self.port.to_string(), &format!("{user}@{}", self.address), command]);
        output(&mut ssh)
    }

    /// Reboots in order; returns once the host has booted again.
    #[track_caller]
    pub fn reboot(&self) {
        output(harness("reboot", &self.fleet).arg(&self.name)).text();
    }

    /// Stops the host at once, as a power cut does. What it had written stays, synced or not.
    #[track_caller]
    pub fn kill(&self) {
        output(harness("kill", &self.fleet).arg(&self.name)).text();
    }

    /// Boots the host after [`kill`](Self::kill) or a power off of its own.
    #[track_caller]
    pub fn start(&self) {
        output(harness("start", &self.fleet).arg(&self.name)).text();
    }

    /// The state of all that differs from the base.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.fleet.join("hosts").join(&self.name)).expect("the host's disk can be read")
    }
}

/// Whether fleets are to outlive their tests.
fn stays() -> bool {
    std::env::var_os("TRUEUP_FLEET_KEEP").is_some()
}

/// A call of the script with a fleet's directory.
pub fn harness(command: &str, fleet: &Path) -> Command {
    let mut call = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/fleet"));
    call.args([command, "--dir"]).arg(fleet);
    call
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
