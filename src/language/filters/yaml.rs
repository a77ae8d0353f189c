//! YAML, laid out as PyYAML does, and so quoted that readers of YAML 1.1 and 1.2 see the same.
//!
//! Sources: <https://yaml.org/spec/1.2.2/>, and for what 1.1 takes for more than text <https://yaml.org/type/>.

use super::args::{Args, text};
use super::json::plain;
use super::wrong;
use crate::language::diagnostic::Diagnostics;
use crate::language::node::Node;
use crate::language::value::to_value;
use crate::language::yaml::{parse, parse_one};
use crate::model::span::FileId;
use minijinja::{Error, State, Value};
use serde_json::Value as Json;

#[derive(Clone, Copy)]
struct Layout {
    indent: usize,
    /// Whether a collection of scalars goes on one line.
    flow_leaves: bool,
}

fn write(state: &State, value: &Value, args: &Args, layout: Layout) -> Result<Value, Error> {
    let mut data = plain(state, value, 0)?;
    if args.flag("sort_keys", true)? {
        data.sort_all_objects();
    }
    // Lines are never folded and text is never escaped, whatever `width` and `allow_unicode` say: it reads the same.
    let layout = Layout {
        indent: args.number("indent", 16)?.unwrap_or(layout.indent).max(2),
        flow_leaves: layout.flow_leaves && args.flag("default_flow_style", true)?,
    };
    let all_flow = args.flag("default_flow_style", false)?;
    let mut out = String::new();
    if args.flag("explicit_start", false)? {
        out.push_str("---\n");
    }
    if all_flow || is_flow(&data, layout) {
        flow(&data, &mut out);
        out.push('\n');
    } else {
        block(&data, layout, 0, &mut out);
    }
    Ok(Value::from(out))
}

pub fn to_yaml(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    write(state, value, args, Layout { indent: 2, flow_leaves: true })
}

pub fn to_nice_yaml(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    write(state, value, args, Layout { indent: 4, flow_leaves: false })
}

fn is_flow(data: &Json, layout: Layout) -> bool {
    let leaf = |v: &Json| !v.is_array() && !v.is_object();
    match data {
        Json::Array(items) => items.is_empty() || layout.flow_leaves && items.iter().all(leaf),
        Json::Object(map) => map.is_empty() || layout.flow_leaves && map.values().all(leaf),
        _ => true,
    }
}

fn flow(data: &Json, out: &mut String) {
    match data {
        Json::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                flow(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            for (n, (key, item)) in map.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                out.push_str(&string(key));
                out.push_str(": ");
                flow(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&self::scalar(scalar)),
    }
}

/// Writes a collection whose first line is indented already.
fn block(data: &Json, layout: Layout, column: usize, out: &mut String) {
    let deeper = column + layout.indent;
    let margin = |n: usize, out: &mut String| out.extend(std::iter::repeat_n(' ', if n == 0 { 0 } else { column }));
    match data {
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                margin(n, out);
                out.push('-');
                if is_flow(item, layout) {
                    out.push(' ');
                    flow(item, out);
                    out.push('\n');
                } else {
                    out.extend(std::iter::repeat_n(' ', layout.indent - 1));
                    block(item, layout, deeper, out);
                }
            }
        }
        Json::Object(map) => {
            for (n, (key, item)) in map.iter().enumerate() {
                margin(n, out);
                out.push_str(&string(key));
                out.push(':');
                if is_flow(item, layout) {
                    out.push(' ');
                    flow(item, out);
                    out.push('\n');
                } else {
                    // The dashes of a list are enough to tell it from its map's keys.
                    let column = if item.is_array() { column } else { deeper };
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', column));
                    block(item, layout, column, out);
                }
            }
        }
        scalar => {
            out.push_str(&self::scalar(scalar));
            out.push('\n');
        }
    }
}

fn scalar(data: &Json) -> String {
    match data {
        Json::String(text) => string(text),
        Json::Number(n) if n.is_f64() => float(&n.to_string()),
        other => other.to_string(),
    }
}

/// YAML 1.1 knows a float by its dot, and its exponent by its sign.
fn float(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let dot = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{dot}e{sign}{exponent}")
}

fn string(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        double_quoted(text)
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether every reader takes this for text without quotes around it.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let inner = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '%' | '+' | '-' | '=' | '(' | ')' | ' ' | ':' | ';')
    };
    let Some(first) = text.chars().next() else { return false };
    let starts = first.is_alphanumeric() || matches!(first, '/' | '_' | '.' | '(' | '+');
    starts
        && text.chars().all(inner)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !is_like_number(text)
}

/// Numbers, dates, times and base-60 numbers of either version, and some that are none.
fn is_like_number(text: &str) -> bool {
    let like = |c: char| c.is_ascii_hexdigit() || "_.:+-eExXoOtTzZ infINFaA".contains(c);
    let address = text.split('.').count() == 4 && text.split('.').all(|p| p.parse::<u8>().is_ok());
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) && text.chars().all(like) && !address
}

/// Each document.
pub fn from_yaml_all(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let source = text(value)?;
    state.consume_fuel(source.len() as u64)?;
    let nodes = parse(&source, FileId::default()).map_err(|found| told(&source, &found))?;
    if nodes.iter().any(Node::holds_secret) {
        return Err(wrong("`!secret` has no meaning in text from an expression"));
    }
    Ok(nodes.iter().map(to_value).collect())
}

/// One document, by the same rules as a manifest; null where it is empty.
pub fn from_yaml(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let source = text(value)?;
    state.consume_fuel(source.len() as u64)?;
    match parse_one(&source, FileId::default()) {
        Ok(None) => Ok(Value::from(())),
        // A value cannot carry the mark: what it marks would be shown.
        Ok(Some(node)) if node.holds_secret() => Err(wrong("`!secret` has no meaning in text from an expression")),
        Ok(Some(node)) => Ok(to_value(&node)),
        Err(found) => Err(told(&source, &found)),
    }
}

fn told(source: &str, found: &Diagnostics) -> Error {
    wrong(match found.iter().next() {
        Some(d) => {
            let start = d.span.map_or(0, |s| s.start as usize);
            let line = 1 + source.get(..start).map_or(0, |t| t.matches('\n').count());
            format!("{} at its line {line}: {}", d.summary, d.label)
        }
        None => "this is no YAML".to_owned(),
    })
}
