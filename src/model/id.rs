//! How a resource is named: its type and its title, written `service[nginx]`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;
use std::fmt;

/// A resource's type, by its name. That there is such a type is for whoever needs it to see: an id may come from a
/// record that another build wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// `None` for what can be the name of no type.
    pub fn parse(text: &str) -> Option<Self> {
        let word = |b: u8| b.is_ascii_lowercase() || b == b'_';
        (!text.is_empty() && text.bytes().all(word)).then(|| Self(Cow::Owned(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It hashes, and is ordered, as its text.
impl std::borrow::Borrow<str> for Kind {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Kind {
    fn from(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl PartialEq<str> for Kind {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Kind {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    pub kind: Kind,
    pub title: String,
}

impl ResourceId {
    pub fn new(kind: &'static str, title: impl Into<String>) -> Self {
        Self { kind: kind.into(), title: title.into() }
    }

    /// From the form it is shown in; characters that are escaped there stay so. `None` for what can be no resource.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, title) = text.strip_suffix(']')?.split_once('[')?;
        Some(Self { kind: Kind::parse(kind)?, title: title.to_owned() })
    }

    /// Stands for a resource that cannot be told.
    pub fn unknown() -> Self {
        Self::new("unknown", "resource")
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.kind, visible(&self.title))
    }
}

/// Text in one line with nothing in it that a terminal would act on, or that would show something else than is there:
/// control characters and those that turn the direction of writing are escaped.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{}` is no resource", visible(&text))))
    }
}

impl JsonSchema for ResourceId {
    fn schema_name() -> Cow<'static, str> {
        "ResourceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A resource: `type[title]`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        for title in ["nginx", "a[b]c", "/etc/x y", "two\\nlines", ""] {
            let id = ResourceId::new("file", title);
            assert_eq!(ResourceId::parse(&id.to_string()), Some(id));
        }
        for wrong in ["", "file", "file[", "file]x[", "[/x]", "File[/x]", "fi le[/x]", "file[/x] "] {
            assert_eq!(ResourceId::parse(wrong), None, "{wrong}");
        }
    }
}
