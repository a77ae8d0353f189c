//! Runs the program and measures it, as the kernel counts.

use crate::server::{Endpoints, address};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks a second of /proc/PID/stat: the same on every Linux.
const TICKS: u64 = 100;

/// A manifest, and a folder for what the program remembers.
pub struct Work {
    dir: tempfile::TempDir,
}

/// What one plan cost.
pub struct Plan {
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_kib: u64,
    /// Each host's own milliseconds, from the start of its connection.
    hosts: BTreeMap<String, f64>,
}

impl Work {
    /// So many resources that are in line on any host: absent files, links, users and cron entries, and a few present.
    pub fn new(resources: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let each = resources / 4;
        let rest = resources - 3 * each;
        let site = format!(
            "- hosts: all\n  resources:\n\
             \x20   - file: /nowhere/{{{{ item }}}}.conf\n      state: absent\n      for_each: \"{{{{ range({each}) }}}}\"\n\
             \x20   - user: nobody{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({each}) }}}}\"\n\
             \x20   - symlink: /nowhere/link{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({each}) }}}}\"\n\
             \x20   - cron: job-{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({rest}) }}}}\"\n"
        );
        std::fs::write(dir.path().join("site.yml"), site).expect("written");
        Self { dir }
    }

    /// An inventory of so many endpoints, with their keys on record.
    pub fn inventory(&self, endpoints: &Endpoints, hosts: usize) -> PathBuf {
        let entries = (0..hosts).map(|n| (format!("host{n}"), address(n).to_string(), endpoints.port));
        self.write(endpoints, entries.collect())
    }

    /// One host, by another port.
    pub fn inventory_at(&self, endpoints: &Endpoints, port: u16) -> PathBuf {
        self.write(endpoints, vec![("host0".into(), "127.0.0.1".into(), port)])
    }

    fn write(&self, endpoints: &Endpoints, entries: Vec<(String, String, u16)>) -> PathBuf {
        let (mut hosts, mut known) = (String::new(), String::new());
        for (name, address, port) in entries {
            let _ = writeln!(hosts, "{name} ansible_host={address} ansible_port={port} ansible_user=root");
            let _ = writeln!(known, "[{address}]:{port} {}", endpoints.host_key);
        }
        std::fs::write(self.dir.path().join("known_hosts"), known).expect("written");
        let path = self.dir.path().join("hosts.ini");
        std::fs::write(&path, hosts).expect("written");
        path
    }

    /// Forgets the facts of earlier runs.
    pub fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.dir.path().join("trueup"));
    }

    /// One plan, which has to find everything in line.
    pub fn plan(&self, inventory: &Path, endpoints: &Endpoints) -> Plan {
        let out = std::fs::File::create(self.dir.path().join("out")).expect("a file");
        let err = std::fs::File::create(self.dir.path().join("err")).expect("a file");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
            .args(["plan", "--json", "--timings", "-q"])
            .arg(self.dir.path().join("site.yml"))
            .arg("-i")
            .arg(inventory)
            .arg("--known-hosts")
            .arg(self.dir.path().join("known_hosts"))
            .arg("--private-key")
            .arg(endpoints.key())
            .env("XDG_CACHE_HOME", self.dir.path())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the program");
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let (mut peak_kib, mut ticks) = (0, 0);
        // The peak is read as long as the process lives; its ticks, until it is waited for.
        loop {
            peak_kib = peak(&proc).unwrap_or(peak_kib);
            let (state, now) = stat(&proc);
            ticks = now.max(ticks);
            if state == 'Z' {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let wall = begun.elapsed();
        let status = child.wait().expect("its end");
        let read = |name: &str| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{}{}", read("err"), read("out").chars().take(3000).collect::<String>());
        let json: serde_json::Value = serde_json::from_str(&read("out")).expect("JSON");
        let hosts = json["timings"]["hosts"].as_object().expect("timings");
        let sum =
            |stages: &serde_json::Value| stages.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_f64()).sum();
        let hosts = hosts.iter().map(|(name, stages)| (name.clone(), sum(stages))).collect();
        Plan { wall, cpu: Duration::from_millis(ticks * 1000 / TICKS), peak_kib, hosts }
    }
}

impl Plan {
    /// The fastest, the median and the slowest of some hosts, by their numbers.
    pub fn spread(&self, which: impl Fn(usize) -> bool) -> String {
        let number = |name: &str| name.trim_start_matches("host").parse().unwrap_or(0);
        let mut times: Vec<f64> =
            self.hosts.iter().filter(|(name, _)| which(number(name))).map(|(_, ms)| *ms).collect();
        times.sort_by(f64::total_cmp);
        let at = |n: usize| times.get(n).copied().unwrap_or_default();
        format!("{:.0} · {:.0} · {:.0} ms", at(0), at(times.len() / 2), at(times.len().saturating_sub(1)))
    }
}

/// The most memory that was ever resident, in KiB.
fn peak(proc: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(proc.join("status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// The state, and ticks in user and kernel mode; proc_pid_stat(5).
fn stat(proc: &Path) -> (char, u64) {
    let text = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let number = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or_default();
    (fields.first().and_then(|f| f.chars().next()).unwrap_or('Z'), number(11) + number(12))
}
