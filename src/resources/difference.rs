//! A resource's difference, observed to desired, property by property.

use crate::model::id::{Kind, ResourceId, visible};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    Remove,
    /// A command is run.
    Run,
    /// In line itself, but something it listens to changes.
    Refresh,
    /// What a run did to it is taken back.
    Restore,
    /// It is no longer taken for trueup's. Nothing is done to it.
    Forget,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Remove => "remove",
            Self::Run => "run",
            Self::Refresh => "refresh",
            Self::Restore => "restore",
            Self::Forget => "forget",
        }
    }
}

/// A property's value as a plan shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", content = "value", rename_all = "snake_case")]
pub enum Shown {
    Value(String),
    Absent,
    /// Cannot be known before applying, and why.
    Unknown(String),
    Secret,
}

/// Stands for what is never shown.
pub const SECRET: &str = "(secret)";

impl Shown {
    pub fn value(value: impl fmt::Display) -> Self {
        Self::Value(value.to_string())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(v) if v.is_empty() => f.write_str("(empty)"),
            Self::Value(v) => f.write_str(&visible(v)),
            Self::Absent => f.write_str("(absent)"),
            Self::Unknown(why) => write!(f, "(unknown: {why})"),
            Self::Secret => f.write_str(SECRET),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Property {
    pub name: String,
    pub from: Shown,
    pub to: Shown,
}

/// A file's text before and after, for a line by line view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextChange {
    pub before: String,
    pub after: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    pub action: Action,
    pub properties: Vec<Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextChange>,
    /// What a person must know before agreeing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Difference {
    pub fn new(action: Action) -> Self {
        Self { action, properties: vec![], text: None, warnings: vec![] }
    }

    /// Notes a property, whatever its values.
    pub fn note(&mut self, name: &str, from: Shown, to: Shown) {
        self.properties.push(Property { name: name.to_owned(), from, to });
    }

    /// Notes a property where the two differ.
    pub fn compare<T: PartialEq + fmt::Display>(&mut self, name: &str, from: &T, to: &T) {
        if from != to {
            self.note(name, Shown::value(from), Shown::value(to));
        }
    }

    /// Itself, unless nothing was noted.
    pub fn unless_empty(self) -> Option<Self> {
        (!self.properties.is_empty()).then_some(self)
    }

    /// Whether a property of this name is noted.
    pub fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|p| p.name == name)
    }
}

/// The changes of a plan so far, found by what they are about.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    list: Vec<(ResourceId, Difference)>,
    by_key: HashMap<Kind, HashMap<String, usize>>,
    by_type: HashMap<Kind, Vec<usize>>,
    /// For each change: the first of itself and all it comes after of which nobody can tell what files it brings.
    opaque: Vec<Option<usize>>,
}

impl Changes {
    /// `key`: the resource's identity on the host. `needs`: numbers of the changes it comes after.
    pub fn push(&mut self, id: ResourceId, key: String, difference: Difference, needs: &BTreeSet<usize>) {
        let number = self.list.len();
        let own = match id.kind.as_str() {
            "package" => difference.action == Action::Create,
            "exec" => true,
            _ => false,
        };
        self.opaque.push(self.opaque_of(needs).or(own.then_some(number)));
        self.by_key.entry(id.kind.clone()).or_default().entry(key).or_insert(number);
        self.by_type.entry(id.kind.clone()).or_default().push(number);
        self.list.push((id, difference));
    }

    fn opaque_of(&self, needs: &BTreeSet<usize>) -> Option<usize> {
        needs.iter().filter_map(|n| self.opaque.get(*n).copied().flatten()).min()
    }
}

/// What earlier changes of this plan will have brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead<'a> {
    changes: Option<&'a Changes>,
    opaque: Option<usize>,
}

impl<'a> Ahead<'a> {
    /// From the changes before it, and the numbers of those that it comes after.
    pub fn new(changes: &'a Changes, needs: &BTreeSet<usize>) -> Self {
        Self { changes: Some(changes), opaque: changes.opaque_of(needs) }
    }

    /// The change ahead of the resource of this type and key.
    pub fn change(&self, kind: &str, key: &str) -> Option<&'a Difference> {
        let changes = self.changes?;
        let number = changes.by_key.get(kind)?.get(key)?;
        changes.list.get(*number).map(|(_, d)| d)
    }

    /// Whether a resource of this type and key will be there because of a change ahead.
    pub fn brings(&self, kind: &str, key: &str) -> bool {
        self.change(kind, key).is_some_and(|d| matches!(d.action, Action::Create | Action::Update))
    }

    /// A change that it comes after, and of which nobody can tell beforehand what files it brings: a package that is
    /// installed, a command that is run.
    pub fn may_bring_files(&self) -> Option<&'a ResourceId> {
        self.changes?.list.get(self.opaque?).map(|(id, _)| id)
    }

    /// Changes ahead of any resource of this type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&'a ResourceId, &'a Difference)> {
        let numbers = self.changes.and_then(|c| c.by_type.get(kind)).into_iter().flatten();
        numbers.filter_map(|n| self.changes?.list.get(*n)).map(|(id, d)| (id, d))
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_none_or(|c| c.list.is_empty())
    }
}
