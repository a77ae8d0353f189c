//! What a node is to the template engine.

use super::node::{Node, Yaml};
use minijinja::{Error, ErrorKind, Value};

/// A rendered node as the template engine's value.
pub fn to_value(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::from(()),
        Yaml::Bool(b) => Value::from(*b),
        Yaml::Int(n) => Value::from(*n),
        Yaml::Float(n) => Value::from(*n),
        Yaml::String(s) => Value::from(s.as_str()),
        Yaml::List(items) => items.iter().map(to_value).collect(),
        // Rendering opens it; whoever comes by another way gets nothing.
        Yaml::Vault(_) => Value::from(Error::new(ErrorKind::InvalidOperation, "a vault that was not opened")),
        Yaml::Map(map) => Value::from_pairs(map.iter().map(|(k, v)| (k.value.as_str(), to_value(v)))),
    }
}
