//! Ansible's YAML form: groups with `hosts`, `children` and `vars`.

use super::assemble::Builder;
use super::ini;
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Node, Yaml};

const KEYS: &[&str] = &["hosts", "children", "vars"];

/// Groups in groups go no deeper than this.
const MAX_DEPTH: usize = 64;

/// Reads an inventory's document: a mapping of groups.
pub fn read(document: &Node, builder: &mut Builder, found: &mut Diagnostics) {
    let Some(groups) = document.as_map() else {
        let label = format!("groups are a mapping, this is {}", document.value.kind());
        let d = Diagnostic::error("no inventory", Some(document.span), label);
        return found.push(d.help("begin with `all:` and its `hosts:`"));
    };
    if let Some((key, _)) = groups.iter().find(|(k, v)| k.value == "plugin" && v.as_str().is_some()) {
        let label = "inventory plugins of Ansible's are not run";
        let d = Diagnostic::error("an inventory plugin", Some(key.span), label);
        return found.push(d.help("an executable that answers `--list` gives hosts from elsewhere"));
    }
    for (name, body) in groups {
        if KEYS.contains(&name.value.as_str()) && body.as_map().is_none_or(|m| !is_group(m)) {
            let label = format!("`{}` stands in no group", name.value);
            let d = Diagnostic::error("no group", Some(name.span), label);
            found.push(d.help("put `all:` above it, and it and the rest one level deeper"));
            continue;
        }
        group(&name.value, body, 0, builder, found);
    }
}

fn is_group(map: &Mapping) -> bool {
    map.iter().any(|(k, _)| KEYS.contains(&k.value.as_str()))
}

fn group(name: &str, body: &Node, depth: usize, builder: &mut Builder, found: &mut Diagnostics) {
    builder.group(name);
    let map = match &body.value {
        Yaml::Null => return,
        Yaml::Map(map) => map,
        other => {
            let label = format!("a group is a mapping, this is {}", other.kind());
            let d = Diagnostic::error("wrong value", Some(body.span), label);
            return found.push(d.help("it has hosts, children and vars"));
        }
    };
    if depth > MAX_DEPTH {
        let label = format!("more than {MAX_DEPTH} levels");
        return found.push(Diagnostic::error("groups too deep", Some(body.span), label));
    }
    for (key, value) in map {
        match key.value.as_str() {
            "hosts" => {
                for (host, vars) in entries(value, "`hosts` is", found) {
                    let vars = entries(&vars, "a host's variables are", found);
                    ini::add_hosts(&host.value, host.span, name, vars, builder, found);
                }
            }
            "children" => {
                for (child, body) in entries(value, "`children` is", found) {
                    builder.child(name, &child.value, child.span);
                    group(&child.value, &body, depth + 1, builder, found);
                }
            }
            "vars" => {
                let vars = entries(value, "`vars` is", found);
                builder.group_vars(name, value.span.file, vars);
            }
            other => {
                let label = format!("a group has no `{other}`");
                let d = Diagnostic::error("unknown key of a group", Some(key.span), label);
                found.push(match did_you_mean(other, KEYS.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("it has hosts, children and vars; a group in a group stands under `children`"),
                });
            }
        }
    }
}

/// A mapping's entries; nothing and, as in Ansible, one name alone stand for a mapping too.
fn entries(value: &Node, what: &str, found: &mut Diagnostics) -> Mapping {
    match &value.value {
        Yaml::Null => vec![],
        Yaml::Map(map) => map.clone(),
        Yaml::String(name) if what.contains("hosts") || what.contains("children") => {
            let key = crate::model::span::Spanned { value: name.clone(), span: value.span };
            vec![(key, Node::new(value.span, Yaml::Null))]
        }
        other => {
            let label = format!("{what} a mapping, this is {}", other.kind());
            let d = Diagnostic::error("wrong value", Some(value.span), label);
            found.push(if matches!(other, Yaml::List(_)) { d.help("write `name:` instead of `- name`") } else { d });
            vec![]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::span::Sources;
    use proptest::prelude::*;

    fn inventory(text: &str) -> Result<Inventory, String> {
        let mut sources = Sources::default();
        let file = sources.add("hosts.yml", text);
        let mut found = Diagnostics::default();
        let mut builder = Builder::default();
        match crate::language::yaml::parse_one(text, file) {
            Ok(document) => document.iter().for_each(|d| read(d, &mut builder, &mut found)),
            Err(errors) => found.extend(errors),
        }
        let inventory = builder.build(&mut found);
        let told: Vec<_> = found.iter().map(|d| d.render(&sources, false)).collect();
        if found.is_empty() { Ok(inventory) } else { Err(told.join("\n\n")) }
    }

    #[test]
    fn groups_hosts_and_ranges() {
        let i = inventory(
            "\
all:
  hosts:
    solo: {ansible_host: 1.2.3.4}
    web[1:2].y:
    p:2222:
  vars: {a: 1}
  children:
    grp:
      hosts: single
      children:
        sub: {hosts: {s1: {x: 1}, s2: null}, vars: {deep: true}}
    ungrouped:
      hosts: {ug: }
other:
  hosts: {o1: , s1: {x: 2}}
",
        )
        .unwrap();
        assert_eq!(i.members("all"), ["solo", "web1.y", "web2.y", "p", "single", "s1", "s2", "ug", "o1"]);
        assert_eq!(i.members("grp"), ["single", "s1", "s2"]);
        assert_eq!(i.direct_members("ungrouped"), ["ug", "solo", "web1.y", "web2.y", "p"]);
        assert_eq!(i.children("all"), ["ungrouped", "grp", "other"]);
        assert_eq!(i.group_names("s1"), ["grp", "other", "sub"]);
        let origins: Vec<_> = i.vars_of("s1").iter().map(|l| l.origin.to_string()).collect();
        assert_eq!(origins, ["group all", "group sub", "host s1"]);
    }

    #[test]
    fn mistakes_are_told_at_their_places() {
        insta::assert_snapshot!(
            inventory("all:\n  host:\n    a:\n  hosts:\n    - b\n  children:\n    web: [w1]\n    db:\n      hosts:\n        d[2:1]:\n        e: 5\n      something: 1\n").unwrap_err()
        );
    }

    #[test]
    fn what_stands_in_no_group_is_told() {
        insta::assert_snapshot!(inventory("hosts:\n  web1:\n").unwrap_err());
        assert!(inventory("plugin: amazon.aws.aws_ec2\n").unwrap_err().contains("--list"));
        assert!(inventory("- hosts: web\n").unwrap_err().contains("begin with `all:`"));
    }

    #[test]
    fn groups_that_hold_one_another_are_told_with_each_place() {
        insta::assert_snapshot!(inventory("a:\n  children:\n    b:\n      children:\n        a:\n").unwrap_err());
    }

    proptest! {
        #[test]
        fn arbitrary_documents_are_no_panic(text in "(all|hosts|children|vars|[ab\\[\\]:{}, 0-9\n-]){0,40}") {
            let _ = inventory(&text);
        }
    }
}
