//! A template file, and its text as an expression too, over a few variables. The fuel has to end whatever does not end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minijinja::Value;
use std::collections::HashMap;
use std::sync::Arc;
use trueup::language::node::{Node, Yaml};
use trueup::language::scope::Scope;
use trueup::model::span::{Sources, Span};
use trueup::language::template::Templates;
use trueup::language::yaml;

const VARS: &str = "text: one two\nnumber: 7\nlist: [3, 1, {a: b}]\nmap: {a: 1, b: [x]}\nnothing: null\nlazy: '{{ number + 1 }}'\npassword: !secret '!!kept!!'\n";

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let vars = sources.add("vars.yml", VARS);
    let file = sources.add("templates/t", text);
    let end = text.len();
    let vars = match yaml::parse_one(VARS, vars) {
        Ok(Some(node)) => node.as_map().cloned().unwrap_or_default(),
        _ => unreachable!("the variables are sound"),
    };
    let templates = match Templates::new(Arc::new(sources), [("t".to_owned(), file)]) {
        Ok(templates) => Arc::new(templates),
        Err((sources, errors)) => {
            for diagnostic in errors {
                let _ = diagnostic.render(&sources, true);
            }
            return;
        }
    };
    let scope =
        Scope::new(templates.clone(), vec![Arc::new(vars)], HashMap::from([("item".to_owned(), Value::from(1))]));
    let node = Node::new(Span::new(file, 0, end), Yaml::String(text.to_owned()));
    let rendered = [
        templates.render_file("t", &scope).map(|_| ()),
        templates.render(&node, &scope).map(|_| ()),
        templates.is_true(&node, &scope).map(|_| ()),
    ];
    for diagnostic in rendered.into_iter().filter_map(Result::err) {
        let told = diagnostic.render(&templates.sources, true);
        assert!(text.contains("kept") || !told.contains("!!kept!!"), "a secret is told: {told}");
    }
});
