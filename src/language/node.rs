//! A YAML value that knows where it was written.

use super::vault::Sealed;
use crate::model::span::Span;
use std::sync::Arc;

/// One YAML node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Yaml,
    /// Written under `!secret` or encrypted, or made from such a value: never shown.
    pub secret: bool,
    /// The value of an expression, so its type is what the expression gave and not what was typed:
    /// a number may stand where text is wanted.
    pub rendered: bool,
    /// What was written, if a number or a boolean does not print like it: `1.10`, `0o644`, `no`. Who wants text has lost
    /// something there.
    pub lost: Option<Box<str>>,
}

/// A mapping in the order it was written; keys are unique text.
pub type Mapping = Vec<(crate::model::span::Spanned<String>, Node)>;

/// Variables that were written in one place, as written. Every host that they hold for shares them.
pub type Layer = Arc<Mapping>;

#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Map(Mapping),
    /// Text that ansible-vault encrypted. Rendering opens it, so that no rendered value is one.
    Vault(Arc<Sealed>),
}

impl Yaml {
    /// The kind of value in YAML's words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a number",
            Self::Float(_) => "a decimal number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Vault(_) => "an encrypted value",
        }
    }
}

/// A decimal number as templates print it.
pub fn float_text(n: f64) -> String {
    minijinja::Value::from(n).to_string()
}

impl Node {
    pub fn new(span: Span, value: Yaml) -> Self {
        Self { span, value, secret: false, rendered: false, lost: None }
    }

    /// A scalar that was written as `text`.
    pub fn written(span: Span, value: Yaml, text: &str) -> Self {
        let lost = match &value {
            Yaml::Int(n) => n.to_string() != text,
            Yaml::Float(n) => float_text(*n) != text,
            // What only some readers take for a boolean may well be a word.
            Yaml::Bool(_) => !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false"),
            _ => false,
        };
        Self { lost: lost.then(|| text.into()), ..Self::new(span, value) }
    }

    /// Whether it or anything in it does not print as it was written.
    pub fn holds_lost(&self) -> bool {
        self.lost.is_some()
            || match &self.value {
                Yaml::List(l) => l.iter().any(Node::holds_lost),
                Yaml::Map(m) => m.iter().any(|(_, v)| v.holds_lost()),
                _ => false,
            }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Yaml::String(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Yaml::Map(m) => Some(m),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Yaml::List(l) => Some(l),
            _ => None,
        }
    }

    /// A mapping's value under `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.value == key).map(|(_, v)| v)
    }

    /// Whether it or anything in it is secret.
    pub fn holds_secret(&self) -> bool {
        self.secret
            || match &self.value {
                Yaml::List(l) => l.iter().any(Node::holds_secret),
                Yaml::Map(m) => m.iter().any(|(_, v)| v.holds_secret()),
                _ => false,
            }
    }

    /// Marks it and all in it as secret.
    pub fn into_secret(mut self) -> Self {
        self.mark_secret();
        self
    }

    fn mark_secret(&mut self) {
        self.secret = true;
        match &mut self.value {
            Yaml::List(l) => l.iter_mut().for_each(Node::mark_secret),
            Yaml::Map(m) => m.iter_mut().for_each(|(_, n)| n.mark_secret()),
            _ => {}
        }
    }
}
