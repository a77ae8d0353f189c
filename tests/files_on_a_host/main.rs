//! Files, directories and links, from parameters to a real directory and back: what a plan promises is what a second
//! probe sees, and undoing brings back what was there.

mod cases;

use cases::{BLANK, CASES, Case};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::language::yaml;
use trueup::model::body::Body;
use trueup::model::id::ResourceId;
use trueup::model::run_name::RunName;
use trueup::model::span::FileId;
use trueup::resources::batch::{Batch, Declared};
use trueup::resources::difference::{Action, Ahead, Brings, Changes, Difference, Shown};
use trueup::resources::types::TYPES;
use trueup::shell::apply::{Act, ApplyChange, ApplyPlan, ApplyStep, script};
use trueup::shell::frame::{Frame, FrameParser, Nonce};
use trueup::shell::probe::{Answers, ProbeScript};
use trueup::shell::state::StateDir;
use trueup::shell::steps::{Command as Program, PlannedStep, Step, Steps, Undo};

struct Host {
    dir: tempfile::TempDir,
    shell: &'static [&'static str],
}

impl Host {
    fn root(&self) -> String {
        format!("{}/d", self.dir.path().display())
    }

    fn sh(&self, text: &[u8]) -> Vec<Frame> {
        let mut child = Command::new(self.shell[0])
            .args(&self.shell[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text).unwrap();
        let mut frames: Vec<Frame> = vec![];
        let out = child.wait_with_output().unwrap().stdout;
        FrameParser::new(&nonce(), Default::default()).push(&out, &mut frames).unwrap();
        frames
    }

    /// Runs acts as one change after another; all of them succeed.
    fn apply(&self, run: &str, acts: Vec<(u32, Act, bool)>) {
        let count = acts.len();
        let steps = acts.into_iter().enumerate().map(|(n, (slot, act, keep))| ApplyStep::new(slot, act, vec![n], keep));
        let plan = ApplyPlan {
            changes: vec![ApplyChange::default(); count],
            steps: steps.collect(),
            state_dir: StateDir::At(format!("{}/state", self.dir.path().display())),
            ..ApplyPlan::new(RunName::parse(run).unwrap(), "a test", 9999, Duration::from_secs(20))
        };
        for frame in self.sh(&script(&plan, &ProbeScript::default(), 10_000, &nonce())) {
            assert_eq!((frame.status, String::from_utf8_lossy(&frame.body)), (0, "".into()), "slot {}", frame.slot);
        }
    }

    /// Path, mode, owner, group and contents of all there is.
    fn listing(&self) -> Vec<(String, u32, u32, u32, Vec<u8>)> {
        let mut all = vec![];
        list(Path::new(&self.root()), &mut all);
        all.sort();
        all
    }
}

fn list(dir: &Path, all: &mut Vec<(String, u32, u32, u32, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let held = if meta.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if meta.is_file() {
            fs::read(&path).unwrap()
        } else {
            list(&path, all);
            vec![]
        };
        all.push((path.to_str().unwrap().into(), meta.permissions().mode(), meta.uid(), meta.gid(), held));
    }
}

fn nonce() -> Nonce {
    Nonce::new([4; 16])
}

fn batch(host: &Host, case: &Case) -> Box<dyn Batch> {
    let ty = TYPES.iter().find(|t| t.name() == case.kind).unwrap();
    let at = |name: &str| format!("{}/{name}", host.root());
    let mut found = Diagnostics::default();
    let declared = Declared {
        title: at(case.title),
        params: yaml::parse_one(case.params, FileId(0)).unwrap().unwrap(),
        body: case.content.map(|c| Body::held(c.as_bytes(), false)),
        sensitive: false,
        become_user: None,
        places: Default::default(),
        managed_below: case.managed.iter().map(|m| at(m)).collect(),
        departed: None,
    };
    ty.batch(&[declared], &Facts::default(), &mut found).unwrap_or_else(|| panic!("{}: {found:?}", case.name))
}

fn told(host: &Host, difference: &Difference) -> (Vec<String>, Vec<String>) {
    let short = |text: &str| text.replace(&format!("{}/", host.root()), "");
    let mut told: Vec<_> =
        difference.properties.iter().map(|p| short(&format!("{}: {} -> {}", p.name, p.from, p.to))).collect();
    told.extend(difference.text.as_ref().map(|t| format!("text: {:?} -> {:?}", t.before, t.after)));
    (told, difference.warnings.iter().map(|w| short(w)).collect())
}

fn undo(step: &PlannedStep, slot: u32) -> Option<Act> {
    match (&step.undo, &step.step) {
        (Undo::Run(argv), _) => Some(Act::Step(Step::Run(Program::new(argv.clone())))),
        (
            Undo::Kept,
            Step::ReplaceFile { path, .. }
            | Step::MakeDirectory { path, .. }
            | Step::SetAttributes { path, .. }
            | Step::Symlink { path, .. }
            | Step::Remove { path, .. },
        ) => Some(Act::Restore { run: RunName::parse("r1").unwrap(), slot, path: path.clone() }),
        _ => None,
    }
}

fn check(host: &Host, case: &Case) {
    fs::create_dir(host.root()).unwrap();
    let made = Command::new("sh").args(["-c", case.before]).current_dir(host.root()).status().unwrap();
    assert!(made.success(), "{}", case.name);
    let before = host.listing();

    let batch = batch(host, case);
    let look = || {
        let mut probe = ProbeScript::default();
        batch.probe(&[0], &Facts::default(), &mut probe);
        let count = probe.len();
        let frames = host.sh(&probe.into_text(&nonce()));
        batch.observe(&[0], &Facts::default(), &mut Answers::new(frames, 0, count))
    };
    let seen = look();
    assert_eq!(before, host.listing(), "{}: looking changes nothing", case.name);
    let difference = match seen.diff(0, &Ahead::default()) {
        Ok(difference) => difference,
        Err(why) => {
            let why = format!("impossible: {why}").replace(&format!("{}/", host.root()), "");
            assert_eq!(case.told, [why], "{}", case.name);
            return;
        }
    };
    let (properties, warnings) = difference.as_ref().map(|d| told(host, d)).unwrap_or_default();
    assert_eq!(properties, case.told, "{}", case.name);
    assert_eq!(warnings, case.warned, "{}", case.name);
    assert_eq!(seen.diff_after(0, &Ahead::default()), Ok(None), "{}: the prediction", case.name);
    let Some(difference) = difference else { return };

    let mut steps = Steps::default();
    seen.apply(&[(0, &difference)], &Facts::default(), &mut steps);
    let steps = steps.into_vec();
    let acts = (0..).zip(&steps).map(|(n, s)| (n, Act::Step(s.step.clone()), s.undo == Undo::Kept));
    host.apply("r1", acts.collect());
    assert_eq!(look().diff(0, &Ahead::default()), Ok(None), "{}: {:?} what applying brought", case.name, host.shell);

    let mut acts: Vec<_> = (0..).zip(&steps).filter_map(|(n, s)| Some((n, undo(s, n)?, false))).collect();
    acts.reverse();
    host.apply("r2", acts);
    assert_eq!(host.listing(), before, "{}: {:?} undone", case.name, host.shell);
}

#[test]
fn what_a_plan_promises_is_what_comes_and_goes() {
    // Owners are changed in these cases.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
        for case in CASES {
            let host = Host { dir: tempfile::tempdir().unwrap(), shell };
            check(&host, case);
        }
    }
}

