//! What a filter is given: by position or by name, as Ansible's filters take it.

use super::{Entry, wrong};
use crate::language::diagnostic::did_you_mean;
use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use std::borrow::Cow;

/// Deeper than any data that people write, and far from the end of the stack.
pub const MAX_DEPTH: usize = 100;

pub struct Args {
    named: Vec<(&'static str, Value)>,
    /// What a filter that takes any number of values was given without a name.
    pub more: Vec<Value>,
}

impl Args {
    pub fn read(entry: &Entry, given: Vec<Value>) -> Result<Self, Error> {
        let (positional, by_name): (&[Value], Kwargs) = from_args(&given)?;
        if positional.iter().any(Value::is_undefined) {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        let mut args = Self { named: vec![], more: vec![] };
        if entry.more {
            args.more = positional.to_vec();
        } else if positional.len() > entry.parameters.len() {
            return Err(wrong(match entry.parameters.len() {
                0 => "it takes no parameters".to_owned(),
                n => {
                    format!("{} values given, it takes at most {n}: {}", positional.len(), entry.parameters.join(", "))
                }
            }));
        } else {
            args.named = entry.parameters.iter().copied().zip(positional.iter().cloned()).collect();
        }
        for name in by_name.args() {
            let Some(known) = entry.parameters.iter().find(|p| **p == name) else {
                return Err(wrong(match did_you_mean(name, entry.parameters.iter().copied()) {
                    Some(near) => format!("it has no parameter `{name}`; did you mean `{near}`?"),
                    None => format!("it has no parameter `{name}`"),
                }));
            };
            if args.named.iter().any(|(n, _)| n == known) {
                return Err(wrong(format!("`{name}` is given twice")));
            }
            let value: Value = by_name.get(name)?;
            if value.is_undefined() {
                return Err(Error::from(ErrorKind::UndefinedError));
            }
            args.named.push((known, value));
        }
        Ok(args)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    pub fn required(&self, name: &str) -> Result<&Value, Error> {
        self.get(name).ok_or_else(|| Error::new(ErrorKind::MissingArgument, format!("`{name}` is missing")))
    }

    pub fn text(&self, name: &str) -> Result<Cow<'_, str>, Error> {
        text(self.required(name)?).map_err(|e| of(name, e))
    }

    pub fn text_or<'a>(&'a self, name: &str, default: &'a str) -> Result<Cow<'a, str>, Error> {
        self.get(name).map_or(Ok(Cow::Borrowed(default)), |v| text(v).map_err(|e| of(name, e)))
    }

    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Error> {
        match self.get(name) {
            None => Ok(default),
            Some(v) if v.is_none() => Ok(default),
            Some(v) => truth(v).map_err(|e| of(name, e)),
        }
    }

    /// A whole number from 0 to `max`, where one is given.
    pub fn number(&self, name: &str, max: usize) -> Result<Option<usize>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(v) if v.is_none() => Ok(None),
            Some(v) => match v.as_usize() {
                Some(n) if n <= max => Ok(Some(n)),
                _ => Err(wrong(format!("`{name}` is a whole number from 0 to {max}, not {v}"))),
            },
        }
    }
}

fn of(parameter: &str, error: Error) -> Error {
    wrong(format!("`{parameter}`: {}", error.detail().unwrap_or_default()))
}

/// What a value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "no plain value",
    }
}

/// Text, or the text of a number or boolean.
pub fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.kind() {
        ValueKind::String => Ok(Cow::Borrowed(value.as_str().unwrap_or_default())),
        ValueKind::Number | ValueKind::Bool => Ok(Cow::Owned(value.to_string())),
        _ => Err(wrong(format!("text is wanted, this is {}", kind(value)))),
    }
}

/// Whether a value means yes. Unlike truth, `"no"` means no here.
pub fn truth(value: &Value) -> Result<bool, Error> {
    match value.kind() {
        ValueKind::String => match value.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "1" | "y" | "t" => Ok(true),
            "no" | "off" | "false" | "0" | "n" | "f" | "" => Ok(false),
            // The text may be a secret: it is not to be in a message.
            _ => Err(wrong("the text means neither yes nor no; true, yes, on, 1, false, no, off and 0 do")),
        },
        ValueKind::Bool | ValueKind::Number => Ok(value.is_true()),
        _ => Err(wrong(format!("a boolean is wanted, this is {}", kind(value)))),
    }
}

pub fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// A list's items, each paid for.
pub fn items(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    if !is_list(value) {
        return Err(wrong(format!("a list is wanted, this is {}", kind(value))));
    }
    let mut all = vec![];
    for item in value.try_iter()?.checked() {
        state.consume_fuel(1)?;
        all.push(item?);
    }
    Ok(all)
}

/// A map's entries in their order, each paid for.
pub fn pairs(state: &State, value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if value.kind() != ValueKind::Map {
        return Err(wrong(format!("a map is wanted, this is {}", kind(value))));
    }
    let mut all = vec![];
    for key in value.try_iter()?.checked() {
        state.consume_fuel(1)?;
        let key = key?;
        let item = value.get_item(&key)?;
        all.push((key, item));
    }
    Ok(all)
}

/// The value as one that equals every value that means the same, with all of it paid for: small data can refer to
/// itself so often that walking it would never end.
pub fn canonical(state: &State, value: &Value, depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            items(state, value)?.iter().map(|v| canonical(state, v, depth + 1)).collect::<Result<Value, _>>()
        }
        ValueKind::Map => {
            let mut all = pairs(state, value)?;
            all.sort_by(|a, b| a.0.cmp(&b.0));
            for (_, item) in &mut all {
                *item = canonical(state, item, depth + 1)?;
            }
            Ok(Value::from_pairs(all))
        }
        _ => {
            // Looking it up among others compares it some tens of times.
            state.consume_fuel(1 + value.as_str().map_or(0, str::len) as u64 / 16)?;
            Ok(value.clone())
        }
    }
}

pub fn too_deep() -> Error {
    wrong(format!("the value is nested more than {MAX_DEPTH} levels deep"))
}
