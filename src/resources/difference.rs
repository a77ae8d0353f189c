//! A resource's difference, observed to desired, property by property.

use crate::catalog::id::{ResourceId, visible};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// What earlier changes of this plan will have brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead<'a> {
    changes: &'a [(ResourceId, String, Difference)],
    /// Numbers of those that the resource comes after.
    needs: &'a [usize],
}

impl<'a> Ahead<'a> {
    /// From the changes before it (id, key and difference), and the numbers of those that it comes after.
    pub fn new(changes: &'a [(ResourceId, String, Difference)], needs: &'a [usize]) -> Self {
        Self { changes, needs }
    }

    /// The change ahead of the resource of this type and key.
    pub fn change(&self, kind: &str, key: &str) -> Option<&'a Difference> {
        self.changes.iter().find(|(id, k, _)| id.kind == kind && k == key).map(|(.., d)| d)
    }

    /// Whether a resource of this type and key will be there because of a change ahead.
    pub fn brings(&self, kind: &str, key: &str) -> bool {
        self.change(kind, key).is_some_and(|d| matches!(d.action, Action::Create | Action::Update))
    }

    /// A change that it comes after, and of which nobody can tell beforehand what files it brings: a package that is
    /// installed, a command that is run.
    pub fn may_bring_files(&self) -> Option<&'a ResourceId> {
        let opaque = |(id, _, d): &&(ResourceId, String, Difference)| match id.kind {
            "package" => d.action == Action::Create,
            "exec" => true,
            _ => false,
        };
        self.needs.iter().filter_map(|n| self.changes.get(*n)).find(opaque).map(|(id, ..)| id)
    }

    /// Changes ahead of any resource of this type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&'a ResourceId, &'a Difference)> {
        self.changes.iter().filter(move |(id, ..)| id.kind == kind).map(|(id, _, d)| (id, d))
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