#[test]
fn what_a_change_ahead_makes_is_reckoned_with() {
    let host = Host { dir: tempfile::tempdir().unwrap(), shell: &["sh"] };
    fs::create_dir(host.root()).unwrap();
    let make = |kind: &'static str, title: &str, action| {
        let title = format!("{}/{title}", host.root());
        (ResourceId::new(kind, title.clone()), title, Difference::new(action))
    };
    for kind in ["file", "directory", "symlink"] {
        let params = match kind {
            "symlink" => "{target: x}",
            "file" => "{state: empty}",
            _ => "{}",
        };
        let batch = batch(&host, &Case { kind, title: "a/b/c", params, ..BLANK });
        let mut probe = ProbeScript::default();
        batch.probe(&[0], &Facts::default(), &mut probe);
        let count = probe.len();
        let frames = host.sh(&probe.into_text(&nonce()));
        let seen = batch.observe(&[0], &Facts::default(), &mut Answers::new(frames, 0, count));
        for (ahead, possible) in [
            (vec![], false),
            (vec![make("directory", "a/b", Action::Create)], true),
            (vec![make("directory", "a/b", Action::Remove)], false),
            (vec![make("directory", "a", Action::Create)], false),
            (vec![make("directory", "a/b/x", Action::Create)], true),
            (vec![make("symlink", "a", Action::Update)], true),
            (vec![make("sysctl", "x", Action::Update)], false),
            (vec![make("package", "x", Action::Create)], true),
        ] {
            let mut changes = Changes::default();
            for (id, key, difference) in ahead {
                let brings = if id.kind == "package" { Brings::Anything } else { Brings::Nothing };
                let path = Some(key.clone()).filter(|key| key.starts_with('/'));
                changes.push(id, key, path, difference, brings);
            }
            let difference = seen.diff(0, &Ahead::new(&changes));
            assert_eq!(difference.is_ok(), possible, "{kind} {changes:?}");
            assert!(difference.is_err() || difference.is_ok_and(|d| d.is_some_and(|d| d.action == Action::Create)));
        }
    }
}

