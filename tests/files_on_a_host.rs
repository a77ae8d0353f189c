//! Files, directories and links, from parameters to a real directory and back: what a plan promises is what a second
//! probe sees, and undoing brings back what was there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use trueup::catalog::id::ResourceId;
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::language::span::FileId;
use trueup::language::yaml;
use trueup::resources::TYPES;
use trueup::resources::batch::{Batch, Declared};
use trueup::resources::difference::{Action, Ahead, Difference, Shown};
use trueup::shell::apply::{Act, ApplyChange, ApplyPlan, ApplyStep, script};
use trueup::shell::body::Body;
use trueup::shell::frame::{Frame, FrameParser, Nonce};
use trueup::shell::probe::{Answers, ProbeScript};
use trueup::shell::state::{RunName, StateDir};
use trueup::shell::steps::{Command as Program, PlannedStep, Step, Steps, Undo};

struct Case {
    name: &'static str,
    /// Shell text that makes what was there, in the directory.
    before: &'static str,
    kind: &'static str,
    title: &'static str,
    params: &'static str,
    content: Option<&'static str>,
    managed: &'static [&'static str],
    /// Each property with its values; or why it cannot be.
    told: &'static [&'static str],
    warned: &'static [&'static str],
}

const BLANK: Case = Case {
    name: "",
    before: "",
    kind: "file",
    title: "f",
    params: "{}",
    content: None,
    managed: &[],
    told: &[],
    warned: &[],
};

