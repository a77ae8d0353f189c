//! Names of variables that trueup gives itself.

use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::node::Mapping;
use minijinja::Value;
use std::collections::HashMap;

/// What trueup says of a host, and what a variable of the same name cannot change.
const NAMES: &[&str] = &["facts", "inventory_hostname", "inventory_hostname_short", "group_names", "groups"];

/// Their values, but for the facts, which are not known before a host is reached.
pub fn values(host: &str, group_names: &[String], groups: &Value) -> HashMap<String, Value> {
    HashMap::from([
        ("inventory_hostname".to_owned(), Value::from(host)),
        ("inventory_hostname_short".to_owned(), host.split('.').next().map(Value::from).unwrap_or_default()),
        ("group_names".to_owned(), group_names.iter().map(|g| Value::from(g.as_str())).collect()),
        ("groups".to_owned(), groups.clone()),
    ])
}

/// Tells of each variable by such a name.
pub fn find(vars: &Mapping, severity: Severity, found: &mut Diagnostics) {
    for (name, _) in vars.iter().filter(|(name, _)| NAMES.contains(&name.value.as_str())) {
        let label = format!("`{}` is a name of trueup's own, whose value no variable changes", name.value);
        let d = Diagnostic::error("reserved name", Some(name.span), label).help("give the variable another name");
        found.push(Diagnostic { severity, ..d });
    }
}
