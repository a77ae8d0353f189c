//! Runs the program under test against a fleet, as an operator would.

use crate::host::Fleet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run gave back.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The run, if it exited with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Runs `trueup COMMAND MANIFEST` with the fleet's inventory and keys, and more arguments.
pub fn trueup(fleet: &Fleet, command: &str, manifest: &Path, more: &[&str]) -> Ran {
    let env = remembers(fleet);
    run_with(&arguments(fleet, command, manifest, more), &env.each_ref().map(|(name, dir)| (*name, dir.as_str())))
}

/// Runs `trueup COMMAND MANIFEST` with another inventory than the fleet's own.
pub fn with_inventory(fleet: &Fleet, command: &str, site: &Path, inventory: &str, more: &[&str]) -> Ran {
    let mut args: Vec<String> = [command, &site.display().to_string(), "-i", inventory].map(str::to_owned).to_vec();
    args.extend(["--known-hosts".into(), fleet.known_hosts().display().to_string()]);
    args.extend(["--private-key".into(), fleet.key().display().to_string()]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    run(&args)
}

/// Runs a command that needs no manifest.
pub fn on(fleet: &Fleet, words: &[&str]) -> Ran {
    let mut args: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    args.extend(["-i".into(), fleet.inventory().display().to_string()]);
    args.extend(["--known-hosts".into(), fleet.known_hosts().display().to_string()]);
    args.extend(["--private-key".into(), fleet.key().display().to_string()]);
    run_with(&args, &[])
}

fn arguments(fleet: &Fleet, command: &str, manifest: &Path, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = vec![command.into(), manifest.display().to_string()];
    args.extend(["-i".into(), fleet.inventory().display().to_string()]);
    args.extend(["--known-hosts".into(), fleet.known_hosts().display().to_string()]);
    args.extend(["--private-key".into(), fleet.key().display().to_string()]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    args
}

fn remembers(fleet: &Fleet) -> [(&'static str, String); 2] {
    let (cache, state) = (fleet.dir().join("cache"), fleet.dir().join("state"));
    [("XDG_CACHE_HOME", cache), ("XDG_STATE_HOME", state)].map(|(name, dir)| (name, dir.display().to_string()))
}

/// A run that goes on while the test does something else. It ends with this.
pub struct Trueup {
    child: std::process::Child,
    out: std::path::PathBuf,
}

impl Trueup {
    /// As [`trueup`], without waiting for its end.
    pub fn start(fleet: &Fleet, command: &str, manifest: &Path, more: &[&str]) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let out = fleet.dir().join(format!("output-{count}"));
        let file = |name: &str| std::fs::File::create(out.with_extension(name)).expect("a file for its output");
        let child = Command::new(env!("CARGO_BIN_EXE_trueup"))
            .args(arguments(fleet, command, manifest, more))
            .env_remove("SSH_AUTH_SOCK")
            .envs(remembers(fleet))
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("the program under test starts");
        Self { child, out }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Kills it, which it cannot know of.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn wait(mut self) -> Ran {
        let status = self.child.wait().expect("a child");
        let text = |name: &str| std::fs::read_to_string(self.out.with_extension(name)).unwrap_or_default();
        Ran { code: status.code().unwrap_or(-1), stdout: text("out"), stderr: text("err") }
    }
}

impl Drop for Trueup {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program with these arguments alone.
pub fn run(args: &[String]) -> Ran {
    run_with(args, &[])
}

/// Runs the program with these arguments and these variables; an agent is known only where one is given.
pub fn run_with(args: &[String], env: &[(&str, &str)]) -> Ran {
    let nothing_remembered = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args(args)
        .env_remove("SSH_AUTH_SOCK")
        .env("XDG_CACHE_HOME", nothing_remembered.path())
        .env("XDG_STATE_HOME", nothing_remembered.path())
        .envs(env.iter().copied())
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the program under test starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// An example that ships.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks-examples").join(name).join("site.yml")
}

/// A manifest in the fleet's own folder.
pub fn manifest(fleet: &Fleet, text: &str) -> PathBuf {
    let path = fleet.dir().join("site.yml");
    std::fs::write(&path, text).expect("the manifest is written");
    path
}
