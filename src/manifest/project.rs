//! A project as loaded: all that was written, read whole before anything is compiled.

use super::contents::Contents;
use super::module::{self, Module};
use super::play::{self, Declaration, Entry, Play};
use super::reserved;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::mask::masked;
use crate::language::node::{Layer, Mapping, Node};
use crate::language::template::Templates;
use crate::language::vault::Keyring;
use crate::language::vault::envelope::is_vault;
use crate::language::yaml;
use crate::model::body::Digest;
use crate::model::span::{FileId, Source, Sources};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Everything that a run works from.
#[derive(Debug)]
pub struct Project {
    pub plays: Vec<Play>,
    pub modules: BTreeMap<String, Module>,
    pub templates: Arc<Templates>,
    /// Contents for `source:`, by `NAME` or `MODULE:NAME`.
    pub files: HashMap<String, Contents>,
    /// The command line's `-e`.
    pub extra_vars: Layer,
    /// Over all manifests, modules, templates and files that were read: their names and contents, as far as errors may
    /// show those. A digest of a short secret would give it away.
    pub digest: Digest,
}

/// What could not be loaded, with the texts to show it by.
#[derive(Debug)]
pub struct LoadError {
    pub sources: Arc<Sources>,
    pub found: Diagnostics,
    /// What could be read all the same, so that more of what is wrong can be told in one go.
    pub readable: Option<Box<Project>>,
}

/// Reads a manifest with all it includes, the modules it names, their templates and files. `keyring` opens what is
/// encrypted of them, when something needs it.
///
/// # Errors
/// All that is wrong with any of them.
pub fn load(
    manifest: &Path,
    extra_vars: Mapping,
    types: &[&str],
    keyring: Arc<Keyring>,
    mut sources: Sources,
    mut found: Diagnostics,
) -> Result<Project, LoadError> {
    let dir = manifest.parent().map(Path::to_path_buf).unwrap_or_default();
    let read_before = sources.len();
    let mut plays = vec![];
    let mut stack = vec![];
    read_manifest(manifest, None, types, &mut sources, &mut found, &mut plays, &mut stack);

    for vars in plays.iter().map(|play| &*play.vars).chain([&extra_vars]) {
        reserved::find(vars, Severity::Error, &mut found);
    }

    let mut modules = BTreeMap::new();
    let mut wanted: Vec<(String, crate::model::span::Span)> =
        plays.iter().flat_map(|p: &Play| called(&p.resources)).collect();
    while let Some((name, span)) = wanted.pop() {
        if modules.contains_key(&name) {
            continue;
        }
        let path = module_dir(&dir, &name).join("module.yml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            let there: Vec<String> = module_folders(&dir).iter().flat_map(|f| names_in(f)).collect();
            let d = Diagnostic::error("unknown module", Some(span), format!("there is no {}", path.display()));
            found.push(match crate::language::diagnostic::did_you_mean(&name, there.iter().map(String::as_str)) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d,
            });
            continue;
        };
        let file = sources.add(&path, masked(&text));
        match yaml::parse_one(&text, file) {
            Ok(Some(document)) => {
                let module = module::read(&name, &document, types, &mut found);
                wanted.extend(called(&module.resources));
                modules.insert(name, module);
            }
            Ok(None) => found.push(Diagnostic::error("empty module", sources.line(file, 1), "it declares nothing")),
            Err(errors) => found.extend(errors),
        }
    }

    let mut template_files = vec![];
    read_templates(&dir.join("templates"), "", &mut sources, &mut found, &mut template_files);
    for name in modules.keys() {
        let below = module_dir(&dir, name).join("templates");
        read_templates(&below, &format!("{name}:"), &mut sources, &mut found, &mut template_files);
    }
    let files = read_files(&dir, &plays, &modules, &mut found);
    let digest = digest(&dir, sources.after(read_before), &files);

    match Templates::new(Arc::new(sources), template_files) {
        Ok(templates) => {
            let (templates, extra_vars) = (Arc::new(templates.opened_by(keyring)), Arc::new(extra_vars));
            let project = Project { plays, modules, templates, files, extra_vars, digest };
            if !found.has_errors() {
                return Ok(project);
            }
            Err(LoadError { sources: project.templates.sources.clone(), found, readable: Some(Box::new(project)) })
        }
        Err((sources, errors)) => {
            errors.into_iter().for_each(|d| found.push(d));
            Err(LoadError { sources, found, readable: None })
        }
    }
}

