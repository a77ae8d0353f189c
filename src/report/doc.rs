//! What `trueup doc` says: made from the types themselves, so that it cannot be out of date.

use super::style::Style;
use crate::manifest::play::COMMON;
use crate::resources::Orphaned;
use crate::resources::batch::Type;
use serde_json::Value;
use std::fmt::Write as _;

/// Every type in a line.
pub fn list(types: &[&dyn Type], style: Style) -> String {
    let width = types.iter().map(|t| t.name().len()).max().unwrap_or(0);
    let mut out = String::new();
    for ty in types {
        let _ = writeln!(out, "{}{}  {}", style.bold(ty.name()), " ".repeat(width - ty.name().len()), ty.about());
    }
    out + "\n`trueup doc TYPE` explains one.\n"
}

/// One type with its parameters and an example.
pub fn one(ty: &dyn Type, style: Style) -> String {
    let mut out = format!("{}: {}\n\n", style.bold(ty.name()), ty.about());
    let schema = ty.schema();
    let root = schema.as_value();
    let required: Vec<&str> = root["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in root["properties"].as_object().into_iter().flatten() {
        let needed = if required.contains(&name.as_str()) { ", needed" } else { "" };
        let _ = writeln!(out, "  {} {}", style.bold(name), style.dim(&format!("({}{needed})", kind(property, root))));
        let about = property["description"].as_str().unwrap_or_default();
        for line in wrap(&about.replace('\n', " "), 84) {
            let _ = writeln!(out, "      {line}");
        }
    }
    let _ = writeln!(out, "\nEvery resource takes: {}.", COMMON.join(", "));
    if ty.refreshes() {
        out.push_str("It can be refreshed: other resources may name it under `notify`.\n");
    }
    let orphaned = match ty.orphaned() {
        Orphaned::Removed(_) => "`--prune` removes it where trueup has made it".to_owned(),
        Orphaned::Ended(_, why) => format!("`--prune` ends it where what it stands on goes; otherwise: {why}"),
        Orphaned::Stays(why) => why.to_owned(),
    };
    let _ = writeln!(out, "When it has left the manifest: {orphaned}.");
    let _ = writeln!(out, "\nExample:\n");
    for line in ty.example().lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// A parameter's kind in a few words.
fn kind(property: &Value, root: &Value) -> String {
    if let Some(name) = property["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return kind(&root["$defs"][name], root);
    }
    if let Some(values) = property["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = property[key].as_array() {
            let kinds = options.iter().filter(|o| o["type"] != "null");
            let mut names: Vec<String> =
                kinds.map(|o| o["const"].as_str().map_or_else(|| kind(o, root), str::to_owned)).collect();
            names.dedup();
            return names.join(" | ");
        }
    }
    match &property["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&property["items"], root)),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|n| *n != "null").collect::<Vec<_>>().join(" | ")
        }
        _ => "any".into(),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
