//! Packages, by whatever manager the host has: many at once are one transaction.

mod apk;
mod apt;
mod dnf;

use super::difference::{Action, Ahead, Brings, Difference, Shown};
use super::value::Scalar;
use super::{Due, Impossible, Orphaned, ResourceType, Together, Want};
use crate::facts::{Facts, PackageManager};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::id::ResourceId;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::steps::{Command, Steps, Undo};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Duration;

/// A large transaction over a slow line takes its time.
const DEADLINE: Duration = Duration::from_secs(3600);

pub struct Package;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Present,
    Absent,
    Latest,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// `present`: installed in any version. `latest`: in the newest that the host's package lists have. `absent`: not
    /// installed. The default is `present`.
    #[serde(default)]
    pub state: State,
    /// The exact version to be installed, older ones included. By default any will do.
    pub version: Option<Scalar>,
    /// With `absent`, whether its configuration files go too. The default is `false`.
    #[serde(default)]
    pub purge: bool,
}

/// What the host has, and what it could have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Observed {
    /// The installed version.
    pub(super) installed: Option<String>,
    /// The version that would be installed; `None` where the host's lists have none, or none was asked for.
    pub(super) candidate: Option<String>,
    /// Its configuration files are there, though it is not installed.
    pub(super) config: bool,
}

/// What a package manager's answer says, by package name.
pub(super) type States = HashMap<String, Observed>;

/// One change of a transaction.
pub(super) struct Item<'a> {
    pub name: &'a str,
    /// The exact version, where one is asked for.
    pub version: Option<&'a str>,
    /// The version that is there now.
    pub installed: Option<&'a str>,
    pub purge: bool,
}

