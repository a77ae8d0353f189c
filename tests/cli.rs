//! What a person reads at the terminal: whole outputs, by snapshot.

mod here;

use std::path::Path;

/// Runs in a folder of these files; exit code, standard output and standard error.
fn trueup(files: &[(&str, &str)], args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    run(dir.path(), args)
}

fn run(dir: &Path, args: &[&str]) -> String {
    let output = here::trueup(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir.display().to_string(), "DIR");
    let code = output.status.code().unwrap_or(-1);
    format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

const LOCAL: (&str, &str) = ("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");

fn with(site: &str, args: &[&str]) -> String {
    trueup(&[LOCAL, ("site.yml", site)], args)
}

#[test]
fn a_project_that_init_made_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(run(dir.path(), &["init"]));
    insta::assert_snapshot!(run(dir.path(), &["validate"]));
    insta::assert_snapshot!(run(dir.path(), &["init"]));
}

#[test]
fn many_mistakes_are_one_runs_work() {
    insta::assert_snapshot!(with(
        "- hosts: all\n  resources:\n    - file: /tmp/x\n      mode: 0644\n    - file: /tmp/y\n      onwer: root\n      state: presnt\n    - pakage: nginx\n    - service: nginx\n      state: running\n      enabled: yes\n",
        &["plan"]
    ));
    insta::assert_snapshot!(with(
        "- hosts: all\n  resources:\n    - file: /tmp/x\n      mode: 0644\n    - file: /tmp/y\n      onwer: root\n    - file: relative/path\n    - service: nginx\n      enabled: yes\n    - cron: job\n      schedule: \"61 * * * *\"\n      command: \"true\"\n    - firewall: web\n      allow: { port: 99999/tcp, form: 10.0.0.0/8 }\n    - file: /tmp/z\n      template: missing.j2\n    - file: /tmp/z2\n      source: missing.bin\n",
        &["validate"]
    ));
}

#[test]
fn malformed_yaml_duplicate_keys_and_unknown_hosts_are_told() {
    insta::assert_snapshot!(with("- hosts: all\n  resources:\n   - file: /x\n  - file: /y\n", &["validate"]));
    insta::assert_snapshot!(with("- hosts: all\n  vars: {a: 1}\n  vars: {b: 2}\n", &["validate"]));
    insta::assert_snapshot!(with("- hosts: wbe\n  resources: []\n", &["validate"]));
    insta::assert_snapshot!(with("- hosts: all\n  resources: []\n", &["validate", "--limit", "hree"]));
    insta::assert_snapshot!(with("", &["plan", "nowhere.yml"]));
    insta::assert_snapshot!(trueup(&[("site.yml", "- hosts: all\n  resources: []\n")], &["plan", "-i", "nowhere.yml"]));
}

#[test]
fn a_plan_an_apply_and_a_second_plan() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(LOCAL.0), LOCAL.1).unwrap();
    let out = dir.path().join("out");
    let site = format!(
        "- hosts: all\n  vars: {{ out: {} }}\n  resources:\n    - directory: \"{{{{ out }}}}\"\n    - file: \"{{{{ out }}}}/a\"\n      name: the first file\n      content: \"one\\ntwo\\n\"\n      mode: \"0600\"\n    - exec: tell\n      command: echo told > {{{{ out }}}}/told\n      creates: \"{{{{ out }}}}/told\"\n      unless: test -e {{{{ out }}}}/told\n    - exec: fail\n      command: echo some words; exit 7\n      unless: \"false\"\n    - file: \"{{{{ out }}}}/after\"\n      content: x\n      require: exec[fail]\n",
        out.display()
    );
    std::fs::write(dir.path().join("site.yml"), site).unwrap();
    insta::assert_snapshot!(run(dir.path(), &["plan"]));
    insta::assert_snapshot!(run(dir.path(), &["apply", "--yes"]));
    std::fs::write(out.join("a"), "one\n2\n").unwrap();
    insta::assert_snapshot!(run(dir.path(), &["plan"]));
}

