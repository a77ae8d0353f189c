//! A user who swaps things in their own directory at the worst moment: before each program that a script runs, in turn.
//! Nothing outside of that directory changes, and nothing of it comes into the user's hands.

use super::*;
use crate::shell::files;
use crate::shell::files::Sought;
use crate::shell::probe::FileQuestion;
use std::collections::BTreeMap;

const EVIL: u32 = 4242;

const TOOLS: &[&str] = &[
    "stat",
    "mkdir",
    "rmdir",
    "chown",
    "chmod",
    "mv",
    "cp",
    "find",
    "readlink",
    "sha256sum",
    "ln",
    "rm",
    "cat",
    "head",
    "sync",
    "xargs",
    "du",
    "id",
    "sh",
    "sed",
];

/// What the user does, in the directory, where `V` is what they are after.
const SWAPS: &[(&str, &str)] = &[
    ("the directory", "mv home/dir home/away && ln -s \"$V\" home/dir"),
    ("the file", "mv home/dir/f home/f.away; ln -s \"$V/f\" home/dir/f"),
    ("what is below", "mv home/dir/sub home/sub.away; ln -s \"$V/sub\" home/dir/sub"),
    (
        "the temporary directory",
        "for t in home/dir/.*.trueup; do if [ -e \"$t\" ]; then mv \"$t\" home/dir/away.t 2>/dev/null; ln -s \"$V\" \"$t\"; fi; done",
    ),
    (
        "the temporary file",
        "for t in home/dir/.*.trueup; do if [ -f \"$t\" ]; then mv \"$t\" \"$t.away\" && ln -s \"$V/f\" \"$t\"; fi; done",
    ),
    ("a name that is to be new", "ln -s \"$V\" home/dir/new"),
];

/// What undoes it, for one who swaps back and forth.
const BACK: &str =
    "for n in dir; do if [ -L home/dir ] && [ -e home/away ]; then rm home/dir; mv home/away home/dir; fi; done
    if [ -L home/dir/f ]; then rm home/dir/f; mv home/f.away home/dir/f; fi
    if [ -L home/dir/sub ]; then rm home/dir/sub; mv home/sub.away home/dir/sub; fi
    if [ -L home/dir/new ]; then rm home/dir/new; fi";