/// A project without a manifest, for what needs hosts alone.
///
/// # Errors
/// What was found before.
pub fn empty(
    keyring: Arc<Keyring>,
    extra_vars: Mapping,
    sources: Sources,
    mut found: Diagnostics,
) -> Result<Project, LoadError> {
    reserved::find(&extra_vars, Severity::Error, &mut found);
    match Templates::new(Arc::new(sources), []) {
        Ok(templates) if !found.has_errors() => Ok(Project {
            plays: vec![],
            modules: BTreeMap::new(),
            templates: Arc::new(templates.opened_by(keyring)),
            files: HashMap::new(),
            extra_vars: Arc::new(extra_vars),
            digest: Digest::of(b""),
        }),
        Ok(templates) => Err(LoadError { sources: templates.sources, found, readable: None }),
        Err((sources, _)) => Err(LoadError { sources, found, readable: None }),
    }
}

fn read_manifest(
    path: &Path,
    included: Option<crate::model::span::Span>,
    types: &[&str],
    sources: &mut Sources,
    found: &mut Diagnostics,
    plays: &mut Vec<Play>,
    stack: &mut Vec<PathBuf>,
) {
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if stack.contains(&canonical) {
        found.push(Diagnostic::error(
            "manifests that include one another",
            included,
            format!("{} is being read already", path.display()),
        ));
        return;
    }
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            found.push(Diagnostic::error("manifest is no text", included, format!("{} is not UTF-8", path.display())));
            return;
        }
        Err(error) => {
            let d = Diagnostic::error("manifest cannot be read", included, format!("{}: {error}", path.display()));
            found.push(d.help("`trueup init` makes one to start from"));
            return;
        }
    };
    let file = sources.add(path, masked(&text));
    let document = match yaml::parse_one(&text, file) {
        Ok(Some(document)) => document,
        Ok(None) => {
            found.push(Diagnostic::warning("empty manifest", sources.line(file, 1), "nothing is declared here"));
            return;
        }
        Err(errors) => return found.extend(errors),
    };
    stack.push(canonical);
    for entry in play::read(&document, types, found) {
        match entry {
            Entry::Play(play) => plays.push(*play),
            Entry::Include(other) => {
                let next = path.parent().unwrap_or(Path::new("")).join(&other.value);
                read_manifest(&next, Some(other.span), types, sources, found, plays, stack);
            }
        }
    }
    stack.pop();
}

/// A line for each text and file: its name, seen from the manifest where it is below that, and its own digest.
fn digest(dir: &Path, texts: &[Source], files: &HashMap<String, Contents>) -> Digest {
    let texts = texts.iter().map(|s| {
        let name = s.path.strip_prefix(dir).unwrap_or(&s.path);
        format!("text {:?} {}\n", name, Digest::of(s.text.as_bytes()).as_str())
    });
    let files = files.iter().map(|(name, file)| format!("file {name:?} {}\n", file.digest().as_str()));
    let mut lines: Vec<String> = texts.chain(files).collect();
    lines.sort();
    Digest::of(lines.concat().as_bytes())
}

/// Folders with modules: beside the manifest, and above it, the nearest first.
fn module_folders(dir: &Path) -> Vec<PathBuf> {
    let from = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let mut folders = vec![dir.join("modules")];
    folders.extend(from.ancestors().skip(1).map(|a| a.join("modules")).filter(|m| m.is_dir()));
    folders
}

/// Where a module is; where it would be beside the manifest, if it is nowhere.
fn module_dir(dir: &Path, name: &str) -> PathBuf {
    let found = module_folders(dir).into_iter().map(|f| f.join(name)).find(|m| m.join("module.yml").is_file());
    found.unwrap_or_else(|| dir.join("modules").join(name))
}

