//! What was applied from here, told again: by whole outputs, where people read them.

mod here;

use regex::Regex;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// With one host, this machine, and these resources.
    fn new(resources: &str) -> Self {
        let project = Self { dir: tempfile::tempdir().unwrap() };
        project.write("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");
        project.resources(resources);
        project
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// `OUT` stands for a folder of the test's own.
    fn resources(&self, text: &str) {
        let text = text.replace("OUT", &self.path().display().to_string());
        self.write("site.yml", &format!("- hosts: all\n  resources:\n{text}"));
    }

    fn store(&self) -> PathBuf {
        self.path().join(".state/trueup/history.db")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = here::trueup(self.path());
        command.args(args).env_remove("SUDO_USER").env("SSH_CONNECTION", "192.0.2.7 50022 192.0.2.1 22");
        command
    }

    fn raw(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let both = format!("{}--- stderr\n{}", text(&output.stdout), text(&output.stderr));
        (output.status.code().unwrap_or(-1), both)
    }

    /// As people read it, with what differs from run to run made the same.
    fn run(&self, args: &[&str]) -> String {
        let (code, text) = self.raw(args);
        let mut text = format!("exit {code}\n{text}").replace(&self.path().display().to_string(), "DIR");
        for (what, instead) in [
            (r"\d{8}T\d{6}\S*Z-[0-9a-f]{4}", "RUN------------------"),
            (r"RUN +WHEN", "RUN                    WHEN"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME----------------"),
            (r"took \d+ s", "took N s"),
            (r"[0-9a-f]{64}", "SHA256"),
            (r"(?m)^who .*", "who        WHO"),
            (r"(?m)^where +\S+,", "where      HERE,"),
            (r"(?m)^command +\S+", "command    trueup"),
            (r"WHO +HOSTS", "WHO   HOSTS"),
            (r"(TIME-+)  \S+ {2,}", "$1  WHO   "),
        ] {
            text = Regex::new(what).unwrap().replace_all(&text, instead).into_owned();
        }
        text
    }

    fn names(&self) -> Vec<String> {
        let json = self.raw(&["history", "--json"]).1;
        let json: serde_json::Value = serde_json::from_str(json.split("--- stderr").next().unwrap()).unwrap();
        json["runs"].as_array().unwrap().iter().map(|r| r["run"].as_str().unwrap().to_owned()).collect()
    }
}

const FAILING: &str = "    - file: OUT/a\n      content: \"one\\n\"\n    - exec: fail\n      command: echo some words; exit 7\n      unless: \"false\"\n    - file: OUT/b\n      content: x\n      require: exec[fail]\n";
const WORKING: &str = "    - file: OUT/a\n      content: \"two\\n\"\n    - file: OUT/b\n      content: x\n";

#[test]
fn two_applies_are_listed_shown_and_compared() {
    let project = Project::new(FAILING);
    let first = project.raw(&["apply", "--yes", "--reason", "CHG-1", "-e", "pw=hunter2"]);
    assert_eq!(first.0, 3, "{}", first.1);
    project.resources(WORKING);
    assert_eq!(project.raw(&["apply", "--yes"]).0, 0);
    insta::assert_snapshot!(project.run(&["history"]));
    let names = project.names();
    insta::assert_snapshot!(project.run(&["show", &names[1]]));
    insta::assert_snapshot!(project.run(&["show", "last", "--no-diff"]));
    insta::assert_snapshot!(project.run(&["diff", &format!("{}..last", names[1])]));
    insta::assert_snapshot!(project.run(&["history", "verify"]));
    insta::assert_snapshot!(project.run(&["show", "2019"]));

    // What is shown is what the apply printed, to the letter.
    let printed = first.1.split("--- stderr").next().unwrap();
    let shown = project.raw(&["show", &names[1]]).1;
    assert!(shown.contains(&format!("\n\n{printed}--- stderr")), "{shown}\n{printed}");
    for args in [&["show", "last", "--json"][..], &["diff", &format!("{0}..{0}", names[0]), "--json"]] {
        let json = project.raw(args).1;
        serde_json::from_str::<serde_json::Value>(json.split("--- stderr").next().unwrap()).unwrap();
    }
}

/// The log of a pipeline may be on a full disk, and `head` has enough early.
#[test]
fn a_run_is_on_record_though_nobody_could_read_what_it_said() {
    let project = Project::new("    - file: OUT/a\n      content: one\n");
    let ran = |args: &[&str], out: Stdio| {
        let mut child = project.command(args).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code(), said)
    };
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    let (code, said) = ran(&["apply", "--yes"], full());
    assert!(code == Some(1) && said.contains("No space left on device"), "{code:?} {said}");
    project.write("a", "two");
    assert_eq!(ran(&["plan"], gone()), (Some(2), String::new()));
    assert_eq!(ran(&["apply", "--yes",], gone()).0, Some(0));
    assert_eq!(ran(&["rollback", "last", "--yes"], gone()).0, Some(0));
    let (_, history) = project.raw(&["history"]);
    let told = ["1 brought in line", "1 taken back", "did not end"].map(|what| history.matches(what).count());
    assert_eq!(told, [2, 1, 0], "{history}");
}

