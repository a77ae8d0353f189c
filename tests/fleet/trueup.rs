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
    let mut args: Vec<String> = vec![command.into(), manifest.display().to_string()];
    args.extend(["-i".into(), fleet.inventory().display().to_string()]);
    args.extend(["--known-hosts".into(), fleet.known_hosts().display().to_string()]);
    args.extend(["--private-key".into(), fleet.key().display().to_string()]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    let (cache, state) = (fleet.dir().join("cache"), fleet.dir().join("state"));
    let env =
        [("XDG_CACHE_HOME", cache), ("XDG_STATE_HOME", state)].map(|(name, dir)| (name, dir.display().to_string()));
    run_with(&args, &env.each_ref().map(|(name, dir)| (*name, dir.as_str())))
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
