//! Stages of one run: the host stays locked between them, and is free as soon as nobody is left to send the next.

use super::*;
use std::io::Write as _;

/// A shell that takes script after script, as a connection's does.
struct Session {
    child: std::process::Child,
}

impl Session {
    fn new(host: &Host) -> Self {
        let mut command = std::process::Command::new(host.shell[0]);
        command.args(&host.shell[1..]).arg("-s").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap() }
    }

    fn send(&mut self, text: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(text).unwrap();
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lock(host: &Host) -> Option<String> {
    fs::read_link(host.state().join("lock")).ok().map(|l| l.display().to_string())
}

#[test]
fn between_two_stages_the_host_is_locked_for_as_long_as_the_session_lasts() {
    Host::each(|host| {
        let name = |at: &str| ApplyPlan {
            host: "web1".into(),
            ..host.plan("r1", vec![step(1, 0, sh(&format!("touch {}", host.at(at))))])
        };
        let first = ApplyPlan { more: true, ..name("first") };
        let mut session = Session::new(host);
        session.send(&script(&first, &ProbeScript::default(), VERIFY, &nonce()));
        until("the first stage ends", || lock(host).is_some_and(|l| l.ends_with("(between two stages on web1)")));
        let keeper: u32 = lock(host).unwrap().split(' ').next().unwrap().parse().unwrap();
        let lives = || Path::new(&format!("/proc/{keeper}")).exists();
        // Longer than it looks whether anybody is there.
        let ticks = host.at("ticks");
        session.send(format!("sleep 1.5; touch {ticks}\n").as_bytes());
        until("the session goes on", || Path::new(&ticks).exists());
        assert!(lives(), "{:?}", host.shell);
        // Nobody else gets in, not even the same run under another name of the machine.
        let other = host.apply(&ApplyPlan { run: RunName::parse("r2").unwrap(), ..name("other") });
        assert_eq!(other[0].status, LOCKED, "{:?}", host.shell);
        let twin = host.apply(&ApplyPlan { host: "web2".into(), ..name("twin") });
        assert_eq!(twin[0].status, LOCKED, "{:?}", host.shell);

        let second = ApplyPlan { stage: 2, more: true, ..name("second") };
        session.send(&script(&second, &ProbeScript::default(), VERIFY, &nonce()));
        until("the second stage ends", || {
            fs::read_to_string(host.state().join("runs/r1/journal")).unwrap().contains("staged 2")
        });
        until("its keeper has ended", || !lives());
        assert!(Path::new(&host.at("second")).exists() && !Path::new(&host.at("other")).exists());

        drop(session.child.stdin.take());
        session.child.wait().unwrap();
        let held = lock(host).unwrap();
        let keeper = held.split(' ').next().unwrap().to_owned();
        until("nobody is left", || !Path::new(&format!("/proc/{keeper}")).exists());
        let next = host.apply(&ApplyPlan { run: RunName::parse("r3").unwrap(), ..name("next") });
        assert_eq!(next[0].status, 0, "{:?}", host.shell);
        assert_eq!(lock(host), None);
    });
}

#[test]
fn a_later_stage_replaces_what_an_earlier_one_has_recorded_and_the_end_is_the_last_ones() {
    Host::each(|host| {
        let plan = |stage, record: &[u8], more, slot| ApplyPlan {
            stage,
            more,
            record: record.to_vec(),
            ..host.plan("r1", vec![step(slot, 0, sh("true"))])
        };
        let journal = || fs::read_to_string(host.state().join("runs/r1/journal")).unwrap();
        host.apply(&plan(1, b"one", false, 1));
        assert!(journal().ends_with("staged 1\nend\n"));
        host.apply(&plan(2, b"two", false, 2));
        assert_eq!(journal(), "begin 1 \ndone 1 0\nstaged 1\nbegin 2 \ndone 2 0\nstaged 2\nend\n", "{:?}", host.shell);
        assert_eq!(fs::read(host.state().join("runs/r1/record")).unwrap(), b"two");
        assert_eq!(lock(host), None);
    });
}
