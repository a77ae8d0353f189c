//! Values are what was written: in manifests, in variables, on the command line.

mod here;

/// What a command says in a folder of these files; `DIR` stands for it.
fn said(files: &[(&str, &str)], args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let hosts = ("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");
    for (name, text) in [hosts].iter().chain(files) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = here::trueup(dir.path()).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir.path().display().to_string(), "DIR");
    format!("exit {}\n{}{}", output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn site(resources: &str) -> String {
    format!("- hosts: all\n  resources:\n{resources}")
}

#[test]
fn a_number_that_loses_its_text_is_refused_where_text_is_wanted() {
    for (resources, write) in [
        ("    - package: a\n      version: 1.10\n", "write \"1.10\""),
        ("    - package: a\n      version: 1\n", "write \"1\""),
        ("    - package: a\n      version: 1e3\n", "write \"1e3\""),
        ("    - file: /a\n      content: x\n      mode: 0o644\n", "write \"0644\""),
        ("    - file: /a\n      content: x\n      mode: 0644\n", "write \"0644\""),
        ("    - file: /a\n      content: x\n      mode: 1e3\n", "such as \"0644\""),
        ("    - file: /a\n      content: x\n      owner: 0100\n", "write \"0100\""),
        ("    - sysctl: kernel.a\n      value: 1.10\n", "write \"1.10\""),
        ("    - sysctl: kernel.a\n      value: 0x10\n", "write \"0x10\""),
        ("    - file: /a\n      content: 1.10\n", "write \"1.10\""),
        ("    - user: a\n      uid: 0100\n", "write 0o100, or 100"),
        (
            "    - file: /a\n      content: \"{{ 99999999999999999999 }}\"\n      mode: 99999999999999999999\n",
            "no mode; write octal",
        ),
    ] {
        let told = said(&[("site.yml", &site(resources))], &["validate"]);
        assert!(told.starts_with("exit 1\n") && told.contains(write), "{resources}{told}");
    }
    let fine = "    - file: /a\n      content: x\n      owner: 100\n    - sysctl: kernel.a\n      value: 1\n    - sysctl: kernel.b\n      value: 0.5\n    - user: a\n      uid: 0o100\n";
    let told = said(&[("site.yml", &site(fine))], &["validate"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn so_is_one_that_comes_through_a_template() {
    let resources = |param: &str| site(&format!("    - package: a\n      version: {param}\n"));
    let mode = |param: &str| site(&format!("    - file: /a\n      content: x\n      mode: {param}\n"));
    let content = |param: &str| site(&format!("    - file: /a\n      content: {param}\n"));
    for (vars, site, write) in [
        ("v: 1.10", resources("\"{{ v }}\""), "write \"1.10\""),
        ("w: 1.10\nv: \"{{ w }}\"", resources("\"{{ v }}\""), "write \"1.10\""),
        ("v: {w: 1.10}", resources("\"{{ v.w }}\""), "write \"1.10\""),
        ("v: 12", resources("\"{{ v }}\""), "write \"12\""),
        (
            "v: [1.10]",
            site("    - package: a\n      version: \"{{ item }}\"\n      for_each: \"{{ v }}\"\n"),
            "write \"1.10\"",
        ),
        ("v: 0644", mode("\"{{ v }}\""), "write \"0644\""),
        ("v: 420", mode("\"{{ v }}\""), "write \"0644\""),
        ("v: 640", mode("\"{{ v }}\""), "write \"0640\""),
        ("v: 1.10", content("\"{{ v }}\""), "write \"1.10\""),
        ("v: 1_000", content("\"{{ v }}\""), "write \"1_000\""),
        ("v: 12:30:00", content("\"{{ v }}\""), "write \"12:30:00\""),
        ("v: no", content("\"{{ v }}\""), "write \"no\""),
    ] {
        let told = said(&[("site.yml", &site), ("group_vars/all.yml", vars)], &["validate"]);
        assert!(told.starts_with("exit 1\n") && told.contains(write), "{vars}\n{site}{told}");
    }
    let octal =
        "- hosts: all\n  vars: { m: 0o644 }\n  resources:\n    - file: /a\n      content: x\n      mode: \"{{ m }}\"\n";
    let told = said(&[("site.yml", octal)], &["validate"]);
    assert!(told.contains("write \"0644\""), "{told}");
    let told = said(&[("site.yml", octal)], &["validate", "-e", "m=0644"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn a_decimal_number_prints_as_templates_print_it() {
    let text =
        |param: &str| site(&format!("    - exec: \"say {param}\"\n    - file: /a\n      content: \"{param}\"\n"));
    let told = said(&[("site.yml", &text("{{ 10 / 4 * 2 }}"))], &["plan"]);
    assert!(told.contains("exec[say 5.0]") && told.contains("content: 3 bytes"), "{told}");
}

#[test]
fn text_is_no_condition() {
    let site =
        |when: &str| site(&format!("    - file: /tmp/trueup-no-such-file\n      state: absent\n      when: {when}\n"));
    let plan = |vars: &str, when: &str| said(&[("site.yml", &site(when)), ("group_vars/all.yml", vars)], &["plan"]);
    for (vars, when) in [
        ("feature: \"no\"", "feature"),
        ("feature: \"\"", "\"{{ feature }}\""),
        ("feature: \"yes\"", "[facts.cpus > 0, feature]"),
        ("feature: \"no\"\nother: false", "other or feature"),
        ("feature: \"no\"", "not feature"),
        ("feature: \"no\"\nother: true", "feature and other"),
        ("feature: \"no\"\nother: true", "not (other and feature)"),
    ] {
        let told = plan(vars, when);
        assert!(told.starts_with("exit 1\n") && told.contains("text as a condition"), "{vars} {when}\n{told}");
    }
    let told = plan("feat: \"no\"\nfeature: true", "feature and not feat");
    assert!(told.contains("site.yml:5:29\n") && told.contains("^^^^ this is text, not true or false"), "{told}");
    for when in [
        "feature | bool",
        "feature == \"no\"",
        "not feature | bool",
        "[]",
        "items",
        "nowhere is defined and nowhere",
        "items or nowhere",
    ] {
        let told = plan("feature: \"no\"\nitems: [1]", when);
        assert!(told.starts_with("exit 0\n"), "{when}\n{told}");
    }
}

/// `v0: "{{ v1 }}{{ v1 }}"` and so on.
fn levels(count: usize, value: impl Fn(String) -> String, last: &str) -> String {
    let level = |n| format!("v{n}: \"{}\"\n", value(format!("v{}", n + 1)));
    (0..count).map(level).collect::<String>() + &format!("v{count}: {last}\n")
}

#[test]
fn variables_that_double_at_each_level_are_refused_at_their_place() {
    let site = site("    - file: /tmp/trueup-no-such-file\n      content: \"{{ v0 }}\"\n");
    let plan = |vars: &str| said(&[("site.yml", &site), ("group_vars/all.yml", vars)], &["plan"]);
    for vars in [
        levels(40, |v| format!("{{{{ {v} }}}}{{{{ {v} }}}}"), "a page of text"),
        levels(40, |v| format!("{{{{ [{v}, {v}] }}}}"), "[1]"),
        levels(40, |v| format!("{{{{ {v} ~ {v} }}}}"), "text"),
        levels(40, |v| format!("{{{{ [{v}, {v}] }}}}"), "[!secret hunter2]"),
        levels(40, |v| format!("{{{{ [{v}, {v}] }}}}"), "[1.10]"),
    ] {
        let told = plan(&vars);
        assert!(told.starts_with("exit 1\n") && told.contains("more than 32 MiB"), "{told}");
        assert!(told.contains("group_vars/all.yml:"), "{told}");
    }
}

#[test]
fn a_variable_that_fails_is_looked_up_once() {
    let site = site("    - file: /tmp/trueup-no-such-file\n      content: \"{{ v0 }}\"\n");
    let vars = levels(45, |v| format!("{{{{ {v} }}}}{{{{ {v} }}}}"), "\"{{ nowhere }}\"");
    let told = said(&[("site.yml", &site), ("group_vars/all.yml", &vars)], &["plan"]);
    assert!(told.starts_with("exit 1\n") && told.contains("`nowhere` has no value here"), "{told}");
    assert!(told.matches("needed here").count() < 10, "{told}");
}

#[test]
fn what_could_use_up_the_stack_is_an_error_at_its_place() {
    let content = |text: &str| site(&format!("    - file: /tmp/trueup-no-such-file\n      content: '{text}'\n"));
    for (text, told) in [
        (format!("{{{{ {} }}}}", vec!["a"; 8000].join("~")), "nested more deeply"),
        (format!("{{{{ {}true }}}}", "not ".repeat(8000)), "nested more deeply"),
        (format!("{{{{ {}1{} }}}}", "[".repeat(8000), "]".repeat(8000)), "nested more deeply"),
        (format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(8000)), "nested more deeply"),
        ("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}".to_owned(), "recursion"),
    ] {
        let said = said(&[("site.yml", &content(&text))], &["plan"]);
        assert!(said.starts_with("exit 1\n") && said.contains(told) && said.contains("site.yml:4"), "{said:.2000}");
        let template = site("    - file: /tmp/trueup-no-such-file\n      template: t.j2\n");
        let said = self::said(&[("site.yml", &template), ("templates/t.j2", &text)], &["plan"]);
        assert!(said.starts_with("exit 1\n") && said.contains(told), "{said:.2000}");
    }
    // A namespace is given a copy, and so holds nothing of itself.
    for text in [
        "{% set n = namespace(a=1) %}{% set n.x = n %}{{ n }}",
        "{% set n = namespace() %}{% set m = namespace() %}{% set n.x = [m] %}{% set m.x = {\"n\": n} %}{{ m }}{{ n | tojson }}",
        "{% macro f(n) %}{% set n.x = n %}{% endmacro %}{% set n = namespace() %}{{ f(n) }}{{ n.x | string }}",
    ] {
        let template = site("    - file: /tmp/trueup-no-such-file\n      template: t.j2\n");
        let said = self::said(&[("site.yml", &template), ("templates/t.j2", text)], &["plan"]);
        assert!(said.starts_with("exit 2\n"), "{text} {said:.2000}");
    }
    let vars = levels(5000, |v| format!("{{{{ {v} }}}}"), "x");
    let said = said(&[("site.yml", &content("{{ v0 }}")), ("group_vars/all.yml", &vars)], &["plan"]);
    assert!(said.starts_with("exit 1\n") && said.contains("a chain of 50 variables"), "{said:.2000}");
    let when = site(&format!("    - exec: x\n      when: '{}'\n", vec!["a"; 8000].join(" + ")));
    let said = self::said(&[("site.yml", &when)], &["plan"]);
    assert!(said.starts_with("exit 1\n") && said.contains("nested more deeply"), "{said:.2000}");
}

#[test]
fn the_system_is_neither_removed_nor_emptied() {
    for resource in [
        "directory: /etc\n      purge: true",
        "directory: /usr/local\n      purge: true",
        "directory: /home\n      purge: true",
        "directory: /etc\n      state: absent",
        "directory: /srv\n      state: absent",
        "directory: /var\n      recurse: true\n      owner: root",
        "symlink: /bin\n      state: absent",
        "symlink: /lib64\n      target: /srv/lib",
        "file: /sbin\n      state: absent",
    ] {
        let told = said(&[("site.yml", &site(&format!("    - {resource}\n")))], &["plan"]);
        assert!(told.starts_with("exit 1\n") && told.contains("belongs to the system"), "{resource}: {told}");
    }
    let fine = site("    - directory: /etc\n      mode: \"0755\"\n");
    let told = said(&[("site.yml", &fine)], &["plan"]);
    assert!(!told.contains("belongs to the system"), "{told}");
}

#[test]
fn the_inventory_of_a_limit_has_no_other_host() {
    let files = [("hosts.ini", "[web]\nw1 a=1\nw2 a=2\n[db]\nd1 a=3\n")];
    let told = said(&files, &["inventory", "-i", "hosts.ini", "--list", "--limit", "w1,db"]);
    assert!(told.starts_with("exit 0\n") && told.contains("\"w1\"") && told.contains("\"d1\""), "{told}");
    assert!(!told.contains("w2"), "{told}");
    let told = said(&files, &["inventory", "-i", "hosts.ini", "--host", "w2", "--limit", "w1"]);
    assert!(told.starts_with("exit 1\n") && told.contains("w2 is not among the hosts of --limit"), "{told}");
    let told = said(&files, &["inventory", "-i", "hosts.ini", "--host", "w1", "--limit", "w1"]);
    assert!(told.starts_with("exit 0\n") && told.contains("\"a\": 1"), "{told}");
}

#[test]
fn the_command_line_holds_for_commands_without_a_manifest_too() {
    let files = [("hosts.ini", "[web]\nw1 a=1 ansible_connection=local\n")];
    let told = said(&files, &["inventory", "-i", "hosts.ini", "--host", "w1", "-e", "a=2", "-e", "{\"b\": [3]}"]);
    assert!(told.starts_with("exit 0\n") && told.contains("\"a\": 2") && told.contains("\"b\": [\n    3"), "{told}");
    for command in [&["facts"][..], &["rollback", "last", "--plan"]] {
        let with = |vars: &str| said(&files, &[command, &["-i", "hosts.ini", "-e", vars]].concat());
        assert!(with("ansible_connection=nope").contains("`nope` is no kind of connection"), "{command:?}");
        assert!(with("facts=1").contains("is a name of trueup's own"), "{command:?}");
    }
}

#[test]
fn the_command_line_is_the_strongest() {
    let site = site("    - module: web\n      with: { port: 80 }\n");
    let module = "parameters:\n  port: { type: int }\nresources:\n  - exec: \"listen {{ port }}\"\n";
    let files = [("site.yml", site.as_str()), ("modules/web/module.yml", module)];
    let told = said(&files, &["plan"]);
    assert!(told.contains("exec[listen 80]"), "{told}");
    let told = said(&files, &["plan", "-e", "port=81"]);
    assert!(told.contains("exec[listen 81]"), "{told}");
    let told = said(&files, &["plan", "-e", "port=many"]);
    assert!(told.starts_with("exit 1\n") && told.contains("`port` is of type int"), "{told}");
}

#[test]
fn a_name_of_trueup_s_own_is_no_variable() {
    let plain = site("    []\n");
    for name in ["facts", "groups", "group_names", "inventory_hostname"] {
        let told = said(&[("site.yml", &plain)], &["validate", "-e", &format!("{name}=x")]);
        assert!(told.starts_with("exit 1\n") && told.contains("reserved name"), "{told}");
        let vars = format!("- hosts: all\n  vars: {{ {name}: x }}\n  resources: []\n");
        let told = said(&[("site.yml", &vars)], &["validate"]);
        assert!(told.starts_with("exit 1\n") && told.contains("site.yml:2"), "{told}");
        // An inventory may be made for others, too.
        let told = said(&[("site.yml", &plain), ("group_vars/all.yml", &format!("{name}: x\n"))], &["plan"]);
        assert!(told.starts_with("exit 0\n") && told.contains("reserved name"), "{told}");
        let hosts = "all:\n  hosts:\n    a: {ansible_connection: local}\n    b: {ansible_connection: local}\n";
        let vars = format!("{name}: x\n");
        let told = said(&[("site.yml", &plain), ("hosts.yml", hosts), ("group_vars/all.yml", &vars)], &["plan"]);
        assert_eq!(told.matches("reserved name").count(), 1, "{told}");
    }
}