#[test]
fn the_inventory_as_a_tree_and_as_json() {
    let ini =
        "[web]\nweb[1:2] port=80\n[db]\ndb1 ansible_password=hunter2\n[prod:children]\nweb\ndb\n[prod:vars]\ntier=p\n";
    insta::assert_snapshot!(trueup(&[("hosts.ini", ini)], &["inventory"]));
    insta::assert_snapshot!(trueup(&[("hosts.ini", ini)], &["inventory", "--host", "db1"]));
    insta::assert_snapshot!(trueup(&[("hosts.ini", ini)], &["inventory", "--limit", "prod:!web1"]));
}

#[test]
fn a_graph_for_graphviz_and_for_mermaid() {
    let site = "- hosts: all\n  resources:\n    - package: nginx\n    - file: /etc/nginx/x\n      notify: service[nginx]\n      require: package[nginx]\n    - service: nginx\n      state: running\n";
    insta::assert_snapshot!(with(site, &["graph"]));
    insta::assert_snapshot!(with(site, &["graph", "--format", "mermaid"]));
}

#[test]
fn doc_explains_a_type_and_suggests_one() {
    insta::assert_snapshot!(with("", &["doc"]));
    insta::assert_snapshot!(with("", &["doc", "service"]));
    insta::assert_snapshot!(with("", &["doc", "servcie"]));
}

#[test]
fn schemas_are_json_and_completions_are_there() {
    for what in ["manifest", "plan", "history", "history-from-hosts", "diff", "facts"] {
        let text = with("", &["schema", what]);
        let json = text.split("--- stdout\n").nth(1).unwrap().split("--- stderr").next().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{what}");
    }
    assert!(with("", &["completions", "bash"]).contains("_trueup"));
}

#[test]
fn what_is_not_in_line_after_its_steps_went_well_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(LOCAL.0), LOCAL.1).unwrap();
    let missing = dir.path().join("missing");
    let site = format!(
        "- hosts: all\n  resources:\n    - exec: make it\n      command: \"true\"\n      creates: {}\n",
        missing.display()
    );
    std::fs::write(dir.path().join("site.yml"), site).unwrap();
    insta::assert_snapshot!(run(dir.path(), &["apply", "--yes"]));
}

#[test]
fn variables_of_the_command_line_are_the_strongest() {
    let files = [
        LOCAL,
        ("group_vars/all.yml", "a: group\nb: group\nc: group\n"),
        ("host_vars/here/one.yml", "b: host\n"),
        ("more.yml", "c: file\n"),
        (
            "site.yml",
            "- hosts: all\n  vars: { d: \"{{ a }} {{ b }} {{ c }} {{ n + 1 }}\" }\n  resources:\n    - exec: \"say {{ d }}\"\n",
        ),
    ];
    let said = trueup(&files, &["graph", "-e", "@more.yml", "-e", "n=4"]);
    assert!(said.contains("exec[say group host file 5]"), "{said}");
}

#[test]
fn a_line_break_after_an_expression_is_kept() {
    let site = "- hosts: here\n  vars: { port: 80 }\n  resources:\n    - file: /nowhere/port\n      content: \"{{ port }}\\n\"\n    - directory: /nowhere\n";
    assert!(with(site, &["plan"]).contains("content: 3 bytes"), "{}", with(site, &["plan"]));
}

#[test]
fn what_asks_changes_nothing_where_there_is_nobody_to_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    let site = format!("- hosts: localhost\n  resources:\n    - file: {}\n      content: x\n", file.display());
    std::fs::write(dir.path().join("site.yml"), site).unwrap();
    for words in [&["apply"][..], &["rollback", "last"]] {
        let out = here::trueup(dir.path()).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{words:?} {said}");
        assert!(said.contains("standard input is no terminal; `--yes` changes without a question"), "{said}");
        assert!(!file.exists());
    }
    assert!(here::trueup(dir.path()).args(["apply", "--yes"]).status().unwrap().success());
    assert!(file.exists());
}
