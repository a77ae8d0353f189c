//! The inventory for people and for scripts, in the shapes of `ansible-inventory`.

use super::Inventory;
use crate::language::node::{Mapping, Node, Yaml};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// As `ansible-inventory --list` prints it.
pub fn list(inventory: &Inventory) -> Value {
    let mut out = Map::new();
    let hostvars: Map<String, Value> =
        inventory.hosts().iter().map(|h| (h.name.clone(), host(inventory, &h.name))).collect();
    out.insert("_meta".into(), json!({ "hostvars": hostvars }));
    for name in inventory.group_list() {
        let Some(group) = inventory.group(name) else { continue };
        let mut entry = Map::new();
        let children: Vec<&str> = if name == "all" {
            let inner: BTreeSet<&str> = inventory
                .group_list()
                .filter_map(|g| inventory.group(g))
                .flat_map(|g| g.children.iter().map(|(c, _)| c.as_str()))
                .collect();
            let top = inventory.group_list().filter(|g| *g != "all" && !inner.contains(g));
            top.chain(["ungrouped"]).collect()
        } else {
            group.children.iter().map(|(c, _)| c.as_str()).collect()
        };
        if !children.is_empty() {
            entry.insert("children".into(), json!(children));
        }
        if !group.hosts.is_empty() {
            entry.insert("hosts".into(), json!(group.hosts));
        }
        out.insert(name.to_owned(), Value::Object(entry));
    }
    let free = inventory.members("ungrouped");
    if !free.is_empty() {
        out.insert("ungrouped".into(), json!({ "hosts": free }));
    }
    Value::Object(out)
}

/// A host's variables, the strongest of each.
pub fn host(inventory: &Inventory, name: &str) -> Value {
    let mut vars = Map::new();
    for layer in inventory.vars_of(name) {
        vars.extend(layer.vars.iter().map(|(k, v)| (k.value.clone(), value(&k.value, v))));
    }
    Value::Object(vars)
}

/// Groups with their groups and hosts, as a tree.
pub fn graph(inventory: &Inventory) -> String {
    let mut out = "@all:\n".to_owned();
    let list = list(inventory);
    let top = list["all"]["children"].as_array().cloned().unwrap_or_default();
    for name in top.iter().filter_map(Value::as_str) {
        tree(&mut out, inventory, name, 1);
    }
    out
}

fn tree(out: &mut String, inventory: &Inventory, group: &str, depth: usize) {
    let pad = "  |".repeat(depth);
    let _ = writeln!(out, "{pad}--@{group}:");
    let Some(entry) = inventory.group(group) else {
        for host in inventory.members(group) {
            let _ = writeln!(out, "{pad}  |--{host}");
        }
        return;
    };
    for (child, _) in entry.children.iter().filter(|_| depth < 32) {
        tree(out, inventory, child, depth + 1);
    }
    for host in &entry.hosts {
        let _ = writeln!(out, "{pad}  |--{host}");
    }
}

fn value(name: &str, node: &Node) -> Value {
    let secret = node.secret || ["password", "_pass"].iter().any(|p| name.starts_with("ansible_") && name.contains(p));
    if secret {
        return json!("(secret)");
    }
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(b) => json!(b),
        Yaml::Int(n) => json!(n),
        Yaml::Float(n) => json!(n),
        Yaml::String(s) => json!(s),
        Yaml::List(items) => items.iter().map(|n| value("", n)).collect(),
        Yaml::Map(map) => object(map),
    }
}

fn object(map: &Mapping) -> Value {
    Value::Object(map.iter().map(|(k, v)| (k.value.clone(), value("", v))).collect())
}
