//! Hosts and groups, as Ansible's inventories name them, and the patterns that pick hosts.

pub mod connection;
pub mod hosts;
pub mod ini;
pub mod pattern;
pub mod range;
pub mod script;
pub mod show;
pub mod vars;
pub mod yaml;

pub use hosts::{Host, Inventory};
pub use pattern::Pattern;

use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::span::Sources;
use hosts::Builder;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Reads inventories: files, folders of files, executables, or lists such as `h1,h2,`. Later ones add to earlier ones.
/// Variables come from `group_vars` and `host_vars` beside each of them and beside the manifest.
///
/// # Errors
/// All that is wrong with any of them.
pub fn load(paths: &[String], manifest_dir: Option<&Path>, sources: &mut Sources) -> Result<Inventory, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut builder = Builder::default();
    let mut beside: Vec<PathBuf> = vec![];
    for path in paths {
        if path.contains(',') {
            list(path, sources, &mut builder, &mut found);
            continue;
        }
        let path = Path::new(path);
        beside.push(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf());
        read(path, sources, &mut builder, &mut found);
        if path.is_dir() {
            beside.push(path.to_path_buf());
        }
    }
    beside.extend(manifest_dir.map(|d| if d.as_os_str().is_empty() { PathBuf::from(".") } else { d.to_path_buf() }));
    let mut inventory = builder.build(&mut found);
    let mut seen: Vec<PathBuf> = vec![];
    for dir in beside {
        let canonical = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        if !seen.contains(&canonical) {
            seen.push(canonical);
            vars::read(&dir, &mut inventory, sources, &mut found);
        }
    }
    if found.has_errors() { Err(found) } else { Ok(inventory) }
}

/// `h1,h2,` names hosts in place.
fn list(text: &str, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    let file = sources.add("-i", text);
    let mut start = 0;
    for part in text.split(',') {
        let lead = part.len() - part.trim_start().len();
        let span = crate::language::span::Span::new(file, start + lead, start + lead + part.trim().len());
        if !part.trim().is_empty() {
            ini::add_hosts(part.trim(), span, None, vec![], builder, found);
        }
        start += part.len() + 1;
    }
}

fn read(path: &Path, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_file()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if !name.starts_with('.') && !name.ends_with('~') {
                read(&file, sources, builder, found);
            }
        }
        return;
    }
    let failed = |error: &std::io::Error| {
        Diagnostic::error("inventory cannot be read", None, format!("{}: {error}", path.display()))
            .help("name one with -i: a file, a folder, an executable, or hosts as in `-i 'web1,web2,'`")
    };
    let executable = match path.metadata() {
        Ok(metadata) => metadata.permissions().mode() & 0o111 != 0,
        Err(error) => return found.push(failed(&error)),
    };
    if executable {
        return script::run(path, sources, builder, found);
    }
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return found.push(failed(&error)),
    };
    let file = sources.add(path, text.as_str());
    match path.extension().and_then(|e| e.to_str()) {
        Some("yml" | "yaml" | "json") => match crate::language::yaml::parse_one(&text, file) {
            Ok(Some(document)) => yaml::read(&document, builder, found),
            Ok(None) => {}
            Err(errors) => found.extend(errors),
        },
        _ => ini::read(&text, file, builder, found),
    }
}
