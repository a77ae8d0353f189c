//! Ansible's INI form. Source: Ansible's documentation, "How to build your inventory", and its `ini` plugin.

mod literal;
pub mod words;

use super::assemble::Builder;
use super::range;
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Node, Yaml};
use crate::model::span::{FileId, Span, Spanned};

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
    /// Its header was wrong; its lines would only add noise.
    Unknown,
}

/// Reads an inventory's text.
pub fn read(text: &str, file: FileId, builder: &mut Builder, found: &mut Diagnostics) {
    let mut section = Section::Hosts("ungrouped".to_owned());
    let mut start = 0;
    for raw in text.split('\n') {
        let lead = raw.len() - raw.trim_start().len();
        let line = Line { text: raw.trim(), file, start: start + lead };
        start += raw.len() + 1;
        if line.text.is_empty() || line.text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.header(found) {
            section = open(&line, header, builder, found);
            continue;
        }
        match &section {
            Section::Hosts(group) => line.host(group, builder, found),
            Section::Children(group) => line.child(group, builder, found),
            Section::Vars(group) => line.variable(group, builder, found),
            Section::Unknown => {}
        }
    }
}

/// What stands between a header's brackets.
enum Header<'a> {
    Name(&'a str),
    Malformed,
}

fn open(line: &Line<'_>, header: Header<'_>, builder: &mut Builder, found: &mut Diagnostics) -> Section {
    let Header::Name(name) = header else { return Section::Unknown };
    match name.split_once(':') {
        None => {
            builder.group(name);
            Section::Hosts(name.to_owned())
        }
        Some((group, "hosts")) => {
            builder.group(group);
            Section::Hosts(group.to_owned())
        }
        Some((group, "children")) => {
            builder.group(group);
            Section::Children(group.to_owned())
        }
        Some((group, "vars")) => {
            builder.want_group(group, line.part(1, group.len()));
            Section::Vars(group.to_owned())
        }
        Some((group, other)) => {
            let span = line.part(group.len() + 2, other.len());
            let d = Diagnostic::error("unknown section", Some(span), format!("`:{other}` means nothing here"));
            found.push(match did_you_mean(other, ["children", "vars", "hosts"]) {
                Some(near) => d.help(format!("did you mean `:{near}`?")),
                None => d.help("a section is [group], [group:children] or [group:vars]"),
            });
            Section::Unknown
        }
    }
}

/// A line without the space around it.
struct Line<'a> {
    text: &'a str,
    file: FileId,
    start: usize,
}

impl<'a> Line<'a> {
    fn part(&self, at: usize, length: usize) -> Span {
        Span::new(self.file, self.start + at, self.start + at + length)
    }

    fn whole(&self) -> Span {
        self.part(0, self.text.len())
    }

    /// The header that it is, if it is one: a host line may begin with a bracket too, such as `[a:c].example.com`.
    fn header(&self, found: &mut Diagnostics) -> Option<Header<'a>> {
        let inner = self.text.strip_prefix('[')?;
        let mut wrong = |label: &str, help: &str| {
            found.push(Diagnostic::error("malformed section", Some(self.whole()), label).help(help));
            Some(Header::Malformed)
        };
        let Some((name, after)) = inner.split_once(']') else {
            return wrong("`]` is missing", "a section is [group], [group:children] or [group:vars]");
        };
        let after = after.trim_start();
        if !after.is_empty() && !after.starts_with(['#', ';']) || name.starts_with(':') {
            return None;
        }
        if name.is_empty() || name.contains(char::is_whitespace) {
            return wrong("no name of a group", "a group's name has no spaces: use `_`");
        }
        // An address in brackets on a line of its own is a host.
        if name.parse::<std::net::Ipv6Addr>().is_ok() {
            return None;
        }
        Some(Header::Name(name))
    }

    fn child(&self, group: &str, builder: &mut Builder, found: &mut Diagnostics) {
        let text = self.text.split(['#', ';']).next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(child) = words.next() else { return };
        if words.next().is_some() {
            let d = Diagnostic::error("malformed group", Some(self.whole()), "one group stands on a line of its own");
            found.push(d.help("variables of a group stand under [group:vars]"));
            return;
        }
        let span = self.part(0, child.len());
        builder.want_group(child, span);
        builder.child(group, child, span);
    }

    fn variable(&self, group: &str, builder: &mut Builder, found: &mut Diagnostics) {
        let Some((key, value)) = self.text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            let d = Diagnostic::error("no variable", Some(self.whole()), "a line of [group:vars] is `name=value`");
            return found.push(if self.text.contains(':') { d.help("write `=` instead of `:`") } else { d });
        };
        let at = key.len() + 1 + (value.len() - value.trim_start().len());
        let key = Spanned { value: key.trim().to_owned(), span: self.part(0, key.trim().len()) };
        let value = literal::value(value, self.part(at, value.trim().len()));
        builder.group_vars(group, self.file, vec![(key, value)]);
    }

    fn host(&self, group: &str, builder: &mut Builder, found: &mut Diagnostics) {
        let words = match words::split(self.text) {
            Ok(words) => words,
            Err(at) => {
                let d = Diagnostic::error("malformed host", Some(self.part(at, 1)), "this quote is not closed");
                return found.push(d.help("a quote that belongs to the value stands in quotes of the other kind"));
            }
        };
        if let Some(at) = words.cut {
            let d = Diagnostic::warning("text cut off by a comment", Some(self.part(at, 1)), "a comment begins here");
            found.push(d.help("put the value in quotes to keep all of it, or a space before the comment"));
        }
        let Some((name, rest)) = words.words.split_first() else { return };
        let mut vars = vec![];
        // `a = 1` is one mistake and not three.
        let spaced = rest.iter().find(|w| w.text == "=");
        for word in spaced.map_or(rest, std::slice::from_ref) {
            let span = self.part(word.start, word.end - word.start);
            match word.text.split_once('=').filter(|(key, _)| !key.is_empty()) {
                Some((key, value)) => {
                    let key_span = self.part(word.start, key.len());
                    let value_span = Span { start: key_span.end + 1, ..span };
                    vars.push((Spanned { value: key.to_owned(), span: key_span }, literal::value(value, value_span)));
                }
                None => {
                    let label = "after the host's name stands `name=value`";
                    let d = Diagnostic::error("no variable", Some(span), label);
                    found.push(if word.text == "=" {
                        d.help("no space stands around the `=`")
                    } else {
                        d.help("one host stands on a line of its own; a value with spaces stands in quotes")
                    });
                }
            }
        }
        add_hosts(&name.text, self.part(name.start, name.end - name.start), group, vars, builder, found);
    }
}

/// Adds the hosts that a name with ranges and perhaps a port stands for.
pub fn add_hosts(
    name: &str,
    span: Span,
    group: &str,
    mut vars: Mapping,
    builder: &mut Builder,
    found: &mut Diagnostics,
) {
    let (names, port) = match range::hosts(name) {
        Ok(hosts) => hosts,
        Err(why) => {
            return found.push(Diagnostic::error("wrong host name", Some(span), why.what).help(why.help));
        }
    };
    if let Some(port) = port {
        let key = Spanned { value: "ansible_port".to_owned(), span };
        vars.insert(0, (key, Node::new(span, Yaml::Int(i64::from(port)))));
    }
    for name in names {
        builder.host(&name, span, vars.clone());
        builder.member(group, &name);
    }
}

#[cfg(test)]
mod tests;
