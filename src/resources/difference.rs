//! A resource's difference, observed to desired, property by property.

use crate::model::id::{Kind, ResourceId, visible};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
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

/// What a change can bring besides what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Brings {
    #[default]
    Nothing,
    /// Files at this path and below it that nobody can list beforehand: a home and its skeleton.
    Below(String),
    /// Files, users, running services: a package, a command.
    Anything,
}

impl Brings {
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Whether it can bring something at this path.
    pub fn reaches(&self, path: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Below(top) => path.strip_prefix(top.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/')),
            Self::Anything => true,
        }
    }
}

/// A change of a plan, as later ones see it.
#[derive(Clone, Debug)]
struct Made {
    id: ResourceId,
    difference: Difference,
    brings: Brings,
}

/// The changes of a plan so far, found by what they are about.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    list: Vec<Made>,
    by_key: HashMap<Kind, HashMap<String, usize>>,
    by_type: HashMap<Kind, Vec<usize>>,
    by_path: HashMap<String, Vec<usize>>,
    /// Those that bring what nobody can tell beforehand.
    open: Vec<usize>,
}

impl Changes {
    /// `key`: the resource's identity on the host; `path`: where it stands among the host's files, if it does.
    pub fn push(&mut self, id: ResourceId, key: String, path: Option<String>, difference: Difference, brings: Brings) {
        let number = self.list.len();
        if !brings.is_nothing() {
            self.open.push(number);
        }
        self.by_key.entry(id.kind.clone()).or_default().entry(key).or_insert(number);
        self.by_type.entry(id.kind.clone()).or_default().push(number);
        if let Some(path) = path {
            self.by_path.entry(path).or_default().push(number);
        }
        self.list.push(Made { id, difference, brings });
    }
}

/// What earlier changes of this plan will have brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead<'a> {
    changes: Option<&'a Changes>,
}

impl<'a> Ahead<'a> {
    /// From the changes that come before it.
    pub fn new(changes: &'a Changes) -> Self {
        Self { changes: Some(changes) }
    }

    /// The change ahead of the resource of this type and key.
    pub fn change(&self, kind: &str, key: &str) -> Option<&'a Difference> {
        let changes = self.changes?;
        let number = changes.by_key.get(kind)?.get(key)?;
        changes.list.get(*number).map(|made| &made.difference)
    }

    /// Whether a resource of this type and key will be there because of a change ahead.
    pub fn brings(&self, kind: &str, key: &str) -> bool {
        self.change(kind, key).is_some_and(|d| matches!(d.action, Action::Create | Action::Update))
    }

    /// Whether a change ahead removes what stands at this path.
    pub fn is_gone(&self, path: &str) -> bool {
        let Some(changes) = self.changes else { return false };
        let mut numbers = changes.by_path.get(path).into_iter().flatten();
        numbers.any(|n| changes.list.get(*n).is_some_and(|made| made.difference.action == Action::Remove))
    }

    /// The paths at which changes ahead change something.
    pub fn paths(&self) -> impl Iterator<Item = &'a str> {
        self.changes.into_iter().flat_map(|changes| changes.by_path.keys().map(String::as_str))
    }

    /// Whether a change ahead can bring anything, so that what is missing now may be there by then.
    pub fn may_bring_anything(&self) -> bool {
        self.open().any(|made| made.brings == Brings::Anything)
    }

    /// Whether a change ahead can bring something at this path that nobody can tell beforehand.
    pub fn may_bring(&self, path: &str) -> bool {
        self.open().any(|made| made.brings.reaches(path))
    }

    /// The first change ahead that can bring what `matters`.
    pub fn opened_by(&self, matters: impl Fn(&Brings) -> bool) -> Option<&'a ResourceId> {
        self.open().find(|made| matters(&made.brings)).map(|made| &made.id)
    }

    fn open(&self) -> impl Iterator<Item = &'a Made> {
        let changes = self.changes;
        let numbers = changes.map(|c| c.open.as_slice()).unwrap_or_default();
        numbers.iter().filter_map(move |n| changes?.list.get(*n))
    }

    /// Changes ahead of any resource of this type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&'a ResourceId, &'a Difference)> {
        let numbers = self.changes.and_then(|c| c.by_type.get(kind)).into_iter().flatten();
        numbers.filter_map(|n| self.changes?.list.get(*n)).map(|made| (&made.id, &made.difference))
    }
}