fn called(resources: &[Declaration]) -> Vec<(String, crate::model::span::Span)> {
    let modules = resources.iter().filter(|d| d.kind.value == "module");
    modules.filter_map(|d| Some((d.title.as_str()?.to_owned(), d.title.span))).collect()
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// All regular files below a folder, by their path from it, in order. Links to files count, links to folders do not.
fn files_below(dir: &Path) -> Vec<(String, PathBuf)> {
    let mut out = vec![];
    let mut folders = vec![(String::new(), dir.to_path_buf())];
    while let Some((prefix, folder)) = folders.pop() {
        for name in names_in(&folder) {
            let path = folder.join(&name);
            if path.is_file() {
                out.push((format!("{prefix}{name}"), path));
            } else if path.is_dir() && !path.is_symlink() {
                folders.push((format!("{prefix}{name}/"), path));
            }
        }
    }
    out.sort();
    out
}

fn read_templates(
    dir: &Path,
    prefix: &str,
    sources: &mut Sources,
    found: &mut Diagnostics,
    out: &mut Vec<(String, FileId)>,
) {
    for (name, path) in files_below(dir).into_iter().filter(|(_, p)| belongs(p, dir, prefix)) {
        match std::fs::read_to_string(&path) {
            Ok(text) if is_vault(text.as_bytes()) => {
                let file = sources.add(&path, text);
                let d =
                    Diagnostic::error("an encrypted template", sources.line(file, 1), "templates are read in clear");
                found.push(d.help("decrypt it, and keep what is secret in it in variables"));
            }
            Ok(text) => out.push((format!("{prefix}{name}"), sources.add(&path, text))),
            Err(error) => {
                found.push(Diagnostic::error("template cannot be read", None, format!("{}: {error}", path.display())))
            }
        }
    }
}

/// Contents that a `source:` can mean. A literal name costs its own file; a templated one may mean any.
fn read_files(
    dir: &Path,
    plays: &[Play],
    modules: &BTreeMap<String, Module>,
    found: &mut Diagnostics,
) -> HashMap<String, Contents> {
    let mut wanted: BTreeMap<(String, PathBuf), Wanted> = BTreeMap::new();
    let lists = plays
        .iter()
        .map(|p| (String::new(), dir.join("files"), &p.resources))
        .chain(modules.iter().map(|(n, m)| (format!("{n}:"), module_dir(dir, n).join("files"), &m.resources)));
    for (prefix, below, resources) in lists {
        let entry = wanted.entry((prefix, below)).or_default();
        for declaration in resources {
            if let Some((_, Node { value: crate::language::node::Yaml::String(name), .. })) =
                declaration.params.iter().find(|(k, _)| k.value == "source")
            {
                if crate::language::template::is_template(name) {
                    entry.any = true;
                } else {
                    entry.names.insert(name.clone());
                }
            }
        }
    }
    let mut paths: Vec<(String, PathBuf)> = vec![];
    for ((prefix, below), entry) in wanted {
        let named = entry.names.into_iter().filter(|n| stays_below(n));
        let named = named.map(|n| (below.join(&n), n)).filter(|(p, _)| p.is_file() && belongs(p, &below, &prefix));
        let list: Vec<_> = match entry.any {
            true => files_below(&below).into_iter().filter(|(_, p)| belongs(p, &below, &prefix)).collect(),
            false => named.map(|(p, n)| (n, p)).collect(),
        };
        paths.extend(list.into_iter().map(|(name, path)| (format!("{prefix}{name}"), path)));
    }
    let read: Vec<_> = paths.into_par_iter().map(|(name, path)| (name, Contents::read(&path), path)).collect();
    let mut out = HashMap::new();
    for (name, body, path) in read {
        match body {
            Ok(body) => {
                out.insert(name, body);
            }
            Err(error) => {
                found.push(Diagnostic::error("source cannot be read", None, format!("{}: {error}", path.display())))
            }
        }
    }
    out
}

/// Whether a name can only mean what is in the folder that it is looked for in.
fn stays_below(name: &str) -> bool {
    Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
}

/// Whether a file in one of its folders is a module's own. A link in a module that leads out of it is none: whoever wrote
/// it is not to choose which of the operator's files go to a host. In the project itself, links are the operator's.
fn belongs(path: &Path, below: &Path, prefix: &str) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let module = below.parent().and_then(real);
    prefix.is_empty() || real(path).is_some_and(|p| module.is_some_and(|m| p.starts_with(m)))
}

#[derive(Default)]
struct Wanted {
    any: bool,
    names: BTreeSet<String>,
}
