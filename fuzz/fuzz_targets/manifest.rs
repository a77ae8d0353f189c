//! A whole project from text: YAML, plays, a module, a template, types, edges. Sections are parted by lines of `####`:
//! the manifest, the module `m`, the template `t`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minijinja::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use trueup::catalog::Selection;
use trueup::manifest::evaluate::{HostInput, compile};
use trueup::facts::Facts;
use trueup::language::diagnostic::{Diagnostic, Diagnostics};
use trueup::manifest::play::{self, Entry};
use trueup::manifest::project::Project;
use trueup::model::span::Sources;
use trueup::language::template::Templates;
use trueup::language::yaml;
use trueup::manifest::module;
use trueup::resources::types::TYPES;
use trueup::model::body::Digest;

fuzz_target!(|text: &str| {
    let types: Vec<&str> = TYPES.iter().map(|t| t.name()).collect();
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let mut sections = text.split("\n####\n");
    let mut next = |name: &str, sources: &mut Sources| {
        let text = sections.next().unwrap_or_default();
        (sources.add(name, text), text)
    };
    let (file, text) = next("site.yml", &mut sources);
    let mut plays = vec![];
    match yaml::parse_one(text, file) {
        Ok(Some(document)) => {
            for entry in manifest::read(&document, &types, &mut found) {
                if let Entry::Play(play) = entry {
                    plays.push(*play);
                }
            }
        }
        Ok(None) => {}
        Err(errors) => found.extend(errors),
    }
    let (file, text) = next("modules/m/module.yml", &mut sources);
    let mut modules = BTreeMap::new();
    match yaml::parse_one(text, file) {
        Ok(Some(document)) => {
            modules.insert("m".to_owned(), module::read("m", &document, &types, &mut found));
        }
        Ok(None) => {}
        Err(errors) => found.extend(errors),
    }
    let (file, _) = next("templates/t", &mut sources);
    let templates = match Templates::new(Arc::new(sources), [("t".to_owned(), file)]) {
        Ok(templates) => Arc::new(templates),
        Err((sources, errors)) => return show(errors.iter(), &sources),
    };
    show(found.iter(), &templates.sources);
    let project = Project {
        plays,
        modules,
        templates,
        files: HashMap::new(),
        extra_vars: Arc::default(),
        digest: Digest::of(b""),
    };
    let groups = Value::from(());
    let plays = project.plays.iter().collect();
    let host = HostInput { name: "h", group_names: &[], vars: vec![], groups: &groups, plays };
    match compile(&project, &host, Facts::sample(), &Selection::default()) {
        Ok(catalog) => assert_eq!(catalog.order.len(), catalog.resources.len(), "the order holds each resource once"),
        Err(found) => show(found.iter(), &project.templates.sources),
    }
});

fn show<'a>(found: impl Iterator<Item = &'a Diagnostic>, sources: &Sources) {
    for diagnostic in found {
        let _ = diagnostic.render(sources, true);
    }
}