const CASES: &[Case] = &[
    Case {
        name: "a new file",
        params: "{mode: \"0640\", owner: root, group: \"0\"}",
        content: Some("a\nb\n"),
        told: &[
            "state: (absent) -> file",
            "content: (absent) -> 4 bytes, sha256 911169ddaaf1",
            "owner: (absent) -> root",
            "group: (absent) -> 0",
            "mode: (absent) -> 0640",
            "text: \"\" -> \"a\\nb\\n\"",
        ],
        ..BLANK
    },
    Case { name: "an empty file", told: &["state: (absent) -> file"], ..BLANK },
    Case {
        name: "a file in line",
        before: "printf x >f; chmod 600 f",
        params: "{mode: \"0600\"}",
        content: Some("x"),
        ..BLANK
    },
    Case {
        name: "other contents",
        before: "printf old >f; chmod 751 f",
        content: Some("new!"),
        told: &["content: 3 bytes, sha256 cba06b5736fa -> 4 bytes, sha256 bdd1e524e5c9", "text: \"old\" -> \"new!\""],
        ..BLANK
    },
    Case {
        name: "a binary file has no text to show",
        before: "printf '\\0' >f",
        content: Some("t"),
        told: &["content: 1 byte, sha256 6e340b9cffb3 -> 1 byte, sha256 e3b98a4da31a"],
        ..BLANK
    },
    Case {
        name: "attributes alone",
        before: "printf old >f; chmod 4755 f",
        params: "{mode: \"0644\", owner: 12, group: daemon}",
        told: &["owner: 0 -> 12", "group: root -> daemon", "mode: 4755 -> 0644"],
        ..BLANK
    },
    Case {
        name: "a link is replaced by contents",
        before: "printf old >g; ln -s g f",
        content: Some("new"),
        told: &["state: symlink to g -> file", "content: (absent) -> 3 bytes, sha256 11507a0e2f5e"],
        warned: &["the symlink to g at f is replaced by a file"],
        ..BLANK
    },
    Case {
        name: "a link is not replaced by nothing",
        before: "ln -s g f",
        told: &[
            "impossible: f is a symlink to g, and no contents are given to replace it with; `force: true` makes it an empty file",
        ],
        ..BLANK
    },
    Case {
        name: "a directory in the way",
        before: "mkdir f",
        content: Some("new"),
        told: &["impossible: f is a directory; it is replaced with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a directory in the way, by force",
        before: "mkdir f; touch f/x",
        params: "{force: true}",
        told: &["state: directory -> file"],
        warned: &["the directory f is removed with all that is in it"],
        ..BLANK
    },
    Case {
        name: "no parent",
        title: "no/f",
        told: &["impossible: the directory no is not there, and no resource before this one makes it"],
        ..BLANK
    },
    Case {
        name: "a file gone",
        before: "echo x >f",
        params: "{state: absent}",
        told: &["state: file -> (absent)"],
        ..BLANK
    },
    Case { name: "a file gone already", params: "{state: absent}", ..BLANK },
    Case {
        name: "an odd name",
        title: "-n $(id)\n'\"",
        before: "echo x >\"-n \\$(id)\n'\\\"\"",
        content: Some("y\n"),
        params: "{mode: \"0600\", validate: 'grep -q y %s'}",
        told: &[
            "content: 2 bytes, sha256 73cb3858a687 -> 2 bytes, sha256 3bb2abb69ebb",
            "mode: 0644 -> 0600",
            "text: \"x\\n\" -> \"y\\n\"",
        ],
        ..BLANK
    },
    Case {
        name: "a new directory",
        kind: "directory",
        params: "{mode: \"2770\", group: daemon}",
        told: &["state: (absent) -> directory", "group: (absent) -> daemon", "mode: (absent) -> 2770"],
        ..BLANK
    },
    Case {
        name: "a directory with its parents",
        kind: "directory",
        title: "a/b c/d",
        before: "mkdir a",
        params: "{parents: true, mode: \"0700\"}",
        told: &["state: (absent) -> directory", "parents: (absent) -> a/b c", "mode: (absent) -> 0700"],
        ..BLANK
    },
    Case {
        name: "set-id bits of a directory are taken away",
        kind: "directory",
        before: "mkdir f; chmod 2775 f",
        params: "{mode: \"0755\"}",
        told: &["mode: 2775 -> 0755"],
        ..BLANK
    },
    Case {
        name: "attributes below",
        kind: "directory",
        before: "mkdir -p f/d; touch f/run f/d/x f/own; chmod 700 f/run f/d; chmod 600 f/d/x f/own; ln -s /etc f/l",
        params: "{mode: \"0755\", owner: root, recurse: true}",
        managed: &["f/own"],
        told: &["mode below: another on 3 entries: d, d/x, run -> 0755"],
        ..BLANK
    },
    Case {
        name: "attributes of much below",
        kind: "directory",
        before: "mkdir -p f/d; for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5 6 7 8 9; do : >f/d/$i$j; chmod 600 f/d/$i$j; done; done",
        params: "{mode: \"0755\", group: daemon, recurse: true}",
        told: &[
            "group: root -> daemon",
            "group below: another on 55 entries: d, d/11, d/12, … -> daemon",
            "mode below: another on 54 entries: d/11, d/12, d/13, … -> 0755",
        ],
        ..BLANK
    },
    Case {
        name: "purging",
        kind: "directory",
        before: "mkdir -p f/sub/deep f/managed f/old/x; touch f/a f/sub/keep f/sub/drop f/managed/stays 'f/new\nline'; ln -s /etc f/l",
        params: "{purge: true}",
        managed: &["f/sub/keep", "f/managed", "f/not yet"],
        told: &[
            "purged: file a -> (absent)",
            "purged: symlink l -> (absent)",
            "purged: file new\\nline -> (absent)",
            "purged: directory old -> (absent)",
            "purged: directory sub/deep -> (absent)",
            "purged: file sub/drop -> (absent)",
        ],
        ..BLANK
    },
    Case {
        name: "a directory gone",
        kind: "directory",
        before: "mkdir -p f/d; touch f/d/x; chmod 500 f/d",
        params: "{state: absent}",
        told: &["state: directory -> (absent)"],
        warned: &["f is removed with the 2 entries below it"],
        ..BLANK
    },
    Case {
        name: "a file where a directory is to be",
        kind: "directory",
        before: "touch f",
        told: &["impossible: f is a file, no directory; it is removed with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a file where a directory is to be, by force",
        kind: "directory",
        before: "echo x >f",
        params: "{force: true}",
        told: &["state: file -> directory"],
        warned: &["the file f is removed"],
        ..BLANK
    },
    Case {
        name: "a new link",
        kind: "symlink",
        params: "{target: 'a b'}",
        told: &["target: (absent) -> a b"],
        ..BLANK
    },
    Case { name: "a link in line", kind: "symlink", before: "ln -s 'a b' f", params: "{target: 'a b'}", ..BLANK },
    Case {
        name: "a link to a directory is turned to another",
        kind: "symlink",
        before: "mkdir d e; ln -s d f",
        params: "{target: e}",
        told: &["target: d -> e"],
        ..BLANK
    },
    Case {
        name: "a file where a link is to be",
        kind: "symlink",
        before: "touch f",
        params: "{target: e}",
        told: &["impossible: f is a file, no symlink; it is removed with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a directory where a link is to be, by force",
        kind: "symlink",
        before: "mkdir f; echo x >f/x",
        params: "{target: e, force: true}",
        told: &["state: directory -> symlink", "target: (absent) -> e"],
        warned: &["the directory f is removed with all that is in it"],
        ..BLANK
    },
    Case {
        name: "a link gone",
        kind: "symlink",
        before: "mkdir d; touch d/x; ln -s d f",
        params: "{state: absent}",
        told: &["state: symlink to d -> (absent)"],
        ..BLANK
    },
];

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
            run: RunName::parse(run).unwrap(),
            owner: "a test".into(),
            start_slot: 9999,
            changes: vec![ApplyChange::default(); count],
            steps: steps.collect(),
            step_deadline: Duration::from_secs(20),
            state_dir: StateDir::At(format!("{}/state", self.dir.path().display())),
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
        let params = if kind == "symlink" { "{target: x}" } else { "{}" };
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
            let difference = seen.diff(0, &Ahead::new(&ahead));
            assert_eq!(difference.is_ok(), possible, "{kind} {ahead:?}");
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
