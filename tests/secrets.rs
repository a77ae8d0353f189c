//! What is secret is in no error, whatever goes wrong with it, and in nothing that others on a host can see.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use trueup::catalog::Catalog;
use trueup::catalog::Selection;
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::language::filters::NAMES;
use trueup::language::node::{Node, Yaml};
use trueup::language::scope::Scope;
use trueup::language::template::Templates;
use trueup::language::yaml;
use trueup::manifest::evaluate::{HostInput, compile};
use trueup::manifest::project;
use trueup::model::span::{Sources, Span};
use trueup::resources::types::TYPES;

/// In every secret here, as text or as digits.
const MARKS: [&str; 2] = ["hunter2", "4815162342"];

const VARS: &str = "\
text: !secret 'hunter2 is no (version'
number: !secret 4815162342
list: !secret [hunter2, {hunter2: hunter2}]
map: !secret {hunter2: [hunter2]}
partly: [{name: anna, password: !secret hunter2}]
made: 'x{{ text }}'
plain: 1
";

const TESTS: &[&str] = &[
    "contains",
    "divisibleby",
    "endingwith",
    "eq",
    "filter",
    "ge",
    "in",
    "lt",
    "match",
    "regex",
    "sameas",
    "search",
    "startingwith",
    "subset",
    "superset",
    "test",
    "version",
];

const METHODS: &[&str] = &[
    "append",
    "capitalize",
    "center",
    "count",
    "endswith",
    "find",
    "format",
    "get",
    "items",
    "join",
    "keys",
    "lower",
    "nothing",
    "partition",
    "removeprefix",
    "replace",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "update",
    "upper",
    "values",
    "zfill",
];

/// Every filter and test, and what else the engine has, on a secret that it mostly cannot take.
fn expressions() -> Vec<String> {
    let sound = minijinja::Environment::new();
    let mut all = vec![];
    for secret in ["text", "number", "list", "map", "partly", "made"] {
        for name in NAMES {
            for arguments in ["", "(1)", "('x', 'y')", "([1])", "(list)", "('strict')", "(plain, number, map)"] {
                all.push(format!("{secret} | {name}{arguments}"));
            }
            for value in ["plain", "'1.2'", "[plain]", "{'a': plain}"] {
                all.push(format!("{value} | {name}({secret})"));
                all.push(format!("{value} | {name}({secret}, {secret})"));
            }
            all.push(format!("[{secret}] | map('{name}') | list"));
        }
        for name in TESTS {
            all.push(format!("{secret} is {name}(plain)"));
            all.push(format!("{secret} is {name}('2', strict=true)"));
            all.push(format!("plain is {name}({secret})"));
            all.push(format!("'2.0.0' is {name}({secret}, version_type='semver')"));
        }
        for name in METHODS {
            for arguments in ["", "1", "'x'", "'x', 'y'", "list", "plain, number"] {
                all.push(format!("{secret}.{name}({arguments})"));
                all.push(format!("{secret}.{name}({arguments}) | list"));
            }
            all.push(format!("'a{{}}'.{name}({secret})"));
            all.push(format!("[plain].{name}({secret})"));
        }
        for other in ["S + 1", "-S", "S.x", "S[plain]", "S()", "plain[S]", "plain(S)", "S ** 2", "S // 0", "range(S)"] {
            all.push(other.replace('S', secret));
        }
        all.push(format!("{secret} | map({secret}) | list"));
        all.push(format!("dict({secret})"));
        all.push(format!("'a' | mandatory(msg={secret})"));
        all.push(format!("missing | mandatory(msg={secret})"));
    }
    // What does not even parse has read nothing.
    all.retain(|e| sound.compile_expression(e).is_ok());
    all
}