fn world(host: &Host) {
    let of = |path: &str, owner: u32, mode: u32| {
        std::os::unix::fs::chown(host.at(path), Some(owner), Some(owner)).unwrap();
        fs::set_permissions(host.at(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (top, owner, text, mode) in [("home/dir", EVIL, "theirs", 0o644), ("victim", 0, "secret", 0o600)] {
        fs::create_dir_all(host.at(&format!("{top}/sub"))).unwrap();
        for name in ["f", "sub/f", "sub/g"] {
            let path = format!("{top}/{name}");
            fs::write(host.at(&path), text).unwrap();
            of(&path, owner, mode);
        }
        of(&format!("{top}/sub"), owner, 0o755);
        of(top, owner, 0o755);
    }
    of("home", EVIL, 0o755);
}

/// Everything below, with owner, mode and contents.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u32, u32, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
        let contents = if meta.is_file() { fs::read(&path).unwrap() } else { vec![] };
        seen.insert(path, (meta.uid(), meta.mode(), contents));
    }
    seen
}

/// Programs that first count themselves, swap when it is their turn, and then do what they are for.
fn tools(host: &mut Host, swap: &str, back: bool) {
    let bin = host.root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let (root, count) = (host.root.path().join("d"), count(host));
    let back = if back { BACK } else { ":" };
    for tool in TOOLS {
        let text = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin:/usr/sbin:/sbin\nread -r n at <{count}; n=$((n + 1)); echo \"$n $at\" >{count}\n\
             if [ $n = $at ]; then (cd {root}; V={root}/victim; {swap}); elif [ $n = $((at + 1)) ]; then (cd {root}; {back}); fi >/dev/null 2>&1\n\
             exec {tool} \"$@\"\n",
            root = root.display(),
        );
        fs::write(bin.join(tool), text).unwrap();
        fs::set_permissions(bin.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(&count, "0 0\n").unwrap();
    host.env = vec![("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", bin.display()))];
}

fn count(host: &Host) -> String {
    host.root.path().join("count").to_str().unwrap().to_owned()
}

/// Runs one act, and counts from its begin to its end. Whether there were as many programs as that.
fn reaches(host: &Host, run: &str, act: Act, at: usize) -> bool {
    let count = count(host);
    let start = sh(&format!("echo '0 {at}' >{count}"));
    let end = sh(&format!("read -r n _ <{count}; echo \"$n\" >{count}.all; echo '0 0' >{count}"));
    let steps = [(0, Act::Step(start), false), (1, act, true), (2, Act::Step(end), false)];
    let steps = steps.into_iter().map(|(slot, act, keep)| ApplyStep::new(slot, act, vec![slot as usize], keep));
    host.sh(&script(&host.plan(run, steps.collect()), &ProbeScript::default(), VERIFY, &nonce()));
    fs::read_to_string(format!("{count}.all")).unwrap().trim().parse::<usize>().unwrap() >= at
}

fn acts(host: &Host) -> Vec<Step> {
    let owned = |mode: u32| Attributes { owner: Some(EVIL.to_string()), group: None, mode: Some(mode) };
    let path = |name: &str| host.at(&format!("home/dir/{name}"));
    vec![
        file_with(&path("f"), b"new", owned(0o666), Some("test -s %s")),
        file_with(&path("new"), b"new", owned(0o666), None),
        Step::MakeDirectory { path: path("new"), attributes: owned(0o777) },
        Step::SetAttributes { path: path("f"), attributes: owned(0o666), recurse: false },
        Step::SetAttributes { path: path("sub"), attributes: owned(0o777), recurse: false },
        Step::SetAttributes { path: host.at("home/dir"), attributes: owned(0o777), recurse: true },
        Step::Symlink { path: path("f"), target: "elsewhere".into() },
        Step::Remove { path: path("f"), recurse: false },
        Step::Remove { path: path("sub"), recurse: true },
    ]
}

fn check(host: &Host, before: &BTreeMap<PathBuf, (u32, u32, Vec<u8>)>, when: &str) {
    let victim = snapshot(&host.root.path().join("d/victim"));
    assert!(victim == *before, "{when}: {victim:?}");
    for (path, (owner, mode, contents)) in snapshot(&host.root.path().join("d/home")) {
        let readable = owner == EVIL || mode & 0o044 != 0;
        assert!(!(readable && contents == b"secret"), "{when}: {}", path.display());
    }
}

/// Every moment of an act and of its undo.
fn swapped(swap: &str, back: bool, act: usize) -> usize {
    let mut moments = 0;
    for undo in [false, true] {
        for at in 1.. {
            let mut host = Host::new(SHELLS[0]);
            fs::create_dir(host.root.path().join("d")).unwrap();
            world(&host);
            let before = snapshot(&host.root.path().join("d/victim"));
            tools(&mut host, swap, back);
            let step = acts(&host).swap_remove(act);
            let path = step.path().unwrap().to_owned();
            let when = format!("{step:?}, {swap}, back: {back}, undo: {undo}, before program {at}");
            let mut reached = reaches(&host, "r1", Act::Step(step), if undo { 0 } else { at });
            check(&host, &before, &when);
            if undo {
                let act = Act::Restore { run: RunName::parse("r1").unwrap(), slot: 1, path };
                reached = reaches(&host, "r2", act, at);
                check(&host, &before, &when);
            }
            moments += 1;
            if !reached {
                break;
            }
        }
    }
    moments
}

/// One swap against the acts that it might lead astray, by their place in `acts`.
fn all_moments(swap: usize, back: bool, acts: &[usize]) {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let (name, text) = SWAPS[swap];
    let moments: usize = acts.iter().map(|act| swapped(text, back, *act)).sum();
    println!("{name}: {moments} moments");
    assert!(moments > acts.len() * 10, "{moments}");
}

#[test]
fn a_directory_that_is_swapped() {
    all_moments(0, false, &[0, 1, 2, 3, 5, 6, 7, 8]);
}

#[test]
fn a_directory_that_is_swapped_back_and_forth() {
    all_moments(0, true, &[0, 5, 8]);
}

#[test]
fn a_file_that_is_swapped() {
    all_moments(1, false, &[0, 3, 5]);
    all_moments(1, true, &[3]);
}

#[test]
fn a_directory_below_that_is_swapped() {
    all_moments(2, false, &[4, 5, 8]);
    all_moments(2, true, &[5]);
}

#[test]
fn a_temporary_name_that_is_swapped() {
    all_moments(3, false, &[0, 6]);
    all_moments(4, false, &[0, 6]);
}

#[test]
fn a_new_name_that_is_taken() {
    all_moments(5, false, &[1, 2]);
}

#[test]
fn no_plan_shows_what_a_swapped_link_leads_to() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    for (_, swap) in &SWAPS[..2] {
        for back in [false, true] {
            for at in 1.. {
                let mut host = Host::new(SHELLS[0]);
                fs::create_dir(host.root.path().join("d")).unwrap();
                world(&host);
                tools(&mut host, swap, back);
                fs::write(count(&host), format!("0 {at}\n")).unwrap();
                let contents = Some(Sought { digest: crate::model::body::Digest::of(b"another"), size: None });
                let question = FileQuestion { path: host.at("home/dir/f"), contents };
                let mut probe = ProbeScript::default();
                probe.ask_files(std::slice::from_ref(&question));
                let frames = host.sh(&probe.into_text(&nonce()));
                assert!(!String::from_utf8_lossy(&frames[0].body).contains("secret"), "{swap} {at}");
                let _ = files::parse(std::slice::from_ref(&question), &frames[0].body);
                let ran = fs::read_to_string(count(&host)).unwrap();
                if ran.split(' ').next().unwrap().parse::<usize>().unwrap() < at {
                    break;
                }
            }
        }
    }
}
