//! Fedora, RHEL and their kin: rpm(8), dnf(8).

use super::answer::{Answer, Rehearsal};
use super::effects::{Deed, Simulated};
use super::observed::{States, VERSIONS, Word};
use super::provider::{Item, Provider};
use crate::shell::packages::Manager;
use crate::shell::probe::BadAnswer;
use std::cmp::Ordering;
use std::collections::HashSet;

pub(super) struct Dnf;

fn dnf(words: &[&str]) -> Vec<String> {
    ["dnf", "-y", "-q"].iter().chain(words).map(|w| (*w).to_owned()).collect()
}

impl Provider for Dnf {
    fn manager(&self) -> Manager {
        Manager::Dnf
    }

    fn canonical<'a>(&self, title: &'a str, arch: &str) -> &'a str {
        title.strip_suffix(arch).and_then(|t| t.strip_suffix('.')).filter(|t| !t.is_empty()).unwrap_or(title)
    }

    fn parse(&self, words: &[Word<'_>], arch: &str, answer: &Answer<'_>) -> Result<States, BadAnswer> {
        let mut states = States::new();
        let wanted: HashSet<&str> = words.iter().map(|w| w.name).collect();
        let meant = |name: &str, of: &str| {
            let full = format!("{name}.{of}");
            let bare = Some(name).filter(|_| of == arch || of == "noarch" || !wanted.contains(full.as_str()));
            [bare, Some(&*full)].into_iter().flatten().find_map(|n| wanted.get(n).map(|n| (*n).to_owned()))
        };
        for line in &answer.there {
            // What is not installed is a sentence without tabs.
            if let [name, version, of] = line.split('\t').collect::<Vec<_>>().as_slice()
                && let Some(name) = meant(name, of)
            {
                states.entry(name).or_default().installed = Some(version.trim_start_matches("(none):").to_owned());
            }
        }
        for line in &answer.policy {
            // `name version arch`, in no order that counts.
            if let [name, version, of] = line.split_whitespace().collect::<Vec<_>>().as_slice()
                && let Some(name) = meant(name, of)
            {
                let state = states.entry(name).or_default();
                let version = version.trim_start_matches("0:").to_owned();
                state.listed = true;
                state.versions.push(version);
            }
        }
        for state in states.values_mut() {
            state.versions.sort_by(|a, b| compare(b, a));
            state.versions.dedup();
            // What is there may be newer than all that the lists have.
            let newest = state.versions.first().into_iter().chain(&state.installed).max_by(|a, b| compare(a, b));
            state.candidate = newest.filter(|_| state.listed).cloned();
            state.versions.truncate(VERSIONS);
        }
        Ok(states)
    }

    fn simulated(&self, rehearsal: &Rehearsal<'_>, arch: &str) -> Simulated {
        simulated(rehearsal, arch)
    }

    fn refresh(&self) -> Vec<String> {
        dnf(&["makecache"])
    }

    fn install(&self, items: &[Item<'_>]) -> Vec<String> {
        // `install` upgrades what is there only to a version that is named, and goes back to an older one likewise.
        let mut argv = dnf(&["install", "--"]);
        argv.extend(items.iter().map(|i| match i.version {
            Some(version) => format!("{}-{version}", i.name),
            None => i.name.to_owned(),
        }));
        argv
    }

    fn remove(&self, items: &[Item<'_>]) -> Vec<String> {
        let mut argv = dnf(&["remove", "--"]);
        argv.extend(items.iter().map(|i| i.name.to_owned()));
        argv
    }

    fn remove_alone(&self, items: &[Item<'_>]) -> Vec<String> {
        let names = items.iter().map(|i| i.name.to_owned());
        ["rpm", "-e", "--"].map(str::to_owned).into_iter().chain(names).collect()
    }
}

/// Which of two versions `[epoch:]version-release` is newer. Source: `rpmvercmp` of rpm.
fn compare(a: &str, b: &str) -> Ordering {
    let epoch = |v: &str| v.split_once(':').map_or(0, |(e, _)| e.parse::<u64>().unwrap_or(0));
    let rest = |v: &str| v.split_once(':').map_or(v, |(_, r)| r).to_owned();
    let (a_rest, b_rest) = (rest(a), rest(b));
    let split = |v: &str| v.rsplit_once('-').map_or((v.to_owned(), String::new()), |(v, r)| (v.into(), r.into()));
    let ((a_version, a_release), (b_version, b_release)) = (split(&a_rest), split(&b_rest));
    let parts = compare_part(&a_version, &b_version).then_with(|| compare_part(&a_release, &b_release));
    epoch(a).cmp(&epoch(b)).then(parts)
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    let separator = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
    loop {
        (a, b) = (a.trim_start_matches(separator), b.trim_start_matches(separator));
        // A tilde is older than nothing; a caret is newer than nothing, and older than anything else.
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (None, Some(_)) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let number = a.starts_with(|c: char| c.is_ascii_digit());
        let run = |v: &str| {
            let end = v.find(|c: char| if number { !c.is_ascii_digit() } else { !c.is_ascii_alphabetic() });
            end.unwrap_or(v.len())
        };
        let ((x, a_rest), (y, b_rest)) = (a.split_at(run(a)), b.split_at(run(b)));
        if y.is_empty() {
            return if number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if number {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

/// The table of a transaction. Source: `list_transaction` of dnf's output.py; dnf5 prints the same columns.
fn simulated(rehearsal: &Rehearsal<'_>, arch: &str) -> Simulated {
    let mut out = Simulated::default();
    let mut deed = None;
    let mut whole = false;
    // A long name stands alone on its line.
    let mut alone: Option<&str> = None;
    for line in &rehearsal.lines {
        if !line.starts_with(' ') {
            whole |= line.starts_with("Transaction Summary");
            alone = None;
            let is = |word: &str| line.starts_with(word);
            deed = match line.trim_end().strip_suffix(':') {
                Some(_) if is("Installing") => Some(Deed::Install),
                Some(_) if is("Upgrading") => Some(Deed::Upgrade),
                Some(_) if is("Downgrading") => Some(Deed::Downgrade),
                Some(_) if is("Removing") => Some(Deed::Remove),
                _ => None,
            };
            continue;
        }
        let Some(deed) = deed else {
            // ` Problem: package a requires b, but none of the providers can be installed`
            if let Some(why) = line.trim().strip_prefix("Problem") {
                out.refuse(
                    "",
                    why.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').trim_start_matches(':'),
                );
            }
            continue;
        };
        let fields: Vec<&str> = alone.take().into_iter().chain(line.split_whitespace()).collect();
        match fields.as_slice() {
            ["replacing", ..] => {}
            [name] => alone = Some(name),
            [name, of, version, ..] => {
                let full = format!("{name}.{of}");
                let name = if *of == arch || *of == "noarch" { name } else { full.as_str() };
                out.effect(deed, name, version.trim_start_matches("0:"));
            }
            _ => {}
        }
    }
    for line in &rehearsal.lines {
        // What it says after `Error:` on a line of its own.
        if let Some(why) = line.strip_prefix("Error: ").filter(|_| out.refused.is_empty()) {
            out.failed.get_or_insert_with(|| why.trim().to_owned());
        }
    }
    // It ends as if it had failed, for nobody agreed.
    if whole {
        (out.refused, out.failed) = (std::collections::BTreeMap::new(), None);
    } else {
        out.effects.clear();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(names: &[&'a str]) -> Vec<Word<'a>> {
        names
            .iter()
            .map(|name| Word { name, state: super::super::observed::State::Latest, version: None, purge: false })
            .collect()
    }

    #[test]
    fn rpm_and_dnf_are_read_as_they_are() {
        let text = "nginx\t1:1.24.0-4.el9\tx86_64\nglibc\t2.34-100.el9\ti686\nglibc\t2.34-101.el9\tx86_64\n#lists \n#policy\n\
                    nginx 1:1.24.0-4.el9 x86_64\nnginx 1:1.26.0-1.el9 x86_64\nhtop 0:3.3-1 x86_64\n#end\n";
        let states = Dnf
            .parse(&words(&["nginx", "htop", "glibc", "glibc.i686"]), "x86_64", &Answer::read(text).unwrap())
            .unwrap();
        assert_eq!(states["nginx"].installed.as_deref(), Some("1:1.24.0-4.el9"));
        assert_eq!(states["nginx"].candidate.as_deref(), Some("1:1.26.0-1.el9"));
        assert_eq!(states["nginx"].versions, ["1:1.26.0-1.el9", "1:1.24.0-4.el9"]);
        assert_eq!(states["glibc"].installed.as_deref(), Some("2.34-101.el9"));
        assert_eq!(states["glibc.i686"].installed.as_deref(), Some("2.34-100.el9"));
        assert_eq!((states["htop"].installed.as_ref(), states["htop"].candidate.as_deref()), (None, Some("3.3-1")));
        assert_eq!(Dnf.canonical("nginx.x86_64", "x86_64"), "nginx");
    }

    #[test]
    fn versions_are_compared_as_rpm_does() {
        for (older, newer) in [
            ("1.9-1", "1.10-1"),
            ("9-1", "1:1-1"),
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-1", "1.0^git1-1"),
            ("1.0^git1-1", "1.0.1-1"),
            ("1.0a-1", "1.0.1-1"),
            ("1.0-1.el8", "1.0-1.el9"),
            ("1.0-1", "1.0-1.1"),
        ] {
            assert_eq!(
                (compare(older, newer), compare(newer, older)),
                (Ordering::Less, Ordering::Greater),
                "{older} {newer}"
            );
        }
        assert_eq!(compare("1.01-1", "1.1-1"), Ordering::Equal);
    }

    #[test]
    fn a_version_newer_than_the_lists_have_is_the_latest() {
        let text = "nginx\t2-1\tx86_64\n#lists \n#policy\nnginx 0:1-9 x86_64\nnginx 0:1-10 x86_64\n#end\n";
        let states = Dnf.parse(&words(&["nginx"]), "x86_64", &Answer::read(text).unwrap()).unwrap();
        assert_eq!(states["nginx"].candidate.as_deref(), Some("2-1"));
        assert_eq!(states["nginx"].versions, ["1-10", "1-9"]);
    }

    /// Written from dnf's documentation.
    #[test]
    fn a_table_of_a_transaction_is_read() {
        let text = "Last metadata expiration check: 0:01:00 ago.\nDependencies resolved.\n====\n Package   Arch   Version   Repository  Size\n====\n\
                    Installing:\n nginx    x86_64  1:1.20.1-14.el9  appstream  36 k\nUpgrading:\n openssl-libs x86_64 1:3.0.7-25.el9 baseos 2 M\n\
                    Installing dependencies:\n a-name-that-is-very-long-indeed\n          noarch  1.0-1.el9 appstream 1 k\n\
                    Removing dependent packages:\n httpd x86_64 2.4.57-5.el9 @appstream 60 k\n\n\
                    Transaction Summary\n====\nInstall  2 Packages\nOperation aborted.\n";
        let out = simulated(&Rehearsal { lines: text.lines().collect(), status: 1 }, "x86_64");
        let told: Vec<String> = out.effects.iter().map(|e| format!("{:?} {e}", e.deed)).collect();
        assert_eq!(
            told,
            [
                "Install nginx 1:1.20.1-14.el9",
                "Upgrade openssl-libs 1:3.0.7-25.el9",
                "Install a-name-that-is-very-long-indeed 1.0-1.el9",
                "Remove httpd 2.4.57-5.el9"
            ]
        );
        let text = "Error: \n Problem: conflicting requests\n  - nothing provides x needed by y-1.noarch\n(try to add '--skip-broken')\n";
        let out = simulated(&Rehearsal { lines: text.lines().collect(), status: 1 }, "x86_64");
        assert_eq!(out.refused[""], "conflicting requests");
    }
}
