//! What ansible-vault encrypted, as a user has it: in group_vars, in place, in files, by passwords from anywhere. What
//! is in `data` was made by ansible-vault itself (core 2.19): `default` is the password "correct horse", `prod` is
//! "battery staple", and every secret holds "hunter2" or 4815162342.

#[path = "../here/mod.rs"]
mod here;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

const DEFAULT: &str = include_str!("data/default.yml");
const PROD: &str = include_str!("data/prod.yml");
const INLINE: &str = include_str!("data/inline.yml");
const TWICE: &str = include_str!("data/twice.yml");
const KEY: &str = include_str!("data/key.bin");

const HOSTS: &str = "\
all:
  vars: { ansible_connection: local, db_host: db.example }
  children:
    app: { hosts: { here: } }
    prod: { hosts: { far: } }
";

/// Everything that was encrypted goes into files below OUT.
const SITE: &str = "\
- hosts: app
  resources:
    - file: OUT/dsn
      content: \"{{ dsn }} {{ port }} {{ db.users[0].name }}\"
      mode: \"0600\"
    - file: OUT/cookie
      content: \"{{ cookie }}\"
      mode: \"0600\"
    - file: OUT/key
      source: key.bin
      mode: \"0600\"
";

struct Project(TempDir);

impl Project {
    /// With a host `here` in `app`, whose variables are encrypted for `default`, and a host `far` in `prod`, whose are for
    /// `prod`.
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let out = project.dir().join("out");
        fs::create_dir(&out).unwrap();
        project.write("hosts.yml", HOSTS);
        project.write("site.yml", &SITE.replace("OUT", &out.display().to_string()));
        project.write("group_vars/app/vault.yml", DEFAULT);
        project.write("group_vars/app/inline.yml", INLINE);
        project.write("group_vars/prod.yml", PROD);
        project.write("files/key.bin", KEY);
        project.write(".vault-pass", "correct horse\n");
        project.write(".vault-prod", "battery staple\n");
        project
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn executable(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.dir().join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// Exit code, and all that it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = here::trueup(self.dir()).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.dir().display().to_string(), "DIR");
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_plain(args, told.as_bytes());
        (output.status.code().unwrap_or(-1), told)
    }
}

/// No secret in it, neither as it is nor as digits or in base64.
fn assert_plain(what: impl std::fmt::Debug, bytes: &[u8]) {
    use base64::Engine as _;
    let text = String::from_utf8_lossy(bytes);
    let marks = ["hunter2", "4815162342", "68756e74657232"];
    // In base64 at each of the three places where it may begin.
    let shifted = ["", "x", "xx"].map(|lead| {
        let all = base64::engine::general_purpose::STANDARD.encode(format!("{lead}hunter2"));
        all.get(4..8).unwrap().to_owned() + all.get(8..9).unwrap()
    });
    for mark in marks.iter().copied().chain(shifted.iter().map(String::as_str)) {
        assert!(!text.contains(mark), "{what:?} tells {mark}:\n{text}");
    }
}

