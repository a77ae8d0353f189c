//! Services: whether they run, and whether they start at boot. By systemd or OpenRC.

mod openrc;
mod systemd;

use super::difference::{Action, Ahead, Difference, Shown};
use super::{Due, Edges, Impossible, Orphaned, ResourceType, Want};
use crate::facts::{Facts, InitSystem};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::steps::{Command, Steps, Undo};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

pub struct Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Running { "running" } else { "stopped" })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRefresh {
    #[default]
    Restart,
    Reload,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// `running` or `stopped`. By default it is left as it is.
    pub state: Option<State>,
    /// Whether it starts at boot. By default that is left as it is.
    pub enabled: Option<bool>,
    /// Whether it can be started at all (systemd alone). By default that is left as it is.
    pub masked: Option<bool>,
    /// What a refresh does: `restart`, or `reload` (a restart where it cannot reload). The default is `restart`.
    #[serde(default)]
    pub on_refresh: OnRefresh,
}

/// What the init system says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Observed {
    Absent,
    Unit(Unit),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    pub(super) running: bool,
    /// In the init system's own word: active, failed, …
    pub(super) word: String,
    /// `None` where it cannot be enabled or disabled: static units and the like.
    pub(super) enabled: Option<bool>,
    pub(super) masked: bool,
    /// Its files are newer than what the init system has read.
    pub(super) stale: bool,
}

/// What sets one init system apart from another.
pub(super) trait Provider: Sync {
    /// Why a title names no service. One name that the init system cannot read would keep it from telling of the others.
    fn wrong(&self, _title: &str) -> Option<String> {
        None
    }
    /// The full name of what a title means.
    fn unit(&self, title: &str) -> String;
    fn probe(&self, units: &[String], probe: &mut ProbeScript);
    fn parse(&self, units: &[String], answers: &mut Answers) -> Result<Vec<Observed>, BadAnswer>;
    fn can_mask(&self) -> bool;
    /// Reads unit files anew.
    fn reload_files(&self) -> Option<Vec<String>>;
    fn start(&self, unit: &str) -> Vec<String>;
    fn stop(&self, unit: &str) -> Vec<String>;
    fn enable(&self, unit: &str) -> Vec<String>;
    fn disable(&self, unit: &str) -> Vec<String>;
    fn mask(&self, unit: &str) -> Vec<String>;
    fn unmask(&self, unit: &str) -> Vec<String>;
    fn refresh(&self, unit: &str, how: OnRefresh) -> Vec<String>;
    /// A shell's condition, in which `$0` is the unit: whether it is there.
    fn is_there(&self) -> &'static str;
}

fn provider(facts: &Facts) -> Option<&'static dyn Provider> {
    match facts.init_system {
        InitSystem::Systemd => Some(&systemd::Systemd),
        InitSystem::Openrc => Some(&openrc::Openrc),
        InitSystem::None => None,
    }
}

/// Folders whose files make or change units.
const UNIT_FOLDERS: &[&str] =
    &["/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/", "/run/systemd/system/"];

/// Whether a change ahead writes a unit file, or the script of a service.
fn unit_files(ahead: &Ahead<'_>) -> bool {
    let is_one = |path: &str| path.starts_with("/etc/init.d/") || UNIT_FOLDERS.iter().any(|f| path.starts_with(f));
    ahead.paths().any(is_one)
}

fn yes(b: bool) -> Shown {
    Shown::value(if b { "yes" } else { "no" })
}

/// Whether a title is one unit's name and nothing that a program would take for more.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':' | '\\');
    !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
}

