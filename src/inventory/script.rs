//! Executable inventories: `--list` prints JSON. Source: Ansible's documentation, "Developing dynamic inventory".

use super::hosts::Builder;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Mapping, Node, Yaml};
use crate::language::span::{Sources, Span};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Bytes that a script may print.
const MOST: u64 = 64 << 20;

/// Runs it and takes in what it prints.
pub fn run(path: &Path, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    let failed = |why: String| {
        Diagnostic::error("inventory script failed", None, format!("{}: {why}", path.display()))
            .help("it is run as one because it is executable; if it is a plain file: chmod -x")
    };
    // Without a slash it would be looked for in PATH.
    let program = if path.components().count() > 1 { path.to_path_buf() } else { Path::new(".").join(path) };
    let child = Command::new(program).arg("--list").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return found.push(failed(error.to_string())),
    };
    let mut text = vec![];
    let read = child.stdout.take().map(|out| out.take(MOST + 1).read_to_end(&mut text));
    if text.len() as u64 > MOST {
        let _ = child.kill();
        let _ = child.wait();
        return found.push(failed(format!("it printed more than {MOST} bytes")));
    }
    match (read, child.wait()) {
        (Some(Ok(_)), Ok(status)) if status.success() => {}
        (_, Ok(status)) => return found.push(failed(status.to_string())),
        (_, Err(error)) => return found.push(failed(error.to_string())),
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let file = sources.add(path, text.as_str());
    // JSON is YAML, so each value has its place.
    match crate::language::yaml::parse_one(&text, file) {
        Ok(Some(document)) => read_json(&document, builder, found),
        Ok(None) => found.push(failed("it printed nothing".into())),
        Err(errors) => found.extend(errors),
    }
}

/// Takes in what `--list` printed.
pub fn read_json(document: &Node, builder: &mut Builder, found: &mut Diagnostics) {
    let Some(groups) = document.as_map() else {
        let label = "an inventory script prints a JSON object of groups";
        return found.push(Diagnostic::error("no inventory", Some(document.span), label));
    };
    for (name, body) in groups.iter().filter(|(k, _)| k.value != "_meta") {
        builder.group(&name.value);
        match &body.value {
            Yaml::List(_) => members(&name.value, body, builder, found),
            Yaml::Map(_) => {
                if let Some(hosts) = body.get("hosts") {
                    members(&name.value, hosts, builder, found);
                }
                for child in strings(body.get("children"), found) {
                    if name.value != "all" {
                        builder.child(&name.value, &child.0, Some(child.1));
                    }
                }
                if let Some(vars) = body.get("vars").and_then(Node::as_map) {
                    builder.group_vars(&name.value, vars.clone());
                }
            }
            other => {
                let label = format!("a group is a list or an object, this is {}", other.kind());
                found.push(Diagnostic::error("wrong value", Some(body.span), label));
            }
        }
    }
    let hostvars = document.get("_meta").and_then(|m| m.get("hostvars")).and_then(Node::as_map);
    for (host, vars) in hostvars.into_iter().flatten() {
        let vars: Mapping = vars.as_map().cloned().unwrap_or_default();
        builder.host(&host.value, Some(host.span), vars);
    }
}

fn members(group: &str, hosts: &Node, builder: &mut Builder, found: &mut Diagnostics) {
    for (host, span) in strings(Some(hosts), found) {
        builder.host(&host, Some(span), vec![]);
        if group != "all" && group != "ungrouped" {
            builder.member(group, &host);
        }
    }
}

fn strings(node: Option<&Node>, found: &mut Diagnostics) -> Vec<(String, Span)> {
    let Some(node) = node else { return vec![] };
    let Some(items) = node.as_list() else {
        found.push(Diagnostic::error(
            "wrong value",
            Some(node.span),
            format!("a list is wanted here, this is {}", node.value.kind()),
        ));
        return vec![];
    };
    items.iter().filter_map(|n| Some((n.as_str()?.to_owned(), n.span))).collect()
}
