//! What sets one package manager apart from another.

use super::answer::{Answer, Rehearsal};
use super::effects::Simulated;
use super::observed::{States, Word};
use crate::shell::packages::Manager;
use crate::shell::probe::BadAnswer;

/// One change of a transaction.
#[derive(Clone, Copy)]
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
    fn manager(&self) -> Manager;
    /// The shortest name of the package of this title, where `arch` is the host's.
    fn canonical<'a>(&self, title: &'a str, _arch: &str) -> &'a str {
        title
    }
    /// What is there, and what the lists have.
    fn parse(&self, words: &[Word<'_>], arch: &str, answer: &Answer<'_>) -> Result<States, BadAnswer>;
    /// What it would do.
    fn simulated(&self, rehearsal: &Rehearsal<'_>, arch: &str) -> Simulated;
    /// Fetches the lists of packages anew.
    fn refresh(&self) -> Vec<String>;
    fn install(&self, items: &[Item<'_>]) -> Vec<String>;
    fn remove(&self, items: &[Item<'_>]) -> Vec<String>;
    /// Both in one transaction, as it was simulated, and it comes about for those for which it can; `None` where there
    /// is no such thing.
    fn both(&self, _wanted: &[Item<'_>], _gone: &[Item<'_>]) -> Option<Vec<String>> {
        None
    }
    /// Removes the configuration files of one package that is no longer installed; `None` where [`Self::remove`] does.
    fn purge(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
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
