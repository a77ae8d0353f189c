//! The arrows between the stages, as `use crate::` lines draw them; and what every file keeps to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A stage, and the stages it may know.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("catalog", &["facts", "language", "model", "resources", "shell"]),
    (
        "cli",
        &[
            "catalog",
            "engine",
            "facts",
            "inventory",
            "language",
            "ledger",
            "manifest",
            "model",
            "plan",
            "report",
            "resources",
            "saved",
            "shell",
            "store",
            "transport",
        ],
    ),
    (
        "engine",
        &[
            "catalog",
            "facts",
            "journal",
            "language",
            "ledger",
            "manifest",
            "model",
            "plan",
            "resources",
            "shell",
            "store",
            "transport",
        ],
    ),
    ("facts", &["shell"]),
    ("inventory", &["language", "model"]),
    ("journal", &["model", "shell"]),
    ("language", &["model"]),
    ("ledger", &["model", "shell"]),
    ("manifest", &["catalog", "facts", "language", "model", "resources", "shell"]),
    ("model", &[]),
    ("plan", &["catalog", "facts", "journal", "ledger", "model", "resources", "shell"]),
    ("report", &["catalog", "engine", "facts", "journal", "manifest", "model", "plan", "resources", "store"]),
    ("resources", &["facts", "language", "model", "shell"]),
    ("saved", &["catalog", "engine", "facts", "language", "manifest", "model", "plan", "resources", "shell"]),
    ("shell", &["journal", "ledger", "model"]),
    ("store", &["facts", "model"]),
    ("transport", &["model", "shell"]),
];

/// Crates that only some files may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("tokio::", &["src/engine/run/", "src/transport/"]),
    ("russh::", &["src/transport/", "src/saved/sign"]),
    ("aes_gcm::", &["src/saved/seal.rs"]),
    ("argon2::", &["src/saved/seal.rs"]),
    ("pbkdf2::", &["src/language/vault/cipher.rs"]),
    ("ctr::", &["src/language/vault/cipher.rs"]),
    ("indicatif::", &["src/report/progress.rs"]),
    ("granit_parser::", &["src/language/yaml.rs"]),
    ("rusqlite::", &["src/store/history/"]),
    ("toml::de::", &["src/language/toml.rs"]),
    ("clap::", &["src/cli/", "src/main.rs"]),
    ("petgraph::", &["src/catalog/graph.rs"]),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join("src")];
    let mut out = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

/// Without its tests, which may do as they like.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

#[test]
fn no_stage_knows_one_that_it_should_not() {
    let mut wrong = vec![];
    for (name, text) in sources().iter().filter(|(n, _)| !is_test(n)) {
        let Some(stage) = name.strip_prefix("src/").and_then(|n| n.split_once('/')).map(|(s, _)| s) else { continue };
        let allowed = MAY_KNOW
            .iter()
            .find(|(s, _)| *s == stage)
            .map(|(_, a)| *a)
            .unwrap_or_else(|| panic!("{stage} is not in the table"));
        for line in
            product(text).lines().filter(|l| l.trim_start().starts_with("use crate::") || l.contains(" crate::"))
        {
            for part in line.split("crate::").skip(1) {
                let other: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = MAY_KNOW.iter().any(|(s, _)| *s == other);
                if known && other != stage && !allowed.contains(&other.as_str()) {
                    wrong.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_arrow_of_the_table_is_drawn() {
    let all = sources();
    for (stage, allowed) in MAY_KNOW {
        let own: String =
            all.iter().filter(|(n, _)| n.starts_with(&format!("src/{stage}/"))).map(|(_, t)| t.as_str()).collect();
        let known: BTreeSet<&str> = allowed.iter().copied().filter(|o| own.contains(&format!("crate::{o}"))).collect();
        let missing: Vec<_> = allowed.iter().filter(|o| !known.contains(*o)).collect();
        assert!(missing.is_empty(), "{stage} may know {missing:?}, and does not need to");
    }
}

#[test]
fn a_crate_is_known_where_it_belongs() {
    for (name, text) in sources().iter().filter(|(n, _)| !is_test(n)) {
        for (library, places) in ONLY_IN {
            let named = product(text).lines().any(|l| !l.trim_start().starts_with("//") && l.contains(library));
            assert!(!named || places.iter().any(|p| name.starts_with(p)), "{name} knows {library}");
        }
    }
}

#[test]
fn input_can_reach_no_panic() {
    let mut wrong = vec![];
    for (name, text) in sources().iter().filter(|(n, _)| !is_test(n)) {
        for (n, line) in product(text).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("].iter().any(|p| code.contains(p)) {
                wrong.push(format!("{name}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_nouns_of_a_readable_size() {
    for (name, text) in sources() {
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        assert!(!["util", "utils", "helper", "helpers", "manager", "common"].contains(&stem), "{name}");
        let lines = text.lines().count();
        assert!(lines <= 500, "{name} has {lines} lines: what second thing does it do?");
    }
}
