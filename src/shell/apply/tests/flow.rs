//! What runs, what is left out, and what is told of it, in every shell.

use super::*;

#[test]
fn steps_run_in_order_with_a_frame_each_and_the_probe_at_the_end() {
    Host::each(|host| {
        let out = host.at("out");
        let steps = vec![
            step(3, 0, sh(&format!("echo one; echo two >&2; echo 1 >>{out}"))),
            step(4, 1, sh(&format!("echo 2 >>{out}; exit 7"))),
        ];
        let frames = host.apply_apart(&host.plan("r1", steps));
        let told: Vec<_> = frames.iter().map(|f| (f.slot, f.status, said(f))).collect();
        assert_eq!(told[0], (START, 0, String::new()), "{:?}", host.shell);
        assert_eq!(told[1], (3, 0, "one\n".into()));
        assert_eq!(told[2], (ERRORS + 3, 0, "two\n".into()));
        assert_eq!(told[3], (4, 7, String::new()));
        assert_eq!(told[4].0, VERIFY);
        assert_eq!(fs::read_to_string(out).unwrap(), "1\n2\n");
        let journal = fs::read_to_string(host.state().join("runs/r1/journal")).unwrap();
        assert_eq!(journal, "begin 3 \ndone 3 0\nbegin 4 \ndone 4 7\nstaged 1\nend\n");
        assert!(fs::symlink_metadata(host.state().join("lock")).is_err(), "the lock is released");
        assert_eq!(fs::metadata(host.state()).unwrap().permissions().mode() & 0o777, 0o700);
    });
}

#[test]
fn a_failure_leaves_out_what_comes_after_it_and_nothing_else() {
    Host::each(|host| {
        let mut plan = host.plan(
            "r1",
            vec![
                step(0, 0, sh("exit 9")),
                step(1, 0, sh("true")),
                step(2, 1, sh("true")),
                step(3, 3, sh("true")),
                step(4, 4, sh("true")),
                ApplyStep::new(5, Act::Step(sh("true")), vec![1, 4], false),
            ],
        );
        // 1 needs 0 through 2, which has no steps; 3 needs 1.
        plan.changes[1].needs = vec![2];
        plan.changes[2].needs = vec![0];
        plan.changes[3].needs = vec![1];
        let frames = host.apply(&plan);
        let told: Vec<_> = frames.iter().filter(|f| f.slot < 10).map(|f| (f.status, waited_for(&f.body))).collect();
        let wanted =
            [(9, None), (SKIPPED, Some(0)), (SKIPPED, Some(0)), (SKIPPED, Some(1)), (0, None), (SKIPPED, Some(0))];
        assert_eq!(told, wanted, "{:?}", host.shell);
    });
}

#[test]
fn a_programs_own_status_is_not_taken_for_a_skip() {
    Host::each(|host| {
        let frames = host.run(vec![step(0, 0, sh("exit 254")), step(1, 1, sh("exit 253")), step(2, 2, sh("exit 255"))]);
        let told: Vec<_> = frames[1..4].iter().map(|f| (f.status, said(f))).collect();
        assert_eq!(told, [(1, "exit status 254\n".into()), (1, "exit status 253\n".into()), (255, String::new())]);
    });
}

#[test]
fn a_refresh_runs_where_something_changed_and_is_owed_until_it_is_done() {
    Host::each(|host| {
        let refresh = |slot, serves, of: Vec<usize>, text: &str| ApplyStep {
            only_if_changed: of,
            pays: vec!["service[it's]".into()],
            ..step(slot, serves, sh(text))
        };
        let owing =
            |slot, serves, text| ApplyStep { owes: vec!["service[it's]".into()], ..step(slot, serves, sh(text)) };
        let owed = |frames: &[Frame]| said(frames.iter().find(|f| f.slot == VERIFY).unwrap());

        let frames = host.apply(&host.plan("r1", vec![owing(0, 0, "exit 1"), refresh(1, 1, vec![0], "true")]));
        assert_eq!((status(&frames, 1), owed(&frames).as_str()), (NOT_DUE, ""), "nothing changed {:?}", host.shell);

        let steps = vec![owing(0, 0, "true"), step(1, 1, sh("exit 1")), refresh(2, 2, vec![0, 1], "exit 3")];
        let frames = host.apply(&host.plan("r2", steps));
        assert_eq!((status(&frames, 2), owed(&frames).as_str()), (3, "service[it's]\n"));

        // A later failure does not forget what was owed before.
        let frames = host.apply(&host.plan("r3", vec![owing(0, 0, "exit 1")]));
        assert_eq!(owed(&frames), "service[it's]\n");

        let frames = host.apply(&host.plan("r4", vec![refresh(0, 0, vec![], "true")]));
        assert_eq!((status(&frames, 0), owed(&frames).as_str()), (0, ""));
    });
}