/// Every file below, its name and its bytes.
fn files(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, out);
        } else if path.is_file() {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn encrypted_variables_values_and_files_are_applied_and_told_nowhere() {
    let project = Project::new();
    let pass = ["--vault-password-file", ".vault-pass"];
    let (code, told) = project.run(&[&["plan", "--out", "p.plan"], &pass[..]].concat());
    assert_eq!(code, 2, "{told}");
    let (code, told) = project.run(&[&["plan", "--json"], &pass[..]].concat());
    assert_eq!(code, 2, "{told}");
    let (code, told) = project.run(&[&["apply", "--yes"], &pass[..]].concat());
    assert_eq!(code, 0, "{told}");
    let read = |name: &str| fs::read(project.dir().join("out").join(name)).unwrap();
    assert_eq!(read("dsn"), b"postgres://app:hunter2-database@db.example/app 4815162342 hunter2-anna");
    assert_eq!(read("cookie"), b"hunter2-cookie");
    assert_eq!(read("key"), b"hunter2 key \x00\xff\xfe bytes\n");
    let (code, told) = project.run(&[&["plan"], &pass[..]].concat());
    assert_eq!(code, 0, "{told}");
    for show in [&["show", "last"][..], &["show", "last", "--json"], &["show", "p.plan"], &["show", "p.plan", "--json"]]
    {
        assert_eq!(project.run(show).0, 0);
    }
    // The plan, the history, what is remembered, and the host's journal with all that it keeps.
    let mut kept = vec![];
    files(project.dir(), &mut kept);
    kept.retain(|(name, _)| !name.contains("/out/"));
    assert!(kept.iter().any(|(name, _)| name.ends_with("history.db")), "{:?}", kept.iter().map(|k| &k.0));
    assert!(kept.iter().any(|(name, _)| name.contains("/.host/")), "the host's journal");
    for (name, bytes) in &kept {
        assert_plain(name, bytes);
    }
}

#[test]
fn a_saved_plan_holds_them_sealed() {
    let project = Project::new();
    project.write("seal.key", "a key of more than sixteen bytes\n");
    let seal = ["--seal-key", "seal.key"];
    let (code, told) =
        project.run(&[&["plan", "--out", "p.plan", "--vault-password-file", ".vault-pass"], &seal[..]].concat());
    assert_eq!(code, 2, "{told}");
    assert_plain("p.plan", &fs::read(project.dir().join("p.plan")).unwrap());
    // Whoever applies it needs the plan's key, and no password of a vault.
    let (code, told) = project.run(&[&["apply", "p.plan", "--yes"], &seal[..]].concat());
    assert_eq!(code, 0, "{told}");
    assert_eq!(fs::read(project.dir().join("out/cookie")).unwrap(), b"hunter2-cookie");
}

#[test]
fn without_its_password_a_vault_is_told_with_what_to_give() {
    let project = Project::new();
    insta::assert_snapshot!("no_password", project.run(&["validate"]).1);
    project.write(".vault-pass", "no horse\n");
    insta::assert_snapshot!(
        "wrong_password",
        project.run(&["plan", "--vault-password-file", ".vault-pass", "--vault-id", "prod@.vault-prod"]).1
    );
    // In place, where the file as a whole is in clear.
    fs::remove_file(project.dir().join("group_vars/app/vault.yml")).unwrap();
    project.write(
        "site.yml",
        "- hosts: app\n  resources:\n    - file: /x/{{ plain }}\n      content: 'x {{ admin_password }}'\n",
    );
    let (code, told) = project.run(&["plan"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("no_password_in_place", told);
    // What nobody asks for stays closed.
    project.write("site.yml", "- hosts: app\n  resources:\n    - file: /x/{{ plain }}\n      content: x\n");
    assert_eq!(project.run(&["validate"]).0, 0);
}

#[test]
fn only_what_the_hosts_of_a_run_need_is_opened() {
    let project = Project::new();
    project.write("site.yml", "- hosts: all\n  resources:\n    - file: /x\n      content: x\n");
    let limited = |host| project.run(&["validate", "--limit", host, "--vault-id", "prod@.vault-prod"]);
    assert_eq!(limited("far").0, 0, "the password of app is not needed");
    let (code, told) = limited("here");
    assert_eq!(code, 1);
    assert!(told.contains("tried: prod"), "{told}");
    assert_eq!(project.run(&["inventory"]).0, 0, "groups and hosts are in clear");
    let (code, told) = project.run(&["inventory", "--host", "far", "--vault-id", "prod@.vault-prod"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"api_token\": \"(secret)\""), "{told}");
}

#[test]
fn a_password_comes_from_where_it_is_kept() {
    let project = Project::new();
    let valid = |args: &[&str]| {
        let (code, told) = project.run(&[&["validate"], args].concat());
        assert_eq!(code, 0, "{args:?}: {told}");
    };
    project.executable("ask.sh", "#!/bin/sh\necho 'correct horse'\n");
    valid(&["--vault-password-file", "ask.sh"]);
    project.executable("keys-client.sh", "#!/bin/sh\ntest \"$*\" = '--vault-id default' && echo 'correct horse'\n");
    valid(&["--vault-id", "keys-client.sh"]);
    project.write("trueup.toml", "[vault]\npassword_file = \".vault-pass\"\n");
    valid(&[]);
    project.write("trueup.toml", "[vault]\nids = [\"prod@.vault-prod\", \"dev@.vault-pass\"]\n");
    valid(&[]);
    let (code, told) = project.run(&["validate", "--vault-id", "prod@nowhere"]);
    assert_eq!(code, 1);
    assert!(told.contains("no password for the vault id prod: nowhere: No such file"), "{told}");
    // What the settings name may be somebody else's: it is told where it is missed.
    project.write("trueup.toml", "[vault]\nids = [\"prod@nowhere\"]\n");
    let (code, told) = project.run(&["validate"]);
    assert_eq!(code, 1);
    assert!(told.contains("its password could not be had; `prod`: "), "{told}");
    fs::set_permissions(project.dir().join(".vault-pass"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, told) = project.run(&["validate", "--vault-password-file", ".vault-pass"]);
    assert_eq!(code, 0);
    assert!(told.contains("warning: everyone on this machine can reach the vault password in .vault-pass"), "{told}");
}

#[test]
fn encrypted_extra_vars_are_read() {
    let project = Project::new();
    project.write("extra.yml", PROD);
    project.write(
        "site.yml",
        "- hosts: far\n  resources:\n    - file: /x\n      content: '{{ api_token }}'\n      mode: '0600'\n",
    );
    fs::remove_file(project.dir().join("group_vars/prod.yml")).unwrap();
    assert_eq!(project.run(&["validate", "-e", "@extra.yml", "--vault-id", "p@.vault-prod"]).0, 0);
    let (code, told) = project.run(&["validate", "-e", "@extra.yml"]);
    assert_eq!(code, 1);
    assert!(told.contains("extra.yml:1:1") && told.contains("--vault-id prod@FILE"), "{told}");
}

#[test]
fn a_damaged_vault_is_told_by_its_line() {
    let project = Project::new();
    let pass = ["validate", "--vault-password-file", ".vault-pass"];
    let broken = DEFAULT.replacen("\n3", "\nhunter", 1);
    project.write("group_vars/app/vault.yml", &broken);
    let (code, told) = project.run(&["validate"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("damaged", told);
    let cut: Vec<&str> = DEFAULT.lines().take(5).collect();
    project.write("group_vars/app/vault.yml", &cut.join("\n"));
    assert!(project.run(&pass).1.contains("malformed vault"));
    project.write("group_vars/app/vault.yml", TWICE);
    insta::assert_snapshot!("twice", project.run(&pass).1);
    project.write("group_vars/app/vault.yml", KEY);
    insta::assert_snapshot!("no_text", project.run(&pass).1);
    project.write("group_vars/app/vault.yml", "a: !vault |\n  no vault\nb: !vault [1]\nc: !vualt x\n");
    insta::assert_snapshot!("no_vault_in_place", project.run(&pass).1);
}

#[test]
fn what_is_read_in_clear_is_not_encrypted() {
    let project = Project::new();
    project.write("site.yml", "- hosts: app\n  resources:\n    - file: /x\n      template: x.j2\n");
    project.write("templates/x.j2", DEFAULT);
    let (code, told) = project.run(&["validate", "--vault-password-file", ".vault-pass"]);
    assert_eq!(code, 1);
    assert!(told.contains("an encrypted template") && told.contains("x.j2:1:1"), "{told}");
    let (code, told) = project.run(&["inventory", "-i", "group_vars/prod.yml"]);
    assert_eq!(code, 1);
    assert!(told.contains("an encrypted inventory"), "{told}");
}

#[test]
fn a_secret_that_names_a_file_is_not_told() {
    let project = Project::new();
    for what in ["source", "template"] {
        let site = format!("- hosts: app\n  resources:\n    - file: /x\n      {what}: '{{{{ cookie }}}}'\n");
        project.write("site.yml", &site);
        let (code, told) = project.run(&["validate", "--vault-password-file", ".vault-pass"]);
        assert_eq!(code, 1);
        assert!(told.contains("a secret in the open"), "{told}");
    }
}
