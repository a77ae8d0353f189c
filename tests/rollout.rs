//! Waves, what ends them early, and Ctrl-C: this machine under several names, as a person sees it.

mod here;

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// Hosts a to d, all of them this machine: a and b are databases, c and d web servers. `OUT` stands for a folder of
    /// the test's own.
    fn new(site: &str) -> Self {
        let project = Self { dir: tempfile::tempdir().unwrap() };
        let host = |names: &[&str]| names.iter().map(|n| format!("        {n}:\n")).collect::<String>();
        let inventory = format!(
            "all:\n  vars:\n    ansible_connection: local\n  children:\n    db:\n      hosts:\n{}    web:\n      hosts:\n{}",
            host(&["a", "b"]),
            host(&["c", "d"]),
        );
        std::fs::write(project.path().join("hosts.yml"), inventory).unwrap();
        let site = site.replace("OUT", &project.path().display().to_string());
        std::fs::write(project.path().join("site.yml"), site).unwrap();
        project
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    fn apply(&self, args: &[&str]) -> Command {
        let mut command = here::trueup(self.path());
        // One lock for them all, for they are one machine.
        command.args(["apply", "-y", "--no-history", "--no-diff", "--lock-timeout", "60"]).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.apply(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.path().display().to_string(), "DIR");
        let code = output.status.code().unwrap_or(-1);
        format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
    }
}

/// Writes the hosts in the order in which they were come to; host b fails.
const IN_TURN: &str = "
- hosts: all
  resources:
    - exec: tell
      command: echo {{ inventory_hostname }} >> OUT/turns; test {{ inventory_hostname }} != b && touch OUT/did-{{ inventory_hostname }}
      creates: OUT/did-{{ inventory_hostname }}
";

#[test]
fn one_by_one_a_failure_stops_the_rest() {
    let project = Project::new(IN_TURN);
    insta::assert_snapshot!(project.run(&["--serial", "1"]));
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "a\nb\n");
}

#[test]
fn as_many_may_fail_as_was_said() {
    let project = Project::new(IN_TURN);
    insta::assert_snapshot!(project.run(&["--serial", "1,100%", "--max-fail", "25%", "--forks", "1"]));
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "a\nb\nc\nd\n");
}

#[test]
fn a_canary_goes_first_and_alone() {
    let project = Project::new(&IN_TURN.replace("!= b", "!= a"));
    insta::assert_snapshot!(project.run(&["--canary", "1", "-q"]));
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "a\n");
}

