//! Who decides whether a run stays.

use super::super::guard::{Guard, TOO_LATE, confirm};
use super::*;

impl Host {
    /// A run that waits to be confirmed.
    fn waiting(&self, run: &str) {
        let dir = self.state().join("runs").join(run);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("revert"), "").unwrap();
    }

    fn confirm(&self, run: &str) -> u8 {
        let state = StateDir::At(self.state().to_str().unwrap().to_owned());
        self.sh(&confirm(&RunName::parse(run).unwrap(), &state, 7, &nonce()))[0].status
    }

    /// Its timer rings: what takes it back makes a file.
    fn ring(&self, run: &str) {
        let undo = self.plan(&format!("{run}-revert"), vec![step(0, 0, file(&self.at("back"), b""))]);
        let guard = Guard { slots: [0].into(), within: Duration::from_secs(1), undo: Box::new(undo) };
        let text = guard.revert(&self.plan(run, vec![]));
        let mut child = std::process::Command::new(self.shell[0])
            .args(&self.shell[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
        assert!(child.wait().unwrap().success(), "{:?}", self.shell);
    }
}

#[test]
fn what_is_confirmed_stays_and_may_be_confirmed_again() {
    Host::each(|host| {
        host.waiting("r1");
        assert_eq!(host.confirm("r1"), 0, "{:?}", host.shell);
        // The first answer may not have come through.
        assert_eq!(host.confirm("r1"), 0, "{:?}", host.shell);
        host.ring("r1");
        assert!(!Path::new(&host.at("back")).exists(), "{:?}", host.shell);
    });
}

#[test]
fn what_is_taken_back_cannot_be_confirmed_any_more() {
    Host::each(|host| {
        host.waiting("r1");
        host.ring("r1");
        assert!(Path::new(&host.at("back")).exists(), "{:?}", host.shell);
        assert_eq!(host.confirm("r1"), TOO_LATE, "{:?}", host.shell);
        // Another run's confirmation leaves it as it is, and takes along what nobody was left to confirm.
        host.waiting("r2");
        host.waiting("r3");
        assert_eq!(host.confirm("r3"), 0, "{:?}", host.shell);
        let decided = ["r1", "r2", "r3"].map(|run| fs::read_link(host.state().join("runs").join(run).join("decided")));
        let decided = decided.map(|to| to.unwrap().display().to_string());
        assert_eq!(decided, ["taken-back", "confirmed", "confirmed"], "{:?}", host.shell);
        // It died in the middle of it, and begins again.
        fs::remove_file(host.at("back")).unwrap();
        fs::remove_file(host.state().join("runs/r1-revert/journal")).unwrap();
        host.ring("r1");
        assert!(Path::new(&host.at("back")).exists(), "{:?}", host.shell);
        // And once at its end, no more.
        fs::remove_file(host.at("back")).unwrap();
        host.ring("r1");
        assert!(!Path::new(&host.at("back")).exists(), "{:?}", host.shell);
    });
}

#[test]
fn a_program_that_runs_for_long_is_not_taken_back_while_it_does() {
    Host::each(|host| {
        let undo = Box::new(host.plan("r1-revert", vec![]));
        let mut program = Command::new(["true"]);
        program.deadline = Some(Duration::from_secs(100));
        let plan = ApplyPlan {
            guard: Some(Guard { slots: [1, 2].into(), within: Duration::from_secs(7), undo }),
            ..host.plan("r1", vec![step(1, 0, Step::Run(program)), step(2, 1, file(&host.at("f"), b"x"))])
        };
        let text = script(&plan, &ProbeScript::default(), VERIFY, &nonce());
        let text = String::from_utf8_lossy(&text);
        let arms: Vec<_> = text
            .lines()
            .filter_map(|l| l.split_once("arm ")?.1.split(' ').next())
            .filter(|time| time.parse::<u32>().is_ok())
            .collect();
        assert_eq!(arms, ["107", "7", "7"]);
        assert_eq!(plan.guard.as_ref().unwrap().at_most(&plan), Duration::from_secs(117));
    });
}
