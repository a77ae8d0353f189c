//! What trueup has made on a host and what it has merely changed, as the host itself keeps it: the file `ledger` in its
//! state folder.
//!
//! ```text
//! trueup ledger 1
//! 3fa20c19_owner {"project":"fleet:site.yml","host":"web1"}
//! 3fa20c19_6d1f0a3b5c7e9f1122334455 {"type":"file","title":"/etc/x","made":true,"run":"…","at":"site.yml:3:5","after":["…"]}
//! ```
//!
//! The first word of a line is its name: eight digits that stand for the owner, and 24 for the thing. The host's shell
//! puts lines in and takes them out by that word alone, under the lock, and replaces the file as a whole. What a line says
//! is plain ASCII, for not every shell reads more than that back as it was.
//!
//! It comes back from the host, so it is as untrusted as any answer: bounded, and strict in what it may hold. A host that
//! lies in it can harm itself alone.

mod ascii;
#[cfg(test)]
mod tests;

use crate::model::id::visible;
use crate::model::run_name::RunName;
use crate::shell::ledger::{LARGEST, UNTOLD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// The file's format.
pub const VERSION: u32 = 1;
/// The first line, up to the version.
pub const HEAD: &str = "trueup ledger";
/// The things that one came after are listed up to here: the last of them, which came after others in turn.
const AFTER: usize = 64;

/// Whose entry it is: a project, under the name that its inventory has for the host. One machine may well be two hosts of
/// a project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    pub project: String,
    pub host: String,
}

impl Owner {
    /// Eight digits.
    fn code(&self) -> String {
        digits(&[&self.project, &self.host], 8)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (as {})", self.project, self.host)
    }
}

/// What stands for a thing on a host, whoever manages it: 24 digits, from its type and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Thing(String);

impl Thing {
    pub fn of(kind: &str, key: &str) -> Self {
        Self(digits(&[kind, key], 24))
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 24 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Thing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no name of a thing"))
    }
}

fn digits(words: &[&str], count: usize) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digest = Sha256::digest(words.join("\0").as_bytes());
    let halves = digest.iter().flat_map(|b| [b >> 4, b & 15]);
    halves.filter_map(|n| HEX.get(usize::from(n))).take(count).collect()
}

/// One resource that is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    /// Its identity on the host, where that is not the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether trueup has made it. What was there before is merely changed, or was in line.
    pub made: bool,
    /// What tells whether somebody else has changed it since, as its type has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The run that brought it, or found it in line first.
    pub run: RunName,
    /// Where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What it came after, so that it can be removed before that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Thing>,
}

impl Entry {
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.title)
    }

    /// As people read it, and write it: `file[/etc/x]`.
    pub fn id(&self) -> String {
        format!("{}[{}]", visible(&self.kind), visible(&self.title))
    }

    pub fn thing(&self) -> Thing {
        Thing::of(&self.kind, self.key())
    }

    /// Says what it came after, in the order that things are made in.
    pub fn comes_after(&mut self, things: Vec<Thing>) {
        let skipped = things.len().saturating_sub(AFTER);
        self.after = things.into_iter().skip(skipped).collect();
    }

    /// Whether it says the same of the thing, whichever run says it, and wherever it is declared.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let bare = |e: &Self| (e.title.clone(), e.made, e.mark.clone(), e.after.clone());
        bare(self) == bare(other)
    }
}

/// What the ledger is told of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub when: When,
    pub thing: Thing,
    /// What it says of it from then on; `None`: nothing more.
    pub entry: Option<Entry>,
}

/// When a note counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once the change with this number is applied; taken back with it.
    Applied(usize),
    /// At the end of the run; taken back with the run.
    Ended,
    /// At the end of the run, and it stays when the run is taken back: what was found there is no doing of the run's.
    Found,
}

/// Notes as the host takes them, a line each: when it counts, the line's name in the ledger, and what that says. Numbers
/// are those of changes; `-` is the end of the run, and `+` what stays when the run is taken back.
pub fn lines(owner: &Owner, notes: &[Note]) -> Vec<u8> {
    let code = owner.code();
    let mut text = String::new();
    if notes.iter().any(|n| n.entry.is_some()) {
        text.push_str(&format!("+ {code}_owner {}\n", ascii::json(owner)));
    }
    for note in notes {
        let when = match note.when {
            When::Applied(change) => change.to_string(),
            When::Ended => "-".into(),
            When::Found => "+".into(),
        };
        let entry = note.entry.as_ref().map(|e| format!(" {}", ascii::json(e))).unwrap_or_default();
        text.push_str(&format!("{when} {code}_{}{entry}\n", note.thing.0));
    }
    text.into_bytes()
}

