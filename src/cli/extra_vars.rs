//! Variables of the command line.

use crate::inventory::vars::{self, Contents};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::mask::masked;
use crate::language::node::{Mapping, Node, Yaml};
use crate::language::vault::Keyring;
use crate::language::yaml;
use crate::model::span::{Sources, Span, Spanned};
use std::path::Path;

/// `-e`: `name=value`, several of them, a mapping, or `@FILE`, which `keyring` opens where it is encrypted.
pub fn extra_vars(given: &[String], keyring: &Keyring, sources: &mut Sources, found: &mut Diagnostics) -> Mapping {
    let mut vars: Mapping = vec![];
    let mut set = |key: Spanned<String>, value: Node| {
        vars.retain(|(k, _)| k.value != key.value);
        vars.push((key, value));
    };
    for text in given {
        if let Some(path) = text.strip_prefix('@') {
            let vars = match vars::file(Path::new(path), sources, found) {
                Contents::Vars(vars) => vars,
                Contents::Sealed(file) => file.open(keyring).unwrap_or_else(|errors| {
                    found.extend(errors);
                    vec![]
                }),
            };
            vars.into_iter().for_each(|(k, v)| set(k, v));
            continue;
        }
        let file = sources.add("-e", masked(text));
        let whole = Span::new(file, 0, text.len());
        if text.trim_start().starts_with('{') {
            match yaml::parse_ansible(text, file) {
                Ok(Some(Node { value: Yaml::Map(map), .. })) => map.into_iter().for_each(|(k, v)| set(k, v)),
                Ok(_) => found.push(Diagnostic::error("no variables", Some(whole), "a mapping is wanted here")),
                Err(errors) => found.extend(errors),
            }
            continue;
        }
        match text.split_once('=') {
            Some((key, value)) => {
                // A number is one where nothing is lost by that: `1.10` and `007` stay what they are.
                let parsed = yaml::parse_one(value, file).ok().flatten();
                let plain = parsed
                    .filter(|n| n.lost.is_none() && matches!(n.value, Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_)));
                let value = plain.map_or_else(|| Yaml::String(value.to_owned()), |n| n.value);
                set(Spanned { value: key.trim().to_owned(), span: whole }, Node::new(whole, value));
            }
            None => found.push(
                Diagnostic::error("no variable", Some(whole), "neither name=value nor @FILE")
                    .help("such as -e port=8080"),
            ),
        }
    }
    vars
}