impl ResourceType for Service {
    const NAME: &'static str = "service";
    const ABOUT: &'static str = "A service: whether it runs, and whether it starts at boot.";
    const EXAMPLE: &'static str = "- service: nginx\n  state: running\n  enabled: true\n  on_refresh: reload\n";
    const REFRESHES: bool = true;
    const ORPHANED: Orphaned =
        Orphaned::Ended("state: stopped\nenabled: false", "a service was not made, but set; it stays as it is");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, facts: &Facts, out: &mut Diagnostics) {
        let provider = provider(facts);
        if !is_name(want.title()) {
            let label = format!("`{}` is no name of a service", want.title().escape_debug());
            out.push(Diagnostic::error("wrong title", Some(want.places.title), label));
        } else if let Some(why) = provider.and_then(|p| p.wrong(want.title())) {
            out.push(Diagnostic::error("wrong title", Some(want.places.title), why));
        }
        let Some(provider) = provider else {
            let d =
                Diagnostic::error("no init system", Some(want.places.title), "the host has neither systemd nor OpenRC");
            return out.push(d.help("leave services out for it: `when: facts.init_system != \"none\"`"));
        };
        if want.params.masked.is_some() && !provider.can_mask() {
            let label = "only systemd can mask a service";
            out.push(Diagnostic::error("wrong parameter", Some(want.places.of("masked")), label));
        }
        if want.params.masked == Some(true)
            && (want.params.state == Some(State::Running) || want.params.enabled == Some(true))
        {
            let label = "what is masked neither runs nor starts at boot";
            out.push(Diagnostic::error("parameters that exclude one another", Some(want.places.of("masked")), label));
        }
    }

    fn key<'a>(&self, want: &'a Want<Params>, _: &Facts) -> Cow<'a, str> {
        match want.title().strip_suffix(".service") {
            Some(bare) => Cow::Borrowed(bare),
            None => Cow::Borrowed(want.title()),
        }
    }

    fn stands_on(&self, title: &str, kind: &str, key: &str) -> bool {
        let name = title.strip_suffix(".service").unwrap_or(title);
        let unit = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
        match kind {
            "file" | "symlink" => {
                let units = UNIT_FOLDERS.iter().any(|f| key.strip_prefix(f) == Some(unit.as_str()));
                units || key.strip_prefix("/etc/init.d/") == Some(name)
            }
            "package" => key == name,
            _ => false,
        }
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        let name = want.title().strip_suffix(".service").unwrap_or(want.title()).to_owned();
        edges.require(&want.id, "package", name.as_str());
        let template = name.split_once('@').map(|(t, _)| format!("{t}@"));
        for unit in [Some(name.clone()), template].into_iter().flatten() {
            let unit = if unit.contains('.') { unit } else { format!("{unit}.service") };
            for folder in UNIT_FOLDERS {
                edges.require(&want.id, "file", format!("{folder}{unit}"));
                edges.require(&want.id, "symlink", format!("{folder}{unit}"));
                edges.require(&want.id, "file", format!("{folder}{unit}.d/override.conf"));
            }
        }
        edges.require(&want.id, "file", format!("/etc/init.d/{name}"));
    }

    fn probe(&self, wants: &[&Want<Params>], facts: &Facts, probe: &mut ProbeScript) {
        if let Some(provider) = provider(facts) {
            let units: Vec<_> = wants.iter().map(|w| provider.unit(w.title())).collect();
            provider.probe(&units, probe);
        }
    }

    fn observe(
        &self,
        wants: &[&Want<Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Observed, BadAnswer>> {
        let seen = match provider(facts) {
            Some(provider) => {
                let units: Vec<_> = wants.iter().map(|w| provider.unit(w.title())).collect();
                provider.parse(&units, answers)
            }
            None => Err(BadAnswer("the host has no init system".into())),
        };
        match seen {
            Ok(seen) if seen.len() == wants.len() => seen.into_iter().map(Ok).collect(),
            Ok(_) => wants.iter().map(|_| Err(BadAnswer("an answer for another number of services".into()))).collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let p = &want.params;
        let mut difference = Difference::new(Action::Update);
        let unit = match seen {
            Observed::Unit(unit) => unit,
            Observed::Absent if p.state != Some(State::Running) && p.enabled != Some(true) && p.masked.is_none() => {
                return Ok(None);
            }
            Observed::Absent => {
                if !ahead.may_bring_anything() && !unit_files(ahead) {
                    return Err(Impossible(format!(
                        "there is no service {}, and no change ahead of it that could bring one; is its package declared before it?",
                        want.title()
                    )));
                }
                if let Some(state) = p.state {
                    difference.note("state", Shown::Absent, Shown::value(state));
                }
                if let Some(enabled) = p.enabled {
                    difference.note("enabled", Shown::Absent, yes(enabled));
                }
                if let Some(masked) = p.masked {
                    difference.note("masked", Shown::Absent, yes(masked));
                }
                return Ok(difference.unless_empty());
            }
        };
        if let Some(masked) = p.masked.filter(|m| *m != unit.masked) {
            difference.note("masked", yes(unit.masked), yes(masked));
        }
        let unmask = unit.masked && p.masked.is_none() && (p.state == Some(State::Running) || p.enabled == Some(true));
        if unmask {
            return Err(Impossible(format!("{} is masked; `masked: false` takes that away", want.title())));
        }
        if let Some(state) = p.state.filter(|s| (*s == State::Running) != unit.running) {
            let from = if unit.running { "running".to_owned() } else { unit.word.clone() };
            difference.note("state", Shown::Value(from), Shown::value(state));
        }
        match (p.enabled, unit.enabled) {
            (Some(wanted), Some(is)) if wanted != is && (wanted || !unit.masked) => {
                difference.note("enabled", yes(is), yes(wanted));
            }
            _ => {}
        }
        Ok(difference.unless_empty())
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        crate::resources::lifeline::service(want.title())
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let p = &want.params;
        let mut unit = match seen {
            Observed::Unit(unit) => unit.clone(),
            Observed::Absent if p.state != Some(State::Running) && p.enabled != Some(true) && p.masked.is_none() => {
                return Observed::Absent;
            }
            Observed::Absent => {
                Unit { running: false, word: "inactive".into(), enabled: Some(false), masked: false, stale: false }
            }
        };
        if let Some(state) = p.state {
            unit.running = state == State::Running;
            unit.word = if unit.running { "active" } else { "inactive" }.into();
        }
        if let (Some(enabled), Some(_)) = (p.enabled, unit.enabled) {
            unit.enabled = Some(enabled);
        }
        unit.masked = p.masked.unwrap_or(unit.masked);
        Observed::Unit(unit)
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], facts: &Facts, steps: &mut Steps) {
        let Some(provider) = provider(facts) else { return };
        for Due { want, seen, difference } in due {
            let (id, unit) = (&want.id, provider.unit(want.title()));
            // Whether units have to be read anew is not known before files ahead are written; it costs little.
            let fresh = match seen {
                Observed::Absent => true,
                Observed::Unit(unit) => unit.stale,
            };
            if let Some(reload) = provider.reload_files().filter(|_| fresh) {
                steps.run(&[id], Command::new(reload), Undo::Nothing);
            }
            let mut run = |name: &str, to: bool, on: Vec<String>, off: Vec<String>| {
                if difference.has(name) {
                    let (argv, undo) = if to { (on, off) } else { (off, on) };
                    steps.run(&[id], Command::new(argv), Undo::Run(undo));
                }
            };
            // What is masked can neither start nor stop starting: it is masked last, and so the first to be taken back.
            if want.params.masked == Some(false) {
                run("masked", false, provider.mask(&unit), provider.unmask(&unit));
            }
            if let Some(enabled) = want.params.enabled {
                run("enabled", enabled, provider.enable(&unit), provider.disable(&unit));
            }
            if let Some(state) = want.params.state {
                run("state", state == State::Running, provider.start(&unit), provider.stop(&unit));
            }
            if want.params.masked == Some(true) {
                run("masked", true, provider.mask(&unit), provider.unmask(&unit));
            }
        }
    }

    fn refresh(&self, want: &Want<Params>, changed: Option<&Difference>, facts: &Facts, steps: &mut Steps) {
        let Some(provider) = provider(facts) else { return };
        let started = changed.is_some_and(|d| d.has("state"));
        // What is just started has read its files; what is to be stopped reads none.
        if want.params.state == Some(State::Stopped)
            || want.params.masked == Some(true)
            || started && !is_absent_before(changed)
        {
            return;
        }
        let unit = provider.unit(want.title());
        if let Some(reload) = provider.reload_files() {
            steps.run(&[&want.id], Command::new(reload), Undo::Nothing);
        }
        let refresh = provider.refresh(&unit, want.params.on_refresh);
        // What a rollback removes with its package needs no refresh any more.
        let condition = format!("if {}; then exec \"$@\"; fi", provider.is_there());
        let again = ["sh", "-c", &condition, &unit].map(str::to_owned).into_iter().chain(refresh.clone()).collect();
        steps.run(&[&want.id], Command::new(refresh), Undo::Run(again));
    }
}

/// Whether the service was not there when it was planned: its package may have started it by itself, before its
/// files were written.
fn is_absent_before(changed: Option<&Difference>) -> bool {
    changed.is_some_and(|d| d.properties.iter().any(|p| p.name == "state" && p.from == Shown::Absent))
}
