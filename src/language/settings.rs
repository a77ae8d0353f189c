//! `trueup.toml`: what holds for a project, whoever runs it.

use super::de::from_node;
use super::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use super::node::Node;
use super::toml;
use crate::model::span::Sources;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE: &str = "trueup.toml";

/// All settings, each section as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub project: ProjectName,
    pub history: History,
    pub undo: Undo,
    pub vault: Vault,
    /// The folder they stand in; none where there are none.
    pub root: Option<PathBuf>,
}

/// `[project]`: how hosts know what is this project's, and what another's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectName {
    /// Without it, the name of the manifest's folder.
    pub name: Option<String>,
}

/// `[history]`: the record of applies on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The store. A relative path begins at the settings' own folder, `~/` at the user's home.
    pub path: Option<PathBuf>,
    /// Runs that are kept, the newest; without it, all.
    pub keep: Option<NonZeroU32>,
    /// Days that a run is kept; without it, for ever.
    pub keep_days: Option<NonZeroU32>,
}

/// `[undo]`: what hosts keep, so that runs can be taken back. Older runs are forgotten by the next apply on the host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Undo {
    /// Runs that a host keeps, the newest.
    pub keep: NonZeroU32,
    /// Days that a run is kept; without it, as long as there is room.
    pub keep_days: Option<NonZeroU32>,
    /// Megabytes (of 1,048,576 bytes) that all runs on a host may take, and that one copy may.
    pub keep_mb: NonZeroU32,
}

impl Default for Undo {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { keep: number(20), keep_days: None, keep_mb: number(4096) }
    }
}

/// `[vault]`: the passwords of what ansible-vault encrypted. Relative paths begin at the settings' own folder, `~/` at the
/// user's home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// As `--vault-password-file`, where neither that nor `--ask-vault-pass` is given.
    pub password_file: Option<PathBuf>,
    /// As `--vault-id`, after those that are given.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// Reads the settings beside a project's files, or in the nearest folder above; none means the defaults.
///
/// # Errors
/// All that is wrong with them.
pub fn read(dir: &Path, sources: &mut Sources) -> Result<Settings, Diagnostics> {
    let Some(path) = find(dir) else { return Ok(Settings::default()) };
    let mut found = Diagnostics::default();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            found.push(Diagnostic::error("settings cannot be read", None, format!("{}: {error}", path.display())));
            return Err(found);
        }
    };
    let file = sources.add(&path, text.as_str());
    let document = toml::parse(&text, file)?;
    let mut settings = Settings::default();
    for (name, section) in document.as_map().into_iter().flatten() {
        match name.value.as_str() {
            "project" => settings.project = read_section(section, &mut found).unwrap_or_default(),
            "history" => settings.history = read_section(section, &mut found).unwrap_or_default(),
            "undo" => settings.undo = read_section(section, &mut found).unwrap_or_default(),
            "vault" => settings.vault = read_section(section, &mut found).unwrap_or_default(),
            other => {
                let d = Diagnostic::error("unknown setting", Some(name.span), format!("no section `{other}` here"));
                found.push(match did_you_mean(other, SECTIONS) {
                    Some(near) => d.help(format!("did you mean `[{near}]`?")),
                    None => d.help(format!("there are: {}", SECTIONS.map(|s| format!("[{s}]")).join(", "))),
                });
            }
        }
    }
    if found.has_errors() {
        return Err(found);
    }
    let below = path.parent().unwrap_or(Path::new(""));
    settings.history.path = settings.history.path.map(|p| resolve(&p, below));
    settings.vault.password_file = settings.vault.password_file.map(|p| resolve(&p, below));
    settings.root = Some(below.to_owned());
    Ok(settings)
}

