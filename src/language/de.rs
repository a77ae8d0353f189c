//! Filling serde structs from a [`Node`], with errors at the place of the value that is wrong.

use super::diagnostic::{Diagnostic, did_you_mean};
use super::node::{Mapping, Node, Yaml, float_text};
use crate::model::span::Span;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use std::fmt;

/// A `T` from a node.
///
/// # Errors
/// One diagnostic at the value that does not fit.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, Diagnostic> {
    T::deserialize(NodeDe(node)).map_err(|e| e.of(node).at(node.span).into_diagnostic())
}

/// What was wrong, and where once that is known: the innermost place wins.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    span: Option<Span>,
    /// The key whose value it was.
    key: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Unknown {
        what: &'static str,
        name: String,
        expected: &'static [&'static str],
    },
    Missing(&'static str),
    Other(String),
    /// What a type says of a value, and may quote.
    Custom(String),
}

impl Error {
    fn other(span: Span, message: String) -> Self {
        Self { kind: Kind::Other(message), span: Some(span), key: None }
    }

    /// Of what was written, which may be a secret.
    fn quoting(node: &Node, message: String) -> Self {
        Self { kind: Kind::Custom(message), span: Some(node.span), key: None }.of(node)
    }

    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Without what was said of a value that is secret.
    fn of(mut self, node: &Node) -> Self {
        let quotes = matches!(self.kind, Kind::Custom(_) | Kind::Unknown { what: "value", .. });
        if quotes && node.holds_secret() {
            self.kind = Kind::Other("this secret does not fit here".into());
        }
        self
    }

    fn within(mut self, key: &str) -> Self {
        if !matches!(self.kind, Kind::Unknown { .. }) {
            self.key.get_or_insert_with(|| key.to_owned());
        }
        self
    }

    fn into_diagnostic(self) -> Diagnostic {
        match self.kind {
            Kind::Unknown { what, name, expected } => {
                let summary = if what == "parameter" { "unknown parameter" } else { "unknown value" };
                let d = Diagnostic::error(summary, self.span, format!("no {what} `{name}` here"));
                match did_you_mean(&name, expected.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None if expected.is_empty() => d,
                    None => d.help(format!("it can be: {}", expected.join(", "))),
                }
            }
            Kind::Missing(field) => {
                Diagnostic::error("missing parameter", self.span, format!("`{field}` is needed here"))
            }
            Kind::Other(message) | Kind::Custom(message) => {
                let label = match self.key {
                    Some(key) => format!("`{key}`: {message}"),
                    None => message,
                };
                Diagnostic::error("wrong value", self.span, label)
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unknown { what, name, .. } => write!(f, "no {what} `{name}`"),
            Kind::Missing(field) => write!(f, "`{field}` is missing"),
            Kind::Other(message) | Kind::Custom(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { kind: Kind::Custom(message.to_string()), span: None, key: None }
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self { kind: Kind::Unknown { what: "parameter", name: name.into(), expected }, span: None, key: None }
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        Self { kind: Kind::Unknown { what: "value", name: name.into(), expected }, span: None, key: None }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { kind: Kind::Missing(field), span: None, key: None }
    }
}

/// The name of a type that text can be written for without quotes, unless that loses something. Its visitor is given a
/// number or a boolean that does not print as it was written as the bytes of what was written.
pub const WRITTEN: &str = "what was written";

/// Text, or a value of an expression that can stand for it.
pub fn plain_text(node: &Node) -> Option<String> {
    match (&node.value, node.rendered && node.lost.is_none()) {
        (Yaml::String(s), _) => Some(s.clone()),
        (Yaml::Int(n), true) => Some(n.to_string()),
        (Yaml::Float(n), true) => Some(float_text(*n)),
        (Yaml::Bool(b), true) => Some(b.to_string()),
        _ => None,
    }
}

/// What a value that was written as `text` is read as, and what to write.
pub fn lost(text: &str, value: &Yaml) -> String {
    let read = match value {
        Yaml::Int(n) => format!("the number {n}"),
        Yaml::Float(n) => format!("the number {}", float_text(*n)),
        Yaml::Bool(b) => b.to_string(),
        other => other.kind().to_owned(),
    };
    format!("YAML reads `{text}` as {read}; write \"{text}\", in quotes")
}

struct NodeDe<'a>(&'a Node);

impl NodeDe<'_> {
    fn wrong(&self, wanted: &str) -> Error {
        if let ("a string", Some(text)) = (wanted, &self.0.lost) {
            return Error::quoting(self.0, format!("a string is wanted here, and {}", lost(text, &self.0.value)));
        }
        let hint = match (&self.0.value, wanted) {
            (Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_), "a string") => "; quote it",
            _ => "",
        };
        Error::other(self.0.span, format!("{wanted} is wanted here, this is {}{hint}", self.0.value.kind()))
    }

