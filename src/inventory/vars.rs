//! `group_vars/` and `host_vars/`: a file or a folder of files for each group and host.

use super::hosts::{Inventory, set};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::Mapping;
use crate::language::span::Sources;
use std::path::{Path, PathBuf};

/// Reads both folders in `dir`, for the groups and hosts that there are.
pub fn read(dir: &Path, inventory: &mut Inventory, sources: &mut Sources, found: &mut Diagnostics) {
    for (name, group) in &mut inventory.groups {
        set(&mut group.file_vars, vars_for(&dir.join("group_vars"), name, sources, found));
    }
    let below = dir.join("host_vars");
    if below.is_dir() {
        for host in &mut inventory.hosts {
            set(&mut host.file_vars, vars_for(&below, &host.name, sources, found));
        }
    }
}

fn vars_for(below: &Path, name: &str, sources: &mut Sources, found: &mut Diagnostics) -> Mapping {
    let mut vars = vec![];
    // A name from an inventory is no path.
    if name.contains('/') || name.starts_with('.') {
        return vars;
    }
    let mut files: Vec<PathBuf> = ["", ".yml", ".yaml", ".json"]
        .iter()
        .map(|end| below.join(format!("{name}{end}")))
        .filter(|p| p.is_file())
        .collect();
    let folder = below.join(name);
    if folder.is_dir() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path());
        let mut inside: Vec<_> = entries.filter(|p| p.is_file() && !hidden(p)).collect();
        inside.sort();
        files.extend(inside);
    }
    for path in files {
        set(&mut vars, file(&path, sources, found));
    }
    vars
}

fn hidden(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.') || n.ends_with('~'))
}

/// A file that is a mapping of variables; also for `-e @FILE`.
pub fn file(path: &Path, sources: &mut Sources, found: &mut Diagnostics) -> Mapping {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            found.push(Diagnostic::error("variables cannot be read", None, format!("{}: {error}", path.display())));
            return vec![];
        }
    };
    let file = sources.add(path, text.as_str());
    if text.starts_with("$ANSIBLE_VAULT") {
        let d = Diagnostic::error("encrypted variables", sources.line(file, 1), "a vault file, which cannot be read");
        found.push(d.help("decrypt it, or give the values with -e"));
        return vec![];
    }
    match crate::language::yaml::parse_one(&text, file) {
        Ok(None) => vec![],
        Ok(Some(node)) => match node.as_map() {
            Some(map) => map.clone(),
            None => {
                let label = format!("variables are a mapping, this is {}", node.value.kind());
                found.push(Diagnostic::error("wrong value", Some(node.span), label));
                vec![]
            }
        },
        Err(errors) => {
            found.extend(errors);
            vec![]
        }
    }
}
