//! Programs on a host that kill an apply at a moment of the test's choice.

use crate::host::Host;
use crate::trueup::Trueup;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The shell on the host, with all that it runs.
    Shell,
    /// The session's sshd.
    Connection,
    /// trueup itself, on the operator's machine.
    Controller,
    /// The host, as by a power cut.
    Host,
}

/// A call of a program during an apply.
#[derive(Clone, Debug)]
pub struct Point {
    /// From 1.
    pub number: u32,
    #[expect(dead_code, reason = "said where a case fails")]
    pub program: String,
    /// The journal's last line of a step then.
    pub journal: String,
}

/// All that changes anything, or makes it last.
const PROGRAMS: &[&str] = &[
    "sync",
    "mv",
    "ln",
    "mkdir",
    "chown",
    "chmod",
    "apt-get",
    "systemctl",
    "useradd",
    "usermod",
    "groupadd",
    "groupmod",
    "nft",
    "sysctl",
    "timedatectl",
    "touch",
    "systemd-run",
];

/// The programs on one host, and where they look.
pub struct KillPoint {
    dir: PathBuf,
}

impl KillPoint {
    pub fn new(host: &Host) -> Self {
        let dir = host.root.join("srv/kill-point");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("program"), include_str!("kill-point.sh")).unwrap();
        let links: String = PROGRAMS
            .iter()
            .map(|p| format!("ln -s /srv/kill-point/program /usr/local/bin/{p}; ln -s /srv/kill-point/program /usr/local/sbin/{p}\n"))
            .collect();
        host.sh(&format!("chmod 755 /srv/kill-point/program\n{links}")).text();
        Self { dir }
    }

    /// Counts, and kills nothing.
    pub fn count(&self) {
        self.arm(How::Shell, 0);
    }

    pub fn arm(&self, how: How, at: u32) {
        for old in ["reached", "go", "count", "log"] {
            let _ = std::fs::remove_file(self.dir.join(old));
        }
        std::fs::write(self.dir.join("how"), format!("{how:?}").to_lowercase()).unwrap();
        std::fs::write(self.dir.join("at"), at.to_string()).unwrap();
    }

    /// What was counted.
    pub fn points(&self) -> Vec<Point> {
        let _ = std::fs::remove_file(self.dir.join("at"));
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap();
        log.lines()
            .map(|line| {
                let mut words = line.splitn(3, ' ').map(str::to_owned);
                let mut next = || words.next().unwrap_or_default();
                Point { number: next().parse().unwrap(), program: next(), journal: next() }
            })
            .collect()
    }

    /// Waits for the moment. False where the run ended without it.
    pub fn reached(&self, case: &str, run: &mut Trueup) -> bool {
        let begun = Instant::now();
        while !self.dir.join("reached").exists() {
            if run.has_ended() {
                return self.dir.join("reached").exists();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{case}: that moment never came");
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Lets the apply go on.
    pub fn go_on(&self) {
        std::fs::write(self.dir.join("go"), "").unwrap();
    }
}
