//! Ansible's YAML form: groups with `hosts`, `children` and `vars`.

use super::hosts::Builder;
use super::ini;
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Node, Yaml};

const KEYS: &[&str] = &["hosts", "children", "vars"];

/// Groups in groups go no deeper than this.
const MAX_DEPTH: usize = 64;

/// Reads an inventory's document: a mapping of groups.
pub fn read(document: &Node, builder: &mut Builder, found: &mut Diagnostics) {
    let Some(groups) = document.as_map() else {
        found.push(
            Diagnostic::error(
                "no inventory",
                Some(document.span),
                format!("groups are a mapping, this is {}", document.value.kind()),
            )
            .help("begin with `all:` and its `hosts:`"),
        );
        return;
    };
    for (name, body) in groups {
        group(&name.value, body, 0, builder, found);
    }
}

fn group(name: &str, body: &Node, depth: usize, builder: &mut Builder, found: &mut Diagnostics) {
    builder.group(name);
    let map = match &body.value {
        Yaml::Null => return,
        Yaml::Map(map) => map,
        other => {
            let label = format!("a group is a mapping, this is {}", other.kind());
            return found.push(Diagnostic::error("wrong value", Some(body.span), label));
        }
    };
    if depth > MAX_DEPTH {
        return found.push(Diagnostic::error(
            "groups too deep",
            Some(body.span),
            format!("more than {MAX_DEPTH} levels"),
        ));
    }
    for (key, value) in map {
        match key.value.as_str() {
            "hosts" => hosts(name, value, builder, found),
            "children" => {
                for (child, body) in entries(value, "children", found) {
                    if name != "all" {
                        builder.child(name, &child.value, Some(child.span));
                    }
                    group(&child.value, &body, depth + 1, builder, found);
                }
            }
            "vars" => {
                let vars = entries(value, "vars", found);
                builder.group_vars(name, vars);
            }
            other => {
                let d =
                    Diagnostic::error("unknown key of a group", Some(key.span), format!("a group has no `{other}`"));
                found.push(match did_you_mean(other, KEYS.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("it has hosts, children and vars; a group in a group stands under `children`"),
                });
            }
        }
    }
}

fn hosts(group: &str, value: &Node, builder: &mut Builder, found: &mut Diagnostics) {
    // `all` is every host anyway.
    let member = (group != "all" && group != "ungrouped").then_some(group);
    if let Yaml::String(name) = &value.value {
        return ini::add_hosts(name, value.span, member, vec![], builder, found);
    }
    for (name, vars) in entries(value, "hosts", found) {
        let vars = match vars.value {
            Yaml::Null => vec![],
            Yaml::Map(map) => map,
            other => {
                let label = format!("a host's variables are a mapping, this is {}", other.kind());
                found.push(Diagnostic::error("wrong value", Some(vars.span), label));
                vec![]
            }
        };
        ini::add_hosts(&name.value, name.span, member, vars, builder, found);
    }
}

fn entries(value: &Node, key: &str, found: &mut Diagnostics) -> Mapping {
    match &value.value {
        Yaml::Null => vec![],
        Yaml::Map(map) => map.clone(),
        other => {
            let d = Diagnostic::error(
                "wrong value",
                Some(value.span),
                format!("`{key}` is a mapping, this is {}", other.kind()),
            );
            found.push(if matches!(other, Yaml::List(_)) { d.help("write `name:` instead of `- name`") } else { d });
            vec![]
        }
    }
}
