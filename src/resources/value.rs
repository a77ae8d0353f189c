//! Parameter types that several resource types share.

use crate::language::de::WRITTEN;
use crate::language::node::float_text;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

const BARE: &str = "a bare number is no mode, for YAML reads `0644` and `644` as the same decimal number";

/// What usual modes come to if YAML has read them as octal: 0644, 0755, 0600, 0700, 0640, 0750, 0440, 0400, 0444, 0555,
/// 0664, 0775, 0660, 0770, 0777, 0666.
const LIKELY: &[i64] = &[420, 493, 384, 448, 416, 488, 288, 256, 292, 365, 436, 509, 432, 504, 511, 438];

/// Permission bits, written as text in octal: `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Octal;
        impl<'de> Visitor<'de> for Octal {
            type Value = Mode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mode in quotes, such as \"0644\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
                match u32::from_str_radix(text, 8) {
                    Ok(bits) if octal => Ok(Mode(bits)),
                    _ => Err(E::custom(format!("`{text}` is no mode: three or four octal digits, such as \"0644\""))),
                }
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Mode, E> {
                let digits = format!("{n:0>4}");
                let octal = digits.len() == 4 && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
                Err(E::custom(match (octal, u32::try_from(n)) {
                    (true, _) if !LIKELY.contains(&n) => format!("{BARE}; write \"{digits}\""),
                    (_, Ok(bits)) if bits <= 0o7777 => {
                        format!("a bare number is no mode; {n} is {bits:04o} in octal: write \"{bits:04o}\"")
                    }
                    _ => format!("{BARE}; write it in octal and in quotes, such as \"0644\""),
                }))
            }

            fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<Mode, E> {
                let text = String::from_utf8_lossy(text);
                let digits = text.strip_prefix("0o").unwrap_or(&text);
                let octal = digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
                let write =
                    if octal { format!("\"{digits:0>4}\"") } else { "octal digits, such as \"0644\"".to_owned() };
                Err(E::custom(match digits.len() == text.len() && octal {
                    true => format!("{BARE}; write {write}"),
                    false => format!("`{text}` is a bare number, and no mode; write {write}"),
                }))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Mode, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Mode, E> {
                Err(E::custom("a mode is text in octal: \"0644\""))
            }
        }
        deserializer.deserialize_newtype_struct(WRITTEN, Octal)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-7]{3,4}$|\\{\\{", "description": "Permission bits in octal, in quotes: \"0644\"" })
    }
}

/// Text, for which a number or a boolean may be written: `value: 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Scalar, E> {
                Ok(Scalar(n.to_string()))
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Scalar, E> {
                Ok(Scalar(float_text(n)))
            }

            fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<Scalar, E> {
                Err(E::custom(not_as_written(text)))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_bool<E: de::Error>(self, b: bool) -> Result<Scalar, E> {
                Ok(Scalar(b.to_string()))
            }
        }
        deserializer.deserialize_newtype_struct(WRITTEN, Text)
    }
}

fn not_as_written(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!("YAML reads `{text}` as a number or boolean that is not written like it; write \"{text}\", in quotes")
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// Text that looks like a number: a bare one is refused, for YAML reads `1.10` and `1.1` as the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version in quotes, such as \"1.10\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Version, E> {
                Ok(Version(text.to_owned()))
            }

            fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<Version, E> {
                Err(bare(&String::from_utf8_lossy(text)))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Version, E> {
                Err(bare(&n.to_string()))
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Version, E> {
                Err(bare(&float_text(n)))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Version, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
        fn bare<E: de::Error>(text: &str) -> E {
            E::custom(format!(
                "a bare number is no version, for YAML reads `1.10` and `1.1` as the same number; write \"{text}\""
            ))
        }
        deserializer.deserialize_newtype_struct(WRITTEN, Text)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Whether a thing is to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    #[default]
    Present,
    Absent,
}
