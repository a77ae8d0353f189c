//! JSON, laid out as Python's `json.dumps` does. Source: RFC 8259.

use super::args::{Args, MAX_DEPTH, items, kind, pairs, text, too_deep};
use super::wrong;
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Error, State, Value};
use serde::Serialize as _;
use serde_json::Value as Json;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::fmt::Write as _;
use std::io;

/// A value as plain data, with all of it paid for.
pub fn plain(state: &State, value: &Value, depth: usize) -> Result<Json, Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    state.consume_fuel(1 + value.as_str().map_or(0, str::len) as u64 / 64)?;
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number => number(value).ok_or_else(|| wrong(format!("{value} has no form in this format")))?,
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(items(state, value)?.iter().map(|v| plain(state, v, depth + 1)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for (key, item) in pairs(state, value)? {
                let name = if key.is_none() { "null".into() } else { text(&key)?.into_owned() };
                map.insert(name, plain(state, &item, depth + 1)?);
            }
            Json::Object(map)
        }
        _ => return Err(wrong(format!("plain data is wanted, this is or holds {}", kind(value)))),
    })
}

fn number(value: &Value) -> Option<Json> {
    if value.is_integer() {
        let whole = value.as_i64().map(Json::from);
        return whole.or_else(|| u64::try_from(value.clone()).ok().map(Json::from));
    }
    f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64).map(Json::Number)
}

/// `{"a": 1, "b": [1, 2]}`: Python puts a space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn write(state: &State, value: &Value, args: &Args, indent: Option<usize>, sort: bool) -> Result<Value, Error> {
    let mut data = plain(state, value, 0)?;
    if args.flag("sort_keys", sort)? {
        data.sort_all_objects();
    }
    let mut out = vec![];
    let done = match args.number("indent", 16)?.or(indent) {
        Some(n) => {
            let indent = vec![b' '; n];
            data.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(&indent)))
        }
        None => data.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
    };
    done.map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(out).map_err(|error| wrong(error.to_string()))?;
    Ok(Value::from(if args.flag("ensure_ascii", true)? { ascii(&text) } else { text }))
}

/// What is outside of ASCII is inside a string, where its escape means the same.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

pub fn to_json(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    write(state, value, args, None, false)
}

pub fn to_nice_json(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    write(state, value, args, Some(4), true)
}

/// The engine's own, which would write as many spaces as anybody says.
pub fn tojson(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut data = plain(state, value, 0)?;
    data.sort_all_objects();
    let value = &Value::from(Serde(data));
    let indent = args.get("indent").cloned();
    if indent.as_ref().is_some_and(Value::is_number) {
        args.number("indent", 16)?;
    }
    minijinja::filters::tojson(value, indent, Kwargs::from_iter(Vec::<(String, Value)>::new()))
}

pub fn from_json(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let source = text(value)?;
    state.consume_fuel(source.len() as u64 / 4)?;
    let data: Json = serde_json::from_str(&source).map_err(|error| wrong(format!("this is no JSON: {error}")))?;
    Ok(Value::from(Serde(data)))
}
