//! A real sshd on loopback, at a free port, with keys of its own, for one test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use trueup::shell::frame::{Limits, Nonce, Script};
use trueup::transport::auth::{AskPassphrase, Keys};
use trueup::transport::hops::Hops;
use trueup::transport::known_hosts::KnownHosts;
use trueup::transport::ssh::SshOptions;
use trueup::transport::{Agent, Target};

/// Ends with the test.
pub struct Sshd {
    dir: TempDir,
    child: Child,
    pub port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes an ed25519 key pair and says where the private one is.
pub fn keygen(dir: &Path, name: &str, passphrase: &str) -> PathBuf {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

pub fn public(key: &Path) -> String {
    std::fs::read_to_string(format!("{}.pub", key.display())).unwrap().trim().to_owned()
}

impl Sshd {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of sshd_config(5), which come before the usual ones.
    pub fn with(more: &str) -> Self {
        let dir = TempDir::new().unwrap();
        keygen(dir.path(), "host", "");
        let key = keygen(dir.path(), "id", "");
        std::fs::write(dir.path().join("authorized_keys"), public(&key) + "\n").unwrap();
        // Where sshd's unprivileged half lives; a Debian's boot makes it.
        std::fs::create_dir_all("/run/sshd").unwrap();
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let d = dir.path().display();
            let text = format!(
                "{more}\nListenAddress 127.0.0.1:{port}\nHostKey {d}/host\nAuthorizedKeysFile {d}/authorized_keys\n\
                 StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
            );
            let config = dir.path().join("sshd_config");
            std::fs::write(&config, text).unwrap();
            let mut sshd = Command::new("/usr/sbin/sshd");
            sshd.args(["-D", "-e", "-f"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
            let mut child = sshd.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut said = String::new();
            let up = lines.by_ref().map_while(Result::ok).any(|line| {
                said += &(line + "\n");
                said.contains("Server listening on")
            });
            if up {
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Self { dir, child, port };
            }
            let _ = child.wait();
            // Somebody else may have taken the port in between.
            assert!(said.contains("Address already in use"), "{said}");
        }
        panic!("no free port");
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn authorize(&self, key: &Path) {
        std::fs::write(self.dir().join("authorized_keys"), public(key) + "\n").unwrap();
    }

    pub fn target(&self) -> Target {
        target(self.port, self.dir().join("id"))
    }

    /// The name and key of this host, as known_hosts has them.
    pub fn record(&self) -> String {
        format!("[127.0.0.1]:{} {}\n", self.port, public(&self.dir().join("host")))
    }

    /// Options under which this host is known.
    pub fn options(&self) -> Arc<SshOptions> {
        Arc::new(options(&self.record(), Box::new(|_| None)))
    }
}

pub fn target(port: u16, key: PathBuf) -> Target {
    Target {
        address: "127.0.0.1".into(),
        port,
        user: "root".into(),
        key_files: vec![key],
        host_key_alias: None,
        agent: Agent::Nowhere,
        identities_only: false,
        password: None,
        become_: None,
        via: None,
    }
}

pub fn options(known: &str, ask: Box<AskPassphrase>) -> SshOptions {
    let mut hosts = KnownHosts::default();
    hosts.add(Path::new("known_hosts"), known);
    SshOptions {
        connect_timeout: Duration::from_secs(10),
        known_hosts: Mutex::new(hosts),
        accept_new: None,
        keys: Keys::new(ask),
        hops: Hops::default(),
    }
}

/// A script whose answers are its frames 0, 1 … with these commands' output.
pub fn script(commands: &[&str]) -> Script {
    let nonce = fresh();
    let n = nonce.as_str();
    let mut text = String::from("{\n");
    for (slot, command) in commands.iter().enumerate() {
        text +=
            &format!("printf '%s B {slot}\\n' {n}\n( {command}\n) </dev/null\nprintf '\\n%s E {slot} %s\\n' {n} $?\n");
    }
    text += &format!("printf '%s Z\\n' {n}\n}}\n");
    Script { nonce, text: text.into_bytes(), limits: Limits { idle: Duration::from_secs(20), ..Limits::default() } }
}

/// A script for `feed`: its one frame is what the command says, which has the body as its standard input.
pub fn listening(command: &str) -> Script {
    let nonce = fresh();
    let n = nonce.as_str();
    let text = format!("printf '%s B 0\\n' {n}\n{command}\nprintf '\\n%s E 0 %s\\n' {n} $?\nprintf '%s Z\\n' {n}\n");
    Script { nonce, text: text.into_bytes(), limits: Limits { idle: Duration::from_secs(20), ..Limits::default() } }
}

fn fresh() -> Nonce {
    let mut random = [0; 16];
    getrandom::fill(&mut random).unwrap();
    Nonce::new(random)
}