/// What sets one package manager apart from another.
pub(super) trait Provider: Sync {
    fn probe(&self, names: &[(&str, bool)], probe: &mut ProbeScript);
    /// Takes as many answers as [`Self::probe`] asked.
    fn parse(&self, names: &[(&str, bool)], answers: &mut Answers) -> Result<States, BadAnswer>;
    /// Fetches the lists of packages anew.
    fn refresh(&self) -> Vec<String>;
    fn install(&self, items: &[Item<'_>]) -> Vec<String>;
    fn remove(&self, items: &[Item<'_>]) -> Vec<String>;
    /// As [`Self::remove`], and it fails where a package that is not named would go along.
    fn remove_alone(&self, items: &[Item<'_>]) -> Vec<String> {
        self.remove(items)
    }
    /// What is noted of all packages before a transaction, and what brings them back to what was noted: a transaction
    /// brings more than was named. `None` where removing what was named takes the rest with it.
    fn note(&self) -> Option<(Vec<String>, Vec<String>)> {
        None
    }
    /// A command that changes packages, so that it also works where one before it has died.
    fn transaction(&self, argv: Vec<String>) -> Vec<String> {
        argv
    }
    /// Environment that keeps it from asking.
    fn env(&self) -> Vec<(String, String)> {
        vec![]
    }
}

fn provider(facts: &Facts) -> Option<&'static dyn Provider> {
    match facts.package_manager {
        PackageManager::Apt => Some(&apt::Apt),
        PackageManager::Dnf => Some(&dnf::Dnf),
        PackageManager::Apk => Some(&apk::Apk),
        PackageManager::None => None,
    }
}

/// Names, and whether the newest version is asked for.
fn names<'a>(wants: &[&'a Want<Params>]) -> Vec<(&'a str, bool)> {
    wants.iter().map(|w| (w.title(), w.params.state == State::Latest)).collect()
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

    fn probe(&self, wants: &[&Want<Params>], facts: &Facts, probe: &mut ProbeScript) {
        if let Some(provider) = provider(facts) {
            provider.probe(&names(wants), probe);
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
        match provider.parse(&names(wants), answers) {
            Ok(states) => wants.iter().map(|w| Ok(states.get(w.title()).cloned().unwrap_or_default())).collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, _: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let installed = seen.installed.as_ref().map_or(Shown::Absent, Shown::value);
        let candidate = || match &seen.candidate {
            Some(version) => Shown::value(version),
            None => Shown::Unknown("not in the host's package lists, which are fetched anew first".into()),
        };
        let (action, to) = match (want.params.state, &seen.installed, &want.params.version) {
            (State::Absent, None, _) if want.params.purge && seen.config => {
                let mut difference = Difference::new(Action::Remove);
                difference.note("configuration", Shown::value("left behind"), Shown::Absent);
                return Ok(Some(difference));
            }
            (State::Absent, None, _) => return Ok(None),
            (State::Absent, Some(_), _) => (Action::Remove, Shown::Absent),
            (State::Present, Some(has), Some(version)) if *has == version.0 => return Ok(None),
            (State::Present, Some(_), Some(version)) => (Action::Update, Shown::value(&version.0)),
            (State::Present, Some(_), None) => return Ok(None),
            (State::Present, None, Some(version)) => (Action::Create, Shown::value(&version.0)),
            (State::Present | State::Latest, None, _) => (Action::Create, candidate()),
            (State::Latest, Some(has), _) => match &seen.candidate {
                Some(newest) if newest != has => (Action::Update, Shown::value(newest)),
                _ => return Ok(None),
            },
        };
        let mut difference = Difference::new(action);
        difference.note("version", installed, to);
        Ok(Some(difference))
    }

    fn cuts_off(&self, want: &Want<Params>, difference: &Difference) -> bool {
        difference.action == Action::Remove && crate::resources::lifeline::package(want.title())
    }

    /// Files, users, services that run: installing brings them, and removing takes them away.
    fn brings(&self, _: &Want<Params>, _: &Difference) -> Brings {
        Brings::Anything
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
        Observed { candidate: seen.candidate.clone(), installed, config }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], facts: &Facts, steps: &mut Steps) {
        let Some(provider) = provider(facts) else { return };
        let command = |argv| Command {
            env: provider.env(),
            deadline: Some(DEADLINE),
            ..Command::new(provider.transaction(argv))
        };
        let mut transaction = |ids: &[&ResourceId], argv: Vec<String>, undo: Undo| match (provider.note(), undo) {
            (Some((before, back)), Undo::Run(_)) => {
                steps.run(ids, Command { before: Some(before), ..command(argv) }, Undo::RunOn(back));
            }
            (_, undo) => steps.run(ids, command(argv), undo),
        };
        let (gone, wanted): (Vec<&Due<'_, Self>>, Vec<_>) =
            due.iter().partition(|d| d.want.params.state == State::Absent);
        if !gone.is_empty() {
            let items: Vec<_> = gone.iter().map(|d| item(d)).collect();
            let back: Vec<Item<'_>> = items
                .iter()
                .filter(|i| i.installed.is_some())
                .map(|i| Item { name: i.name, version: i.installed, installed: None, purge: false })
                .collect();
            let undo = match items.iter().any(|i| i.purge) {
                true => Undo::Irreversible("configuration files are purged with the package".into()),
                false => Undo::Run(provider.install(&back)),
            };
            let alone = gone.iter().any(|d| d.want.departed.is_some());
            let argv = if alone { provider.remove_alone(&items) } else { provider.remove(&items) };
            transaction(&ids(&gone), argv, undo);
        }
        if !wanted.is_empty() {
            let unknown = |d: &&Due<'_, Self>| {
                d.seen.candidate.is_none() && d.seen.installed.is_none() || d.want.params.version.is_some()
            };
            if wanted.iter().any(unknown) {
                transaction(&ids(&wanted), provider.refresh(), Undo::Nothing);
            }
            let items: Vec<_> = wanted.iter().map(|d| item(d)).collect();
            let (fresh, upgraded): (Vec<Item<'_>>, Vec<Item<'_>>) =
                wanted.iter().map(|d| item(d)).partition(|i| i.installed.is_none());
            let back: Vec<_> = upgraded
                .iter()
                .map(|i| Item { name: i.name, version: i.installed, installed: None, purge: false })
                .collect();
            let undo = match (fresh.is_empty(), back.is_empty()) {
                (false, true) => Undo::Run(provider.remove(&fresh)),
                (true, _) => Undo::Run(provider.install(&back)),
                (false, false) => {
                    let both = [provider.remove(&fresh), provider.install(&back)].map(crate::shell::quote::words);
                    Undo::Run(vec!["sh".into(), "-c".into(), both.join(" && ")])
                }
            };
            transaction(&ids(&wanted), provider.install(&items), undo);
        }
    }
}

fn item<'a>(due: &Due<'a, Package>) -> Item<'a> {
    Item {
        name: &due.want.id.title,
        version: due.want.params.version.as_ref().map(|v| v.0.as_str()),
        installed: due.seen.installed.as_deref(),
        purge: due.want.params.purge,
    }
}

fn ids<'a>(due: &[&Due<'a, Package>]) -> Vec<&'a ResourceId> {
    due.iter().map(|d| &d.want.id).collect()
}
