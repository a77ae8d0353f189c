//! `group_vars/` and `host_vars/`: a file or a folder of files for each group and host.

use super::given::set;
use super::hosts::{Inventory, Level, set_level};
use super::sealed::SealedFile;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::mask::masked;
use crate::language::node::{Layer, Mapping};
use crate::language::vault::Sealed;
use crate::language::vault::envelope::is_vault;
use crate::model::span::{FileId, Sources, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Endings of files with variables, in the order that Ansible looks for them.
const ENDINGS: &[&str] = &["", "yml", "yaml", "json"];

/// Reads both folders in `dir`, for the groups and hosts that there are.
pub fn read(dir: &Path, inventory: &mut Inventory, sources: &mut Sources, found: &mut Diagnostics) {
    let folder = Folder::list(&dir.join("group_vars"), found);
    for group in &mut inventory.groups {
        folder.add_to(&group.name, &mut group.levels, sources, found);
    }
    let folder = Folder::list(&dir.join("host_vars"), found);
    for host in inventory.hosts.iter_mut().chain(&mut inventory.localhost) {
        folder.add_to(&host.name, &mut host.levels, sources, found);
    }
}

/// What stands in `group_vars` or `host_vars`, by the name of the group or host. It is listed once, for a fleet of
/// thousands would otherwise be asked after name by name; and a name from an inventory never becomes a path.
#[derive(Default)]
struct Folder {
    entries: BTreeMap<String, Vec<PathBuf>>,
}

impl Folder {
    fn list(path: &Path, found: &mut Diagnostics) -> Self {
        let mut folder = Self::default();
        if !path.is_dir() {
            return folder;
        }
        for path in entries(path, found) {
            let Some(file_name) = path.file_name().and_then(|n| n.to_str()) else { continue };
            // `web1.example` is a name and no name with an ending.
            let stem = match file_name.rsplit_once('.') {
                Some((stem, end)) if ENDINGS.contains(&end) && !path.is_dir() => stem,
                _ => file_name,
            };
            folder.entries.entry(stem.to_owned()).or_default().push(path);
        }
        for paths in folder.entries.values_mut() {
            paths.sort_by_key(|p| ENDINGS.iter().position(|e| *e == ending(p)));
        }
        folder
    }

    fn add_to(&self, name: &str, levels: &mut Vec<Level>, sources: &mut Sources, found: &mut Diagnostics) {
        let Some((path, others)) = self.entries.get(name).and_then(|p| p.split_first()) else { return };
        for other in others {
            let label = format!("{}: {} is read in its place", other.display(), path.display());
            let d = Diagnostic::warning("variables that are not read", None, label);
            found.push(d.help("put the variables of a group or host in one file, or in files in one folder"));
        }
        for path in if path.is_dir() { below(path, found) } else { vec![path.clone()] } {
            match file(&path, sources, found) {
                Contents::Vars(vars) => {
                    if let Some((key, _)) = vars.first() {
                        set_level(levels, key.span.file, vars);
                    }
                }
                Contents::Sealed(sealed) => {
                    levels.push(Level { file: sealed.header.file, vars: Layer::default(), sealed: Some(sealed) });
                }
            }
        }
    }
}

fn ending(path: &Path) -> &str {
    // A folder `web.yml` is called so and has no ending.
    if path.is_dir() { "" } else { path.extension().and_then(|e| e.to_str()).unwrap_or_default() }
}

/// A folder's entries in their names' order, without hidden ones and an editor's copies.
pub(super) fn entries(folder: &Path, found: &mut Diagnostics) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> = match listed {
        Ok(entries) => entries.into_iter().map(|e| e.path()).filter(|p| !hidden(p)).collect(),
        Err(error) => {
            let label = format!("{}: {error}", folder.display());
            found.push(Diagnostic::error("folder cannot be read", None, label));
            vec![]
        }
    };
    paths.sort();
    paths
}

fn hidden(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.') || n.ends_with('~'))
}

/// All files with variables in a folder, those of the folders in it among them.
fn below(folder: &Path, found: &mut Diagnostics) -> Vec<PathBuf> {
    let mut files = vec![];
    for path in entries(folder, found) {
        if path.is_dir() {
            files.extend(below(&path, found));
        } else if ENDINGS.contains(&ending(&path)) {
            files.push(path);
        }
    }
    files
}

/// A file of variables.
pub enum Contents {
    Vars(Mapping),
    Sealed(SealedFile),
}

/// A file that is a mapping of variables; also for `-e @FILE`.
pub fn file(path: &Path, sources: &mut Sources, found: &mut Diagnostics) -> Contents {
    let nothing = Contents::Vars(vec![]);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            found.push(Diagnostic::error("variables cannot be read", None, format!("{}: {error}", path.display())));
            return nothing;
        }
    };
    let file = sources.add(path, masked(&text));
    if !is_vault(text.as_bytes()) {
        return Contents::Vars(mapping(&text, file, found));
    }
    match Sealed::parse(text.as_bytes()) {
        Ok(sealed) => {
            let header = Span::new(file, 0, text.find('\n').unwrap_or(text.len()));
            Contents::Sealed(SealedFile { sealed: sealed.into(), header })
        }
        Err(malformed) => {
            found.push(malformed.diagnostic(sources.line(file, malformed.line())));
            nothing
        }
    }
}

fn mapping(text: &str, file: FileId, found: &mut Diagnostics) -> Mapping {
    let mut vars = vec![];
    match crate::language::yaml::parse_ansible(text, file) {
        Ok(None) => {}
        Ok(Some(node)) => match node.as_map() {
            Some(map) => set(&mut vars, map.clone()),
            None => {
                let label = format!("variables are a mapping, this is {}", node.value.kind());
                let d = Diagnostic::error("wrong value", Some(node.span), label);
                found.push(d.help("write `name: value`, one on each line"));
            }
        },
        Err(errors) => found.extend(errors),
    }
    vars
}
