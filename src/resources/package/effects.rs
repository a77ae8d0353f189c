//! What a transaction would do.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// So many packages are named; the rest is a number.
const NAMED: usize = 20;
/// More are not read of one host.
pub(super) const MANY: usize = 20_000;
/// Characters of a sentence of a package manager that are shown.
pub(super) const SENTENCE: usize = 600;

/// What would become of a package that was not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Deed {
    Install,
    Upgrade,
    Downgrade,
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Effect {
    pub deed: Deed,
    pub name: String,
    /// The version that it has or will have; empty if that is not said.
    pub version: String,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clipped(&self.name, 100))?;
        if self.version.is_empty() { Ok(()) } else { write!(f, " {}", clipped(&self.version, 100)) }
    }
}

pub(super) fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Those of one kind, the first of them by name.
pub(super) fn listed(effects: &[Effect], deed: Deed) -> Option<String> {
    let of: Vec<&Effect> = effects.iter().filter(|e| e.deed == deed).collect();
    let mut out = of.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if of.len() > NAMED {
        out.push_str(&format!(" and {} more", of.len() - NAMED));
    }
    (!of.is_empty()).then_some(out)
}

/// A simulated transaction, as a package manager's answer says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simulated {
    pub effects: Vec<Effect>,
    /// Of each package the one that it comes or goes because of.
    pub because: HashMap<String, String>,
    /// What it refuses, by the package that this is said of; under no name what is said of none.
    pub refused: BTreeMap<String, String>,
    /// It would fail, and for a reason that says nothing of the packages.
    pub failed: Option<String>,
}

impl Simulated {
    pub fn effect(&mut self, deed: Deed, name: &str, version: &str) {
        if self.effects.len() < MANY {
            self.effects.push(Effect { deed, name: name.to_owned(), version: version.to_owned() });
        }
    }

    pub fn refuse(&mut self, name: &str, why: &str) {
        let text = self.refused.entry(name.to_owned()).or_default();
        if text.len() < SENTENCE {
            let parts = [text.as_str(), why.trim()];
            *text = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("; ");
        }
    }
}
