//! What left the manifest: listed by every plan, as whole outputs, where people read them.

mod here;

use regex::Regex;
use std::path::Path;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// With one host, this machine, and these resources.
    fn new(resources: &str) -> Self {
        let project = Self { dir: tempfile::tempdir().unwrap() };
        project.write("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");
        project.write("trueup.toml", "[project]\nname = \"fleet\"\n");
        project.resources("site.yml", resources);
        project
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    /// `OUT` stands for a folder of the test's own.
    fn resources(&self, manifest: &str, text: &str) {
        let text = text.replace("OUT", &self.path().display().to_string());
        let list = if text.is_empty() { " []" } else { "" };
        self.write(manifest, &format!("- hosts: all\n  resources:{list}\n{text}"));
    }

    fn raw(&self, args: &[&str]) -> (i32, String) {
        let output = here::trueup(self.path()).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let both = format!("{}--- stderr\n{}", text(&output.stdout), text(&output.stderr));
        (output.status.code().unwrap_or(-1), both)
    }

    /// As people read it, with what differs from run to run made the same.
    fn run(&self, args: &[&str]) -> String {
        let (code, text) = self.raw(args);
        let text = format!("exit {code}\n{text}").replace(&self.path().display().to_string(), "DIR");
        Regex::new(r"\d{8}T\d{6}\S*Z-[0-9a-f]{4}").unwrap().replace_all(&text, "RUN").into_owned()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let (code, text) = self.raw(args);
        assert_eq!(code, 0, "{text}");
        text
    }

    fn ledger(&self) -> String {
        std::fs::read_to_string(self.path().join(".host/ledger")).unwrap_or_default()
    }
}

const ALL: &str = "    - file: OUT/kept\n      content: x\n    - file: OUT/made\n      content: x\n    - file: OUT/there\n      content: new\n    - exec: run\n      command: touch OUT/ran\n      creates: OUT/ran\n";
const LESS: &str = "    - file: OUT/kept\n      content: x\n";

