//! What expressions evaluate to, compared with Jinja and Ansible themselves: `tests/ansible-core` fetches them.
//!
//! `tests/expressions/` holds the expressions, a line each, and what is different on purpose, with the reason.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use trueup::language::node::{Mapping, Node, Yaml};
use trueup::language::scope::Scope;
use trueup::language::template::Templates;
use trueup::language::yaml;
use trueup::model::span::{Sources, Span};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expressions")
}

fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(b) => (*b).into(),
        Yaml::Int(n) => (*n).into(),
        Yaml::Float(f) => (*f).into(),
        Yaml::String(s) => s.as_str().into(),
        Yaml::List(items) => items.iter().map(json).collect(),
        Yaml::Map(map) => serde_json::Value::Object(map.iter().map(|(k, v)| (k.value.clone(), json(v))).collect()),
        other => panic!("{other:?}"),
    }
}

/// What both sides gave for one expression.
type Given = Result<(serde_json::Value, serde_json::Value), String>;

fn of_trueup(expressions: &[String]) -> Vec<Given> {
    let mut sources = Sources::default();
    let text = std::fs::read_to_string(folder().join("variables.yml")).unwrap();
    let file = sources.add("variables.yml", text.as_str());
    let Some(Node { value: Yaml::Map(variables), .. }) = yaml::parse_ansible(&text, file).unwrap() else { panic!() };
    let variables: Mapping = variables;
    let templates = Arc::new(Templates::new(Arc::new(sources), []).unwrap());
    let scope = Scope::new(templates.clone(), vec![Arc::new(variables)], HashMap::new());
    let render = |text: String| {
        let node = Node::new(Span::new(file, 0, 0), Yaml::String(text));
        templates.render(&node, &scope).map(|node| json(&node)).map_err(|d| format!("{}: {}", d.summary, d.label))
    };
    expressions.iter().map(|e| Ok((render(format!("{{{{ {e} }}}}"))?, render(format!("|{{{{ {e} }}}}|"))?))).collect()
}

fn of_ansible(files: &[&str]) -> Vec<(String, Given)> {
    let python = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ansible-core")).output().unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    let mut command = Command::new(python.trim());
    command.arg("compare.py").arg("variables.yml").args(files).current_dir(folder());
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let read = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let of = line["of"].as_str().unwrap().to_owned();
        match line.get("error") {
            Some(error) => (of, Err(error.to_string())),
            None => (of, Ok((line["value"].take(), line["text"].take()))),
        }
    };
    text.lines().map(read).collect()
}

/// Those that differ, each with both sides.
fn differing(files: &[&str]) -> (usize, BTreeMap<String, String>) {
    let expressions: Vec<String> = files.iter().flat_map(|f| lines(f)).collect();
    let theirs = of_ansible(files);
    assert_eq!(theirs.iter().map(|(of, _)| of).collect::<Vec<_>>(), expressions.iter().collect::<Vec<_>>());
    let mut differ = BTreeMap::new();
    for (ours, (of, theirs)) in of_trueup(&expressions).into_iter().zip(theirs) {
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (Err(_), Err(_)) => {}
            (ours, theirs) => {
                let show = |given: Given| match given {
                    Ok((value, text)) => format!("{value} as text {text}"),
                    Err(error) => format!("error: {error}"),
                };
                differ.insert(of.clone(), format!("{of}\n  ours:   {}\n  theirs: {}", show(ours), show(theirs)));
            }
        }
    }
    (expressions.len(), differ)
}

#[test]
fn expressions_evaluate_to_what_jinja_and_ansible_make_of_them() {
    let (count, differ) = differing(&["jinja.txt", "ansible.txt"]);
    assert!(count > 400, "{count}");
    assert!(differ.is_empty(), "{}", differ.into_values().collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_different_on_purpose_still_is() {
    let (count, differ) = differing(&["different.txt"]);
    let lines = lines("different.txt");
    assert_eq!(count, differ.len(), "{:?}", lines.iter().filter(|l| !differ.contains_key(*l)).collect::<Vec<_>>());
}
