//! What steps do to files, in every shell.

use super::*;
use crate::model::body::Digest;
use crate::shell::files::Sought;
use crate::shell::files::{self, FileState};
use crate::shell::probe::FileQuestion;
use proptest::prelude::*;

const NAMES: &[&str] = &[
    "plain",
    "with space",
    "quo'te\"",
    "new\nline",
    "$(touch oops)",
    "-rf",
    "`id`",
    "ümläut",
    "back\\slash",
    "*",
    "%s",
    "a;b&c",
];

#[test]
fn names_are_data() {
    Host::each(|host| {
        let mut steps = vec![];
        for (n, name) in (0..).zip(NAMES) {
            let (path, linked) = (host.at(name), host.at(&format!("{name}.l")));
            let check = "test -s %s && grep -q hello %s";
            steps.push(step(n * 4, n as usize, file_with(&path, b"hello\n", mode(0o640), Some(check))));
            steps.push(step(n * 4 + 1, n as usize, Step::Symlink { path: linked, target: (*name).to_owned() }));
            let made = host.at(&format!("{name}.d"));
            steps.push(step(n * 4 + 2, n as usize, Step::MakeDirectory { path: made, attributes: mode(0o2750) }));
            let mut told = Command::new(["printf", "[%s]", name]);
            told.env = vec![("V".into(), (*name).to_owned())];
            told.cwd = Some(host.at(&format!("{name}.d")));
            steps.push(step(n * 4 + 3, n as usize, Step::Run(told)));
        }
        let frames = host.run(steps);
        for (n, name) in (0..).zip(NAMES) {
            for slot in n * 4..n * 4 + 4 {
                let frame = frames.iter().find(|f| f.slot == slot).unwrap();
                assert_eq!(frame.status, 0, "{:?} {name:?} {slot} {}", host.shell, said(frame));
            }
            let path = host.at(name);
            assert_eq!((fs::read(&path).unwrap(), mode_of(&path)), (b"hello\n".to_vec(), 0o640));
            assert_eq!(fs::read_link(host.at(&format!("{name}.l"))).unwrap(), Path::new(name));
            assert_eq!(mode_of(&host.at(&format!("{name}.d"))), 0o2750);
            assert_eq!(said(frames.iter().find(|f| f.slot == n * 4 + 3).unwrap()), format!("[{name}]"));
        }
        assert!(!Path::new("oops").exists() && !Path::new(&host.at("oops")).exists());
        assert_eq!(fs::read_dir(host.root.path().join("d")).unwrap().count(), NAMES.len() * 3);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_contents_arrive(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        Host::each(|host| {
            let frame = host.one(file(&host.at("f"), &bytes));
            assert_eq!((frame.status, said(&frame)), (0, String::new()), "{:?}", host.shell);
            assert_eq!(fs::read(host.at("f")).unwrap(), bytes);
            let mut cat = Command::new(["cat"]);
            cat.stdin = Some(Body::held(bytes.clone(), true));
            assert_eq!(host.one(Step::Run(cat)).body, bytes);
        });
    }
}

#[test]
fn large_contents_come_ahead_and_are_removed_after() {
    Host::each(|host| {
        let bytes: Vec<u8> = (0..INLINE as u32 + 1).map(|n| (n % 251) as u8).collect();
        let mut plan =
            host.plan("r1", vec![step(0, 0, file(&host.at("f"), &bytes)), step(1, 1, file(&host.at("g"), &bytes))]);
        plan.steps.push(step(2, 2, file(&host.at("h"), b"small")));
        let ahead: Vec<_> = plan.ahead().into_iter().cloned().collect();
        assert_eq!(ahead.len(), 1);
        assert_eq!(status(&host.apply(&plan), 0), 1, "not there yet");
        let feed = |run: &str, bytes: &[u8]| host.feed(run, &ahead[0], bytes);
        let short = feed("r1", &bytes[1..]);
        assert_eq!((short.status, said(&short)), (1, format!("{INLINE} bytes came of {}\n", INLINE + 1)));
        let frame = feed("r1", &bytes);
        assert_eq!((frame.slot, frame.status, said(&frame)), (5, 0, String::new()), "{:?}", host.shell);
        let frames = host.apply(&plan);
        assert_eq!([0, 1, 2].map(|n| status(&frames, n)), [0, 0, 0]);
        assert_eq!(fs::read(host.at("g")).unwrap(), bytes);
        assert_eq!(fs::read_dir(host.state().join("incoming")).unwrap().count(), 0);

        // Where one step alone needs them they are moved, with all that else belongs to a file; others are not placed.
        let mut wrong = bytes.clone();
        wrong[7] ^= 1;
        for (n, sent, want) in [(3, &wrong, 1), (4, &bytes, 0)] {
            let one = host.plan(&format!("r{n}"), vec![step(0, 0, file(&host.at("f"), &bytes))]);
            fs::write(host.at("f"), "before").unwrap();
            assert_eq!(feed(&format!("r{n}"), sent).status, 0);
            let frames = host.apply(&one);
            assert_eq!(status(&frames, 0), want, "{frames:?}");
            let is = fs::read(host.at("f")).unwrap();
            assert!(is == if want == 0 { &bytes[..] } else { b"before" }, "{:?}", host.shell);
            assert_eq!(fs::read_dir(host.state().join("incoming")).unwrap().count(), 0);
        }
        // A command that is given them sees nothing of what is not whole.
        let mut cat = Command::new(["cat"]);
        cat.stdin = Some(Body::held(bytes.clone(), true));
        let given = host.plan("r5", vec![step(0, 0, Step::Run(cat))]);
        assert_eq!(feed("r5", &wrong).status, 0);
        let frames = host.apply(&given);
        assert_eq!(said(&frames[1]), "what was written is not what was sent\n");
    });
}

#[test]
fn large_contents_are_hashed_once_unless_touched() {
    Host::each(|host| {
        let large = |fill: u8| vec![fill; INLINE as usize + 1];
        let paths = ["small", "one", "two", "three"].map(|name| host.at(name));
        fs::write(&paths[0], "here before").unwrap();
        let mut steps: Vec<_> =
            (0..3).map(|n| step(n, n as usize, file(&paths[n as usize + 1], &large(n as u8)))).collect();
        // The same size, and the time set back.
        let touch = format!("printf Z | dd of={0} conv=notrunc 2>/dev/null; touch -r {1} {0}", paths[2], paths[0]);
        steps.push(step(3, 3, sh(&format!("touch -r {} {}; {touch}", paths[2], paths[0]))));
        let plan = host.plan("r1", steps);
        for body in plan.ahead() {
            let bytes = body.held_bytes().unwrap().to_vec();
            assert_eq!(host.feed("r1", body, &bytes).status, 0);
        }
        let questions: Vec<_> = paths
            .iter()
            .map(|p| FileQuestion { path: p.clone(), contents: Some(Sought::from(&Body::held(*b"x", false))) })
            .collect();
        let mut verify = ProbeScript::default();
        verify.ask_files(&questions);
        let hashed = host.at("hashed");
        let counted = format!(
            "sha256sum() {{ for p do echo \"$p\"; done >>{hashed}; command sha256sum \"$@\"; }}\n\
             xargs() {{ tee {hashed}.0 | command xargs \"$@\"; tr '\\000' '\\n' <{hashed}.0 >>{hashed}; }}\n"
        );
        let frames = host.sh(&[counted.as_bytes(), &script(&plan, &verify, VERIFY, &nonce())].concat());
        assert!(frames.iter().all(|f| f.status == 0), "{frames:?}");
        let seen = files::parse(&questions, &frames.iter().find(|f| f.slot == VERIFY).unwrap().body);
        let digests: Vec<_> = seen
            .into_iter()
            .map(|s| match s {
                Ok(FileState::Present(s)) => s.digest,
                other => panic!("{other:?}"),
            })
            .collect();
        let is: Vec<_> = paths.iter().map(|p| Some(Digest::of(&fs::read(p).unwrap()))).collect();
        assert_eq!(digests, is, "{:?}", host.shell);
        // What is read from a candidate comes by a pipe: only what the second look asks for by name is listed.
        assert_eq!(fs::read_to_string(&hashed).unwrap(), format!("{}\n{}\n", paths[0], paths[2]), "{:?}", host.shell);
    });
}

#[test]
fn a_replaced_file_keeps_the_attributes_that_are_not_given() {
    Host::each(|host| {
        let path = host.at("f");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4710)).unwrap();
        let root = fs::metadata(&path).unwrap().uid() == 0;
        if root {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4710)).unwrap();
        assert_eq!(host.one(file(&path, b"new")).status, 0);
        let seen = fs::metadata(&path).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode_of(&path)), (b"new".to_vec(), 0o4710), "{:?}", host.shell);
        assert!(!root || (seen.uid(), seen.gid()) == (12, 34));
        assert_eq!(fs::read(host.state().join("runs/r1/kept/0")).unwrap(), b"old");
        assert_eq!(host.one(file(&host.at("new"), b"")).status, 0);
        assert_eq!(mode_of(&host.at("new")), 0o644);
    });
}