#[test]
fn what_left_the_manifest_is_listed_and_no_drift() {
    let project = Project::new(ALL);
    project.write("there", "old");
    project.ok(&["apply", "--yes"]);
    assert!(!project.ok(&["plan"]).contains("no longer in the manifest"));
    project.resources("site.yml", LESS);
    insta::assert_snapshot!(project.run(&["plan"]));
    insta::assert_snapshot!(project.run(&["apply", "--yes"]));
    let json = project.ok(&["plan", "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.split("--- stderr").next().unwrap()).unwrap();
    let orphans = json["hosts"][0]["plan"]["orphans"].as_array().unwrap();
    let told: Vec<_> = orphans.iter().map(|o| (o["prune"].as_str().unwrap(), o["made"].as_bool().unwrap())).collect();
    assert_eq!(told, [("release", false), ("release", false), ("remove", true)]);
    assert!(project.has("made") && project.has("there"));
    // Back in the manifest, it is as it was.
    project.resources("site.yml", ALL);
    assert!(!project.ok(&["plan"]).contains("no longer in the manifest"));
}

#[test]
fn another_project_and_what_was_left_out_are_no_orphans() {
    let project = Project::new(ALL);
    project.ok(&["apply", "--yes"]);
    project.resources("other.yml", "    - file: OUT/other\n      content: x\n      tags: [a]\n    - file: OUT/more\n      content: x\n      tags: [b]\n");
    project.ok(&["apply", "--yes", "other.yml"]);
    for args in [
        &["plan", "other.yml"][..],
        &["plan"],
        &["plan", "other.yml", "--tags", "a"],
        &["plan", "other.yml", "--skip-tags", "a"],
        &["plan", "site.yml", "--start-at", "exec[run]"],
    ] {
        assert!(!project.ok(args).contains("no longer in the manifest"), "{args:?}");
    }
    project.resources("other.yml", "    - file: OUT/more\n      content: x\n      tags: [b]\n");
    assert!(project.ok(&["plan", "other.yml", "--tags", "a"]).contains("/other"));
}

#[test]
fn what_moved_to_another_project_is_that_ones() {
    let project = Project::new(ALL);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    project.resources("other.yml", "    - file: OUT/made\n      content: x\n");
    // All is in line, and yet it has to be known whose it is now.
    assert!(project.ok(&["apply", "--yes", "other.yml"]).contains("in line"));
    insta::assert_snapshot!(project.run(&["plan"]));
    // And it is still known that trueup has made it.
    project.resources("other.yml", "");
    let plan = project.ok(&["plan", "other.yml"]);
    assert!(plan.contains("fleet:site.yml (as here) manages it too"), "{plan}");
}

#[test]
fn a_rollback_takes_back_what_the_ledger_was_told() {
    let project = Project::new(LESS);
    project.ok(&["apply", "--yes"]);
    let before = project.ledger();
    project.resources("site.yml", ALL);
    project.ok(&["apply", "--yes"]);
    let after = project.ledger();
    assert_eq!((before.lines().count(), after.lines().count()), (3, 6), "{before}{after}");
    project.raw(&["rollback", "last", "-i", "hosts.yml", "--yes"]);
    assert!(!project.has("made"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let left = project.ledger();
    assert_eq!(left.lines().filter(|l| l.contains("/made") || l.contains("/there")).count(), 0, "{left}");
    assert!(lines(&before).is_subset(&lines(&left)));
}

#[test]
fn a_ledger_of_another_format_is_told_and_left_alone() {
    let project = Project::new(LESS);
    project.ok(&["apply", "--yes"]);
    project.write(".host/ledger", "trueup ledger 9\nsomething\n");
    project.resources("site.yml", ALL);
    let told = project.ok(&["apply", "--yes"]);
    assert!(told.contains("has the format 9, and this trueup knows 1 at most"), "{told}");
    assert_eq!(project.ledger(), "trueup ledger 9\nsomething\n");
    assert!(project.has("made"));
}

/// A folder with a file and a link in it, and what is only set.
const TREE: &str = "    - file: OUT/kept\n      content: x\n    - directory: OUT/app\n    - file: OUT/app/config\n      content: x\n    - symlink: OUT/app/link\n      target: config\n    - exec: run\n      command: touch OUT/ran\n      creates: OUT/ran\n";

#[test]
fn what_left_the_manifest_is_removed_in_reverse_and_comes_back() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    let ledger = project.ledger();
    project.resources("site.yml", LESS);
    insta::assert_snapshot!(project.run(&["plan", "--prune"]));
    assert!(project.has("app/config"), "a plan removes nothing");
    insta::assert_snapshot!(project.run(&["apply", "--yes", "--prune"]));
    assert!(!project.has("app") && project.has("ran"));
    assert_eq!(project.run(&["plan"]), "exit 0\nhere  in line (1 resource)\n\n1 host: 1 in line\n--- stderr\n");

    assert_eq!(project.raw(&["rollback", "last", "-i", "hosts.yml", "--yes"]).0, 0);
    assert_eq!(std::fs::read_to_string(project.path().join("app/link")).unwrap(), "x");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines(&project.ledger()), lines(&ledger));
    assert!(project.ok(&["plan"]).contains("4 orphans"));
}

#[test]
fn what_somebody_else_has_changed_stays_with_what_it_stands_in() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    project.write("app/config", "theirs");
    project.write("app/more", "theirs");
    insta::assert_snapshot!(project.run(&["apply", "--yes", "--prune"]));
    assert!(project.has("app/config") && !project.path().join("app/link").is_symlink());
    insta::assert_snapshot!(project.run(&["apply", "--yes", "--prune", "--force"]));
    assert!(!project.has("app/config") && project.has("app/more"));
    std::fs::remove_file(project.path().join("app/more")).unwrap();
    project.ok(&["apply", "--yes", "--prune"]);
    assert!(!project.has("app"));
}

#[test]
fn what_is_gone_already_is_released() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    std::fs::remove_dir_all(project.path().join("app")).unwrap();
    let told = project.ok(&["apply", "--yes", "--prune"]);
    assert!(told.contains("it is gone already"), "{told}");
    assert!(!project.ok(&["plan"]).contains("orphan"));
}

#[test]
fn a_file_whose_place_is_taken_is_not_removed() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources(
        "site.yml",
        "    - directory: OUT/app\n    - symlink: OUT/app/config\n      target: ../other\n      force: true\n",
    );
    let told = project.ok(&["apply", "--yes", "--prune"]);
    assert!(told.contains("/app/config] has its place now"), "{told}");
    assert!(project.path().join("app/config").is_symlink());
}