/// A full file system, where this test may make one.

#[test]
fn a_lock_is_held_by_the_living_alone() {
    Host::each(|host| {
        let plan = host.plan("r1", vec![step(0, 0, sh("exit 5"))]);
        assert_eq!(status(&host.apply(&plan), 0), 5);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| "-".into());
        let (me, lock) = (std::process::id(), host.state().join("lock"));
        let hold = |pid: u32, birth: &str, boot: &str| {
            let _ = fs::remove_file(&lock);
            symlink(format!("{pid} {birth} {boot} r0 other@desk two"), &lock).unwrap();
        };
        hold(me, "-", boot.trim());
        let frames = host.apply(&plan);
        assert_eq!((frames.len(), frames[0].status), (1, LOCKED), "{:?}", host.shell);
        let owner = LockOwner { pid: me, run: "r0".into(), owner: "other@desk two".into() };
        assert_eq!(LockOwner::parse(&frames[0].body), Some(owner));
        for (pid, birth, boot) in [(me, "-", "another"), (me, "1", boot.trim()), (4_000_000, "-", boot.trim())] {
            hold(pid, birth, boot);
            assert_eq!(status(&host.apply(&plan), 0), 5, "{:?} {pid} {birth} {boot}", host.shell);
            assert!(fs::symlink_metadata(&lock).is_err());
        }
    });
}

#[test]
fn a_state_directory_that_cannot_be_made_is_told() {
    Host::each(|host| {
        fs::write(host.state(), "in the way").unwrap();
        let frames = host.run(vec![step(0, 0, sh("true"))]);
        assert_eq!((frames.len(), frames[0].status), (1, NO_STATE));
        assert!(!frames[0].body.is_empty());
    });
}