#[test]
fn what_cannot_be_written_leaves_the_old_file_and_nothing_else() {
    Host::each(|host| {
        let path = host.at("f");
        fs::write(&path, "old").unwrap();
        let refused = host.one(file_with(&path, b"new", Attributes::default(), Some("echo no good: %s; false")));
        assert!(refused.status == 1 && said(&refused).contains("no good: "), "{:?} {}", host.shell, said(&refused));
        let unknown = Attributes { owner: Some("no-such-user".into()), ..Attributes::default() };
        assert_ne!(host.one(file_with(&path, b"new", unknown, None)).status, 0);
        assert_eq!(fs::read(&path).unwrap(), b"old");

        fs::create_dir(host.at("dir")).unwrap();
        symlink("dir", host.at("to-dir")).unwrap();
        let frame = host.one(file(&host.at("dir"), b"new"));
        assert!(frame.status != 0 && said(&frame).contains("is a directory"), "{}", said(&frame));
        assert_ne!(host.one(Step::Symlink { path: host.at("dir"), target: "x".into() }).status, 0);
        assert_eq!(fs::read_dir(host.at("dir")).unwrap().count(), 0);
        let frame = host.one(file(&host.at("to-dir"), b"new"));
        assert_eq!(
            (frame.status, said(&frame)),
            (0, String::new()),
            "{:?}: a link is replaced, not followed",
            host.shell
        );
        assert!(fs::symlink_metadata(host.at("to-dir")).unwrap().is_file());

        let frame = host.one(file(&host.at("missing/f"), b"new"));
        assert!(frame.status != 0 && said(&frame).contains("is not there"), "{}", said(&frame));
        assert_ne!(host.one(Step::Symlink { path: host.at("missing/f"), target: "x".into() }).status, 0);
        let frame = host.one(file("/proc/self/nowhere", b"new"));
        assert!(frame.status != 0 && !said(&frame).is_empty(), "{}", said(&frame));
    });
}