#[test]
fn a_removal_is_asked_about_in_its_own_words() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    let answer = |typed: &str| {
        let mut script = here::beside(project.path(), "script");
        script.args(["-qec", &format!("'{}' apply --prune", here::PROGRAM), "/dev/null"]);
        let mut child =
            script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    };
    let told = answer("n\n");
    assert!(told.contains("Remove 3 resources that left the manifest on 1 host? [y/N]"), "{told}");
    assert!(project.has("app/config"));
    answer("y\n");
    assert!(!project.has("app"));
    assert_eq!(project.raw(&["plan", "--prune", "--tags", "a"]).0, 1, "what left the manifest has no tags");
}

#[test]
fn nothing_is_removed_where_something_failed_before() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", "    - file: OUT/other\n      content: x\n    - exec: fail\n      command: exit 7\n");
    insta::assert_snapshot!(project.run(&["apply", "--yes", "--prune"]));
    assert!(project.has("app/config") && project.has("other"));
    assert!(project.run(&["plan"]).contains("4 orphans"), "what could not be removed is known");
}

#[test]
fn what_is_forgotten_stays_and_is_on_record() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    let file = format!("file[{}/app/config]", project.path().display());
    insta::assert_snapshot!(project.run(&["forget", &file, "exec[run]", "--reason", "CHG-1"]));
    assert!(project.has("app/config"));
    assert!(project.ok(&["plan"]).contains("2 orphans"));
    insta::assert_snapshot!(project.run(&["forget", &file]));
    assert!(project.ok(&["show", "last"]).contains("CHG-1"));
    assert!(project.ok(&["history"]).contains("forget: "));
    assert!(project.ok(&["history", "--from-hosts", "-i", "hosts.yml"]).contains("CHG-1"));
    // What was released and comes back is in line, and not trueup's to remove.
    project.resources("site.yml", TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    assert!(project.ok(&["plan"]).contains("/app/config]: it was there before trueup managed it"));
}

#[test]
fn what_the_manifest_still_needs_is_left_alone() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", "    - file: OUT/app/config\n      content: x\n");
    let told = project.ok(&["apply", "--yes", "--prune"]);
    assert!(told.contains("/app/config] is still in the manifest and needs it"), "{told}");
    assert!(project.has("app/config") && !project.has("kept") && !project.path().join("app/link").is_symlink());
}

#[test]
fn a_project_that_has_another_name_now_lets_go_of_the_old_ones_entries() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.write("trueup.toml", "[project]\nname = \"other\"\n");
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    let told = project.ok(&["plan"]);
    assert!(told.contains("fleet:site.yml (as here) manages it too"), "{told}");
    project.ok(&["forget", "--all", "--project", "fleet:site.yml"]);
    let told = project.ok(&["apply", "--yes", "--prune"]);
    assert!(!project.has("app"), "that trueup has made it is still known: {told}");
}

#[test]
fn a_run_of_the_history_tells_of_orphans_as_the_apply_did() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", "    - file: OUT/kept\n      content: y\n");
    let printed = project.ok(&["apply", "--yes"]);
    let printed = printed.strip_suffix("--- stderr\n").unwrap();
    assert!(printed.contains("4 orphans"), "{printed}");
    let shown = project.ok(&["show", "last"]);
    assert!(shown.contains(printed), "{shown}\n{printed}");
}

#[test]
fn what_is_to_be_absent_is_no_orphan_later() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", "    - file: OUT/kept\n      state: absent\n");
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", "    - file: OUT/other\n      content: x\n");
    let plan = project.raw(&["plan"]).1;
    assert!(plan.contains("4 orphans") && !plan.contains("/kept"), "{plan}");
}

