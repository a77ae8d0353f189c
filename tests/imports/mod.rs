//! What each file of the crate imports, by `use` and by paths in full, as far as its text alone tells.

use std::collections::{BTreeMap, BTreeSet};

/// Modules by their path, such as `shell/apply/step`, each with those that it names.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

/// From files by their path below `src/`, without their tests.
pub fn of(files: &[(String, String)]) -> Imports {
    let modules: BTreeSet<String> = files.iter().map(|(name, _)| module(name)).collect();
    let mut out = Imports::new();
    for (name, text) in files {
        let own = module(name);
        let mut paths = paths(text);
        if name.ends_with("/mod.rs") {
            paths.extend(children(text).into_iter().map(|child| format!("self::{child}")));
        }
        let named = paths.iter().filter_map(|path| target(&own, path, &modules)).filter(|m| *m != own);
        out.insert(own.clone(), named.collect());
    }
    out
}

fn module(file: &str) -> String {
    let name = file.trim_end_matches(".rs");
    name.strip_suffix("/mod").unwrap_or(name).to_owned()
}

/// The module that a path leads to or into.
fn target(own: &str, path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut at: Vec<&str> = own.split('/').collect();
    for part in path.split("::") {
        match part {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            part => at.push(part),
        }
    }
    (1..=at.len()).rev().map(|n| at[..n].join("/")).find(|m| modules.contains(m))
}

/// All paths that begin with `crate`, `super` or `self`, those of a `use` with braces one by one.
fn paths(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{}\n", l.trim())).collect();
    let mut out = vec![];
    for statement in code.split(';') {
        let used = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].lines().next_back().unwrap_or_default();
            before.is_empty() || before.starts_with("pub")
        });
        let (rest, used) = statement.split_at(used.unwrap_or(statement.len()));
        out.extend(["crate::", "super::", "self::"].iter().flat_map(|start| in_full(rest, start)));
        out.extend(expanded(used.trim_start_matches("use ").trim()));
    }
    out.retain(|path| ["crate::", "super::", "self::"].iter().any(|start| path.starts_with(start)));
    out
}

fn in_full(text: &str, start: &str) -> Vec<String> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let begins = text.match_indices(start).map(|(at, _)| at);
    let begins = begins.filter(|at| !text[..*at].ends_with(|c: char| word(c) || c == ':'));
    begins.map(|at| text[at..].chars().take_while(|c| word(*c) || *c == ':').collect()).collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, within)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let within = &within[..within.rfind('}').unwrap_or(within.len())];
    let (mut parts, mut depth, mut from) = (vec![], 0, 0);
    for (at, c) in within.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&within[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&within[from..]);
    let parts = parts.into_iter().map(str::trim).filter(|p| !p.is_empty());
    parts.flat_map(expanded).map(|part| format!("{before}{part}")).collect()
}

/// The modules that a folder's own file declares, and names.
fn children(text: &str) -> Vec<&str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let declared = text.lines().filter_map(|l| l.split_once("mod ")?.1.strip_suffix(';')).collect::<Vec<_>>();
    let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let names = |child: &str, line: &str| {
        let path = format!("{child}::");
        line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(|c: char| word(c) || c == ':'))
    };
    declared.into_iter().filter(|child| code.iter().any(|line| names(child, line))).collect()
}

/// What imports itself by a way round: each such set of names, in order.
pub fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &str| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = todo.pop().and_then(|n| edges.get(&n)) {
            todo.extend(next.iter().filter(|n| seen.insert((*n).clone())).cloned());
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = edges.keys().map(|n| (n, reach(n))).collect();
    let back = |a: &String, b: &String| reached[a].contains(b) && reached.get(b).is_some_and(|r| r.contains(a));
    let sets: BTreeSet<Vec<String>> = edges
        .keys()
        .filter(|n| reached[n].contains(*n))
        .map(|n| edges.keys().filter(|m| back(n, m)).cloned().collect())
        .collect();
    sets.into_iter().collect()
}