#[test]
fn a_rollout_goes_on_though_nobody_can_read_of_it() {
    let project = Project::new(&IN_TURN.replace("!= b", "!= none"));
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = project.apply(&["--serial", "1"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(ran.code(), Some(1));
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "a\nb\nc\nd\n");
}

#[test]
fn the_order_of_plays_is_that_of_their_waves() {
    let site = "
- hosts: web
  serial: [1, 50%]
  resources:
    - exec: web
      command: echo {{ inventory_hostname }} >> OUT/turns; touch OUT/did-{{ inventory_hostname }}
      creates: OUT/did-{{ inventory_hostname }}
- hosts: db
  serial: 100%
  max_fail: 1
  resources:
    - exec: db
      command: echo {{ inventory_hostname }} >> OUT/turns; touch OUT/did-{{ inventory_hostname }}
      creates: OUT/did-{{ inventory_hostname }}
";
    let project = Project::new(site);
    let output = project.apply(&["--json", "--forks", "1"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let waves: Vec<_> = document["hosts"].as_array().unwrap().iter().map(|h| (&h["host"], &h["wave"])).collect();
    let waves: Vec<_> = waves.into_iter().map(|(h, w)| (h.as_str().unwrap(), w.as_u64().unwrap())).collect();
    assert_eq!(waves, [("a", 3), ("b", 3), ("c", 1), ("d", 2)]);
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "c\nd\na\nb\n");
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_done() {
    let project = Project::new(IN_TURN);
    insta::assert_snapshot!(project.run(&["--serial", "0"]));
    insta::assert_snapshot!(project.run(&["--serial", "1", "--pause"]));
    insta::assert_snapshot!(project.run(&["--max-fail", "half"]));
    let wrong = "- hosts: all\n  serial: [1, none, 0]\n  max_fail_percentage: 25\n  max_fail: -1\n  seriel: 1\n";
    insta::assert_snapshot!(Project::new(wrong).run(&[]));
    assert!(!project.has("turns"));
}

#[test]
fn a_pause_waits() {
    let project = Project::new(&IN_TURN.replace("!= b", "!= x"));
    let said = project.run(&["--serial", "2", "--pause", "1s"]);
    assert!(said.contains("1 s until wave 2 of 2: 2 hosts: c, d\nwave 2 of 2: 2 hosts: c, d\n"), "{said}");
    assert!(said.starts_with("exit 0"), "{said}");
}

#[test]
fn a_host_that_is_not_well_holds_up_the_next_wave() {
    let site = "
- hosts: all
  vars: { file: OUT/well }
  health:
    - command: test {{ inventory_hostname }} != b || { echo the queue is full; exit 1; }
      retries: 0
    - command: echo {{ inventory_hostname }} >> OUT/well
  resources:
    - file: OUT/on-{{ inventory_hostname }}
      content: x
";
    let project = Project::new(site);
    insta::assert_snapshot!(project.run(&["--serial", "1"]));
    assert_eq!(std::fs::read_to_string(project.path().join("well")).unwrap(), "a\n");
    assert!(project.has("on-b") && !project.has("on-c"));
    // What is in line and not well holds it up again.
    let again = project.run(&["--serial", "1"]);
    assert!(again.contains("b  0 changes applied, and it is not well\nc  not started"), "{again}");
}

#[test]
fn checks_that_make_no_sense_are_told() {
    let wrong = "
- hosts: all
  health:
    - comand: x
    - command: x
      port: 80
    - url: localhost
    - port: 70000
    - command: \"{{ password }}\"
  vars: { password: !secret hunter2 }
";
    insta::assert_snapshot!(Project::new(wrong).run(&[]));
}

#[test]
fn a_start_leaves_out_what_comes_before_it() {
    let site = "
- hosts: all
  resources:
    - file: OUT/one
      content: x
    - file: OUT/two
      content: x
    - file: OUT/three
      content: x
";
    let project = Project::new(site);
    let start = |name: &str| format!("file[{}/{name}]", project.path().display());
    insta::assert_snapshot!(project.run(&["--limit", "a", "--start-at", &start("tow")]));
    let said = project.run(&["--start-at", &start("tow")]);
    assert!(said.contains("`?\n  on 4 hosts: a, b, c, d\n") && said.matches("did you mean").count() == 1, "{said}");
    let start = start("two");
    insta::assert_snapshot!(project.run(&["--limit", "a", "--start-at", &start]));
    assert!(!project.has("one") && project.has("two") && project.has("three"));
}

#[test]
fn a_retry_is_for_what_failed_and_for_what_was_not_come_to() {
    let project = Project::new(IN_TURN);
    let apply = |args: &[&str]| {
        let mut command = here::trueup(project.path());
        command.args(["apply", "-y", "--lock-timeout", "60", "--no-diff"]).args(args);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), output.stderr)
    };
    assert_eq!(apply(&["--serial", "1"]).0, Some(3));
    let site = std::fs::read_to_string(project.path().join("site.yml")).unwrap();
    std::fs::write(project.path().join("site.yml"), site.replace("!= b", "!= x")).unwrap();
    let (code, said, _) = apply(&["--retry", "last", "--serial", "1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("3 hosts: 3 brought in line\n"), "{said}");
    assert_eq!(std::fs::read_to_string(project.path().join("turns")).unwrap(), "a\nb\nb\nc\nd\n");
    let (code, _, stderr) = apply(&["--retry", "last"]);
    assert_eq!(code, Some(1));
    assert!(String::from_utf8_lossy(&stderr).contains("failed on no host: there is nothing to retry"));
}

#[test]
fn a_host_that_takes_too_long_counts_as_failed() {
    let project = Project::new(WAITS);
    let said = project.run(&["--serial", "1", "--host-timeout", "3"]);
    assert!(said.contains("not done within 3 s"), "{said}");
    assert!(said.contains("b  not started: 1 host has failed, and none may"), "{said}");
    std::fs::write(project.path().join("go"), "").unwrap();
}

/// An apply that is interrupted while it runs.
struct Running {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

/// Each host says that it has begun, and waits for a word.
const WAITS: &str = "
- hosts: all
  resources:
    - exec: wait
      command: touch OUT/{{ inventory_hostname }}; until test -e OUT/go; do sleep 0.05; done; touch OUT/did-{{ inventory_hostname }}
      creates: OUT/did-{{ inventory_hostname }}
";

impl Running {
    fn start(project: &Project, args: &[&str], until: &str) -> Self {
        Self::spawn(project, project.apply(args), until)
    }

    fn spawn(project: &Project, mut command: Command, until: &str) -> Self {
        // As at a terminal, where Ctrl-C goes to all that stands in the foreground.
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let patience = Instant::now() + Duration::from_secs(60);
        while !project.has(until) {
            assert!(Instant::now() < patience && child.try_wait().unwrap().is_none(), "{until} does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, said }
    }

    fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process_group(group, signal).unwrap();
    }

    /// Reads until a line with these words comes.
    fn says(&mut self, words: &str) -> String {
        let mut all = String::new();
        while !all.contains(words) {
            assert!(self.said.read_line(&mut all).unwrap() > 0, "no `{words}` in\n{all}");
        }
        all
    }

    /// The exit code, and what was written to standard output.
    fn end(mut self) -> (i32, String) {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), text)
    }
}

#[test]
fn ctrl_c_finishes_what_runs_and_starts_nothing_new() {
    let project = Project::new(WAITS);
    let mut run = Running::start(&project, &["--serial", "1"], "a");
    run.interrupt();
    let said = run.says("finishing 1 host, starting no new ones; Ctrl-C again ends at once");
    assert_eq!(said.matches("finishing").count(), 1, "{said}");
    std::fs::write(project.path().join("go"), "").unwrap();
    let (code, text) = run.end();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("a  1 change applied, all in line now\n"), "{text}");
    assert!(text.contains("b  not started: the run was interrupted\n"), "{text}");
    assert!(!project.has("b"));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let project = Project::new(WAITS);
    let mut run = Running::start(&project, &["--serial", "1"], "a");
    run.interrupt();
    run.says("finishing 1 host");
    run.interrupt();
    run.says("ended at once");
    let (code, text) = run.end();
    assert_eq!((code, text.as_str()), (130, ""));
    assert!(!project.has("b"));
    assert_eq!(std::fs::read_dir(project.path().join(".host/runs")).unwrap().count(), 1, "its journal stays");
}

/// A pipeline that is called off, and a terminal that is closed.
#[test]
fn who_is_killed_or_hung_up_on_finishes_what_runs_and_starts_nothing_new() {
    for signal in [Signal::TERM, Signal::HUP] {
        let project = Project::new(WAITS);
        let mut run = Running::start(&project, &["--serial", "1"], "a");
        run.signal(signal);
        run.says("finishing 1 host, starting no new ones");
        if signal == Signal::HUP {
            // The shell of a terminal that is closed sends one more.
            run.signal(signal);
        }
        std::fs::write(project.path().join("go"), "").unwrap();
        let (code, text) = run.end();
        assert_eq!(code, 3, "{signal:?} {text}");
        assert!(text.contains("a  1 change applied, all in line now\n"), "{text}");
        assert!(!project.has("b"));
    }
}

#[test]
fn under_nohup_a_rollout_goes_on() {
    let project = Project::new(WAITS);
    let apply = project.apply(&["--serial", "1"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(apply.get_program()).args(apply.get_args());
    command.envs(apply.get_envs().filter_map(|(k, v)| Some((k, v?)))).current_dir(project.path());
    let run = Running::spawn(&project, command, "a");
    run.signal(Signal::HUP);
    std::fs::write(project.path().join("go"), "").unwrap();
    let (code, text) = run.end();
    assert_eq!(code, 0, "{text}");
    assert!(project.has("did-d"));
}