#[test]
fn no_error_of_an_expression_quotes_a_secret() {
    let expressions = expressions();
    let mut sources = Sources::default();
    let vars = sources.add("vars.yml", "");
    let mut files: Vec<_> =
        expressions.iter().map(|e| (e.clone(), sources.add("t", format!("{{{{ {e} }}}}")))).collect();
    for (n, wrapped) in
        ["{% include S %}", "{% import S as x %}", "{% for a, b in S %}{% endfor %}", "{% if S < 1 %}{% endif %}"]
            .iter()
            .flat_map(|t| ["text", "number", "list", "map"].map(|s| t.replace('S', s)))
            .enumerate()
    {
        files.push((format!("statement {n}"), sources.add("t", wrapped)));
    }
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let document = yaml::parse_one(VARS, vars).unwrap().unwrap();
    let vars = Arc::new(document.as_map().unwrap().clone());
    let templates = Arc::new(Templates::new(Arc::new(sources), files.clone()).expect("they all parse"));
    let mut told = 0;
    let mut check = |what: &str, error: String| {
        assert!(!MARKS.iter().any(|m| error.contains(m)), "{what}\n{error}");
        told += 1;
    };
    for name in &names {
        let scope = Scope::new(templates.clone(), vec![vars.clone()], HashMap::new());
        let node = |text: String| Node::new(Span::default(), Yaml::String(text));
        let show =
            |d: trueup::language::diagnostic::Diagnostic| format!("{d:?}\n{}", d.render(&templates.sources, false));
        for text in [format!("{{{{ {name} }}}}"), format!("a {{{{ {name} }}}}")] {
            match templates.render(&node(text), &scope) {
                Err(d) => check(name, show(d)),
                // Nor does a value that quotes one forget that it does.
                Ok(node) => {
                    let shown = format!("{:?}", node.value);
                    assert!(node.holds_secret() || !MARKS.iter().any(|m| shown.contains(m)), "{name}: {node:?}");
                }
            }
        }
        if let Err(d) = templates.is_true(&node(name.clone()), &scope) {
            check(name, show(d));
        }
        if let Err(d) = templates.render_file(name, &scope) {
            check(name, show(d));
        }
    }
    assert!(told > 5000, "{told} errors were looked at");
}

fn catalog(site: &str) -> Result<Catalog, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.yml");
    std::fs::write(&path, site).unwrap();
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let tell = |found: &Diagnostics, sources: &Sources| {
        let text: Vec<_> = found.iter().map(|d| d.render(sources, false)).collect();
        text.join("\n\n").replace(&format!("{}/", dir.path().display()), "")
    };
    let project =
        project::load(Path::new(&path), vec![], &types, Arc::default(), Sources::default(), Diagnostics::default())
            .map_err(|e| tell(&e.found, &e.sources))?;
    let groups = minijinja::Value::from(());
    let plays = project.plays.iter().collect();
    let host = HostInput { name: "web1", group_names: &[], vars: vec![], groups: &groups, plays };
    compile(&project, &host, Facts::sample(), &Selection::default()).map_err(|e| tell(&e, &project.templates.sources))
}

