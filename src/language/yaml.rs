//! YAML 1.2 (core schema) into [`Node`]s, each with its place. Source: <https://yaml.org/spec/1.2.2/>.

use super::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use super::node::{Mapping, Node, Yaml, float_text};
use super::vault::Sealed;
use crate::model::span::{FileId, Span, Spanned};
use granit_parser::{Event, Parser, ScalarStyle, Tag, options};
use std::collections::HashMap;
use std::sync::Arc;

/// Aliases can make a small text grow without bound; no real manifest comes near this many nodes.
const MAX_NODES: usize = 2_000_000;
/// `vault` is what ansible-vault prints; `vault-encrypted` is how Ansible calls it, too.
const TAGS: &[&str] = &["secret", "vault", "vault-encrypted"];

/// Every document of `text`. An empty text has none.
///
/// # Errors
/// All that is wrong, each with its place; a syntax error ends the reading.
pub fn parse(text: &str, file: FileId) -> Result<Vec<Node>, Diagnostics> {
    parse_by(text, file, plain)
}

fn parse_by(text: &str, file: FileId, plain: Plain) -> Result<Vec<Node>, Diagnostics> {
    let options = options! { emit_comments: false };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        file,
        text,
        plain,
        anchors: HashMap::new(),
        nodes: 0,
        found: Diagnostics::default(),
    };
    let mut documents = vec![];
    loop {
        match reader.next() {
            Ok(Some((Event::DocumentStart(..), _))) => {
                reader.anchors.clear();
                match reader.next().and_then(|event| reader.node(event)) {
                    Ok(node) => documents.push(node),
                    Err(Stop) => break,
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(Stop) => break,
        }
    }
    if reader.found.has_errors() { Err(reader.found) } else { Ok(documents) }
}

/// The one document of `text`; `None` where it is empty.
///
/// # Errors
/// As [`parse`], and where there is more than one document.
pub fn parse_one(text: &str, file: FileId) -> Result<Option<Node>, Diagnostics> {
    one(parse(text, file)?)
}

/// The one document of a file that Ansible reads, too: by the types of YAML 1.1, in which `no` is false.
///
/// # Errors
/// As [`parse_one`].
pub fn parse_ansible(text: &str, file: FileId) -> Result<Option<Node>, Diagnostics> {
    one(parse_by(text, file, super::yaml11::plain)?)
}

fn one(mut documents: Vec<Node>) -> Result<Option<Node>, Diagnostics> {
    if let Some(second) = documents.get(1) {
        let mut found = Diagnostics::default();
        found.push(
            Diagnostic::error("more than one YAML document", Some(second.span), "a second document starts here")
                .help("one file holds one document: remove the `---`, or make two files"),
        );
        return Err(found);
    }
    Ok(documents.pop().filter(|n| n.value != Yaml::Null))
}

/// What a scalar without quotes means.
type Plain = fn(&str) -> Yaml;

/// Reading cannot go on; why is among the findings.
struct Stop;

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    file: FileId,
    text: &'a str,
    plain: Plain,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    found: Diagnostics,
}

