//! The guards of commands: asked when planning, and again right before a command is run.

mod here;

use std::path::Path;

/// A folder with a manifest for this machine; `D` in it is the folder.
fn project(resources: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), resources);
    let hosts = "all: { hosts: { localhost: { ansible_connection: local } } }\n";
    std::fs::write(dir.path().join("hosts.yml"), hosts).unwrap();
    dir
}

fn write(dir: &Path, resources: &str) {
    let resources = resources.replace("D/", &format!("{}/", dir.display()));
    std::fs::write(dir.join("site.yml"), format!("- hosts: localhost\n  resources:\n{resources}")).unwrap();
}

/// Exit code and all that was said.
fn run(dir: &Path, words: &[&str]) -> (i32, String) {
    let out = here::trueup(dir).args(words).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

#[test]
fn a_command_that_an_earlier_step_has_made_needless_is_not_run() {
    for guard in ["creates: D/made", "unless: test -e D/made", "onlyif: test ! -e D/made"] {
        let dir = project(&format!(
            "    - file: D/made\n      content: ours\n    - exec: late\n      command: echo late >>D/log; echo theirs >D/made\n      {guard}\n      notify: exec[told]\n    - exec: told\n      command: echo told >>D/log\n      refresh_only: true\n"
        ));
        let (code, said) = run(dir.path(), &["apply", "--yes"]);
        assert_eq!((code, log(dir.path()).as_str()), (0, ""), "{guard}: {said}");
        assert_eq!(std::fs::read_to_string(dir.path().join("made")).unwrap(), "ours", "{guard}");
        assert_eq!(run(dir.path(), &["plan"]).0, 0, "{guard}");
        // And nothing of it is taken back.
        assert_eq!(run(dir.path(), &["rollback", "last", "-i", "hosts.yml", "--yes"]).0, 0, "{guard}");
        assert!(!dir.path().join("made").exists());
    }
}

#[test]
fn of_two_commands_the_second_is_left_out_if_the_first_makes_what_it_creates() {
    let dir = project(
        "    - exec: first\n      command: echo first >D/made\n      creates: D/made\n    - exec: second\n      command: echo second >D/made\n      creates: D/made\n",
    );
    let (code, said) = run(dir.path(), &["apply", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("made")).unwrap(), "first\n");
}

#[test]
fn a_guard_that_cannot_be_run_is_no_answer() {
    for (guard, told) in [
        ("unless: no-such-program --ready", Some("its guard `unless` gives no answer:")),
        ("onlyif: no-such-program --due", Some("its guard `onlyif` gives no answer:")),
        ("unless: D/site.yml", Some("gives no answer:")),
        ("unless: \"true\"\n      cwd: D/nowhere", Some("gives no answer:")),
        ("unless: command -v no-such-program", None),
        ("unless: exit 127", None),
        ("unless: exit 124", None),
    ] {
        let dir = project(&format!("    - exec: it\n      command: echo ran >>D/log\n      {guard}\n"));
        let (code, said) = run(dir.path(), &["plan"]);
        match told {
            Some(told) => assert!(code == 3 && said.contains(told), "{guard}: {code} {said}"),
            None => assert_eq!(code, 2, "{guard}: {said}"),
        }
        let (_, said) = run(dir.path(), &["apply", "--yes"]);
        assert_eq!(log(dir.path()).is_empty(), told.is_some(), "{guard}: {said}");
    }
    // A folder that is made before it is none to complain of.
    let dir = project(
        "    - directory: D/new\n    - exec: it\n      command: pwd >>D/log\n      unless: test -e gone\n      cwd: D/new\n",
    );
    let (code, said) = run(dir.path(), &["apply", "--yes"]);
    assert!(log(dir.path()).ends_with("/new\n"), "{code} {said}");
}

#[test]
fn a_guard_that_does_not_end_is_stopped_and_blinds_nothing_else() {
    let dir = project(
        "    - exec: it\n      command: echo ran >>D/log\n      unless: echo waits for nothing\n    - file: D/f\n      content: x\n",
    );
    // Time is up at once for this one.
    let timeout =
        "#!/bin/sh\ncase $* in *'waits for nothing'*) exit 124 ;; esac\nPATH=/usr/bin:/bin exec timeout \"$@\"\n";
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("timeout"), timeout).unwrap();
    std::fs::set_permissions(bin.join("timeout"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let out = here::trueup(dir.path()).arg("plan").env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert_eq!(out.status.code(), Some(3), "{said}");
    assert!(said.contains("gives no answer: it has not ended after 40 seconds, and was stopped"), "{said}");
    assert!(said.contains("/f"), "{said}");
}

#[test]
fn a_command_whose_onlyif_holds_afterwards_too_has_not_failed() {
    let dir = project("    - exec: it\n      command: echo ran >>D/log\n      onlyif: test -e D/site.yml\n");
    for n in 1..3 {
        let (code, said) = run(dir.path(), &["apply", "--yes"]);
        assert_eq!((code, log(dir.path()).lines().count()), (0, n), "{said}");
    }
    write(dir.path(), "    - exec: it\n      command: echo ran >>D/log\n      unless: \"false\"\n");
    let (code, said) = run(dir.path(), &["apply", "--yes"]);
    assert!(code == 3 && log(dir.path()).lines().count() == 3, "{code} {said}");
}