#[test]
fn a_secret_that_others_on_the_host_could_see_is_refused() {
    let told = catalog(
        "\
- hosts: all
  vars: { token: !secret hunter2 }
  resources:
    - exec: log in
      command: login --token={{ token }}
    - exec: log in again
      command: login
      env: { TOKEN: \"{{ token }}\" }
    - sysctl: kernel.hostname
      value: \"{{ token }}\"
    - file: /etc/{{ token }}
      content: x
    - user: anna
      comment: \"{{ token }}\"
",
    )
    .err()
    .unwrap();
    insta::assert_snapshot!(told);
}

#[test]
fn a_secret_that_does_not_fit_is_not_quoted() {
    let resources = [
        "- file: /a\n      content: !secret [hunter2]",
        "- file: /a\n      state: !secret hunter2",
        "- file: /a\n      mode: !secret hunter2",
        "- user: a\n      password: !secret hunter2",
        "- user: a\n      password: hunter2",
        "- user: !secret hunter2",
        "- service: a\n      enabled: !secret hunter2",
        "- cron: a\n      schedule: !secret hunter2\n      command: x",
        "- file: /a\n      require: !secret 'file[hunter2]'",
        "- file: /a\n      content: !secret \"hunter2 {{ missing }}\"",
        "- file: /a\n      content: !secret \"hunter2 {{\"",
        "- file: \"{{ item }}\"\n      for_each: !secret hunter2",
    ];
    for resource in resources {
        let told = catalog(&format!("- hosts: all\n  resources:\n    {resource}\n"))
            .err()
            .unwrap_or_else(|| panic!("{resource}"));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_secret_goes_where_it_is_made_for_and_its_neighbours_stay_plain() {
    let site = "\
- hosts: all
  vars:
    hash: !secret $6$hunter2
    people:
      - { name: anna, password: \"{{ hash }}\", uid: 7 }
      - { name: bert, password: !secret $6$hunter2, uid: 8 }
  resources:
    - user: \"{{ item.name }}\"
      password: \"{{ item.password }}\"
      for_each: \"{{ people }}\"
    - group: \"{{ people[-1].name }}s\"
      gid: \"{{ item.uid }}\"
      for_each: \"{{ people[:1] }}\"
    - file: /etc/people
      content: \"{{ people | map(attribute='name') | join(' ') }}\"
    - file: /etc/passwords
      content: \"{{ people | map(attribute='password') | join(' ') }}\"
      mode: \"0600\"
    - exec: log in
      stdin: \"{{ people[0].password }}\"
";
    let catalog = catalog(site).unwrap_or_else(|told| panic!("{told}"));
    let ids: Vec<_> = catalog.resources.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(
        ids,
        ["user[anna]", "user[bert]", "group[berts]", "file[/etc/people]", "file[/etc/passwords]", "exec[log in]"]
    );
    assert_eq!(catalog.warnings, [""; 0]);
    // All that steps say of themselves.
    let steps = steps(&catalog);
    assert!(!steps.contains("hunter2"), "{steps}");
}

#[test]
fn a_secret_in_a_file_that_everyone_may_read_is_told() {
    let site = "- hosts: all\n  resources:\n    - file: /etc/token\n      content: !secret hunter2\n";
    let catalog = catalog(site).unwrap_or_else(|told| panic!("{told}"));
    let [warning] = catalog.warnings.as_slice() else { panic!("{:?}", catalog.warnings) };
    assert!(warning.contains("a new file can be read by everyone") && !warning.contains("hunter2"), "{warning}");
}

/// The steps of all changes, where nothing is on the host yet, as a plan has them.
fn steps(catalog: &Catalog) -> String {
    use trueup::resources::difference::Ahead;
    use trueup::shell::frame::Frame;
    use trueup::shell::probe::{Answers, ProbeScript};
    use trueup::shell::steps::Steps;
    let mut told = String::new();
    for batch in &catalog.batches {
        let which: Vec<usize> = (0..batch.len()).collect();
        let mut probe = ProbeScript::default();
        batch.probe(&which, &catalog.facts, &mut probe);
        let absent = |slot| Frame { slot, status: 0, body: b"-\n".repeat(20) };
        let frames: Vec<_> = (0..probe.len() as u32).map(absent).collect();
        let observed = batch.observe(&which, &catalog.facts, &mut Answers::new(frames, 0, probe.len()));
        let differences: Vec<_> =
            which.iter().filter_map(|i| Some((*i, observed.diff(*i, &Ahead::default()).ok()??))).collect();
        let mut steps = Steps::default();
        observed.apply(&differences.iter().map(|(i, d)| (*i, d)).collect::<Vec<_>>(), &catalog.facts, &mut steps);
        told.push_str(&format!("{differences:?}\n{}\n", serde_json::to_string(&steps.into_vec()).unwrap()));
        told.push_str(&String::from_utf8_lossy(&probe.into_text(&trueup::shell::frame::Nonce::new([1; 16]))));
    }
    told
}
