//! What is wanted of a package, and what was seen of it.

use super::answer::Lists;
use super::effects::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Present,
    Absent,
    Latest,
}

/// So many versions of one package are read.
pub(super) const VERSIONS: usize = 50;

/// What the host has, and what it could have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The installed version.
    pub(super) installed: Option<String>,
    /// It is there in part: unpacked, or its scripts have failed.
    pub(super) half: bool,
    /// Its configuration files are there, though it is not installed.
    pub(super) config: bool,
    /// The version that would be installed; `None` where the host's lists have none, or none was asked for.
    pub(super) candidate: Option<String>,
    /// Those that the lists have, the newest first.
    pub(super) versions: Vec<String>,
    /// The lists have the name, and maybe no version of it.
    pub(super) listed: bool,
    /// How current the lists are.
    pub(super) lists: Lists,
    /// What could not be fetched with the lists.
    pub(super) unfetched: Vec<String>,
    /// What provides it, if it is only a name.
    pub(super) providers: Vec<String>,
    /// A name that is nearly its own.
    pub(super) near: Option<String>,
    /// What its transaction does besides.
    pub(super) effects: Vec<Effect>,
    /// Why its transaction cannot be, or must not be.
    pub(super) refused: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// How current the lists are comes and goes by itself, and so does what they have besides.
impl Hash for Observed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.installed, self.half, self.config, &self.candidate, &self.effects).hash(state);
    }
}

/// What is wanted of a package, by the name that its manager has for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) name: &'a str,
    pub(super) state: State,
    pub(super) version: Option<&'a str>,
    pub(super) purge: bool,
}

impl Word<'_> {
    /// As `shell/packages.sh` takes it.
    pub(super) fn text(&self) -> String {
        match (self.state, self.version) {
            (State::Absent, _) if self.purge => format!("!{}", self.name),
            (State::Absent, _) => format!("-{}", self.name),
            (State::Latest, _) => format!("+{}", self.name),
            (State::Present, Some(version)) => format!("{}={version}", self.name),
            (State::Present, None) => self.name.to_owned(),
        }
    }
}

/// What a package manager's answer says, by package name.
pub(super) type States = HashMap<String, Observed>;
