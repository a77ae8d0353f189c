//! Plans that are saved, shown, signed, carried elsewhere and applied, on this machine.

mod here;

use base64::Engine as _;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// With one host, this machine, and these resources; `OUT` stands for a folder of the test's own.
    fn new(resources: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        let project = Self { dir };
        project.write("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");
        let resources = resources.replace("OUT", &project.path("out").display().to_string());
        project.write("site.yml", &format!("- hosts: all\n  resources:\n{resources}"));
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| format!("({e})"))
    }

    /// Exit code, standard output, standard error.
    fn raw(&self, args: &[&str]) -> (i32, String, String) {
        let output = here::trueup(self.dir.path()).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.dir.path().display().to_string(), "DIR");
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn run(&self, code: i32, args: &[&str]) -> String {
        let (is, out, err) = self.raw(args);
        assert_eq!(is, code, "{args:?}\n{out}--- stderr\n{err}");
        format!("{out}--- stderr\n{err}")
    }

    /// Without the manifest, what is written is not at hand any more.
    fn forget_what_was_written(&self) {
        std::fs::remove_file(self.path("site.yml")).unwrap();
        std::fs::remove_file(self.path("hosts.yml")).unwrap();
    }
}

fn keygen(args: &[&str]) {
    assert!(Command::new("ssh-keygen").args(args).output().unwrap().status.success(), "{args:?}");
}

fn key(dir: &Path, name: &str) -> String {
    let path = dir.join(name).display().to_string();
    keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &path]);
    path
}

const CHAIN: &str = "    - file: OUT/a\n      content: \"one\\n\"\n    - file: OUT/b\n      content: \"two\\n\"\n    - file: OUT/c\n      content: \"three\\n\"\n      require: file[OUT/b]\n    - exec: told\n      command: echo told >> OUT/told\n      refresh_only: true\n      subscribe: [\"file[OUT/a]\"]\n";

#[test]
fn a_saved_plan_is_shown_as_it_was_printed_and_applied_as_it_was_shown() {
    let project = Project::new(CHAIN);
    let (_, planned, _) = project.raw(&["plan", "--out", "p.plan"]);
    let (_, json, _) = project.raw(&["plan", "--json", "--out", "p.plan"]);
    // The manifest says something else by now, and then nothing at all.
    project.write("site.yml", &project.read("site.yml").replace("one", "other"));
    project.forget_what_was_written();
    assert_eq!(project.raw(&["show", "p.plan"]).1, planned);
    assert_eq!(project.raw(&["show", "p.plan", "--json"]).1, json);
    let applied = project.run(0, &["apply", "p.plan", "--yes", "--reason", "CHG-7"]);
    assert!(applied.contains("4 changes applied"), "{applied}");
    assert_eq!(project.read("out/a"), "one\n");
    assert_eq!(project.read("out/c"), "three\n");
    assert_eq!(project.read("out/told"), "told\n");
    assert!(project.run(0, &["show", "last"]).contains("p.plan"));
}

#[test]
fn what_has_moved_is_left_alone_and_told_and_what_comes_after_it_is_skipped() {
    let project = Project::new(CHAIN);
    project.run(2, &["plan", "--out", "p.plan"]);
    project.write("out/b", "by hand\n");
    let (code, out, err) = project.raw(&["apply", "p.plan", "--yes"]);
    insta::assert_snapshot!(format!("exit {code}\n{out}--- stderr\n{err}"));
    assert_eq!(project.read("out/b"), "by hand\n");
    assert!(!project.path("out/c").exists());
    assert_eq!(project.read("out/a"), "one\n");
}

#[test]
fn a_plan_that_was_applied_finds_its_changes_made() {
    let project = Project::new("    - file: OUT/a\n      content: one\n");
    project.run(2, &["plan", "--out", "p.plan"]);
    project.run(0, &["apply", "p.plan", "--yes"]);
    let again = project.run(3, &["apply", "p.plan", "--yes"]);
    assert!(again.contains("file[DIR/out/a] has moved since the plan: it is in line by now"), "{again}");
}

#[test]
fn what_was_in_line_and_is_not_any_more_holds_up_what_needs_it() {
    let project = Project::new(
        "    - directory: OUT/d\n      mode: \"0755\"\n    - file: OUT/d/f\n      content: x\n    - file: OUT/free\n      content: x\n",
    );
    std::fs::create_dir(project.path("out/d")).unwrap();
    project.run(0, &["apply", "--yes"]);
    project.write("out/d/f", "old");
    project.write("out/free", "old");
    project.run(2, &["plan", "--out", "p.plan"]);
    Command::new("chmod").arg("0700").arg(project.path("out/d")).status().unwrap();
    let told = project.run(3, &["apply", "p.plan", "--yes"]);
    assert!(
        told.contains("directory[DIR/out/d] has moved since the plan, which saw it in line: mode is 0700"),
        "{told}"
    );
    assert_eq!(project.read("out/d/f"), "old");
    assert_eq!(project.read("out/free"), "x");
}

