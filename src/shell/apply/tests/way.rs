//! Ways that another user could have laid, in every shell: what is refused, and what is not.

use super::*;
use crate::shell::files::{self, FileState};
use crate::shell::probe::FileQuestion;
use std::os::unix::fs::chown;

/// Nobody's number, who owns what is made by `EVIL`.
const EVIL: u32 = 4242;

/// A tree of directories (with `/` at the end), links (`name -> target`) and files, each with its owner and mode.
fn make(host: &Host, tree: &[(&str, u32, u32)]) {
    for (what, owner, mode) in tree {
        match what.split_once(" -> ") {
            Some((link, target)) => {
                symlink(target.replace("D/", &host.at("")), host.at(link)).unwrap();
                std::os::unix::fs::lchown(host.at(link), Some(*owner), Some(*owner)).unwrap();
            }
            None => {
                let path = host.at(what);
                match what.strip_suffix('/') {
                    Some(_) => fs::create_dir(&path).unwrap(),
                    None => fs::write(&path, "was").unwrap(),
                }
                chown(&path, Some(*owner), Some(*owner)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

struct Case {
    name: &'static str,
    tree: &'static [(&'static str, u32, u32)],
    path: &'static str,
    /// A part of what is said, where it is refused.
    refused: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case { name: "root's all the way", tree: &[("a/", 0, 0o755)], path: "a/f", refused: None },
    Case { name: "a user's own directory", tree: &[("a/", EVIL, 0o755)], path: "a/f", refused: None },
    Case {
        name: "and what is the user's below it",
        tree: &[("a/", EVIL, 0o755), ("a/b/", EVIL, 0o700)],
        path: "a/b/f",
        refused: None,
    },
    Case {
        name: "a directory of root's in a user's",
        tree: &[("a/", EVIL, 0o755), ("a/b/", 0, 0o755)],
        path: "a/b/f",
        refused: Some("D/a is in the hands of the user 4242, who can put something else in the place of D/a/b"),
    },
    Case {
        name: "a directory of another user's in a user's",
        tree: &[("a/", EVIL, 0o755), ("a/b/", 4243, 0o755)],
        path: "a/b/f",
        refused: Some("in the hands of the user 4242"),
    },
    Case {
        name: "a user's link to what is root's",
        tree: &[("r/", 0, 0o755), ("a/", EVIL, 0o755), ("a/b -> D/r", EVIL, 0)],
        path: "a/b/f",
        refused: Some("in the hands of the user 4242 leads to D/r, which is another's"),
    },
    Case {
        name: "a user's relative link to what is root's",
        tree: &[("r/", 0, 0o755), ("a/", EVIL, 0o755), ("a/b -> ../r", EVIL, 0)],
        path: "a/b/f",
        refused: Some("in the hands of the user 4242"),
    },
    Case {
        name: "a link of root's that a user could have moved there",
        tree: &[("r/", 0, 0o755), ("a/", EVIL, 0o755), ("a/b -> D/r", 0, 0)],
        path: "a/b/f",
        refused: Some("in the hands of the user 4242"),
    },
    Case {
        name: "a user's link to another user's",
        tree: &[("o/", 4243, 0o755), ("a/", EVIL, 0o755), ("a/b -> D/o", EVIL, 0)],
        path: "a/b/f",
        refused: Some("in the hands of the user 4242"),
    },
    Case {
        name: "a link that leads to a link to what is root's",
        tree: &[("r/", 0, 0o755), ("a/", EVIL, 0o755), ("a/c -> D/r", EVIL, 0), ("l -> a/c", 0, 0)],
        path: "l/f",
        refused: Some("in the hands of the user 4242"),
    },
    Case {
        name: "a user's link to the user's own",
        tree: &[("a/", EVIL, 0o755), ("a/r/", EVIL, 0o755), ("a/r/5/", EVIL, 0o755), ("a/current -> r/5", EVIL, 0)],
        path: "a/current/f",
        refused: None,
    },
    Case {
        name: "a link of root's",
        tree: &[("r/", 0, 0o755), ("l -> D/r", 0, 0), ("m -> l", 0, 0)],
        path: "m/f",
        refused: None,
    },
    Case {
        name: "a directory that everybody can write to",
        tree: &[("a/", 0, 0o777), ("a/b/", 0, 0o755)],
        path: "a/b/f",
        refused: Some("everybody can write to D/a, and put something else in the place of D/a/b"),
    },
    Case { name: "right in it", tree: &[("a/", 0, 0o777)], path: "a/f", refused: None },
    Case {
        name: "everybody's, but nobody else's entries",
        tree: &[("a/", 0, 0o1777), ("a/b/", 0, 0o755)],
        path: "a/b/f",
        refused: None,
    },
    Case {
        name: "there, a user's directory",
        tree: &[("a/", 0, 0o1777), ("a/b/", EVIL, 0o755), ("a/b/c/", 0, 0o755)],
        path: "a/b/c/f",
        refused: Some("D/a/b is in the hands of the user 4242"),
    },
    Case {
        name: "a link in a circle",
        tree: &[("l -> m", 0, 0), ("m -> l", 0, 0)],
        path: "l/f",
        refused: Some("the directory D/l is not there"),
    },
    Case {
        name: "odd names",
        tree: &[("a\n'b/", EVIL, 0o755), ("a\n'b/c\\/", 0, 0o755)],
        path: "a\n'b/c\\/f",
        refused: Some("in the hands of the user 4242"),
    },
];

#[test]
fn a_way_that_somebody_else_could_have_laid_is_refused() {
    if !is_root() {
        return;
    }
    for case in CASES {
        Host::each(|host| {
            make(host, case.tree);
            let (path, name) = (host.at(case.path), format!("{}, {:?}", case.name, host.shell));
            let want = case.refused.map(|text| text.replace("D/", &host.at("")));
            let frame = host.one(file(&path, b"now"));
            assert_eq!(frame.status == 0, want.is_none(), "{name}: {}", said(&frame));
            assert!(said(&frame).contains(want.as_deref().unwrap_or_default()), "{name}: {}", said(&frame));
            assert_eq!(fs::read(&path).is_ok(), want.is_none(), "{name}");
            if case.path.starts_with('l') && case.tree.len() == 2 {
                return;
            }
            // A plan says the same.
            let question = FileQuestion { path, contents: None };
            let mut probe = ProbeScript::default();
            probe.ask_files(std::slice::from_ref(&question));
            let frames = host.sh(&probe.into_text(&nonce()));
            match (&files::parse(std::slice::from_ref(&question), &frames[0].body)[0], want) {
                (Ok(FileState::Present(_)), None) => {}
                (Err(bad), Some(want)) => assert!(bad.0.contains(&want), "{name}: {bad}"),
                (seen, _) => panic!("{name}: {seen:?}"),
            }
        });
    }
}

#[test]
fn in_a_users_directory_nothing_follows_a_link_and_no_set_id_bit_is_given() {
    if !is_root() {
        return;
    }
    Host::each(|host| {
        make(
            host,
            &[
                ("secret", 0, 0o600),
                ("a/", EVIL, 0o755),
                ("a/link -> D/secret", EVIL, 0),
                ("a/file", EVIL, 0o755),
                ("a/made/", EVIL, 0o755),
            ],
        );
        let set = |name: &str, mode: u32| Step::SetAttributes {
            path: host.at(name),
            attributes: Attributes { owner: Some(EVIL.to_string()), mode: Some(mode), ..Attributes::default() },
            recurse: false,
        };
        let frame = host.one(set("a/link", 0o644));
        assert!(frame.status != 0 && said(&frame).contains("is a symlink"), "{}", said(&frame));
        let frame = host.one(set("a/file", 0o4755));
        assert!(frame.status != 0 && said(&frame).contains("no set-ID bit"), "{}", said(&frame));
        assert_eq!(host.one(set("a/file", 0o640)).status, 0);
        assert_eq!((mode_of(&host.at("a/file")), mode_of(&host.at("secret"))), (0o640, 0o600));
        // With contents of its own, a file may have one.
        let attributes = Attributes { owner: Some("0".into()), ..mode(0o4755) };
        assert_eq!(host.one(file_with(&host.at("a/file"), b"x", attributes, Some("test -s %s"))).status, 0);
        assert_eq!(mode_of(&host.at("a/file")), 0o4755);
        let frame = host.one(file(&host.at("a/link"), b"x"));
        assert_eq!((frame.status, said(&frame)), (0, String::new()));
        assert!(fs::symlink_metadata(host.at("a/link")).unwrap().is_file());
        assert_eq!(fs::read(host.at("secret")).unwrap(), b"was");
        assert_eq!(host.one(Step::Symlink { path: host.at("a/made/l"), target: "x".into() }).status, 0);
        assert_eq!(host.one(Step::MakeDirectory { path: host.at("a/made/d"), attributes: mode(0o750) }).status, 0);
        assert_eq!(host.one(Step::Remove { path: host.at("a/made"), recurse: true }).status, 0);
        let left: Vec<_> = fs::read_dir(host.at("a")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{:?}: {left:?}", host.shell);
    });
}

#[test]
fn a_tree_is_removed_by_any_rm() {
    for rm in ["rm", "busybox rm"] {
        let mut host = Host::new(SHELLS[0]);
        let bin = host.root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("rm"), format!("#!/bin/sh\nPATH=/usr/bin:/bin\nexec {rm} \"$@\"\n")).unwrap();
        fs::set_permissions(bin.join("rm"), fs::Permissions::from_mode(0o755)).unwrap();
        host.env = vec![("PATH", format!("{}:/usr/bin:/bin", bin.display()))];
        fs::create_dir_all(host.at("tree/sub dir/.hidden")).unwrap();
        fs::create_dir_all(host.at("kept")).unwrap();
        fs::write(host.at("kept/f"), "").unwrap();
        for name in ["tree/..f", "tree/.f", "tree/*", "tree/sub dir/new\nline", "tree/sub dir/.hidden/-rf"] {
            fs::write(host.at(name), "").unwrap();
        }
        symlink(host.at("kept"), host.at("tree/link")).unwrap();
        if is_root() {
            chown(host.at("tree/sub dir"), Some(EVIL), Some(EVIL)).unwrap();
        }
        let frame = host.one(Step::Remove { path: host.at("tree"), recurse: true });
        assert_eq!((frame.status, said(&frame)), (0, String::new()), "{rm}");
        assert!(!Path::new(&host.at("tree")).exists() && Path::new(&host.at("kept/f")).exists(), "{rm}");
    }
}

#[test]
fn what_has_come_since_the_plan_was_made_is_left_alone() {
    Host::each(|host| {
        for name in ["new", "old"] {
            let Step::ReplaceFile { path, body, attributes, validate, .. } = file(&host.at(name), b"ours") else {
                panic!()
            };
            if name == "old" {
                fs::write(&path, "theirs").unwrap();
            }
            let frame = host.one(Step::ReplaceFile { path, body, attributes, validate, fresh: true });
            assert_eq!(frame.status == 0, name == "new", "{}", said(&frame));
        }
        assert_eq!(fs::read(host.at("old")).unwrap(), b"theirs", "{:?}", host.shell);
    });
}
