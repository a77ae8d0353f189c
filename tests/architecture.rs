//! That imports point down, between folders and inside them; and what every file keeps to.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of `src/`, from top to bottom: each knows only those that stand below it.
const FOLDERS: &[&str] = &[
    "cli",
    "report",
    "saved",
    "engine",
    "manifest",
    "store",
    "transport",
    "plan",
    "journal",
    "ledger",
    "catalog",
    "resources",
    "facts",
    "shell",
    "inventory",
    "language",
    "model",
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
    ("minijinja_contrib::", &["src/language/methods.rs", "src/language/filters/"]),
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

/// The files of the crate, by their path below `src/`, without tests.
fn imports() -> imports::Imports {
    let files = sources().into_iter().filter(|(name, _)| !is_test(name));
    let below =
        files.filter_map(|(name, text)| Some((name.strip_prefix("src/")?.to_owned(), product(&text).to_owned())));
    imports::of(&below.collect::<Vec<_>>())
}

#[test]
fn every_folder_has_its_place() {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let folders = entries.map(|e| e.unwrap()).filter(|e| e.path().is_dir());
    let there: BTreeSet<String> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    assert_eq!(there, FOLDERS.iter().map(|f| (*f).to_owned()).collect());
    assert_eq!(there.len(), FOLDERS.len(), "a folder has two places");
}

#[test]
fn folders_know_only_those_below() {
    let place = |module: &str| FOLDERS.iter().position(|f| *f == module.split('/').next().unwrap());
    let mut wrong = vec![];
    let mut arrows = 0;
    for (module, named) in imports() {
        for other in named {
            if let (Some(own), Some(its)) = (place(&module), place(&other)) {
                arrows += usize::from(own != its);
                if own > its {
                    wrong.push(format!("{module} knows {other}, which stands above it"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(arrows > 200, "only {arrows} imports were found");
}

/// The files of a folder and what they import of one another; what is in a folder below counts as that folder. The
/// folder's own file, `mod`, is one of them where the folder is a stage; further down it is what its files are parts of.
fn within(folder: &str, imports: &imports::Imports) -> BTreeMap<String, BTreeSet<String>> {
    let node = |module: &str| match module.strip_prefix(folder)?.strip_prefix('/') {
        Some(below) => Some(below.split('/').next().unwrap().to_owned()),
        None => (module == folder && !folder.contains('/')).then(|| "mod".to_owned()),
    };
    let mut out = BTreeMap::<String, BTreeSet<String>>::new();
    for (module, named) in imports {
        let Some(from) = node(module) else { continue };
        let to = named.iter().filter_map(|m| node(m)).filter(|to| *to != from);
        out.entry(from.clone()).or_default().extend(to);
    }
    out
}

#[test]
fn files_of_a_folder_import_one_another_in_no_circle() {
    let imports = imports();
    let parents = imports.keys().filter_map(|m| Some(m.rsplit_once('/')?.0));
    let folders: BTreeSet<&str> = parents.collect();
    let mut wrong = vec![];
    for folder in folders {
        for circle in imports::circles(&within(folder, &imports)) {
            wrong.push(format!("{folder}: {}", circle.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "these import one another:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let read = imports::of(&[
        file("a/mod.rs", "mod b;\npub mod c;\npub use b::X;\nconst Y: c::Z = 1;\n"),
        file("a/b.rs", "//! use crate::e;\npub use super::c::{self, W as V};\nfn f() { super::super::d::g(); }\n"),
        file("a/c.rs", "use crate::{\n    d::{D, f::F},\n    a::b,\n};\nuse std::{fmt, io};\n"),
        file("d/mod.rs", "pub mod f;\nuse crate::a::Nothing;\n"),
        file("d/f.rs", ""),
        file("e.rs", "impl crate::d::f::F for Vec<crate::a::c::Z> {}\n"),
    ]);
    let of = |module: &str| read[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("a"), ["a/b", "a/c"]);
    assert_eq!(of("a/b"), ["a/c", "d"]);
    assert_eq!(of("a/c"), ["a/b", "d", "d/f"]);
    assert_eq!(of("d"), ["a"]);
    assert_eq!(of("e"), ["a/c", "d/f"]);
    assert_eq!(imports::circles(&within("a", &read)), [vec!["b".to_owned(), "c".to_owned()]]);
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
