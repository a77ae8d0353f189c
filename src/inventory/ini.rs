//! Ansible's INI form. Source: Ansible's documentation, "How to build your inventory", and its `ini` plugin.

use super::hosts::Builder;
use super::range;
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Node, Yaml};
use crate::language::span::{FileId, Span, Spanned};

enum Section {
    Hosts(Option<String>),
    Children(String),
    Vars(String),
    /// Its header was wrong; its lines would only add noise.
    Unknown,
}

/// Reads an inventory's text.
pub fn read(text: &str, file: FileId, builder: &mut Builder, found: &mut Diagnostics) {
    let mut section = Section::Hosts(None);
    let mut start = 0;
    for raw in text.split('\n') {
        let lead = raw.len() - raw.trim_start().len();
        let line = raw.trim();
        let span = Span::new(file, start + lead, start + lead + line.len());
        start += raw.len() + 1;
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').filter(|_| line.ends_with(']') || line.contains("] #")) {
            section = header_of(header, span, builder, found);
            continue;
        }
        match &section {
            Section::Hosts(group) => host_line(line, span, group.as_deref(), builder, found),
            Section::Children(group) => {
                let child = line.split_whitespace().next().unwrap_or(line);
                builder.child(group, child, Some(span));
            }
            Section::Vars(group) => match line.split_once('=') {
                Some((key, value)) => {
                    let entry = variable(key.trim(), value.trim(), span);
                    builder.group_vars(group, vec![entry]);
                }
                None => {
                    found.push(Diagnostic::error("no variable", Some(span), "a line of [group:vars] is `name=value`"))
                }
            },
            Section::Unknown => {}
        }
    }
}

fn header_of(header: &str, span: Span, builder: &mut Builder, found: &mut Diagnostics) -> Section {
    let name = header.split(']').next().unwrap_or_default().trim();
    match name.split_once(':') {
        None => {
            builder.group(name);
            Section::Hosts(Some(name.to_owned()))
        }
        Some((group, "children")) => {
            builder.group(group);
            Section::Children(group.to_owned())
        }
        Some((group, "vars")) => {
            builder.group(group);
            Section::Vars(group.to_owned())
        }
        Some((_, other)) => {
            let d = Diagnostic::error("unknown section", Some(span), format!("`:{other}` means nothing here"));
            found.push(match did_you_mean(other, ["children", "vars"]) {
                Some(near) => d.help(format!("did you mean `:{near}`?")),
                None => d.help("it is [group], [group:children] or [group:vars]"),
            });
            Section::Unknown
        }
    }
}

fn host_line(line: &str, span: Span, group: Option<&str>, builder: &mut Builder, found: &mut Diagnostics) {
    let words = match split_words(line) {
        Ok(words) => words,
        Err(why) => return found.push(Diagnostic::error("malformed host line", Some(span), why)),
    };
    let Some(((at, name), rest)) = words.split_first() else { return };
    let place =
        |at: usize, len: usize| Span { start: span.start + at as u32, end: span.start + (at + len) as u32, ..span };
    let mut vars = vec![];
    for (at, word) in rest {
        match word.split_once('=') {
            Some((key, value)) => vars.push(variable(key, value, place(*at, word.len()))),
            None => found.push(
                Diagnostic::error(
                    "no variable",
                    Some(place(*at, word.len())),
                    "after the host's name stands `name=value`",
                )
                .help("one host a line"),
            ),
        }
    }
    add_hosts(name, place(*at, name.len()), group, vars, builder, found);
}

/// Adds the hosts that a name with ranges and perhaps a port stands for.
pub fn add_hosts(
    name: &str,
    span: Span,
    group: Option<&str>,
    mut vars: Mapping,
    builder: &mut Builder,
    found: &mut Diagnostics,
) {
    let (name, port) = split_port(name);
    if let Some(port) = port {
        let key = Spanned { value: "ansible_port".to_owned(), span };
        vars.insert(0, (key, Node::new(span, Yaml::Int(i64::from(port)))));
    }
    match range::expand(&name) {
        Ok(names) => {
            for name in names {
                builder.host(&name, Some(span), vars.clone());
                if let Some(group) = group {
                    builder.member(group, &name);
                }
            }
        }
        Err(why) => found.push(Diagnostic::error("wrong range", Some(span), why)),
    }
}

/// `host:2222`, `[::1]:22`; an IPv6 address without brackets has no port.
fn split_port(name: &str) -> (String, Option<u16>) {
    if let Some((address, port)) = name.strip_prefix('[').and_then(|r| r.split_once("]:"))
        && address.matches(':').count() > 1
    {
        return (address.to_owned(), port.parse().ok());
    }
    match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && !port.is_empty() && !port.contains(']') => match port.parse() {
            Ok(port) => (host.to_owned(), Some(port)),
            Err(_) => (name.to_owned(), None),
        },
        _ => (name.to_owned(), None),
    }
}

fn variable(key: &str, value: &str, span: Span) -> (Spanned<String>, Node) {
    (Spanned { value: key.to_owned(), span }, Node::new(span, literal(value, span)))
}

