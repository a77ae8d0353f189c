//! What a plan's file says, as JSON. Numbers refer to places in lists of the same host.

use super::contents::BodyRef;
use super::reach::Reach;
use crate::catalog::graph::EdgeKind;
use crate::facts::Facts;
use crate::language::node::{Node, Yaml};
use crate::model::body::Digest;
use crate::model::span::{Place, Span, Spanned};
use crate::resources::Departed;
use crate::shell::steps::PlannedStep;
use serde::{Deserialize, Serialize};

/// What may be secret: told, or a place in the sealed part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<T> {
    Open(T),
    Sealed(usize),
}

/// One host of a plan: how it is reached, what its plan was made from, and the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostDocument {
    /// Its place among the reports.
    pub report: usize,
    pub reach: Reach,
    /// Its plays, by their places in `rollout`.
    pub plays: Vec<usize>,
    /// What it was, but for the custom facts: nothing is judged by those, and they may be confidential.
    pub facts: Facts,
    pub resources: Vec<ResourceDocument>,
    /// The types in the order of their batches.
    pub types: Vec<TypeDocument>,
    pub edges: Vec<(usize, usize, EdgeKind)>,
    /// One for each change of the report's plan.
    pub changes: Vec<ChangeDocument>,
    pub steps: Vec<StepDocument>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceDocument {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Its type, by its place in `types`, and its declaration there.
    pub at: (usize, usize),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    pub selected: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub departed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeDocument {
    pub name: String,
    pub declared: Vec<Part<Declaration>>,
}

/// A resource as it was declared, all values final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub title: String,
    pub params: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRef>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_user: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_below: Vec<String>,
    /// Of what has left the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Departed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeDocument {
    pub resource: usize,
    pub verifiable: bool,
    /// The state it starts from.
    pub state: Part<Option<Digest>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDocument {
    pub step: Part<PlannedStep<BodyRef>>,
    pub serves: Vec<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_if_changed: Vec<usize>,
}

/// A YAML value without its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    #[serde(rename = "v")]
    value: Plain,
    #[serde(rename = "secret", default, skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
    #[serde(rename = "rendered", default, skip_serializing_if = "std::ops::Not::not")]
    rendered: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    /// Its bits, for JSON has neither infinity nor what is no number.
    Float(u64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl From<&Node> for Value {
    fn from(node: &Node) -> Self {
        let value = match &node.value {
            Yaml::Null => Plain::Null,
            Yaml::Bool(b) => Plain::Bool(*b),
            Yaml::Int(n) => Plain::Int(*n),
            Yaml::Float(n) => Plain::Float(n.to_bits()),
            Yaml::String(s) => Plain::Text(s.clone()),
            Yaml::List(list) => Plain::List(list.iter().map(Self::from).collect()),
            Yaml::Map(map) => Plain::Map(map.iter().map(|(k, v)| (k.value.clone(), Self::from(v))).collect()),
            // What a catalog holds was rendered, and so opened.
            Yaml::Vault(_) => Plain::Null,
        };
        Self { value, secret: node.secret, rendered: node.rendered }
    }
}

impl From<Value> for Node {
    fn from(saved: Value) -> Self {
        let span = Span::default();
        let value = match saved.value {
            Plain::Null => Yaml::Null,
            Plain::Bool(b) => Yaml::Bool(b),
            Plain::Int(n) => Yaml::Int(n),
            Plain::Float(bits) => Yaml::Float(f64::from_bits(bits)),
            Plain::Text(s) => Yaml::String(s),
            Plain::List(list) => Yaml::List(list.into_iter().map(Self::from).collect()),
            Plain::Map(map) => {
                let entry = |(k, v): (String, Value)| (Spanned { value: k, span }, Self::from(v));
                Yaml::Map(map.into_iter().map(entry).collect())
            }
        };
        Self { span, value, secret: saved.secret, rendered: saved.rendered, lost: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Yaml::Null),
            any::<bool>().prop_map(Yaml::Bool),
            any::<i64>().prop_map(Yaml::Int),
            any::<f64>().prop_filter("equal to itself", |n| !n.is_nan()).prop_map(Yaml::Float),
            any::<String>().prop_map(Yaml::String),
        ];
        let flagged = |value: BoxedStrategy<Yaml>| {
            (value, any::<bool>(), any::<bool>()).prop_map(|(value, secret, rendered)| Node {
                lost: None,
                span: Span::default(),
                value,
                secret,
                rendered,
            })
        };
        flagged(leaf.boxed()).prop_recursive(6, 40, 6, move |inner| {
            let key = |k: String| Spanned { value: k, span: Span::default() };
            let list = prop::collection::vec(inner.clone(), 0..6).prop_map(Yaml::List).boxed();
            let map = prop::collection::vec((any::<String>().prop_map(key), inner), 0..6).prop_map(Yaml::Map).boxed();
            flagged(prop_oneof![list, map].boxed())
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was(node in node()) {
            let text = serde_json::to_string(&Value::from(&node)).unwrap();
            prop_assert_eq!(Node::from(serde_json::from_str::<Value>(&text).unwrap()), node);
        }
    }
}