impl Settings {
    /// By what name hosts know a manifest of this project: the project's and the manifest's, `fleet:site.yml`. It is the
    /// same wherever the project is checked out.
    pub fn identity(&self, manifest: &Path) -> String {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let dir = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
        let folder = whole(&dir(manifest.parent().unwrap_or(Path::new(""))));
        let file = Path::new(manifest.file_name().unwrap_or_default());
        let (name, path) = match (&self.project.name, &self.root) {
            (Some(name), Some(root)) => {
                let below = folder.strip_prefix(whole(&dir(root))).unwrap_or(Path::new(""));
                (name.clone(), below.join(file))
            }
            _ => (folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), file.to_owned()),
        };
        format!("{name}:{}", path.display())
    }
}

const SECTIONS: [&str; 4] = ["project", "history", "undo", "vault"];

/// Beside the manifest by the path that the user gave, else above it.
fn find(dir: &Path) -> Option<PathBuf> {
    let beside = dir.join(FILE);
    if beside.is_file() {
        return Some(beside);
    }
    let from = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let whole = from.canonicalize().ok()?;
    whole.ancestors().skip(1).map(|a| a.join(FILE)).find(|p| p.is_file())
}

fn read_section<T: for<'de> Deserialize<'de>>(section: &Node, found: &mut Diagnostics) -> Option<T> {
    match from_node(section) {
        Ok(value) => Some(value),
        Err(mut d) => {
            if d.summary == "unknown parameter" {
                d.summary = "unknown setting";
                d.label = d.label.replacen("parameter", "setting", 1);
            }
            found.push(d);
            None
        }
    }
}

/// A path as settings have it, that stand in the folder `below`.
pub fn resolve(path: &Path, below: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => below.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), text).unwrap();
        let mut sources = Sources::default();
        let found = read(dir.path(), &mut sources).expect_err("it is wrong");
        let texts: Vec<_> = found.iter().map(|d| d.render(&sources, false)).collect();
        texts.join("\n\n").replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_at_its_place() {
        let wrong = [
            "[histroy]\nkeep = 3\n",
            "[history]\nkep = 3\n",
            "[history]\nkeep = 0\n",
            "[history]\nkeep_days = \"90\"\n",
            "history = 1\n[other]\n",
            "[undo]\nkeep_mb = 0\nkeep-days = 3\n",
        ];
        insta::assert_snapshot!(wrong.map(told).join("\n\n"));
    }

    #[test]
    fn a_project_is_known_by_its_name_and_its_manifest_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("fleet/sites/a");
        std::fs::create_dir_all(&below).unwrap();
        let identity = || read(&below, &mut Sources::default()).unwrap().identity(&below.join("site.yml"));
        assert_eq!(identity(), "a:site.yml");
        std::fs::write(dir.path().join("fleet").join(FILE), "[history]\nkeep = 3\n").unwrap();
        assert_eq!(identity(), "a:site.yml", "settings alone are no name");
        std::fs::write(dir.path().join("fleet").join(FILE), "[project]\nname = \"web\"\n").unwrap();
        assert_eq!(identity(), "web:sites/a/site.yml");
    }

    #[test]
    fn the_nearest_settings_above_a_manifest_hold() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("sites/a");
        std::fs::create_dir_all(&below).unwrap();
        let read = || read(&below, &mut Sources::default()).unwrap();
        assert_eq!(read(), Settings::default());
        std::fs::write(dir.path().join(FILE), "[history]\npath = \"store/h.db\"\nkeep = 100\n").unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(read().history.path, Some(root.join("store/h.db")));
        assert_eq!(read().history.keep, NonZeroU32::new(100));
        assert_eq!(read().undo, Undo::default());
        std::fs::write(dir.path().join(FILE), "[undo]\nkeep_days = 30\n").unwrap();
        assert_eq!(read().undo, Undo { keep_days: NonZeroU32::new(30), ..Undo::default() });
        std::fs::write(below.join(FILE), "").unwrap();
        assert_eq!(read(), Settings { root: Some(below.clone()), ..Settings::default() });
    }
}