/// A host's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    owners: BTreeMap<String, Owner>,
    /// With their owners' codes, in the order they were put in.
    entries: Vec<(String, Entry)>,
    by_thing: HashMap<Thing, Vec<usize>>,
    /// Lines that cannot be read, or that were cut off.
    pub unread: usize,
}

/// It cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the host's ledger has the format {0}, and this trueup knows {VERSION} at most")]
    Newer(u32),
    #[error("the host's ledger is none: it begins with something else")]
    Malformed,
}

impl Ledger {
    /// From what a host has kept; nothing at all is an empty one. What is wrong with one line is no matter of the others'.
    ///
    /// # Errors
    /// Where its first line is not this trueup's.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut ledger = Self::default();
        if bytes.is_empty() {
            return Ok(ledger);
        }
        let text = String::from_utf8_lossy(bytes);
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let version = head.strip_prefix(HEAD).and_then(|v| v.trim().parse().ok());
        match version {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(LedgerError::Newer(newer)),
            _ => return Err(LedgerError::Malformed),
        }
        if bytes.len() >= LARGEST {
            ledger.unread += 1;
        }
        let mut lines = rest.split_inclusive('\n');
        let told: Vec<&str> = lines.by_ref().take_while(|l| l.trim_end() != UNTOLD).collect();
        // By their names, as the host will put them in.
        let untold: Vec<&str> = lines.collect();
        let name = |l: &'_ str| l.split_once(' ').map(|(name, _)| name.to_owned());
        let names: HashSet<String> = untold.iter().copied().filter_map(name).collect();
        let goes = |l: &str| name(l).is_some_and(|name| names.contains(&name));
        let comes = untold.iter().copied().filter(|l| !l.ends_with(" \n"));
        for line in told.iter().copied().filter(|l| !goes(l)).chain(comes) {
            if ledger.take(line).is_none() {
                ledger.unread += 1;
            }
        }
        Ok(ledger)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (name, entry) = line.strip_suffix('\n')?.split_once(' ')?;
        let (code, thing) = name.split_once('_')?;
        if thing == "owner" {
            let owner: Owner = serde_json::from_str(entry).ok()?;
            (owner.code() == code).then(|| self.owners.insert(code.to_owned(), owner))?;
            return Some(());
        }
        let (thing, entry) = (Thing::parse(thing)?, serde_json::from_str::<Entry>(entry).ok()?);
        if entry.thing() != thing || code.len() != 8 || self.on(&thing).any(|(c, _)| c == code) {
            return None;
        }
        self.by_thing.entry(thing).or_default().push(self.entries.len());
        self.entries.push((code.to_owned(), entry));
        Some(())
    }

    /// One owner's entries, in the order they were put in.
    pub fn of<'a>(&'a self, owner: &Owner) -> impl Iterator<Item = &'a Entry> {
        let code = owner.code();
        self.entries.iter().filter(move |(c, _)| *c == code).map(|(_, entry)| entry)
    }

    /// An owner's entry of a thing.
    pub fn entry(&self, owner: &Owner, thing: &Thing) -> Option<&Entry> {
        let code = owner.code();
        self.on(thing).find(|(c, _)| *c == code).map(|(_, entry)| entry)
    }

    /// The entries of a thing that others have, and who they are, where the ledger says that.
    pub fn others<'a>(
        &'a self,
        owner: &Owner,
        thing: &Thing,
    ) -> impl Iterator<Item = (Option<&'a Owner>, &'a Entry)> + use<'a> {
        let code = owner.code();
        self.on(thing).filter(move |(c, _)| *c != code).map(|(c, entry)| (self.owners.get(c), entry))
    }

    fn on(&self, thing: &Thing) -> impl Iterator<Item = &(String, Entry)> + use<'_> {
        self.by_thing.get(thing).into_iter().flatten().filter_map(|n| self.entries.get(*n))
    }
}
