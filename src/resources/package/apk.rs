//! Alpine: apk(8).

use super::answer::{Answer, Rehearsal};
use super::effects::{Deed, Simulated};
use super::observed::{States, VERSIONS, Word};
use super::provider::{Item, Provider};
use crate::shell::packages::Manager;
use crate::shell::probe::BadAnswer;
use std::collections::HashSet;

pub(super) struct Apk;

fn apk(words: &[&str]) -> Vec<String> {
    // Another apk may hold the lock: it is waited for.
    ["apk", "--wait", "600"].iter().chain(words).map(|w| (*w).to_owned()).collect()
}

impl Provider for Apk {
    fn manager(&self) -> Manager {
        Manager::Apk
    }

    fn parse(&self, words: &[Word<'_>], _: &str, answer: &Answer<'_>) -> Result<States, BadAnswer> {
        let mut states = States::new();
        let wanted: HashSet<&str> = words.iter().map(|w| w.name).collect();
        for line in &answer.there {
            if let Some((name, version)) = parted(line).filter(|(name, _)| wanted.contains(name)) {
                states.entry(name.to_owned()).or_default().installed = Some(version.to_owned());
            }
        }
        let mut section = None;
        for line in &answer.policy {
            if let Some(name) = line.strip_suffix(" policy:") {
                section = wanted.get(name).copied();
            } else if let (Some(name), Some(version)) = (section, line.trim().strip_suffix(':'))
                && line.starts_with("  ")
                && !line.starts_with("    ")
            {
                // The versions stand newest first.
                let state = states.entry(name.to_owned()).or_default();
                state.listed = true;
                state.candidate.get_or_insert_with(|| version.to_owned());
                if state.versions.len() < VERSIONS {
                    state.versions.push(version.to_owned());
                }
            }
        }
        Ok(states)
    }

    fn simulated(&self, rehearsal: &Rehearsal<'_>, _: &str) -> Simulated {
        simulated(rehearsal)
    }

    fn refresh(&self) -> Vec<String> {
        apk(&["update"])
    }

    fn install(&self, items: &[Item<'_>]) -> Vec<String> {
        let mut argv = apk(&["add", "--upgrade"]);
        argv.extend(items.iter().map(|i| match i.version {
            Some(version) => format!("{}={version}", i.name),
            None => i.name.to_owned(),
        }));
        argv
    }

    fn remove(&self, items: &[Item<'_>]) -> Vec<String> {
        // Once a package is removed there is no purging it: those that are purged go by themselves.
        let purge = !items.is_empty() && items.iter().all(|i| i.purge);
        let mut argv = apk(if purge { &["del", "--purge"] } else { &["del"] });
        argv.extend(items.iter().map(|i| i.name.to_owned()));
        argv
    }
}

/// `name-version-rN`: both may hold dashes.
fn parted(line: &str) -> Option<(&str, &str)> {
    let (rest, _) = line.rsplit_once('-')?;
    let (name, _) = rest.rsplit_once('-')?;
    Some((name, line.get(name.len() + 1..)?))
}

/// `(1/3) Installing oniguruma (6.9.9-r0)`. Source: `print_change` of apk-tools' commit.c.
fn simulated(rehearsal: &Rehearsal<'_>) -> Simulated {
    let mut out = Simulated::default();
    let mut refusing = false;
    for line in &rehearsal.lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let version = |text: &str| text.trim_matches(['(', ')']).to_owned();
        match fields.as_slice() {
            [count, verb, name, rest @ ..] if count.starts_with('(') && count.ends_with(')') => {
                let deed = match *verb {
                    "Installing" => Deed::Install,
                    "Upgrading" => Deed::Upgrade,
                    "Downgrading" => Deed::Downgrade,
                    "Purging" => Deed::Remove,
                    _ => continue,
                };
                out.effect(deed, name, &rest.last().map(|v| version(v)).unwrap_or_default());
            }
            ["ERROR:", "unable", "to", "select", "packages:"] => refusing = true,
            ["World", "updated,", "but", "the", "following", "packages", "are", "not", "removed", ..] => {
                refusing = true
            }
            // `  nginx-common: nginx`, `  foo (no such package):`, `    required by: world[foo]`
            [name, rest @ ..] if refusing && line.starts_with("  ") && !line.starts_with("    ") => {
                let name = name.trim_end_matches(':');
                let name = parted(name).filter(|(_, v)| v.contains("-r")).map_or(name, |(name, _)| name);
                let why = match rest {
                    [] => "it cannot be selected".to_owned(),
                    [first, ..] if first.starts_with('(') => rest.join(" ").trim_end_matches(':').to_owned(),
                    _ => format!("it is kept for {}", rest.join(" ")),
                };
                out.refuse(name, &why);
            }
            ["ERROR:", rest @ ..] => {
                out.failed.get_or_insert_with(|| rest.join(" "));
            }
            _ if !line.starts_with("  ") => refusing = false,
            _ => {}
        }
    }
    if rehearsal.status != 0 {
        out.effects.clear();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apk_is_read_as_it_is() {
        let text = "nginx-1.26.2-r0\nnginx-mod-http-perl-1.26.2-r0\n#lists \n#policy\n\
                    nginx policy:\n  1.26.3-r0:\n    @main\n  1.26.2-r0:\n    lib/apk/db/installed\nhtop policy:\n  3.3.0-r0:\n    @main\n#end\n";
        let words = ["nginx", "nginx-mod-http-perl", "htop"].map(|name| Word {
            name,
            state: super::super::observed::State::Latest,
            version: None,
            purge: false,
        });
        let states = Apk.parse(&words, "x86_64", &Answer::read(text).unwrap()).unwrap();
        assert_eq!(states["nginx"].installed.as_deref(), Some("1.26.2-r0"));
        assert_eq!(states["nginx"].candidate.as_deref(), Some("1.26.3-r0"));
        assert_eq!(states["nginx"].versions, ["1.26.3-r0", "1.26.2-r0"]);
        assert_eq!(states["nginx-mod-http-perl"].installed.as_deref(), Some("1.26.2-r0"));
        assert_eq!(states["htop"].candidate.as_deref(), Some("3.3.0-r0"));
    }

    /// Written from the source of apk-tools.
    #[test]
    fn a_simulation_is_read() {
        let read = |text: &'static str, status| simulated(&Rehearsal { lines: text.lines().collect(), status });
        let out = read(
            "(1/3) Installing oniguruma (6.9.9-r0)\n(2/3) Upgrading jq (1.7-r0 -> 1.7.1-r0)\n(3/3) Purging nano (7.2-r1)\nOK: 8 MiB in 17 packages\n",
            0,
        );
        let told: Vec<String> = out.effects.iter().map(|e| format!("{:?} {e}", e.deed)).collect();
        assert_eq!(told, ["Install oniguruma 6.9.9-r0", "Upgrade jq 1.7.1-r0", "Remove nano 7.2-r1"]);
        let kept = "World updated, but the following packages are not removed due to:\n  oniguruma: jq\n\nOK: 8 MiB\n";
        assert_eq!(read(kept, 0).refused["oniguruma"], "it is kept for jq");
        let none = "ERROR: unable to select packages:\n  nope (no such package):\n    required by: world[nope]\n";
        assert_eq!(read(none, 1).refused["nope"], "(no such package)");
    }
}
