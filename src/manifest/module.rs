//! Modules: reusable sets of resources with typed parameters, their templates and their files.

use super::play::{Declaration, resources};
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Mapping, Node, Yaml};
use crate::model::span::{Span, Spanned};
use std::collections::HashMap;

#[derive(Clone, Debug)]
pub struct Module {
    pub name: String,
    pub about: Option<String>,
    pub parameters: Vec<Parameter>,
    pub resources: Vec<Declaration>,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: Spanned<String>,
    pub kind: Kind,
    /// Without one it must be given.
    pub default: Option<Node>,
    pub about: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Int,
    Float,
    Bool,
    List,
    Map,
    Any,
}

const KINDS: &[(&str, Kind)] = &[
    ("string", Kind::String),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("bool", Kind::Bool),
    ("list", Kind::List),
    ("map", Kind::Map),
    ("any", Kind::Any),
];

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, k)| *k == self).map_or("any", |(n, _)| n)
    }

    fn fits(self, value: &Yaml) -> bool {
        matches!(
            (self, value),
            (Self::Any, _)
                | (Self::String, Yaml::String(_))
                | (Self::Int, Yaml::Int(_))
                | (Self::Float, Yaml::Float(_) | Yaml::Int(_))
                | (Self::Bool, Yaml::Bool(_))
                | (Self::List, Yaml::List(_))
                | (Self::Map, Yaml::Map(_))
        )
    }
}

/// Reads `module.yml`.
pub fn read(name: &str, document: &Node, types: &[&str], found: &mut Diagnostics) -> Module {
    let mut module = Module { name: name.to_owned(), about: None, parameters: vec![], resources: vec![] };
    let Some(map) = document.as_map() else {
        found.push(Diagnostic::error(
            "no module",
            Some(document.span),
            "a module is a mapping with `parameters` and `resources`",
        ));
        return module;
    };
    for (key, value) in map {
        match key.value.as_str() {
            "about" => module.about = value.as_str().map(str::to_owned),
            "parameters" => module.parameters = parameters(value, found),
            "resources" => module.resources = resources(value, types, Some(name), found),
            other => {
                let d =
                    Diagnostic::error("unknown key of a module", Some(key.span), format!("a module has no `{other}`"));
                found.push(match did_you_mean(other, ["about", "parameters", "resources"]) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("it has: about, parameters, resources"),
                });
            }
        }
    }
    module
}

fn parameters(node: &Node, found: &mut Diagnostics) -> Vec<Parameter> {
    let Some(map) = node.as_map() else {
        if node.value != Yaml::Null {
            found.push(Diagnostic::error(
                "wrong value",
                Some(node.span),
                "`parameters` is a mapping: a name, and what it is",
            ));
        }
        return vec![];
    };
    let mut out = vec![];
    for (name, spec) in map {
        let mut parameter = Parameter { name: name.clone(), kind: Kind::Any, default: None, about: None };
        let Some(spec) = spec.as_map() else {
            found.push(
                Diagnostic::error("wrong value", Some(spec.span), "a parameter is a mapping with `type`")
                    .help("such as `port: {type: int, default: 80, about: where it listens}`"),
            );
            continue;
        };
        for (key, value) in spec {
            match key.value.as_str() {
                "type" => {
                    let kind = value.as_str().unwrap_or_default();
                    match KINDS.iter().find(|(n, _)| *n == kind) {
                        Some((_, k)) => parameter.kind = *k,
                        None => {
                            let names: Vec<_> = KINDS.iter().map(|(n, _)| *n).collect();
                            found.push(
                                Diagnostic::error("unknown type", Some(value.span), format!("no type `{kind}`"))
                                    .help(format!("it can be: {}", names.join(", "))),
                            );
                        }
                    }
                }
                "default" => parameter.default = Some(value.clone()),
                "about" => parameter.about = value.as_str().map(str::to_owned),
                other => found.push(
                    Diagnostic::error(
                        "unknown key of a parameter",
                        Some(key.span),
                        format!("a parameter has no `{other}`"),
                    )
                    .help("it has: type, default, about"),
                ),
            }
        }
        out.push(parameter);
    }
    out
}

/// Whether rendered parameters fit the module; told at each parameter's place.
pub fn check(module: &Module, given: &Mapping, call: Span, known: &dyn Fn(&str) -> bool, found: &mut Diagnostics) {
    let by_name: HashMap<&str, &Parameter> = module.parameters.iter().map(|p| (p.name.value.as_str(), p)).collect();
    for (key, value) in given {
        match by_name.get(key.value.as_str()) {
            None => {
                let d = Diagnostic::error(
                    "unknown parameter",
                    Some(key.span),
                    format!("module {} has no `{}`", module.name, key.value),
                );
                found.push(match did_you_mean(&key.value, by_name.keys().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d,
                });
            }
            Some(p) if !p.kind.fits(&value.value) => found.push(
                Diagnostic::error(
                    "wrong value",
                    Some(value.span),
                    format!("`{}` is of type {}, this is {}", key.value, p.kind.name(), value.value.kind()),
                )
                .related(p.name.span, "declared here"),
            ),
            Some(_) => {}
        }
    }
    for p in &module.parameters {
        let name = p.name.value.as_str();
        if p.default.is_none() && !given.iter().any(|(k, _)| k.value == name) && !known(name) {
            found.push(
                Diagnostic::error("missing parameter", Some(call), format!("module {} needs `{name}`", module.name))
                    .related(p.name.span, "declared here without a default"),
            );
        }
    }
}
