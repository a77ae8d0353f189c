//! Alpine: apk(8).

use super::{Item, Provider, States};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};

pub(super) struct Apk;

fn apk(words: &[&str]) -> Vec<String> {
    // Another apk may hold the lock: it is waited for.
    ["apk", "--wait", "600"].iter().chain(words).map(|w| (*w).to_owned()).collect()
}

impl Provider for Apk {
    fn probe(&self, names: &[(&str, bool)], probe: &mut ProbeScript) {
        probe.ask(Query::ApkStatus, names.iter().map(|(n, _)| *n));
        probe.ask(Query::ApkPolicy, names.iter().map(|(n, _)| *n));
    }

    fn parse(&self, names: &[(&str, bool)], answers: &mut Answers) -> Result<States, BadAnswer> {
        let (installed, policy) = (answers.text()?, answers.text()?);
        let mut states = States::new();
        for line in installed.lines() {
            // `name-version-rN`: both may hold dashes, so the name is looked for, the longest that fits.
            let fits = |n: &&str| {
                line.strip_prefix(*n)
                    .and_then(|r| r.strip_prefix('-'))
                    .is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
            };
            if let Some(name) = names.iter().map(|(n, _)| *n).filter(fits).max_by_key(|n| n.len()) {
                let version = line.get(name.len() + 1..).unwrap_or_default();
                states.entry(name.to_owned()).or_default().installed = Some(version.to_owned());
            }
        }
        let mut section = None;
        for line in policy.lines() {
            if let Some(name) = line.strip_suffix(" policy:") {
                section = names.iter().map(|(n, _)| *n).find(|n| *n == name);
            } else if let (Some(name), Some(version)) = (section, line.trim().strip_suffix(':'))
                && line.starts_with("  ")
                && !line.starts_with("    ")
            {
                // The versions stand newest first.
                states.entry(name.to_owned()).or_default().candidate.get_or_insert_with(|| version.to_owned());
            }
        }
        Ok(states)
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
        let purge = items.iter().any(|i| i.purge);
        let mut argv = apk(if purge { &["del", "--purge"] } else { &["del"] });
        argv.extend(items.iter().map(|i| i.name.to_owned()));
        argv
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::Frame;

    #[test]
    fn apk_is_read_as_it_is() {
        let texts = [
            "nginx-1.26.2-r0\nnginx-mod-http-perl-1.26.2-r0\n",
            "nginx policy:\n  1.26.3-r0:\n    @main\n  1.26.2-r0:\n    lib/apk/db/installed\nhtop policy:\n  3.3.0-r0:\n    @main\n",
        ];
        let frames = texts.iter().zip(0..).map(|(t, slot)| Frame { slot, status: 0, body: t.as_bytes().to_vec() });
        let names = [("nginx", true), ("nginx-mod-http-perl", false), ("htop", false)];
        let states = Apk.parse(&names, &mut Answers::new(frames.collect(), 0, 2)).unwrap();
        assert_eq!(states["nginx"].installed.as_deref(), Some("1.26.2-r0"));
        assert_eq!(states["nginx"].candidate.as_deref(), Some("1.26.3-r0"));
        assert_eq!(states["nginx-mod-http-perl"].installed.as_deref(), Some("1.26.2-r0"));
        assert_eq!(states["htop"].candidate.as_deref(), Some("3.3.0-r0"));
    }
}