/// A value as Ansible's INI form types it: what reads as a literal of Python is one, all else is text.
fn literal(text: &str, span: Span) -> Yaml {
    let text = text.trim();
    match text {
        "True" | "true" => return Yaml::Bool(true),
        "False" | "false" => return Yaml::Bool(false),
        "None" => return Yaml::Null,
        _ => {}
    }
    if let Ok(n) = text.parse::<i64>()
        && (text == "0" || !text.trim_start_matches(['-', '+']).starts_with('0'))
    {
        return Yaml::Int(n);
    }
    let quoted = |q: char| text.strip_prefix(q)?.strip_suffix(q).filter(|inner| !inner.contains(q));
    if let Some(inner) = quoted('"').or_else(|| quoted('\'')) {
        return Yaml::String(inner.to_owned());
    }
    if (text.starts_with('[') && text.ends_with(']'))
        || (text.starts_with('{') && text.ends_with('}') && !text.starts_with("{{"))
    {
        // Python's lists and dicts of plain values are YAML's flow forms.
        if let Ok(Some(node)) = crate::language::yaml::parse_one(text, span.file) {
            return replace_spans(node, span).value;
        }
    }
    Yaml::String(text.to_owned())
}

/// The places inside are those of the value's own text: the whole value is pointed at instead.
fn replace_spans(mut node: Node, span: Span) -> Node {
    node.span = span;
    node.value = match node.value {
        Yaml::List(items) => Yaml::List(items.into_iter().map(|n| replace_spans(n, span)).collect()),
        Yaml::Map(map) => Yaml::Map(
            map.into_iter().map(|(k, v)| (Spanned { value: k.value, span }, replace_spans(v, span))).collect(),
        ),
        other => other,
    };
    node
}

/// Words with the offset of each, quotes taken away as a shell does; a `#` at a word's start begins a comment.
fn split_words(line: &str) -> Result<Vec<(usize, String)>, &'static str> {
    let mut words: Vec<(usize, String)> = vec![];
    let mut current: Option<(usize, String)> = None;
    let mut quote: Option<char> = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => {
                quote = None;
                // The value's type is read from the quotes later on.
                if let Some((_, word)) = &mut current
                    && word.contains('=')
                {
                    word.push(c);
                }
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                let word = &mut current.get_or_insert((at, String::new())).1;
                if word.contains('=') {
                    word.push(c);
                }
            }
            (None, '#') if current.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(current.take()),
            (_, c) => current.get_or_insert((at, String::new())).1.push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(current);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::language::span::Sources;
    use proptest::prelude::*;

    fn inventory(text: &str) -> Result<Inventory, String> {
        let mut sources = Sources::default();
        let file = sources.add("hosts.ini", text);
        let mut found = Diagnostics::default();
        let mut builder = Builder::default();
        read(text, file, &mut builder, &mut found);
        let inventory = builder.build(&mut found);
        let told: Vec<_> = found.iter().map(|d| d.render(&sources, false)).collect();
        if found.has_errors() { Err(told.join("\n\n")) } else { Ok(inventory) }
    }

    const WEB: &str = "\
mail.example.net ansible_port=2222 # outside of groups

[web]
web[01:03] http_port=80 motto='it is \"fine\"' on=True tags=\"['a', 'b']\"
[2001:db8::5]:2200

[db]
db1:5022 ansible_user=root

[prod:children]
web
db

[prod:vars]
tier=production
size=010
";

    #[test]
    fn hosts_groups_and_variables_are_as_ansible_reads_them() {
        let i = inventory(WEB).unwrap();
        assert_eq!(i.members("web"), ["web01", "web02", "web03", "2001:db8::5"]);
        assert_eq!(i.members("prod"), ["web01", "web02", "web03", "2001:db8::5", "db1"]);
        assert_eq!(i.members("ungrouped"), ["mail.example.net"]);
        assert_eq!(i.group_names("web02"), ["prod", "web"]);
        let vars: Vec<_> =
            i.vars_of("web02").iter().flat_map(|l| l.vars).map(|(k, v)| (k.value.clone(), v.value.clone())).collect();
        let s = |t: &str| Yaml::String(t.into());
        let of = |name: &str| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()).unwrap();
        assert_eq!(of("tier"), s("production"));
        assert_eq!(of("size"), s("010"));
        assert_eq!(of("http_port"), Yaml::Int(80));
        assert_eq!(of("motto"), s("it is \"fine\""));
        assert_eq!(of("on"), Yaml::Bool(true));
        assert!(matches!(of("tags"), Yaml::String(_) | Yaml::List(_)));
    }

    #[test]
    fn mistakes_are_told_at_their_lines() {
        insta::assert_snapshot!(
            inventory("[web:childs]\nx\n\n[db]\ndb[1:x]\ndb2 primary\n[db:vars]\nnothing\n").unwrap_err()
        );
    }

    #[test]
    fn groups_in_one_another_are_an_error() {
        assert!(inventory("[a:children]\nb\n[b:children]\na\n").unwrap_err().contains("a → b → a"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_panic(text in "[\\[\\]a-z0-9:=#'\" \n]{0,120}") {
            let _ = inventory(&text);
        }
    }
}
