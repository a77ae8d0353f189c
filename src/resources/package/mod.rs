//! Packages, by whatever manager the host has: many at once are one transaction.

mod answer;
mod apk;
mod apt;
mod attribution;
mod dnf;
mod effects;
mod observed;
mod provider;
#[cfg(test)]
mod tests;
mod transaction;

use super::difference::{Action, Ahead, Brings, Difference, Shown};
use super::package_sources;
use super::value::Version;
use super::{Due, Impossible, Orphaned, ResourceType, Together, Want};
use crate::facts::{Facts, PackageManager};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::steps::Steps;
use answer::{Answer, Lists};
use effects::Deed;
use observed::Word;
pub use observed::{Observed, State};
use provider::Provider;
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use transaction::Part;

pub struct Package;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// `present`: installed in any version. `latest`: in the newest that the host's package lists have; they are fetched
    /// anew first if their sources have changed. `absent`: not installed. The default is `present`.
    #[serde(default)]
    pub state: State,
    /// The exact version to be installed, older ones included, in quotes if it looks like a number: `"1.10"`. By default any
    /// will do.
    pub version: Option<Version>,
    /// With `absent`, whether its configuration files go too: its own, and no other package's. The default is `false`.
    #[serde(default)]
    pub purge: bool,
}

fn provider(facts: &Facts) -> Option<&'static dyn Provider> {
    match facts.package_manager {
        PackageManager::Apt => Some(&apt::Apt),
        PackageManager::Dnf => Some(&dnf::Dnf),
        PackageManager::Apk => Some(&apk::Apk),
        PackageManager::None => None,
    }
}

/// The package's name as its manager has it. A title may name the host's own architecture.
fn name<'a>(want: &'a Want<Params>, facts: &Facts) -> &'a str {
    provider(facts).map_or(want.title(), |p| p.canonical(want.title(), &facts.package_arch))
}

fn words<'a>(wants: &[&'a Want<Params>], facts: &Facts) -> Vec<Word<'a>> {
    let word = |w: &&'a Want<Params>| Word {
        name: name(w, facts),
        state: w.params.state,
        version: w.params.version.as_ref().map(|v| v.0.as_str()),
        purge: w.params.purge,
    };
    wants.iter().map(word).collect()
}

/// Letters, digits and what names of packages hold; nothing that a package manager would take for an option or more.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':' | '_' | '~' | '@' | '/');
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
        && name.chars().all(plain)
        && !name.ends_with(['-', '+', '.'])
        || (name.ends_with("++") && name.chars().all(plain))
}

