//! Hosts and groups, as Ansible's inventories name them, and the patterns that pick hosts.

pub mod assemble;
pub mod connection;
mod given;
pub mod hosts;
pub mod ini;
pub mod pattern;
pub mod range;
pub mod script;
pub mod sealed;
pub mod show;
mod unsealed;
pub mod vars;
pub mod yaml;

pub use hosts::{Host, Inventory};
pub use pattern::Pattern;

use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::mask::masked;
use crate::language::vault::envelope::is_vault;
use crate::model::span::{Sources, Span};
use assemble::Builder;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const HELP: &str = "name an inventory with -i: a file, a folder, an executable, or hosts as in `-i 'web1,web2,'`";

/// Reads inventories: files, folders of files, executables, or lists such as `h1,h2,`. Later ones add to earlier ones.
/// Variables come from `group_vars` and `host_vars` beside each of them and beside the manifest.
///
/// # Errors
/// All that is wrong with any of them. What is only odd is kept as the inventory's warnings.
pub fn load(paths: &[String], manifest_dir: Option<&Path>, sources: &mut Sources) -> Result<Inventory, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut builder = Builder::default();
    let mut beside: Vec<PathBuf> = vec![];
    for text in paths {
        let path = Path::new(text);
        if text.contains(',') && !path.exists() {
            list(text, sources, &mut builder, &mut found);
            continue;
        }
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        beside.push(here(folder));
        if path.is_dir() {
            read_folder(path, sources, &mut builder, &mut found);
        } else {
            read_file(path, sources, &mut builder, &mut found);
        }
    }
    beside.extend(manifest_dir.map(here));
    let mut inventory = builder.build(&mut found);
    let mut seen: Vec<PathBuf> = vec![];
    for dir in beside {
        // The manifest's folder is often the inventory's too.
        let canonical = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        if !seen.contains(&canonical) {
            seen.push(canonical);
            vars::read(&dir, &mut inventory, sources, &mut found);
        }
    }
    if found.has_errors() {
        return Err(found);
    }
    found.iter().filter(|d| d.severity == Severity::Warning).for_each(|d| inventory.warnings.push(d.clone()));
    Ok(inventory)
}

/// A folder that has no name is the one that the command was started in.
fn here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_path_buf() }
}

/// `h1,h2,` names hosts in place.
fn list(text: &str, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    let file = sources.add("-i", text);
    let mut start = 0;
    for part in text.split(',') {
        let lead = part.len() - part.trim_start().len();
        let span = Span::new(file, start + lead, start + lead + part.trim().len());
        if !part.trim().is_empty() {
            ini::add_hosts(part.trim(), span, "ungrouped", vec![], builder, found);
        }
        start += part.len() + 1;
    }
}

/// Endings of files that stand in a folder of inventories and are none.
const NO_INVENTORIES: &[&str] = &["bak", "cfg", "md", "orig", "pyc", "pyo", "retry", "rpm", "rst", "swp", "txt"];

fn read_folder(folder: &Path, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    let entries = vars::entries(folder, found);
    for path in &entries {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "group_vars" | "host_vars" | "vars_plugins") {
                read_folder(path, sources, builder, found);
            }
            continue;
        }
        // `cloud.ini` beside an executable `cloud.py` holds that one's settings.
        let settings = ending == "ini"
            && entries
                .iter()
                .any(|p| p != path && p.file_stem() == path.file_stem() && kind(p).is_ok_and(Kind::is_run));
        if !NO_INVENTORIES.contains(&ending) && !settings {
            read_file(path, sources, builder, found);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Script,
    /// It says that it is one, and may not be run.
    LockedScript,
    Yaml,
    Ini,
    /// Without an ending: its text tells.
    Either,
}

impl Kind {
    fn is_run(self) -> bool {
        self == Self::Script
    }
}

fn kind(path: &Path) -> std::io::Result<Kind> {
    use std::io::Read as _;
    let mut head = vec![];
    let file = std::fs::File::open(path)?;
    let executable = file.metadata()?.permissions().mode() & 0o111 != 0;
    file.take(4).read_to_end(&mut head)?;
    // On some file systems every file is executable, so that alone makes no script.
    let (shebang, binary) = (head.starts_with(b"#!"), head.starts_with(b"\x7fELF"));
    Ok(match path.extension().and_then(|e| e.to_str()) {
        _ if executable && (shebang || binary) => Kind::Script,
        _ if shebang => Kind::LockedScript,
        Some("yml" | "yaml" | "json") => Kind::Yaml,
        None => Kind::Either,
        Some(_) => Kind::Ini,
    })
}

fn read_file(path: &Path, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    let shown = path.display();
    let failed = |error: &std::io::Error| {
        Diagnostic::error("inventory cannot be read", None, format!("{shown}: {error}")).help(HELP)
    };
    let kind = match kind(path) {
        Ok(Kind::Script) => return script::run(path, sources, builder, found),
        Ok(Kind::LockedScript) => {
            let d = Diagnostic::error("inventory cannot be run", None, format!("{shown}: it is not executable"));
            return found.push(d.help(format!("chmod +x {shown}")));
        }
        Ok(kind) => kind,
        Err(error) => return found.push(failed(&error)),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return found.push(failed(&error)),
    };
    let file = sources.add(path, masked(&text));
    if is_vault(text.as_bytes()) {
        let d =
            Diagnostic::error("an encrypted inventory", sources.line(file, 1), "hosts and groups are read in clear");
        return found.push(d.help("decrypt it, and keep what is secret in group_vars and host_vars"));
    }
    if kind == Kind::Ini || kind == Kind::Either && !looks_like_yaml(&text) {
        return ini::read(&text, file, builder, found);
    }
    match crate::language::yaml::parse_ansible(&text, file) {
        // What `--list` printed may have been kept in a file.
        Ok(Some(document)) if document.get("_meta").is_some() => {
            script::read_json(&document, builder, found);
        }
        Ok(Some(document)) => yaml::read(&document, builder, found),
        Ok(None) => {}
        Err(errors) => found.extend(errors),
    }
}

/// Whether the first line that says something begins a mapping or a document.
fn looks_like_yaml(text: &str) -> bool {
    let line = text.lines().map(str::trim_end).find(|l| !l.is_empty() && !l.starts_with(['#', ';']));
    line.is_some_and(|l| {
        l == "---" || l.starts_with('{') || l.split(" #").next().unwrap_or(l).trim_end().ends_with(':')
    })
}

#[cfg(test)]
mod tests;