#[test]
fn who_is_asked_and_says_no_is_not_on_record() {
    let project = Project::new(WORKING);
    let answer = |typed: &str| {
        let mut script = here::beside(project.path(), "script");
        script.args(["-qec", &format!("'{}' apply --reason CHG-1", here::PROGRAM), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    };
    answer("n\n");
    assert_eq!(project.run(&["history"]), "exit 0\nno run is on record\n--- stderr\n");
    answer("y\n");
    assert_eq!(project.names().len(), 1);
    assert!(project.path().join("a").exists());
    // There is nothing to ask about now, and it is a run all the same.
    answer("");
    assert_eq!(project.names().len(), 2);
}

#[test]
fn a_rollback_is_on_record_too() {
    let project = Project::new(WORKING);
    assert_eq!(project.raw(&["apply", "--yes"]).0, 0);
    assert_eq!(project.raw(&["rollback", "last", "-i", "hosts.yml", "--plan"]).0, 2);
    assert_eq!(project.names().len(), 1, "what only shows is not");
    assert_eq!(project.raw(&["rollback", "last", "-i", "hosts.yml", "--yes", "--reason", "CHG-2"]).0, 0);
    assert!(!project.path().join("a").exists());
    insta::assert_snapshot!(project.run(&["show", "last"]));
    insta::assert_snapshot!(project.run(&["history"]));
    insta::assert_snapshot!(project.run(&["history", "--from-hosts", "-i", "hosts.yml"]));
}

#[test]
fn what_is_lost_here_is_told_by_the_hosts() {
    let project = Project::new(FAILING);
    assert_eq!(project.raw(&["apply", "--yes", "--reason", "CHG-1"]).0, 3);
    project.resources(WORKING);
    assert_eq!(project.raw(&["apply", "--yes"]).0, 0);
    let names = project.names();
    std::fs::remove_file(project.store()).unwrap();
    insta::assert_snapshot!(project.run(&["history", "--from-hosts", "-i", "hosts.yml"]));
    let json = project.raw(&["history", "--from-hosts", "-i", "hosts.yml", "here", "--json"]).1;
    let json: serde_json::Value = serde_json::from_str(json.split("--- stderr").next().unwrap()).unwrap();
    assert_eq!(json["runs"][1]["run"], names[1]);
    assert_eq!(json["runs"][1]["hosts"][0]["changes"][1], "exec[fail]");
}

#[test]
fn a_record_that_was_changed_is_named() {
    let project = Project::new(WORKING);
    assert_eq!(project.raw(&["apply", "--yes", "--reason", "CHG-1"]).0, 0);
    let kept = project.raw(&["history", "verify"]).1;
    let hash = Regex::new("[0-9a-f]{64}").unwrap().find(&kept).unwrap().as_str();
    assert_eq!(project.raw(&["history", "verify", "--holds", hash]).0, 0);
    insta::assert_snapshot!(project.run(&["history", "verify", "--holds", &"0".repeat(63)]));
    let store = rusqlite::Connection::open(project.store()).unwrap();
    let sql = "UPDATE record SET body = CAST(replace(body, 'CHG-1', 'CHG-2') AS BLOB) WHERE kind = 'began'";
    assert_eq!(store.execute(sql, []).unwrap(), 1);
    insta::assert_snapshot!(project.run(&["history", "verify"]));
}

#[test]
fn what_cannot_be_put_on_record_is_not_done_unless_asked_for() {
    let project = Project::new(WORKING);
    insta::assert_snapshot!(project.run(&["history"]));
    project.write(".state", "no folder");
    insta::assert_snapshot!(project.run(&["apply", "--yes"]));
    assert!(!project.path().join("a").exists());
    assert_eq!(project.raw(&["apply", "--yes", "--no-history"]).0, 0);
    assert!(project.path().join("a").exists());
}

#[test]
fn settings_place_the_store_and_limit_it() {
    let project = Project::new(WORKING);
    project.write("trueup.toml", "[history]\npath = \"runs.db\"\nkeep = 2\n");
    for _ in 0..3 {
        assert_eq!(project.raw(&["apply", "--yes"]).0, 0);
    }
    assert!(project.path().join("runs.db").is_file() && !project.store().exists());
    assert_eq!(project.names().len(), 2);
    assert_eq!(project.raw(&["history", "verify"]).0, 0);
    project.write("trueup.toml", "[history]\nkep = 2\n");
    insta::assert_snapshot!(project.run(&["validate"]));
    assert_eq!(project.raw(&["apply", "--yes"]).0, 1);
}

/// Waits until it holds; a test that waits in vain fails.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_that_died_did_not_end() {
    let project = Project::new(
        "    - exec: wait\n      command: echo > OUT/there; cat OUT/go > OUT/done\n      creates: OUT/done\n",
    );
    let fifo = project.path().join("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut apply = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the step begins", || project.path().join("there").exists());
    let during = project.run(&["history"]);
    apply.kill().unwrap();
    apply.wait().unwrap();
    // The host goes on to its end, and lets the next one in then.
    std::fs::write(fifo, "").unwrap();
    insta::assert_snapshot!(format!("{during}\n{}\n{}", project.run(&["history"]), project.run(&["show", "last"])));
    assert_eq!(project.raw(&["apply", "--yes", "--lock-timeout", "60"]).0, 0);
    assert!(project.path().join("done").exists());
}

#[test]
fn no_secret_is_in_the_store() {
    let project = Project::new(concat!(
        "    - file: OUT/a\n      content: \"password={{ pw }}\\n\"\n      mode: \"0600\"\n",
        "    - exec: tell\n      command: cat; exit 1\n      stdin: \"{{ pw }}\"\n",
        "    - exec: tell again\n      command: echo {{ given }}; exit 1\n      sensitive: true\n",
        "    - exec: guarded\n      command: echo {{ given }}; exit 1\n",
        "      unless: test {{ given }} = x\n      sensitive: true\n",
        "    - file: OUT/b\n      content: \"{{ given }}\"\n      sensitive: true\n",
        "    - exec: make\n      command: touch OUT/made\n      creates: OUT/made\n      undo: echo {{ given }}; exit 1\n      sensitive: true\n",
    ));
    let secret = "correct horse battery";
    std::fs::create_dir(project.path().join("group_vars")).unwrap();
    project.write("group_vars/all.yml", &format!("pw: !secret {secret}\n"));
    let given = format!("given={secret}");
    let printed = project.raw(&["apply", "--yes", "-e", &given]);
    assert_eq!(printed.0, 3, "{}", printed.1);
    assert!(!printed.1.contains(secret), "{}", printed.1);
    assert!(std::fs::read_to_string(project.path().join("a")).unwrap().contains(secret), "it reached the host");

    let undone = project.raw(&["rollback", "last", "-i", "hosts.yml", "--yes"]);
    assert_eq!(undone.0, 3, "{}", undone.1);
    assert!(!undone.1.contains(secret), "{}", undone.1);

    let store = rusqlite::Connection::open(project.store()).unwrap();
    let mut rows = store.prepare("SELECT kind, body FROM record").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    let mut texts = vec![];
    for row in rows {
        let (kind, body) = row.unwrap();
        let mut text = String::new();
        match kind.as_str() {
            "host" => flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap(),
            _ => (&body[..]).read_to_string(&mut text).unwrap(),
        };
        texts.push(text);
    }
    assert_eq!(texts.len(), 6);
    for text in texts {
        assert!(!text.contains(secret), "{text}");
    }
}
