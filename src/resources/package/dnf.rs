//! Fedora, RHEL and their kin: rpm(8), dnf(8).

use super::{Item, Provider, States};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};

pub(super) struct Dnf;

fn dnf(words: &[&str]) -> Vec<String> {
    ["dnf", "-y", "-q"].iter().chain(words).map(|w| (*w).to_owned()).collect()
}

impl Provider for Dnf {
    fn probe(&self, names: &[(&str, bool)], probe: &mut ProbeScript) {
        probe.ask(Query::RpmStatus, names.iter().map(|(n, _)| *n));
        probe.ask(Query::DnfUpgrades, names.iter().filter(|(_, newest)| *newest).map(|(n, _)| *n));
    }

    fn parse(&self, names: &[(&str, bool)], answers: &mut Answers) -> Result<States, BadAnswer> {
        let (installed, upgrades) = (answers.text()?, answers.text()?);
        let mut states = States::new();
        let meant = |name: &str, arch: &str| {
            let same = |n: &&str| *n == name || n.strip_suffix(arch).and_then(|n| n.strip_suffix('.')) == Some(name);
            names.iter().map(|(n, _)| *n).filter(same).map(str::to_owned).collect::<Vec<_>>()
        };
        for line in installed.lines() {
            // What is not installed is a sentence without tabs.
            if let [name, version, arch] = line.split('\t').collect::<Vec<_>>().as_slice() {
                for name in meant(name, arch) {
                    states.entry(name).or_default().installed = Some(version.trim_start_matches("(none):").to_owned());
                }
            }
        }
        for line in upgrades.lines() {
            // `name.arch  version  repository`
            if let [name, version, _] = line.split_whitespace().collect::<Vec<_>>().as_slice()
                && let Some((name, arch)) = name.rsplit_once('.')
            {
                for name in meant(name, arch) {
                    states.entry(name).or_default().candidate = Some((*version).to_owned());
                }
            }
        }
        Ok(states)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::Frame;

    #[test]
    fn rpm_and_dnf_are_read_as_they_are() {
        let texts = [
            "nginx\t1:1.24.0-4.el9\tx86_64\npackage htop is not installed\nglibc\t2.34-100.el9\tx86_64\n",
            "Available Upgrades\nnginx.x86_64   1:1.26.0-1.el9   appstream\n",
        ];
        let frames = texts.iter().zip(0..).map(|(t, slot)| Frame { slot, status: 0, body: t.as_bytes().to_vec() });
        let names = [("nginx", true), ("htop", false), ("glibc.x86_64", false)];
        let states = Dnf.parse(&names, &mut Answers::new(frames.collect(), 0, 2)).unwrap();
        assert_eq!(states["nginx"].installed.as_deref(), Some("1:1.24.0-4.el9"));
        assert_eq!(states["nginx"].candidate.as_deref(), Some("1:1.26.0-1.el9"));
        assert_eq!(states["glibc.x86_64"].installed.as_deref(), Some("2.34-100.el9"));
        assert!(!states.contains_key("htop"));
    }
}