#[test]
fn attributes_go_down_a_tree_without_following_links() {
    Host::each(|host| {
        let set = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let (tree, outside) = (host.at("tree"), host.at("outside"));
        fs::create_dir_all(host.at("tree/sub dir")).unwrap();
        for (path, mode) in [(&outside, 0o600), (&host.at("tree/sub dir/run"), 0o700), (&host.at("tree/x\ny"), 0o600)] {
            fs::write(path, "").unwrap();
            set(path, mode);
        }
        set(&host.at("tree/sub dir"), 0o2700);
        symlink(&outside, host.at("tree/link")).unwrap();
        let attributes = mode(0o755);
        let all = Step::SetAttributes { path: tree.clone(), attributes, recurse: true };
        let frame = host.one(all);
        assert_eq!((frame.status, said(&frame)), (0, String::new()), "{:?}", host.shell);
        let seen =
            || ["tree", "tree/sub dir", "tree/sub dir/run", "tree/x\ny", "outside"].map(|n| mode_of(&host.at(n)));
        assert_eq!(seen(), [0o755, 0o755, 0o755, 0o644, 0o600], "{:?}", host.shell);
        let undo = Act::Restore { run: RunName::parse("r1").unwrap(), slot: 0, path: tree };
        let frames = host.apply(&host.plan("r2", vec![ApplyStep::new(0, undo, vec![0], false)]));
        assert_eq!((frames[1].status, said(&frames[1])), (0, String::new()), "{:?}", host.shell);
        assert_eq!(seen()[1..], [0o2700, 0o700, 0o600, 0o600]);
    });
}

