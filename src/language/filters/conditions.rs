//! What stands after `is`.

use super::args::{Args, canonical, is_list, items, text, truth};
use super::collections::set;
use super::{regexes, wrong};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

/// Whether a match stands at the text's start.
pub fn matches(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let regex = regexes::compile(state, &args.text("pattern")?, args, &text)?;
    Ok(Value::from(regex.find(&text).is_some_and(|m| m.start() == 0)))
}

pub fn search(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    Ok(Value::from(regexes::compile(state, &args.text("pattern")?, args, &text)?.is_match(&text)))
}

pub fn regex(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    match args.text_or("match_type", "search")?.as_ref() {
        "search" => search(state, value, args),
        "match" => matches(state, value, args),
        "fullmatch" => {
            let text = text(value)?;
            // Compiled alone first, so that an error shows the expression as written.
            regexes::compile(state, &args.text("pattern")?, args, &text)?;
            let whole = format!(r"\A(?:{})\z", args.text("pattern")?);
            Ok(Value::from(regexes::compile(state, &whole, args, &text)?.is_match(&text)))
        }
        other => Err(wrong(format!("`match_type` is search, match or fullmatch, not `{other}`"))),
    }
}

pub fn subset(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    Ok(Value::from(set(state, value)?.is_subset(&set(state, args.required("other")?)?)))
}

pub fn superset(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    Ok(Value::from(set(state, value)?.is_superset(&set(state, args.required("other")?)?)))
}

/// `in` the other way round: of a list its items, of a map its keys, of text what it holds.
pub fn contains(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let item = args.required("item")?;
    Ok(Value::from(if is_list(value) {
        set(state, value)?.contains(&canonical(state, item, 0)?)
    } else if value.kind() == ValueKind::Map {
        value.get_item(item).is_ok_and(|v| !v.is_undefined())
    } else {
        let item = text(item)?;
        text(value)?.contains(item.as_ref())
    }))
}

pub fn any(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(items(state, value)?.iter().any(Value::is_true)))
}

pub fn all(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(items(state, value)?.iter().all(Value::is_true)))
}

/// Truth as Python has it, or if `convert_bool` is set, what the text says.
pub fn truthy(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    if args.flag("convert_bool", false)? && value.as_str().is_some() {
        return truth(value).map(Value::from);
    }
    Ok(Value::from(value.is_true()))
}

pub fn falsy(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    truthy(state, value, args).map(|is| Value::from(!is.is_true()))
}