#[test]
fn a_secret_is_never_shown() {
    let host = Host { dir: tempfile::tempdir().unwrap(), shell: &["sh"] };
    fs::create_dir(host.root()).unwrap();
    let ty = TYPES.iter().find(|t| t.name() == "file").unwrap();
    let declared = Declared {
        title: format!("{}/f", host.root()),
        params: yaml::parse_one("{mode: \"0600\"}", FileId(0)).unwrap().unwrap(),
        body: Some(Body::held(&b"hunter2"[..], true)),
        sensitive: false,
        become_user: None,
        places: Default::default(),
        managed_below: vec![],
        departed: None,
    };
    let batch = ty.batch(&[declared], &Facts::default(), &mut Diagnostics::default()).unwrap();
    let mut probe = ProbeScript::default();
    batch.probe(&[0], &Facts::default(), &mut probe);
    let frames = host.sh(&probe.into_text(&nonce()));
    let seen = batch.observe(&[0], &Facts::default(), &mut Answers::new(frames, 0, 1));
    let difference = seen.diff(0, &Ahead::default()).unwrap().unwrap();
    let digest = Body::held(&b"hunter2"[..], false).digest;
    let shown = format!("{difference:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(&digest.as_str()[..12]), "{shown}");
    assert!(difference.properties.iter().any(|p| p.name == "content" && p.to == Shown::Secret));
}

#[test]
fn parameters_that_cannot_be_are_told() {
    let wrong = |kind: &str, title: &str, params: &str| {
        let ty = TYPES.iter().find(|t| t.name() == kind).unwrap();
        let declared = Declared {
            title: title.to_owned(),
            params: yaml::parse_one(params, FileId(0)).unwrap().unwrap(),
            body: None,
            sensitive: false,
            become_user: None,
            places: Default::default(),
            managed_below: vec![],
            departed: None,
        };
        let mut found = Diagnostics::default();
        ty.batch(&[declared], &Facts::default(), &mut found);
        found.iter().map(|d| d.label.clone()).collect::<Vec<_>>().join("; ")
    };
    for (kind, title, params, label) in [
        ("file", "etc/x", "{}", "`etc/x` is no absolute path"),
        ("file", "/", "{}", "the root directory is not managed"),
        ("directory", "/etc/x/", "{}", "a path is written without a slash at its end"),
        ("symlink", "/etc/../x", "{target: y}", "a path is written without `//`, `.` and `..` in it"),
        ("symlink", "/x", "{}", "`target` is needed here"),
        ("file", "/x", "{owner: 'a:b'}", "`a:b` is neither a name nor a number"),
        ("file", "/x", "{validate: 'true'}", "it does not say with `%s` where the candidate's path goes"),
        ("file", "/x", "{state: absent, mode: \"0600\"}", "a file that is to be absent has no mode"),
        ("directory", "/x", "{recurse: true}", "there is no owner, group or mode to be set below"),
        ("directory", "/x", "{state: absent, purge: true}", "a directory that is to be absent has no purge"),
        ("file", "/x", "{owner: 0, mode: \"0600\"}", ""),
    ] {
        assert_eq!(wrong(kind, title, params), label, "{kind} {title} {params}");
    }
}
