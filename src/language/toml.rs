//! TOML with the place of every value, as the same nodes that YAML comes to.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Mapping, Node, Yaml};
use crate::model::span::{FileId, Span, Spanned};
use toml::de::{DeTable, DeValue};

/// The document as a mapping. TOML 1.0: <https://toml.io/en/v1.0.0>.
///
/// # Errors
/// All that is no TOML, each at its place; a number that fits no 64 bits.
pub fn parse(text: &str, file: FileId) -> Result<Node, Diagnostics> {
    let mut found = Diagnostics::default();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().map(|s| Span::new(file, s.start, s.end));
        found.push(Diagnostic::error("malformed TOML", span, error.message().to_owned()));
    }
    let span = Span::new(file, table.span().start, table.span().end);
    let node = Node::new(span, Yaml::Map(mapping(table.get_ref(), file, &mut found)));
    if found.has_errors() { Err(found) } else { Ok(node) }
}

fn mapping(table: &DeTable<'_>, file: FileId, found: &mut Diagnostics) -> Mapping {
    let entry = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
        let span = Span::new(file, key.span().start, key.span().end);
        (Spanned { value: key.get_ref().to_string(), span }, node(value, file, found))
    };
    let mut entries: Mapping = table.iter().map(entry).collect();
    // The table sorts by name; what is told goes by place.
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

fn node(value: &toml::Spanned<DeValue<'_>>, file: FileId, found: &mut Diagnostics) -> Node {
    let span = Span::new(file, value.span().start, value.span().end);
    let mut number = |text: &dyn std::fmt::Display| {
        found.push(Diagnostic::error("wrong value", Some(span), format!("{text} is too large a number")));
        Yaml::Null
    };
    let plain = match value.get_ref() {
        DeValue::String(text) => Yaml::String(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or_else(|_| number(n), Yaml::Int),
        DeValue::Float(n) => n.as_str().parse().map_or_else(|_| number(n), Yaml::Float),
        DeValue::Boolean(b) => Yaml::Bool(*b),
        DeValue::Datetime(time) => Yaml::String(time.to_string()),
        DeValue::Array(items) => Yaml::List(items.iter().map(|item| node(item, file, found)).collect()),
        DeValue::Table(table) => Yaml::Map(mapping(table, file, found)),
    };
    Node::new(span, plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::span::Sources;
    use proptest::prelude::*;

    #[test]
    fn every_value_has_its_place() {
        let text = "a = \"ü\"\n[b]\nc.d = [1, 0x10, 2.5]\n";
        let node = parse(text, FileId::default()).unwrap();
        let at = |n: &Node| &text[n.span.start as usize..n.span.end as usize];
        assert_eq!(at(node.get("a").unwrap()), "\"ü\"");
        let list = node.get("b").and_then(|b| b.get("c")).and_then(|c| c.get("d")).unwrap();
        let values: Vec<_> = list.as_list().unwrap().iter().map(|n| (at(n), n.value.clone())).collect();
        assert_eq!(values, [("1", Yaml::Int(1)), ("0x10", Yaml::Int(16)), ("2.5", Yaml::Float(2.5))]);
    }

    #[test]
    fn what_is_no_toml_is_told_at_its_place() {
        let told = |text: &str| {
            let mut sources = Sources::default();
            let file = sources.add("trueup.toml", text);
            let found = parse(text, file).expect_err("it is wrong");
            found.iter().map(|d| d.render(&sources, false)).collect::<Vec<_>>().join("\n\n")
        };
        let wrong = ["keep = \n", "a = 1\na = 2\n", "a = 99999999999999999999\n", "[a\nb = 1\n"];
        insta::assert_snapshot!(wrong.map(told).join("\n\n"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\]a-c=\"'.0-9x \n{},#-]{0,60}") {
            let _ = parse(&text, FileId::default());
        }
    }
}