const SECRET: &str = "    - file: OUT/token\n      content: !secret hunter2-is-the-token\n    - exec: use\n      command: cat > OUT/used\n      stdin: \"{{ token }}\"\n      unless: test -e OUT/used\n    - file: OUT/plain\n      content: plain\n";

fn with_a_secret() -> Project {
    let project = Project::new(SECRET);
    let site = project
        .read("site.yml")
        .replace("  resources:", "  vars: { token: !secret hunter2-for-a-command }\n  resources:");
    project.write("site.yml", &site);
    project.write("seal.key", "a key that nobody can guess, for it is long\n");
    project
}

/// Whether a plan's document holds some text, as it is or in base64 at any offset.
fn holds(plan: &Path, text: &str) -> bool {
    let bytes = std::fs::read(plan).unwrap();
    let document = trueup::saved::file::unframe(&bytes).unwrap();
    let find =
        |what: &[u8]| [&bytes, &document].into_iter().any(|all| all.windows(what.len()).any(|window| window == what));
    let in_base64 = (0..3).any(|shift| {
        let shifted = [&vec![0; shift][..], text.as_bytes()].concat();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&shifted);
        // The characters that the text alone decides.
        let (from, to) = ((shift * 8).div_ceil(6), (shift + text.len()) * 8 / 6);
        find(&encoded.as_bytes()[from..to])
    });
    find(text.as_bytes()) || in_base64
}

#[test]
fn secrets_are_sealed_in_or_left_out_and_never_in_the_file() {
    let project = with_a_secret();
    let plan = project.path("p.plan");
    let told = project.run(2, &["plan", "--out", "p.plan"]);
    assert!(
        told.contains(
            "p.plan cannot be applied, for it is without its secrets (file[DIR/out/token] on here, exec[use] on here)"
        ),
        "{told}"
    );
    assert!(!holds(&plan, "hunter2"));
    assert!(holds(&plan, "plain"), "the test itself finds nothing");
    let refused = project.run(1, &["apply", "p.plan", "--yes"]);
    assert!(refused.contains("its secrets were left out, for no key was given when it was made"), "{refused}");

    project.run(2, &["plan", "--out", "p.plan", "--seal-key", "seal.key"]);
    assert!(!holds(&plan, "hunter2"));
    project.forget_what_was_written();
    project.run(0, &["show", "p.plan"]);
    let needs = project.run(1, &["apply", "p.plan", "--yes"]);
    assert!(needs.contains("its secrets are sealed with the key `seal.key`: name it with --seal-key"), "{needs}");
    project.write("other.key", "another key that nobody can guess either\n");
    let wrong = project.run(1, &["apply", "p.plan", "--yes", "--seal-key", "other.key"]);
    assert!(wrong.contains("`other.key` does not open them"), "{wrong}");
    assert!(!project.path("out/plain").exists());
    let applied = project.run(0, &["apply", "p.plan", "--yes", "--seal-key", "seal.key"]);
    assert!(!applied.contains("hunter2"), "{applied}");
    assert_eq!(project.read("out/token"), "hunter2-is-the-token");
    assert_eq!(project.read("out/used"), "hunter2-for-a-command");
}

#[test]
fn a_password_is_a_secret_however_it_was_written() {
    let project =
        Project::new("    - user: trueup-test-nobody\n      password: \"$6$salt$hunter2hash\"\n      system: true\n");
    project.run(2, &["plan", "--out", "p.plan"]);
    assert!(!holds(&project.path("p.plan"), "hunter2hash"));
}

