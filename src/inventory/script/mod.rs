//! Executable inventories: `--list` prints JSON. Source: Ansible's documentation, "Developing dynamic inventory".

mod run;

use super::assemble::Builder;
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::mask::masked;
use crate::language::node::{Node, Yaml};
use crate::model::span::{Sources, Span, Spanned};
use rayon::prelude::*;
use run::{Failure, Limits};
use std::path::{Path, PathBuf};

/// What `--list` prints beside groups.
const META: &str = "_meta";
const KEYS: &[&str] = &["hosts", "children", "vars"];

/// Runs an executable and takes in what it prints.
pub fn run(path: &Path, sources: &mut Sources, builder: &mut Builder, found: &mut Diagnostics) {
    // Without a slash it would be looked for in PATH.
    let program = if path.components().count() > 1 { path.to_path_buf() } else { PathBuf::from(".").join(path) };
    let Some(list) = answer(&program, &["--list"], sources, found) else { return };
    let (hosts, known) = read_json(&list, builder, found);
    if known {
        return;
    }
    // A process for each host is what `_meta` was made for, but older scripts have no other way.
    let limits = Limits::default();
    let args = |host: &String| ["--host".to_owned(), host.clone()];
    let printed: Vec<_> = hosts.par_iter().map(|(host, _)| run::run(&program, &args(host), &limits)).collect();
    for ((host, span), printed) in hosts.into_iter().zip(printed) {
        let Some(vars) = parse(&program, &format!("--host {host}"), printed, sources, found) else { continue };
        match vars.value {
            Yaml::Map(vars) => builder.host(&host, span, vars),
            other => found.push(wrong(vars.span, "a host's variables are an object", &other)),
        }
    }
}

fn answer(program: &Path, args: &[&str], sources: &mut Sources, found: &mut Diagnostics) -> Option<Node> {
    let words: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    parse(program, &args.join(" "), run::run(program, &words, &Limits::default()), sources, found)
}

fn parse(
    program: &Path,
    args: &str,
    printed: Result<String, Failure>,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Node> {
    let named = format!("{} {args}", program.display());
    let mut failed = |why: String, help: &str| {
        let d = Diagnostic::error("inventory script failed", None, format!("{named}: {why}"));
        found.push(d.help(help));
        None
    };
    let text = match printed {
        Ok(text) => text,
        Err(failure) => return failed(failure.to_string(), failure.help()),
    };
    let file = sources.add(&named, masked(&text));
    // JSON is YAML, so each value has its place.
    match crate::language::yaml::parse_one(&text, file) {
        Ok(Some(document)) => Some(document),
        Ok(None) => failed("it printed nothing".into(), "it prints a JSON object, which may be empty: {}"),
        Err(errors) => {
            found.extend(errors);
            None
        }
    }
}

/// Takes in what `--list` printed. Gives the hosts it named, and whether it told their variables too.
pub fn read_json(document: &Node, builder: &mut Builder, found: &mut Diagnostics) -> (Vec<(String, Span)>, bool) {
    let mut hosts: Vec<(String, Span)> = vec![];
    let Some(groups) = document.as_map() else {
        found.push(wrong(document.span, "an inventory script prints an object of groups", &document.value));
        return (hosts, true);
    };
    for (name, body) in groups.iter().filter(|(k, _)| k.value != META) {
        let group = name.value.as_str();
        builder.group(group);
        let mut members = |list: &Node, builder: &mut Builder, found: &mut Diagnostics| {
            for (host, span) in strings(list, found) {
                if !builder.has_host(&host) {
                    hosts.push((host.clone(), span));
                }
                builder.host(&host, span, vec![]);
                builder.member(group, &host);
            }
        };
        match &body.value {
            Yaml::List(_) => members(body, builder, found),
            Yaml::Map(map) => {
                for (key, _) in map.iter().filter(|(k, _)| !KEYS.contains(&k.value.as_str())) {
                    found.push(unknown_key(key));
                }
                if let Some(list) = body.get("hosts") {
                    members(list, builder, found);
                }
                for (child, span) in body.get("children").map(|c| strings(c, found)).unwrap_or_default() {
                    builder.group(&child);
                    builder.child(group, &child, span);
                }
                match body.get("vars").map(|v| (v.span, &v.value)) {
                    None | Some((_, Yaml::Null)) => {}
                    Some((span, Yaml::Map(vars))) => builder.group_vars(group, span.file, vars.clone()),
                    Some((span, other)) => found.push(wrong(span, "a group's variables are an object", other)),
                }
            }
            other => found.push(wrong(body.span, "a group is a list of hosts or an object", other)),
        }
    }
    let Some(meta) = document.get(META) else { return (hosts, false) };
    for (host, vars) in meta.get("hostvars").and_then(Node::as_map).into_iter().flatten() {
        // As in Ansible: who is in no group is no host.
        if !builder.has_host(&host.value) {
            continue;
        }
        match &vars.value {
            Yaml::Map(vars) => builder.host(&host.value, host.span, vars.clone()),
            other => found.push(wrong(vars.span, "a host's variables are an object", other)),
        }
    }
    (hosts, true)
}

fn unknown_key(key: &Spanned<String>) -> Diagnostic {
    let d = Diagnostic::error("unknown key of a group", Some(key.span), format!("a group has no `{}`", key.value));
    match did_you_mean(&key.value, KEYS.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help("it has hosts, children and vars"),
    }
}

fn wrong(span: Span, wanted: &str, found: &Yaml) -> Diagnostic {
    Diagnostic::error("wrong value", Some(span), format!("{wanted}, this is {}", found.kind()))
}

fn strings(node: &Node, found: &mut Diagnostics) -> Vec<(String, Span)> {
    let Some(items) = node.as_list() else {
        if node.value != Yaml::Null {
            found.push(wrong(node.span, "a list of names is wanted here", &node.value));
        }
        return vec![];
    };
    let mut names = vec![];
    for item in items {
        match item.as_str() {
            Some(name) => names.push((name.to_owned(), item.span)),
            None => found.push(wrong(item.span, "a name is text", &item.value)),
        }
    }
    names
}

#[cfg(test)]
mod tests;
