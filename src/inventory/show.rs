//! The inventory for people and for scripts, in the shapes of `ansible-inventory`.

use super::Inventory;
use crate::language::node::{Mapping, Node, Yaml};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// As `ansible-inventory --list` prints it: each group that holds something, and all variables of each host. Only what
/// concerns the hosts for which `shown` is true. `extra`: variables that are stronger than all others.
pub fn list(inventory: &Inventory, extra: &Mapping, shown: &dyn Fn(&str) -> bool) -> Value {
    // Sorted, as there: so that two of them can be compared.
    let mut groups: BTreeMap<&str, Value> = BTreeMap::new();
    for name in inventory.group_list().chain(["ungrouped"]) {
        let mut entry = Map::new();
        let (children, mut hosts) = (inventory.children(name), inventory.direct_members(name));
        hosts.retain(|host| shown(host));
        if !children.is_empty() {
            entry.insert("children".into(), json!(children));
        }
        // `all` holds every host through its groups.
        if !hosts.is_empty() && name != "all" {
            entry.insert("hosts".into(), json!(hosts));
        }
        if !entry.is_empty() {
            groups.insert(name, Value::Object(entry));
        }
    }
    let named = inventory.members("all").into_iter().filter(|host| shown(host));
    let hostvars: BTreeMap<&str, Value> = named
        .map(|h| (h, host(inventory, h, extra)))
        .filter(|(_, v)| v.as_object().is_some_and(|v| !v.is_empty()))
        .collect();
    let mut out = Map::new();
    out.insert("_meta".into(), json!({ "hostvars": hostvars }));
    out.extend(groups.into_iter().map(|(name, entry)| (name.to_owned(), entry)));
    Value::Object(out)
}

/// A host's variables, the strongest of each, sorted. `extra`: as for [`list`].
pub fn host(inventory: &Inventory, name: &str, extra: &Mapping) -> Value {
    let mut vars: BTreeMap<&str, Value> = BTreeMap::new();
    for layer in inventory.vars_of(name).into_iter().map(|layer| layer.vars.as_ref()).chain([extra]) {
        vars.extend(layer.iter().map(|(k, v)| (k.value.as_str(), value(v))));
    }
    Value::Object(vars.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// Groups with their groups and hosts as a tree, as `ansible-inventory --graph` prints it.
pub fn graph(inventory: &Inventory) -> String {
    let mut out = String::new();
    tree(&mut out, inventory, "all", 0);
    out
}

fn tree(out: &mut String, inventory: &Inventory, group: &str, depth: usize) {
    let line = |out: &mut String, depth: usize, text: &str| {
        let lead = if depth > 0 { "  |".repeat(depth) + "--" } else { String::new() };
        let _ = writeln!(out, "{lead}{text}");
    };
    line(out, depth, &format!("@{group}:"));
    for child in inventory.children(group) {
        tree(out, inventory, child, depth + 1);
    }
    if group != "all" {
        inventory.direct_members(group).iter().for_each(|host| line(out, depth + 1, host));
    }
}

fn value(node: &Node) -> Value {
    if node.secret {
        return json!("(secret)");
    }
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(b) => json!(b),
        Yaml::Int(n) => json!(n),
        Yaml::Float(n) => json!(n),
        Yaml::String(s) => json!(s),
        Yaml::List(items) => items.iter().map(value).collect(),
        Yaml::Map(map) => object(map),
        Yaml::Vault(_) => json!("(secret)"),
    }
}

fn object(map: &Mapping) -> Value {
    Value::Object(map.iter().map(|(k, v)| (k.value.clone(), value(v))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::assemble::Builder;
    use crate::inventory::{ini, yaml};
    use crate::language::diagnostic::Diagnostics;
    use crate::model::span::FileId;

    fn inventory() -> Inventory {
        let (mut builder, mut found) = (Builder::default(), Diagnostics::default());
        let ini = "free\n[web]\nw[1:2] b=1 ansible_password=hunter2\n[prod:children]\nweb\n[prod:vars]\na=[1, None]\n[empty]\n";
        ini::read(ini, FileId(0), &mut builder, &mut found);
        let text = "all: {vars: {token: !secret {id: 1}, nested: {key: !secret k}}}";
        let document = crate::language::yaml::parse_one(text, FileId(1)).unwrap().unwrap();
        yaml::read(&document, &mut builder, &mut found);
        builder.build(&mut found)
    }

    #[test]
    fn the_list_has_ansibles_shape_and_no_secret() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&list(&inventory(), &vec![], &|_| true)).unwrap());
    }

    #[test]
    fn the_tree_has_ansibles_shape() {
        insta::assert_snapshot!(graph(&inventory()), @r"
        @all:
          |--@ungrouped:
          |  |--free
          |--@prod:
          |  |--@web:
          |  |  |--w1
          |  |  |--w2
          |--@empty:
        ");
    }
}