type Next<'a> = Option<(Event<'a>, Span)>;

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Next<'a>, Stop> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok(Some((event, Span::new(self.file, range.start, range.end))))
            }
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
                let mut d = Diagnostic::error("malformed YAML", Some(Span::new(self.file, at, at + 1)), error.info());
                if error.info().contains("flow sequence") && self.after_reference(at) {
                    d = d.help("inside […] a reference needs quotes: [\"service[nginx]\"]");
                }
                self.found.push(d);
                Err(Stop)
            }
        }
    }

    /// Whether what stands before looks like `type[title]`.
    fn after_reference(&self, at: usize) -> bool {
        let (before, rest) = (self.text.get(..at).unwrap_or_default(), self.text.get(at..).unwrap_or_default());
        rest.starts_with('[') && before.ends_with(|c: char| c.is_ascii_alphanumeric())
    }

    fn node(&mut self, event: Next<'a>) -> Result<Node, Stop> {
        let Some((event, span)) = event else { return Err(Stop) };
        self.count(1, span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                let span = if matches!(tag, Meaning::Vault) { self.with_its_tag(span) } else { span };
                let node = match (&tag, style) {
                    (Meaning::Text, _) => Node::new(span, Yaml::String(text.into_owned())),
                    (Meaning::Vault, _) => Node::new(span, self.sealed(&text, span)),
                    (_, ScalarStyle::Plain) => Node::written(span, (self.plain)(&text), &text),
                    _ => Node::new(span, Yaml::String(text.into_owned())),
                };
                Ok(self.finish(node, &tag, anchor))
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                let mut items = vec![];
                let mut span = span;
                loop {
                    match self.next()? {
                        Some((Event::SequenceEnd, end)) => {
                            span.end = items.last().map_or(end.end, |n: &Node| n.span.end.max(span.end));
                            break;
                        }
                        event => items.push(self.node(event)?),
                    }
                }
                Ok(self.finish(Node::new(span, Yaml::List(items)), &tag, anchor))
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                let (map, end) = self.mapping(span)?;
                let span = Span { end: end.max(span.end), ..span };
                Ok(self.finish(Node::new(span, Yaml::Map(map)), &tag, anchor))
            }
            Event::Alias(id) => {
                // An alias inside its own anchor has no value yet.
                let Some(target) = self.anchors.get(&id).cloned() else {
                    self.found.push(Diagnostic::error(
                        "alias to itself",
                        Some(span),
                        "this alias stands inside what it names",
                    ));
                    return Err(Stop);
                };
                self.count(size(&target), span)?;
                Ok(target)
            }
            _ => Err(Stop),
        }
    }

    fn mapping(&mut self, start: Span) -> Result<(Mapping, u32), Stop> {
        let mut map: Mapping = vec![];
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut merges = vec![];
        let mut end = start.end;
        loop {
            let event = self.next()?;
            // In quotes it is a key like any other.
            let merge = matches!(&event, Some((Event::Scalar(text, ScalarStyle::Plain, ..), _)) if text == "<<");
            let key = match event {
                Some((Event::MappingEnd, _)) => break,
                event => self.node(event)?,
            };
            let event = self.next()?;
            let value = self.node(event)?;
            end = end.max(value.span.end);
            let text = match (&key.value, &key.lost) {
                (Yaml::String(s), _) => s.clone(),
                // A key is text: `1.10` is one, and another than `1.1`.
                (_, Some(written)) => written.to_string(),
                (Yaml::Int(n), _) => n.to_string(),
                (Yaml::Bool(b), _) => b.to_string(),
                (Yaml::Float(n), _) => float_text(*n),
                (Yaml::Null, _) => "null".to_owned(),
                (other, _) => {
                    let mut d = Diagnostic::error(
                        "a key that is not text",
                        Some(key.span),
                        format!("{} cannot be a key", other.kind()),
                    );
                    // `{{ x }}` unquoted reads as a mapping inside a mapping: the classic slip.
                    d = d.help("if a template was meant, quote it: \"{{ … }}\"");
                    self.found.push(d);
                    continue;
                }
            };
            if merge {
                merges.push(value);
                continue;
            }
            if let Some(first) = seen.get(&text) {
                self.found.push(
                    Diagnostic::error("duplicate key", Some(key.span), format!("`{text}` is given again"))
                        .related(*first, "first given here")
                        .help("remove one of the two"),
                );
                continue;
            }
            seen.insert(text.clone(), key.span);
            map.push((Spanned { value: text, span: key.span }, value));
        }
        for merge in merges {
            let parts = match merge.value {
                Yaml::List(parts) => parts,
                _ => vec![merge],
            };
            for part in parts {
                let Yaml::Map(entries) = part.value else {
                    self.found.push(Diagnostic::error(
                        "`<<` of no mapping",
                        Some(part.span),
                        format!("this is {}", part.value.kind()),
                    ));
                    continue;
                };
                for (key, value) in entries {
                    if !seen.contains_key(&key.value) {
                        seen.insert(key.value.clone(), key.span);
                        map.push((key, value));
                    }
                }
            }
        }
        Ok((map, end))
    }

    fn finish(&mut self, mut node: Node, meaning: &Meaning, anchor: usize) -> Node {
        if matches!(meaning, Meaning::Secret | Meaning::Vault) {
            node = node.into_secret();
        }
        if matches!((meaning, &node.value), (Meaning::Vault, Yaml::List(_) | Yaml::Map(_))) {
            let label = format!("`!vault` is for text that ansible-vault encrypted, this is {}", node.value.kind());
            self.found.push(Diagnostic::error("malformed vault", Some(node.span), label));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    /// Where the tag is that stands before a block of digits, which says nothing to anybody.
    fn with_its_tag(&self, span: Span) -> Span {
        let before = self.text.get(..span.start as usize).and_then(|t| t.rfind("!vault"));
        Span { start: before.and_then(|at| u32::try_from(at).ok()).unwrap_or(span.start), ..span }
    }

    fn sealed(&mut self, text: &str, span: Span) -> Yaml {
        match Sealed::parse(text.as_bytes()) {
            Ok(sealed) => Yaml::Vault(Arc::new(sealed)),
            Err(malformed) => {
                self.found.push(malformed.diagnostic(Some(span)));
                Yaml::Null
            }
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            self.found.push(Diagnostic::error(
                "document too large",
                Some(span),
                format!("more than {MAX_NODES} values, aliases counted"),
            ));
            return Err(Stop);
        }
        Ok(())
    }

    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> Meaning {
        let Some(tag) = tag else { return Meaning::Plain };
        if tag.is_yaml_core_schema_tag("str") {
            return Meaning::Text;
        }
        if !tag.is_custom() {
            return Meaning::Plain;
        }
        let name = tag.to_string();
        let name = name.trim_start_matches('!');
        match name {
            "secret" => return Meaning::Secret,
            "vault" | "vault-encrypted" => return Meaning::Vault,
            _ => {}
        }
        let mut d = Diagnostic::error("unknown tag", Some(span), format!("`!{name}` means nothing here"));
        d = match did_you_mean(name, TAGS.iter().copied()) {
            Some(near) => d.help(format!("did you mean `!{near}`?")),
            None => d.help("the tags are `!secret` and `!vault`"),
        };
        self.found.push(d);
        Meaning::Plain
    }
}

enum Meaning {
    Plain,
    Text,
    Secret,
    Vault,
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Yaml::List(l) => l.iter().map(size).sum(),
        Yaml::Map(m) => m.iter().map(|(_, v)| size(v)).sum(),
        _ => 0,
    }
}