impl ResourceType for Package {
    const NAME: &'static str = "package";
    const ABOUT: &'static str = "A package: installed, in a version, the latest, or not there. By apt, dnf or apk.";
    const EXAMPLE: &'static str =
        "- package: nginx\n- package: jq\n  version: 1.6-2.1\n- package: telnet\n  state: absent\n";
    const TOGETHER: Together = Together::Ready;
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, facts: &Facts, out: &mut Diagnostics) {
        if !is_name(want.title()) {
            let label = format!("`{}` is no name of a package", want.title().escape_debug());
            out.push(Diagnostic::error("wrong title", Some(want.places.title), label));
        }
        if provider(facts).is_none() {
            let d = Diagnostic::error(
                "no package manager",
                Some(want.places.title),
                "the host has none of apt, dnf and apk",
            );
            out.push(d.help("leave packages out for it: `when: facts.package_manager != \"none\"`"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':' | '_' | '~' | '^');
        match &want.params.version {
            Some(_) if want.params.state != State::Present => {
                let label = format!(
                    "a version, where the package is to be {}",
                    if want.params.state == State::Absent { "absent" } else { "the latest" }
                );
                out.push(Diagnostic::error(
                    "parameters that exclude one another",
                    Some(want.places.of("version")),
                    label,
                ));
            }
            Some(version) if version.0.is_empty() || !version.0.chars().all(plain) || version.0.starts_with('-') => {
                let label = format!("`{}` is no version", version.0.escape_debug());
                out.push(Diagnostic::error("wrong value", Some(want.places.of("version")), label));
            }
            _ => {}
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state != State::Absent
    }

    fn key<'a>(&self, want: &'a Want<Params>, facts: &Facts) -> Cow<'a, str> {
        Cow::Borrowed(name(want, facts))
    }

    fn probe(&self, wants: &[&Want<Params>], facts: &Facts, probe: &mut ProbeScript) {
        if let Some(provider) = provider(facts) {
            let mut words = words(wants, facts);
            words.sort_by_key(|w| w.name);
            let words: Vec<String> = words.iter().map(Word::text).collect();
            probe.ask_packages(provider.manager(), &facts.package_arch, &words);
        }
    }

    fn observe(
        &self,
        wants: &[&Want<Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Observed, BadAnswer>> {
        let Some(provider) = provider(facts) else {
            return wants.iter().map(|_| Err(BadAnswer("the host has no package manager".into()))).collect();
        };
        let words = words(wants, facts);
        match answers.text().and_then(|text| observed(provider, &words, &facts.package_arch, &text)) {
            Ok(seen) => seen.into_iter().map(Ok).collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, _: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let installed = match &seen.installed {
            Some(version) => Shown::value(version),
            None if seen.half => Shown::value("installed in part"),
            None => Shown::Absent,
        };
        let mut known = true;
        let (action, to) = match (want.params.state, &seen.installed, &want.params.version) {
            (State::Absent, None, _) if !seen.half => {
                return Ok((want.params.purge && seen.config).then(|| {
                    let mut difference = Difference::new(Action::Remove);
                    difference.note("configuration", Shown::value("left behind"), Shown::Absent);
                    difference
                }));
            }
            (State::Absent, _, _) => (Action::Remove, Shown::Absent),
            (State::Present, Some(has), Some(version)) if *has == version.0 => return Ok(None),
            (State::Present, Some(_), None) => return Ok(None),
            (State::Present, has, Some(version)) => {
                known = seen.versions.contains(&version.0);
                (if has.is_some() { Action::Update } else { Action::Create }, Shown::value(&version.0))
            }
            (State::Present | State::Latest, None, _) => {
                known = seen.candidate.is_some();
                (Action::Create, newest(seen))
            }
            (State::Latest, Some(has), _) => match &seen.candidate {
                Some(newest) if newest != has => (Action::Update, self::newest(seen)),
                _ if seen.lists.changed() => (Action::Update, newest(seen)),
                _ => return Ok(None),
            },
        };
        if !known && !seen.lists.stale() {
            return Err(Impossible(unknown(want, seen)));
        }
        if let Some(why) = &seen.refused {
            return Err(Impossible(why.clone()));
        }
        let mut difference = Difference::new(action);
        difference.note("version", installed, to);
        if action == Action::Remove && want.params.purge {
            difference.note("configuration", Shown::value("there"), Shown::Absent);
        }
        if !known && want.params.version.is_some() {
            difference.warnings.push("its version is not known: the package lists are fetched anew first".into());
        }
        besides(&mut difference, seen);
        Ok(Some(difference))
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        crate::resources::lifeline::package(bare(want.title()))
    }

    /// Files, users, services that run: installing brings them, and removing takes them away.
    fn brings(&self, _: &Want<Params>, _: &Difference) -> Brings {
        Brings::Anything
    }

    /// What there is to be had is another once the sources are.
    fn sees(&self, _: &Want<Params>, path: &str) -> bool {
        package_sources::is_one(path)
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let version = match want.params.state {
            State::Absent => None,
            State::Latest => seen.candidate.clone().or_else(|| seen.installed.clone()),
            State::Present => want
                .params
                .version
                .as_ref()
                .map(|v| v.0.clone())
                .or_else(|| seen.installed.clone())
                .or_else(|| seen.candidate.clone()),
        };
        let installed = version.or_else(|| (want.params.state != State::Absent).then(|| "installed".to_owned()));
        let config = seen.config && !(want.params.state == State::Absent && want.params.purge);
        // The lists are those of the sources then, and what a transaction does besides is done.
        let candidate = match (want.params.state, &seen.candidate) {
            (State::Latest, None) => installed.clone(),
            (_, candidate) => candidate.clone(),
        };
        Observed { installed, config, candidate, versions: seen.versions.clone(), ..Observed::default() }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], facts: &Facts, steps: &mut Steps) {
        let Some(provider) = provider(facts) else { return };
        let part = |d: &Due<'_, Self>| Part {
            id: d.want.id.clone(),
            name: name(d.want, facts).to_owned(),
            version: d.want.params.version.as_ref().map(|v| v.0.clone()),
            installed: d.seen.installed.clone(),
            there: d.seen.installed.is_some() || d.seen.half,
            gone: d.want.params.state == State::Absent,
            purge: d.want.params.purge,
            departed: d.want.departed.is_some(),
            stale: d.seen.lists.stale(),
            unsure: match &d.want.params.version {
                Some(version) => !d.seen.versions.contains(&version.0),
                None => d.seen.installed.is_none() && d.seen.candidate.is_none(),
            },
        };
        transaction::steps(provider, &due.iter().map(part).collect::<Vec<_>>(), steps);
    }
}

/// Judges what a host answered, all packages together.
fn observed(provider: &dyn Provider, words: &[Word<'_>], arch: &str, text: &str) -> Result<Vec<Observed>, BadAnswer> {
    let answer = Answer::read(text)?;
    let mut states = provider.parse(words, arch, &answer)?;
    let simulated = answer.rehearsals.iter().map(|r| provider.simulated(r, arch)).collect();
    attribution::attribute(words, &answer, simulated, &mut states);
    let lists = answer.lists.unwrap_or(Lists { unasked: true, ..Lists::default() });
    let seen = words.iter().map(|word| {
        let mut seen = states.get(word.name).cloned().unwrap_or_default();
        seen.lists = lists;
        if seen.installed.is_none() && word.state != State::Absent {
            if !seen.listed {
                seen.unfetched = answer.failed.iter().take(5).map(|f| effects::clipped(f, 200)).collect();
                seen.near = attribution::near(word.name, &answer.names);
            }
            let named = answer.provides.iter().filter(|(name, _)| *name == word.name);
            let providers: BTreeSet<&str> = named.map(|(_, package)| *package).collect();
            seen.providers = providers.into_iter().map(|p| effects::clipped(p, 100)).collect();
        }
        seen
    });
    Ok(seen.collect())
}

/// The version that will be there.
fn newest(seen: &Observed) -> Shown {
    match (&seen.candidate, seen.lists) {
        (Some(version), lists) if !lists.stale() => Shown::value(version),
        (Some(version), Lists { none: false, sources: false, unasked: false, .. }) => {
            Shown::Unknown(format!("the package lists, which have {version}, are fetched anew first"))
        }
        (Some(version), _) => {
            Shown::Unknown(format!("{version}, unless the package lists that are fetched first have another"))
        }
        (None, _) => Shown::Unknown("not in the host's package lists, which are fetched anew first".into()),
    }
}

/// Why a package that current lists do not have cannot be installed.
fn unknown(want: &Want<Params>, seen: &Observed) -> String {
    let title = want.title();
    let mut out = match &want.params.version {
        Some(version) if !seen.versions.is_empty() => {
            let named: Vec<String> = seen.versions.iter().take(10).map(|v| effects::clipped(v, 100)).collect();
            let more = seen.versions.len().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the host's package lists have no version {} of {title}, but {}{more}", version.0, named.join(", "))
        }
        _ if seen.listed => {
            let some = seen.providers.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            let named = if some.is_empty() { String::new() } else { format!("; declare one of them: {some}") };
            format!("the host's package lists have no version of {title}: it is only a name that others go by{named}")
        }
        _ => format!("{title} is not in the host's package lists"),
    };
    if let Some(near) = &seen.near {
        out.push_str(&format!("; did you mean {near}?"));
    }
    if !seen.unfetched.is_empty() {
        out.push_str(&format!("; not fetched with them: {}", seen.unfetched.join(", ")));
    }
    out
}

/// Notes what a transaction does to others.
fn besides(difference: &mut Difference, seen: &Observed) {
    for (deed, name) in [(Deed::Install, "also installs"), (Deed::Upgrade, "also upgrades")] {
        if let Some(list) = effects::listed(&seen.effects, deed) {
            difference.note(name, Shown::Absent, Shown::Value(list));
        }
    }
    for (deed, verb) in [(Deed::Remove, "removes"), (Deed::Downgrade, "downgrades")] {
        if let Some(list) = effects::listed(&seen.effects, deed) {
            difference.warnings.push(format!("also {verb} {list}"));
        }
    }
    difference.warnings.extend(seen.warnings.iter().cloned());
}

fn bare(title: &str) -> &str {
    title.split(':').next().unwrap_or(title)
}