#[test]
fn a_ledger_that_lies_harms_nobody() {
    use trueup::ledger::{Entry, HEAD, Ledger, Note, Owner, VERSION, When, lines};
    let project = Project::new(LESS);
    project.ok(&["apply", "--yes"]);
    let owner = Owner { project: "fleet:site.yml".into(), host: "here".into() };
    let run = Ledger::parse(project.ledger().as_bytes()).unwrap().of(&owner).next().unwrap().run.clone();
    let entry = |kind: &str, title: &str, key: &str| Entry {
        kind: kind.into(),
        title: title.into(),
        key: Some(key.into()),
        made: true,
        mark: None,
        run: run.clone(),
        at: Some("\u{1b}[31msite.yml".into()),
        after: vec![],
    };
    project.write("there", "x");
    let there = project.path().join("there").display().to_string();
    let told = [
        entry("file", &there, "one"),
        entry("file", &there, "two"),
        entry("file", "/etc", "/etc"),
        entry("directory", "/etc", "/etc"),
        entry("user", "root", "root"),
        entry("user", "--help", "--help"),
        entry("package", "-x y", "-x y"),
        entry("file", "relative", "relative"),
        entry("nothing", "x", "x"),
        entry("file", "", ""),
    ];
    let told: Vec<Note> =
        told.iter().map(|e| Note { when: When::Found, thing: e.thing(), entry: Some(e.clone()) }).collect();
    let told = String::from_utf8(lines(&owner, &told)).unwrap();
    let told: String = told.lines().map(|l| format!("{}\n", l.split_once(' ').unwrap().1)).collect();
    project.write(".host/ledger", &format!("{HEAD} {VERSION}\n{told}"));
    let text = project.run(&["apply", "--yes", "--prune"]);
    assert!(project.has("there") && text.contains("10 orphans") && !text.contains('\u{1b}'), "{text}");
    let entries = Regex::new(r"\d+ entries (are in it that are no orphans): \S+,").unwrap();
    insta::assert_snapshot!(entries.replace(&text, "N entries $1: ENTRY,"));
    let twice: String = told.lines().rev().take(1).map(|l| format!("{l}\n{l}\n")).collect();
    project.write(".host/ledger", &format!("{HEAD} {VERSION}\n{told}{twice}"));
    let text = project.ok(&["plan"]);
    assert!(text.contains("the host's ledger has lines that cannot be read"), "{text}");
}

#[test]
fn a_saved_plan_removes_and_forgets_what_it_says_and_no_more() {
    let project = Project::new(TREE);
    project.ok(&["apply", "--yes"]);
    project.resources("site.yml", LESS);
    assert_eq!(project.raw(&["plan", "--prune", "--out", "less.plan"]).0, 2);
    // Meanwhile another apply brings something that the plan knows nothing of.
    project.resources("site.yml", &format!("{TREE}    - file: OUT/later\n      content: x\n"));
    project.ok(&["apply", "--yes"]);
    project.ok(&["apply", "--yes", "less.plan"]);
    assert!(!project.has("app") && project.has("later"));
    let ledger = project.ledger();
    assert!(ledger.contains("/later") && !ledger.contains("/app/config") && !ledger.contains("exec"), "{ledger}");
}

/// Makes two files, of which the second replaces what was there, and dies.
const DIES: &str = "    - file: OUT/kept\n      content: x\n    - file: OUT/made\n      content: x\n    - file: OUT/there\n      content: new\n    - exec: dies\n      command: kill -9 $(readlink /var/lib/trueup/lock | cut -d' ' -f1)\n      require: ['file[OUT/made]', 'file[OUT/there]', 'file[OUT/kept]']\n    - file: OUT/never\n      content: x\n      require: exec[dies]\n";

#[test]
fn what_a_run_has_made_that_died_is_known_as_made() {
    for told_first in [false, true] {
        let project = Project::new(DIES);
        project.write("there", "old");
        let (code, text) = project.raw(&["apply", "--yes"]);
        assert_ne!(code, 0, "{text}");
        assert!(project.has("made") && !project.ledger().contains("/made"), "{text}");
        if told_first {
            // The next apply tells the ledger, whatever it is about.
            project.resources("site.yml", &LESS.replace("content: x", "content: y"));
            project.ok(&["apply", "--yes"]);
            assert!(project.ledger().contains("/made"));
        }
        project.resources("site.yml", LESS);
        project.ok(&["apply", "--yes"]);
        let text = project.ok(&["plan"]);
        assert!(text.contains("/made") && !text.contains("/never"), "{text}");
        project.ok(&["apply", "--yes", "--prune"]);
        assert!(!project.has("made"));
        assert!(project.has("kept") && project.has("there"), "what was there is merely released");
        assert!(!project.ok(&["plan"]).contains("no longer in the manifest"));
    }
}

#[test]
fn a_run_that_died_takes_its_notes_back_with_it() {
    let project = Project::new(DIES);
    project.raw(&["apply", "--yes"]);
    project.ok(&["rollback", "last", "-i", "hosts.yml", "--yes"]);
    assert!(!project.has("made") && !project.has("there"));
    assert!(!project.ledger().contains("/made"), "{}", project.ledger());
}
