use super::*;
use crate::shell::frame::Nonce;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

fn ask(shell: &[&str], questions: &[FileQuestion]) -> Vec<Result<FileState, BadAnswer>> {
    let nonce = Nonce::new([7; 16]);
    let mut probe = super::super::probe::ProbeScript::default();
    probe.ask_files(questions);
    let script = probe.into_text(&nonce);
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &script).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    let mut frames: Vec<crate::shell::frame::Frame> = vec![];
    let mut parser = crate::shell::frame::FrameParser::new(&nonce, Default::default());
    parser.push(&out, &mut frames).unwrap();
    assert!(parser.is_finished(), "{}", String::from_utf8_lossy(&out));
    parse(questions, &frames[0].body)
}

#[test]
fn every_shell_tells_the_same_of_every_kind_of_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for name in ["plain", "with space", "new\nline", "$(reboot)", "quo'te", "back\\slash", "binary"] {
        let content: &[u8] = if name == "binary" { b"\0\xff\n\n" } else { b"hello\n" };
        std::fs::write(path(name), content).unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    symlink("target with space", path("link")).unwrap();
    symlink("odd\ntarget", path("odd\nlink")).unwrap();
    std::fs::create_dir(path("dir")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let names = [
        "plain",
        "with space",
        "new\nline",
        "$(reboot)",
        "quo'te",
        "back\\slash",
        "binary",
        "link",
        "odd\nlink",
        "dir",
        "missing",
        "missing\nodd",
        "pipe",
    ];
    let same = Digest::of(b"hello\n");
    let questions: Vec<_> = names
        .iter()
        .map(|n| FileQuestion { path: path(n), contents: Some(Sought { digest: same.clone(), size: Some(6) }) })
        .collect();
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
        let seen = ask(shell, &questions);
        let of = |name: &str| {
            let n = names.iter().position(|x| *x == name).unwrap();
            match seen[n].clone().unwrap() {
                FileState::Present(s) => s,
                FileState::Absent => panic!("{name} is there"),
            }
        };
        for name in &names[..6] {
            assert_eq!((of(name).kind, of(name).mode, of(name).size), (FileKind::Regular, 0o640, 6), "{name:?}");
            assert_eq!(of(name).digest, Some(same.clone()), "{name:?} {shell:?}");
            assert_eq!(of(name).text, None);
        }
        assert_eq!(of("binary").text.as_deref(), Some(&b"\0\xff\n\n"[..]));
        assert_eq!(of("link").target.as_deref(), Some("target with space"));
        assert_eq!(of("odd\nlink").target.as_deref(), Some("odd\ntarget"));
        assert_eq!(of("dir").kind, FileKind::Directory);
        assert_eq!(of("pipe").kind, FileKind::Special);
        assert_eq!(seen[10], Ok(FileState::Absent));
        assert_eq!(seen[11], Ok(FileState::Absent));
    }
}

#[test]
fn a_large_file_of_another_size_is_not_read_and_neither_is_what_a_link_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let sparse = |name: &str, size: u64| std::fs::File::create(path(name)).unwrap().set_len(size).unwrap();
    sparse("terabyte", 1 << 40);
    sparse("odd\nterabyte", 1 << 40);
    sparse("unknown", 5 << 30);
    sparse("small", 3);
    std::fs::write(path("as it should be"), "hello\n").unwrap();
    symlink(path("terabyte"), path("link")).unwrap();
    let hello = |size| Some(Sought { digest: Digest::of(b"hello\n"), size });
    let names = ["terabyte", "odd\nterabyte", "unknown", "small", "as it should be", "link", "missing"];
    let sizes = [Some(6), Some(6), None, Some(6), Some(6), Some(1 << 40), Some(6)];
    let questions: Vec<_> =
        names.iter().zip(sizes).map(|(name, size)| FileQuestion { path: path(name), contents: hello(size) }).collect();
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
        let seen = ask(shell, &questions);
        let digests: Vec<_> = seen
            .into_iter()
            .map(|s| match s.unwrap() {
                FileState::Present(s) => s.digest,
                FileState::Absent => None,
            })
            .collect();
        let small = Some(Digest::of(b"\0\0\0"));
        assert_eq!(digests, [None, None, None, small, Some(Digest::of(b"hello\n")), None, None], "{shell:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_answers_are_no_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let contents = Some(Sought { digest: Digest::of(b""), size: None });
        let questions = ["a", "b\n", "c"].map(|p| FileQuestion { path: p.into(), contents: contents.clone() });
        prop_assert_eq!(parse(&questions, &body).len(), 3);
    }
}

#[test]
fn a_links_target_is_what_it_is_whoever_quotes_it() {
    let line =
        |size: usize, name: &str| super::stat(format!("a1ff 0 0 root root {size} {name}").as_bytes(), Some("/l"));
    for (size, name, is) in [
        (3, "/l -> a b", "a b"),
        (3, "'/l' -> 'a b'", "a b"),
        (3, "/l -> 'a b'", "a b"),
        // Quotes of its own.
        (5, "/l -> 'a b'", "'a b'"),
    ] {
        assert_eq!(line(size, name).unwrap().target.as_deref(), Some(is), "{name}");
    }
}