#[test]
fn a_plan_that_is_not_sound_is_refused_with_its_reason() {
    let project = Project::new("    - file: OUT/a\n      content: one\n");
    project.run(2, &["plan", "--out", "p.plan"]);
    let whole = std::fs::read(project.path("p.plan")).unwrap();
    let mut said = String::new();
    let mut try_ = |name: &str, bytes: &[u8]| {
        std::fs::write(project.path("bad.plan"), bytes).unwrap();
        for command in [&["apply", "bad.plan", "--yes"][..], &["show", "bad.plan"]] {
            let text = project.run(1, command);
            said.push_str(&format!("{name}: {}: {}", command[0], text.lines().last().unwrap_or_default()));
            said.push('\n');
        }
    };
    let mut tampered = whole.clone();
    *tampered.last_mut().unwrap() ^= 1;
    try_("tampered", &tampered);
    let length = whole.len();
    try_("truncated", &whole[..length - length % 100]);
    let newer = String::from_utf8_lossy(&whole[..20]).replace("plan 1 ", "plan 2 ");
    try_("newer", &[newer.as_bytes(), &whole[20..]].concat());
    try_("made up", &trueup::saved::file::frame(b"{\"head\": 1}").unwrap());
    let said = regex::Regex::new(r"\d+ of \d+ bytes").unwrap().replace_all(&said, "N of M bytes");
    insta::assert_snapshot!(said.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    assert!(!project.path("out/a").exists());
}

#[test]
fn a_plan_is_applied_where_one_who_may_has_signed_it() {
    let project = Project::new("    - file: OUT/a\n      content: one\n");
    let dir = project.dir.path();
    let (alice, mallory) = (key(dir, "alice"), key(dir, "mallory"));
    let allowed = format!("alice@example.org namespaces=\"trueup-plan\" {}", project.read("alice.pub"));
    project.write("allowed", &allowed);
    let apply = ["apply", "p.plan", "--yes", "--require-signature", "--allowed-signers", "allowed"];

    project.run(2, &["plan", "--out", "p.plan"]);
    assert!(project.run(1, &apply).contains("it is not signed: there is no p.plan.sig"));
    project.run(0, &["sign", "p.plan", "--key", &mallory]);
    assert!(project.run(1, &apply).contains("by nobody who may sign"));
    project.run(2, &["plan", "--out", "p.plan", "--sign-key", &alice]);
    let signed = std::fs::read(project.path("p.plan")).unwrap();
    // Another plan under the same signature.
    project.write("site.yml", &project.read("site.yml").replace("one", "two"));
    project.run(2, &["plan", "--out", "q.plan"]);
    std::fs::copy(project.path("q.plan"), project.path("p.plan")).unwrap();
    assert!(project.run(1, &apply).contains("one of them was changed since"));
    std::fs::write(project.path("p.plan"), &signed).unwrap();
    assert!(!project.path("out/a").exists());
    let verified = Command::new("ssh-keygen")
        .current_dir(dir)
        .args(["-Y", "verify", "-n", "trueup-plan", "-I", "alice@example.org", "-f", "allowed", "-s", "p.plan.sig"])
        .stdin(std::fs::File::open(project.path("p.plan")).unwrap())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(project.run(0, &apply).contains("signed by alice@example.org (SHA256:"));
    assert_eq!(project.read("out/a"), "one");
    let no_plan = project.run(1, &["apply", "--yes", "--require-signature", "--allowed-signers", "allowed"]);
    assert!(no_plan.contains("site.yml is no saved plan"), "{no_plan}");
}

#[test]
fn a_saved_plan_is_not_bent_by_options() {
    let project = Project::new("    - file: OUT/a\n      content: one\n");
    project.run(2, &["plan", "--out", "p.plan"]);
    for option in [&["--limit", "here"][..], &["-e", "a=1"], &["--tags", "x"], &["-i", "hosts.yml"], &["--become"]] {
        let told = project.run(1, &[&["apply", "p.plan", "--yes"][..], option].concat());
        assert!(told.contains("a saved plan is applied as it is"), "{told}");
    }
}

#[test]
fn large_and_binary_contents_come_along() {
    let project = Project::new("    - file: OUT/big\n      source: big\n    - file: OUT/small\n      source: small\n");
    std::fs::create_dir(project.path("files")).unwrap();
    let (big, small) = (vec![0xa5; 400 << 10], vec![0, 255, 10, 13]);
    std::fs::write(project.path("files/big"), &big).unwrap();
    std::fs::write(project.path("files/small"), &small).unwrap();
    project.run(2, &["plan", "--out", "p.plan"]);
    std::fs::remove_dir_all(project.path("files")).unwrap();
    project.forget_what_was_written();
    project.run(0, &["apply", "p.plan", "--yes"]);
    assert_eq!(std::fs::read(project.path("out/big")).unwrap(), big);
    assert_eq!(std::fs::read(project.path("out/small")).unwrap(), small);
}

#[test]
fn what_a_saved_plan_removes_is_removed_and_nothing_that_left_the_manifest_since() {
    let one = "    - file: OUT/stays\n      content: one\n";
    let two = "    - file: OUT/goes\n      content: two\n    - file: OUT/later\n      content: three\n";
    let project = Project::new(&[one, two].concat());
    project.run(0, &["apply", "--yes", "--no-history"]);
    let whole = project.read("site.yml");
    let at = |name: &str| whole.find(&format!("out/{name}")).map(|n| whole[..n].rfind("    - file").unwrap()).unwrap();
    let without_one = format!("{}{}", &whole[..at("goes")], &whole[at("later")..]);
    project.write("site.yml", &without_one);
    project.run(2, &["plan", "--prune", "--out", "p.plan"]);
    project.write("site.yml", &whole[..at("goes")]);
    let told = project.run(1, &["apply", "p.plan", "--prune", "--yes"]);
    assert!(told.contains("a saved plan is applied as it is: give --prune to `trueup plan --out`"), "{told}");
    project.run(0, &["apply", "p.plan", "--yes"]);
    assert!(!project.path("out/goes").exists());
    assert!(project.path("out/later").exists() && project.path("out/stays").exists());
    let left = project.run(0, &["plan"]);
    assert!(left.contains("out/later") && !left.contains("out/goes"), "{left}");
    project.run(0, &["rollback", "last", "-i", "hosts.yml", "--yes"]);
    assert_eq!(project.read("out/goes"), "two");
}