#[test]
fn what_was_kept_comes_back() {
    Host::each(|host| {
        let path = |n: &str| host.at(n);
        fs::write(path("f"), "old").unwrap();
        symlink("old target", path("l")).unwrap();
        fs::create_dir_all(path("t/sub")).unwrap();
        fs::write(path("t/sub/x"), "deep").unwrap();
        let steps = [
            file(&path("f"), b"new"),
            file(&path("fresh"), b"new"),
            Step::Symlink { path: path("l"), target: "new".into() },
            Step::Remove { path: path("t"), recurse: true },
            Step::Remove { path: path("gone already"), recurse: false },
        ];
        let paths = ["f", "fresh", "l", "t", "gone already"];
        let steps = (0..).zip(steps).map(|(n, s)| ApplyStep::new(n, Act::Step(s), vec![n as usize], true)).collect();
        let frames = host.apply(&host.plan("r1", steps));
        assert!(frames[..6].iter().all(|f| f.status == 0), "{:?} {frames:?}", host.shell);
        assert!(!Path::new(&path("t")).exists() && fs::read(path("f")).unwrap() == b"new");
        let undo = (0u32..5).zip(paths).rev().map(|(n, name)| {
            let act = Act::Restore { run: RunName::parse("r1").unwrap(), slot: n, path: path(name) };
            ApplyStep::new(n, act, vec![n as usize], false)
        });
        let frames = host.apply(&host.plan("r2", undo.collect()));
        assert!(frames[..6].iter().all(|f| f.status == 0), "{:?} {frames:?}", host.shell);
        assert_eq!(fs::read(path("f")).unwrap(), b"old");
        assert!(!Path::new(&path("fresh")).exists());
        assert_eq!(fs::read_link(path("l")).unwrap(), Path::new("old target"));
        assert_eq!(fs::read(path("t/sub/x")).unwrap(), b"deep");
    });
}

#[test]
fn what_belongs_to_the_system_is_refused() {
    let host = Host::new(SHELLS[0]);
    let plan = host.plan("r1", vec![]);
    for path in ["/", "", "etc", "/etc", "//etc/.", "/usr/bin", "/home", "/srv/../etc", "/proc", "/var/lib", "/srv/x/"]
    {
        let remove = Step::Remove { path: path.into(), recurse: true };
        let text = step::text(&plan, &step(0, 0, remove));
        assert!(text.starts_with("refuse "), "{path} {text}");
    }
    let text = step::text(&plan, &step(0, 0, Step::Remove { path: "/srv/x".into(), recurse: true }));
    assert!(text.ends_with("write_ahead 0\nif mounted \"$real\"; then exit 1; fi\nremove_all \"$p\"\n"), "{text}");
    assert!(step::text(&plan, &step(0, 0, Step::Run(Command::new(["a\0b"])))).starts_with("refuse "));
}