/// A plain scalar by the core schema (spec 10.3.2).
fn plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "true" | "True" | "TRUE" => return Yaml::Bool(true),
        "false" | "False" | "FALSE" => return Yaml::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Yaml::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Yaml::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Yaml::Float(f64::NAN),
        _ => {}
    }
    let int = match text.get(..2) {
        Some("0x") => i64::from_str_radix(&text[2..], 16).ok(),
        Some("0o") => i64::from_str_radix(&text[2..], 8).ok(),
        _ => text.parse().ok(),
    };
    if let Some(n) = int {
        return Yaml::Int(n);
    }
    let digits = |c: char| c.is_ascii_digit();
    let number = text.contains(digits) && text.chars().all(|c| digits(c) || matches!(c, '.' | '+' | '-' | 'e' | 'E'));
    match text.parse::<f64>() {
        Ok(n) if number => Yaml::Float(n),
        _ => Yaml::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::span::Sources;

    fn errors(text: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("x.yml", text);
        let found = parse(text, file).expect_err("it is wrong");
        found.iter().map(|d| d.render(&sources, false)).collect::<Vec<_>>().join("\n")
    }

    fn one(text: &str) -> Node {
        parse_one(text, FileId(0)).unwrap().unwrap()
    }

    #[test]
    fn scalars_have_the_types_of_yaml_1_2() {
        let node = one("[1, 0x10, 0o17, 1.5, true, yes, on, null, ~, '1', 2001:db8::1, 1.2.3, 0644]");
        let values: Vec<_> = node.as_list().unwrap().iter().map(|n| n.value.clone()).collect();
        let s = |t: &str| Yaml::String(t.into());
        assert_eq!(
            values,
            [
                Yaml::Int(1),
                Yaml::Int(16),
                Yaml::Int(15),
                Yaml::Float(1.5),
                Yaml::Bool(true),
                s("yes"),
                s("on"),
                Yaml::Null,
                Yaml::Null,
                s("1"),
                s("2001:db8::1"),
                s("1.2.3"),
                Yaml::Int(644)
            ]
        );
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "a: 1\nb:\n  - x\n  - {c: d}\n";
        let node = one(text);
        let list = node.get("b").unwrap().as_list().unwrap();
        let slice = |n: &Node| &text[n.span.start as usize..n.span.end as usize];
        assert_eq!(slice(&list[0]), "x");
        assert_eq!(slice(list[1].get("c").unwrap()), "d");
    }

    #[test]
    fn merge_keys_fill_in_what_is_not_given() {
        let node = one("base: &b {x: 1, y: 2}\nit:\n  <<: *b\n  y: 3\n");
        let it = node.get("it").unwrap();
        assert_eq!(it.get("x").unwrap().value, Yaml::Int(1));
        assert_eq!(it.get("y").unwrap().value, Yaml::Int(3));
        assert_eq!(one("'<<': x\n").get("<<").unwrap().value, Yaml::String("x".into()));
    }

    #[test]
    fn duplicate_keys_show_both_places() {
        insta::assert_snapshot!(errors("a: 1\nb: 2\na: 3\n"), @r"
        error: duplicate key
         --> x.yml:3:1
          |
        1 | a: 1
          | - first given here
        2 | b: 2
        3 | a: 3
          | ^ `a` is given again
          |
          = help: remove one of the two
        ");
    }

    #[test]
    fn an_unquoted_template_is_explained() {
        insta::assert_snapshot!(errors("a: {{ port }}\n"));
    }

    #[test]
    fn aliases_cannot_grow_without_bound() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let row = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{row}]\n"));
        }
        assert!(errors(&text).contains("document too large"));
    }

    #[test]
    fn secrets_are_marked() {
        assert!(one("a: !secret hunter2").get("a").unwrap().secret);
    }
}