#[test]
fn a_script_goes_on_when_nobody_listens() {
    Host::each(|host| {
        let done = host.at("done");
        let steps = vec![
            step(0, 0, sh("sleep 0.5; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")),
            step(1, 1, sh("seq 100000; true | head -c 1")),
            step(2, 2, sh(&format!("echo yes >{done}"))),
        ];
        let plan = host.plan("r1", steps);
        let mut child = std::process::Command::new(host.shell[0])
            .args(&host.shell[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let text = script(&plan, &ProbeScript::default(), VERIFY, &nonce());
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
        drop(child.stdout.take());
        child.wait().unwrap();
        assert_eq!(fs::read_to_string(&done).unwrap(), "yes\n", "{:?}", host.shell);
        let journal = fs::read_to_string(host.state().join("runs/r1/journal")).unwrap();
        assert!(journal.ends_with("done 1 0\nbegin 2 \ndone 2 0\nstaged 1\nend\n"), "{:?} {journal}", host.shell);
        assert!(fs::symlink_metadata(host.state().join("lock")).is_err());
    });
}

#[test]
fn much_output_is_cut_and_a_deadline_holds() {
    Host::each(|host| {
        let mut slow = Command::new(["sleep", "30"]);
        slow.deadline = Some(Duration::from_millis(300));
        let began = std::time::Instant::now();
        let frames = host.run(vec![step(0, 0, sh("seq 50000; echo last; exit 4")), step(1, 1, Step::Run(slow))]);
        assert_eq!((frames[1].status, frames[1].body.len()), (4, 65536), "{:?}", host.shell);
        assert!(frames[1].body.ends_with(b"last\n"));
        assert_ne!(frames[2].status, 0);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(fs::metadata(host.state().join("runs/r1/out/0")).unwrap().len(), 65536);
    });
}

#[test]
fn programs_are_never_the_shells_own_words() {
    Host::each(|host| {
        for word in ["gate", "if", "exit", "b", "!", "x=y"] {
            let frame = host.one(Step::Run(Command::new([word])));
            assert!([126, 127].contains(&frame.status), "{:?} {word} {} {}", host.shell, frame.status, said(&frame));
        }
        let mut other = Command::new(["sh", "-c", "printf '%s ' \"$@\"; id -un; pwd", "sh", "it's", "$HOME", "a\nb"]);
        other.user = Some("nobody".into());
        other.cwd = Some("/".into());
        let frame = host.one(Step::Run(other));
        if fs::metadata(host.root.path()).unwrap().uid() == 0 {
            assert_eq!((frame.status, said(&frame)), (0, "it's $HOME a\nb nobody\n/\n".into()), "{:?}", host.shell);
        }
    });
}

#[test]
fn the_oldest_runs_are_forgotten() {
    Host::each(|host| {
        let kept = |keep: Keep| {
            for n in 10..40 {
                let run = host.state().join(format!("runs/r0{n}"));
                fs::create_dir_all(&run).unwrap();
                fs::write(run.join("large"), vec![b'x'; 40 * 1024]).unwrap();
                let days = Duration::from_secs(24 * 3600) * (40 - n) + Duration::from_secs(60);
                let then = std::time::SystemTime::now() - days;
                fs::File::open(&run).unwrap().set_times(fs::FileTimes::new().set_modified(then)).unwrap();
            }
            let plan = ApplyPlan { keep: Some(keep), ..host.plan("r1", vec![step(0, 0, sh("true"))]) };
            host.apply(&plan);
            let left = fs::read_dir(host.state().join("runs")).unwrap().map(|e| e.unwrap().file_name());
            let mut left: Vec<String> = left.map(|n| n.into_string().unwrap()).collect();
            left.sort();
            let first = left[0].clone();
            fs::remove_dir_all(host.state()).unwrap();
            (left.len(), first)
        };
        let all = Keep { runs: 100, days: None, kib: 1024 * 1024 };
        assert_eq!(kept(all), (31, "r010".into()));
        assert_eq!(kept(Keep { runs: 20, ..all }), (20, "r021".into()));
        assert_eq!(kept(Keep { days: Some(3), ..all }), (3, "r038".into()), "{:?}", host.shell);
        let (count, _) = kept(Keep { kib: 600, ..all });
        assert!((5..15).contains(&count), "{count} of 40 KiB each fit into 600");
        assert_eq!(kept(Keep { kib: 1, ..all }), (1, "r1".into()), "this run itself stays");
        // Also if the operator's clock is behind, so that its name is the first of all.
        let behind = |keep: Keep| {
            for n in 1..4 {
                fs::create_dir_all(host.state().join(format!("runs/r{n}"))).unwrap();
            }
            let plan = ApplyPlan { keep: Some(keep), ..host.plan("a-run", vec![step(0, 0, sh("true"))]) };
            host.apply(&plan);
            let left = host.state().join("runs/a-run/journal").exists();
            fs::remove_dir_all(host.state()).unwrap();
            left
        };
        assert!(behind(Keep { runs: 2, ..all }) && behind(Keep { runs: 1, ..all }) && behind(Keep { kib: 1, ..all }));
    });
}

#[test]
fn what_is_too_large_to_be_kept_is_left_as_it_is() {
    Host::each(|host| {
        fs::write(host.at("f"), vec![b'x'; 200 * 1024]).unwrap();
        let mut step = step(0, 0, file(&host.at("f"), b"new"));
        step.keep = true;
        let keep = Keep { runs: 1, days: None, kib: 100 };
        let plan = ApplyPlan { keep: Some(keep), ..host.plan("r1", vec![step]) };
        let frames = host.apply(&plan);
        assert_eq!(status(&frames, 0), 1);
        let told = said(frames.iter().find(|f| f.slot == 0).unwrap());
        assert!(told.contains("keep_mb under [undo] in trueup.toml allows 100"), "{told}");
        assert_eq!(fs::metadata(host.at("f")).unwrap().len(), 200 * 1024);
    });
}
