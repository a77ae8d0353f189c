mod files;
mod flow;
mod guard;
mod ledger;
mod room;
mod stages;
mod swaps;
mod way;

use super::*;
use crate::shell::frame::{Frame, FrameParser};
use crate::shell::steps::{Attributes, Command};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];
const START: u32 = 1000;
const VERIFY: u32 = 2000;

fn nonce() -> Nonce {
    Nonce::new([9; 16])
}

/// A host that is a directory.
struct Host {
    root: tempfile::TempDir,
    shell: &'static [&'static str],
    /// Added to the shell's environment.
    env: Vec<(&'static str, String)>,
}

impl Host {
    fn new(shell: &'static [&'static str]) -> Self {
        Self { root: tempfile::tempdir().unwrap(), shell, env: vec![] }
    }

    fn each(test: impl Fn(&Host)) {
        for shell in SHELLS {
            let host = Host::new(shell);
            fs::create_dir(host.root.path().join("d")).unwrap();
            test(&host);
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/d/{name}", self.root.path().display())
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn plan(&self, run: &str, steps: Vec<ApplyStep>) -> ApplyPlan {
        let count = steps.iter().flat_map(|s| s.serves.iter()).max().map_or(0, |n| n + 1);
        ApplyPlan {
            changes: vec![ApplyChange::default(); count],
            steps,
            state_dir: StateDir::At(self.state().to_str().unwrap().to_owned()),
            ..ApplyPlan::new(RunName::parse(run).unwrap(), "someone@their desk *", START, Duration::from_secs(20))
        }
    }

    fn sh(&self, text: &[u8]) -> Vec<Frame> {
        let mut child = std::process::Command::new(self.shell[0])
            .args(&self.shell[1..])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text).unwrap();
        let out = child.wait_with_output().unwrap().stdout;
        let mut frames: Vec<Frame> = vec![];
        let mut parser = FrameParser::new(&nonce(), Default::default());
        parser.push(&out, &mut frames).unwrap();
        assert!(parser.is_finished(), "{:?} {}", self.shell, String::from_utf8_lossy(&out));
        frames
    }

    fn apply(&self, plan: &ApplyPlan) -> Vec<Frame> {
        joined(self.apply_apart(plan))
    }

    fn apply_apart(&self, plan: &ApplyPlan) -> Vec<Frame> {
        let mut verify = ProbeScript::default();
        verify.ask_owed(&plan.state_dir);
        let frames = self.sh(&script(plan, &verify, VERIFY, &nonce()));
        assert!(!self.leftovers(), "{:?}: a temporary file is left", self.shell);
        frames
    }

    /// Whether anything but what was meant lies about.
    fn leftovers(&self) -> bool {
        let of = |dir: &Path| {
            fs::read_dir(dir).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().ends_with(".trueup"))
        };
        of(&self.root.path().join("d"))
    }

    /// Sends contents ahead.
    fn feed(&self, run: &str, body: &Body, bytes: &[u8]) -> Frame {
        let state = StateDir::At(self.state().to_str().unwrap().to_owned());
        let script = receive(&RunName::parse(run).unwrap(), body, Encoding::Plain, &state, 5, &nonce());
        let mut child = std::process::Command::new(self.shell[0])
            .args(&self.shell[1..])
            .arg("-c")
            .arg(String::from_utf8(script).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
        let mut frames: Vec<Frame> = vec![];
        let out = child.wait_with_output().unwrap().stdout;
        FrameParser::new(&nonce(), Default::default()).push(&out, &mut frames).unwrap();
        frames.remove(0)
    }

    fn run(&self, steps: Vec<ApplyStep>) -> Vec<Frame> {
        self.apply(&self.plan("r1", steps))
    }

    /// In a run of its own, the state being new.
    fn one(&self, step: Step) -> Frame {
        let _ = fs::remove_dir_all(self.state());
        let frames = self.run(vec![ApplyStep::new(0, Act::Step(step), vec![0], true)]);
        frames.into_iter().find(|f| f.slot == 0).unwrap_or_else(|| panic!("{:?}: no frame", self.shell))
    }
}

/// What a step said of errors stands behind what else it said.
fn joined(frames: Vec<Frame>) -> Vec<Frame> {
    let mut joined: Vec<Frame> = vec![];
    for frame in frames {
        match joined.iter_mut().find(|f| f.slot.checked_add(ERRORS) == Some(frame.slot)) {
            Some(of) => of.body.extend(frame.body),
            None => joined.push(frame),
        }
    }
    joined
}

fn said(frame: &Frame) -> String {
    String::from_utf8_lossy(&frame.body).into_owned()
}

fn status(frames: &[Frame], slot: u32) -> u8 {
    frames.iter().find(|f| f.slot == slot).map(|f| f.status).unwrap()
}

fn sh(text: &str) -> Step {
    Step::Run(Command::new(["sh", "-c", text]))
}

fn step(slot: u32, serves: usize, step: Step) -> ApplyStep {
    ApplyStep::new(slot, Act::Step(step), vec![serves], false)
}

fn file(path: &str, body: &[u8]) -> Step {
    file_with(path, body, Attributes::default(), None)
}

fn file_with(path: &str, body: &[u8], attributes: Attributes, validate: Option<&str>) -> Step {
    Step::ReplaceFile {
        path: path.to_owned(),
        body: Body::held(body.to_vec(), false),
        attributes,
        validate: validate.map(str::to_owned),
        fresh: false,
    }
}

fn mode(mode: u32) -> Attributes {
    Attributes { mode: Some(mode), ..Attributes::default() }
}

fn mode_of(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