    /// What is left of a number that YAML 1.1 and 1.2 read as different numbers.
    fn is_ambiguous(&self) -> bool {
        let digits = self.0.lost.as_deref().map(|t| t.trim_start_matches(['-', '+'])).unwrap_or_default();
        digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let span = self.0.span;
            match &self.0.value {
                Yaml::Int(_) if self.is_ambiguous() => {
                    let text = self.0.lost.as_deref().unwrap_or_default();
                    let digits = text.trim_start_matches(['-', '+']).trim_start_matches('0');
                    let label = format!("`{text}` is octal to some who read YAML; write 0o{digits}, or {digits}");
                    return Err(Error::quoting(self.0, label));
                }
                Yaml::Int(n) => visitor.visit_i64(*n),
                // A rendered template is text; what it says is a number all the same.
                Yaml::String(s) if self.0.rendered => match s.trim().parse::<i64>() {
                    Ok(n) => visitor.visit_i64(n),
                    Err(_) => Err(self.wrong("a number")),
                },
                _ => Err(self.wrong("a number")),
            }
            .map_err(|e: Error| e.at(span))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for NodeDe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match &self.0.value {
            Yaml::Null => visitor.visit_unit(),
            Yaml::Bool(b) => visitor.visit_bool(*b),
            Yaml::Int(n) => visitor.visit_i64(*n),
            Yaml::Float(n) => visitor.visit_f64(*n),
            Yaml::String(s) => visitor.visit_str(s),
            Yaml::List(items) => visitor.visit_seq(Items { items: items.iter(), last: span }),
            Yaml::Map(map) => visitor.visit_map(Entries::new(map)),
            Yaml::Vault(_) => Err(self.wrong("a plain value")),
        }
        .map_err(|e: Error| e.at(span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Yaml::Bool(b) => visitor.visit_bool(*b),
            Yaml::String(s) if ["yes", "no", "on", "off"].contains(&s.as_str()) => {
                Err(Error::other(self.0.span, format!("`{s}` is text in YAML 1.2: write `true` or `false`")))
            }
            _ => Err(self.wrong("true or false")),
        }
    }

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Yaml::Float(n) => visitor.visit_f64(*n),
            Yaml::Int(n) => visitor.visit_f64(*n as f64),
            _ => Err(self.wrong("a number")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match plain_text(self.0) {
            Some(text) => visitor.visit_string(text).map_err(|e: Error| e.at(self.0.span)),
            None => Err(self.wrong("a string")),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Yaml::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Yaml::Null => visitor.visit_unit(),
            _ => Err(self.wrong("nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        if name == WRITTEN {
            return match &self.0.lost {
                Some(text) => visitor.visit_bytes(text.as_bytes()).map_err(|e: Error| e.at(span)),
                None => self.deserialize_any(visitor),
            };
        }
        visitor.visit_newtype_struct(self).map_err(|e| e.at(span))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Yaml::List(items) => visitor
                .visit_seq(Items { items: items.iter(), last: self.0.span })
                .map_err(|e: Error| e.at(self.0.span)),
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Yaml::Map(map) => visitor.visit_map(Entries::new(map)).map_err(|e: Error| e.at(self.0.span)),
            _ => Err(self.wrong("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let span = self.0.span;
        match plain_text(self.0) {
            Some(text) => {
                let plain: de::value::StringDeserializer<Error> = text.into_deserializer();
                visitor.visit_enum(plain).map_err(|e| e.at(span))
            }
            None => Err(self.wrong("a string")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    last: Span,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.next() else { return Ok(None) };
        self.last = node.span;
        seed.deserialize(NodeDe(node)).map(Some).map_err(|e| e.at(node.span))
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, (crate::model::span::Spanned<String>, Node)>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'a> Entries<'a> {
    fn new(map: &'a Mapping) -> Self {
        Self { entries: map.iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((&key.value, value));
        let text: de::value::StrDeserializer<'_, Error> = key.value.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|e| e.at(key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, node)) = self.value.take() else { return Err(de::Error::custom("a value without a key")) };
        seed.deserialize(NodeDe(node)).map_err(|e| e.of(node).at(node.span).within(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::yaml;
    use crate::model::span::Sources;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Params {
        state: Option<State>,
        owner: Option<String>,
        count: Option<u16>,
        #[serde(default)]
        names: Vec<String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Present,
        Absent,
    }

    fn told(text: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("x.yml", text);
        let node = yaml::parse_one(text, file).unwrap().unwrap();
        from_node::<Params>(&node).expect_err("it is wrong").render(&sources, false)
    }

    #[test]
    fn each_mistake_points_at_its_value() {
        let cases = ["onwer: root", "state: presnt", "owner: 12", "count: 70000", "names: [a, 2]", "names: x"];
        insta::assert_snapshot!(cases.map(told).join("\n\n"));
    }
}
