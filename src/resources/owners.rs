//! Whether the users and groups that files and directories are to belong to are there.

use super::Impossible;
use super::accounts::database;
use super::attributes::Wanted;
use super::difference::{Ahead, Difference};
use crate::model::id::visible;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use std::collections::BTreeSet;

/// Names that a host is asked about. Numbers need nobody, and root is everywhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Owners<'a> {
    users: BTreeSet<&'a str>,
    groups: BTreeSet<&'a str>,
}

/// Of one resource's owner and group, those that the host does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Unknown {
    user: Option<String>,
    group: Option<String>,
}

impl<'a> Owners<'a> {
    pub fn of(wanted: impl Iterator<Item = Wanted<'a>>) -> Self {
        let mut owners = Self::default();
        for wanted in wanted {
            owners.users.extend(named(wanted.owner));
            owners.groups.extend(named(wanted.group));
        }
        owners
    }

    pub fn ask(&self, probe: &mut ProbeScript) {
        if !self.users.is_empty() {
            probe.ask(Query::Passwd, &self.users);
        }
        if !self.groups.is_empty() {
            probe.ask(Query::Group, &self.groups);
        }
    }

    /// Those that are not there.
    ///
    /// # Errors
    /// If the host gave no answer.
    pub fn read(mut self, answers: &mut Answers) -> Result<Self, BadAnswer> {
        if !self.users.is_empty() {
            for line in answers.text()?.lines() {
                self.users.remove(line.split(':').next().unwrap_or_default());
            }
        }
        if !self.groups.is_empty() {
            for (name, ..) in database(&answers.text()?) {
                self.groups.remove(name);
            }
        }
        Ok(self)
    }

    /// Of those that are not there, this resource's.
    pub fn among(&self, wanted: Wanted<'_>) -> Unknown {
        let of = |name: Option<&str>, all: &BTreeSet<&str>| name.filter(|n| all.contains(n)).map(str::to_owned);
        Unknown { user: of(named(wanted.owner), &self.users), group: of(named(wanted.group), &self.groups) }
    }
}

fn named(wanted: Option<&super::value::Scalar>) -> Option<&str> {
    let name = wanted?.0.as_str();
    (name != "root" && !name.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

impl Unknown {
    /// # Errors
    /// If the change needs one that nothing before it can bring.
    pub fn check(&self, difference: &Difference, ahead: &Ahead<'_>) -> Result<(), Impossible> {
        let comes = |kinds: &[&str], name: &str| {
            ahead.may_bring_anything() || kinds.iter().any(|kind| ahead.brings(kind, name))
        };
        let user = self.user.as_ref().filter(|u| difference.has("owner") && !comes(&["user"], u)).map(|u| ("user", u));
        // A user brings the group of its name.
        let group = self.group.as_ref().filter(|g| difference.has("group") && !comes(&["group", "user"], g));
        match user.or(group.map(|g| ("group", g))) {
            Some((kind, name)) => {
                let name = visible(name);
                Err(Impossible(format!("there is no {kind} {name}, and no resource before this one makes it")))
            }
            None => Ok(()),
        }
    }
}
