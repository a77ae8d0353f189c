//! From what was written to a draft of one host's catalog: variables bound, modules called, templates rendered.

use super::body;
use super::health;
use super::module;
use super::play::{Declaration, Play};
use super::project::Project;
use super::reserved;
use crate::catalog::departed::Removal;
use crate::catalog::draft::Draft;
use crate::catalog::entry::{Entry, References};
use crate::catalog::{Catalog, Selection};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Layer, Mapping, Node, Yaml};
use crate::language::scope::Scope;
use crate::language::value::to_value;
use crate::model::span::Spanned;
use crate::resources::Places;
use crate::resources::batch::Declared;
use crate::resources::types::TYPES;
use minijinja::value::{Serde, Value};
use std::collections::HashMap;

/// Modules that call one another go no deeper than this.
const MAX_DEPTH: usize = 16;

/// A host as the inventory has it.
pub struct HostInput<'a> {
    pub name: &'a str,
    /// Its groups, sorted, without `all`.
    pub group_names: &'a [String],
    /// Variables, the weakest layer first.
    pub vars: Vec<&'a Layer>,
    /// All groups with their hosts, as templates see them.
    pub groups: &'a Value,
    /// The plays whose pattern it matches, in order.
    pub plays: Vec<&'a Play>,
}

/// Makes a host's catalog.
///
/// # Errors
/// All that is wrong with what was written for this host.
pub fn compile(
    project: &Project,
    host: &HostInput<'_>,
    facts: Facts,
    selection: &Selection,
) -> Result<Catalog, Diagnostics> {
    compile_with(project, host, facts, selection, &[])
}

/// As [`compile`], with what has left the manifest and is to be removed.
///
/// # Errors
/// As [`compile`].
pub fn compile_with(
    project: &Project,
    host: &HostInput<'_>,
    facts: Facts,
    selection: &Selection,
    departed: &[Removal],
) -> Result<Catalog, Diagnostics> {
    let facts_value = Value::from(Serde(&facts));
    let mut evaluator = Evaluator { project, draft: Draft::new(host.name, facts) };
    for play in &host.plays {
        let layers = host.vars.iter().copied().chain([&play.vars, &project.extra_vars]);
        let mut fixed = reserved::values(host.name, host.group_names, host.groups);
        fixed.insert("facts".to_owned(), facts_value.clone());
        let scope = Scope::new(project.templates.clone(), layers.cloned().collect(), fixed);
        let inherited = Inherited { tags: play.tags.clone(), ..Inherited::default() };
        evaluator.declare(&play.resources, &scope, &inherited, 0);
        for check in &play.rollout.health {
            match project.templates.render(check, &scope).and_then(|node| health::check(&node)) {
                Ok(check) => evaluator.draft.check_health(check),
                Err(d) => evaluator.draft.found.push(d),
            }
        }
    }
    evaluator.draft.remove(departed);
    evaluator.draft.finish(selection, &project.templates.sources)
}

/// What a module call passes on to all that it declares.
#[derive(Clone, Default)]
struct Inherited {
    tags: Vec<String>,
    references: References,
    modules: Vec<String>,
}

struct Evaluator<'a> {
    project: &'a Project,
    draft: Draft,
}

impl Evaluator<'_> {
    fn declare(&mut self, resources: &[Declaration], scope: &Scope, inherited: &Inherited, depth: usize) {
        for declaration in resources {
            if let Err(diagnostic) = self.each(declaration, scope, inherited, depth) {
                self.draft.found.push(diagnostic);
            }
        }
    }

    fn each(&mut self, d: &Declaration, scope: &Scope, inherited: &Inherited, depth: usize) -> Result<(), Diagnostic> {
        let Some(list) = &d.common.for_each else {
            return self.one(d, scope, inherited, depth);
        };
        let rendered = self.project.templates.render(list, scope)?;
        let item_scope = |item: Node, n: usize| {
            let mut fixed = HashMap::from([("item_index".to_owned(), Value::from(n))]);
            let mut vars: Mapping = vec![];
            let item = if rendered.secret { item.into_secret() } else { item };
            if item.holds_secret() || item.holds_lost() {
                let name = Spanned { value: "item".to_owned(), span: item.span };
                vars.push((name, Node { rendered: true, ..item }));
            } else {
                fixed.insert("item".to_owned(), to_value(&item));
            }
            scope.over(vars, fixed)
        };
        match &rendered.value {
            Yaml::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    let scope = item_scope(item.clone(), n);
                    if let Err(e) = self.one(d, &scope, inherited, depth) {
                        self.draft.found.push(e);
                    }
                }
            }
            Yaml::Map(map) => {
                for (n, (key, value)) in map.iter().enumerate() {
                    let entry = |v: Node| {
                        let text = |s: &str| Spanned { value: s.to_owned(), span: key.span };
                        let name = Node { rendered: true, ..Node::new(key.span, Yaml::String(key.value.clone())) };
                        Node::new(key.span, Yaml::Map(vec![(text("key"), name), (text("value"), v)]))
                    };
                    let scope = item_scope(entry(value.clone()), n);
                    if let Err(e) = self.one(d, &scope, inherited, depth) {
                        self.draft.found.push(e);
                    }
                }
            }
            other => {
                let label = format!("`for_each` is a list or a mapping, this is {}", other.kind());
                return Err(Diagnostic::error("wrong value", Some(list.span), label));
            }
        }
        Ok(())
    }

    fn one(&mut self, d: &Declaration, scope: &Scope, inherited: &Inherited, depth: usize) -> Result<(), Diagnostic> {
        let templates = &self.project.templates;
        if let Some(when) = &d.common.when
            && !templates.is_true(when, scope)?
        {
            return Ok(());
        }
        let shown = |node: &Node| match templates.render(node, scope)? {
            node if node.holds_secret() => {
                let d =
                    Diagnostic::error("a secret in the open", Some(node.span), "this is shown wherever it is named");
                Err(d.help("what names a resource, or who it runs as, cannot be made from a secret"))
            }
            node => Ok(node),
        };
        let all = |nodes: &[Node]| nodes.iter().map(&shown).collect::<Result<Vec<_>, _>>();
        let mut references = References {
            require: all(&d.common.require)?,
            before: all(&d.common.before)?,
            notify: all(&d.common.notify)?,
            subscribe: all(&d.common.subscribe)?,
        };
        references.extend(&inherited.references);
        let mut tags = inherited.tags.clone();
        tags.extend(d.common.tags.iter().cloned());
        if d.kind.value == "module" {
            let mut modules = inherited.modules.clone();
            modules.extend(d.title.as_str().map(str::to_owned));
            return self.call(d, scope, &Inherited { tags, references, modules }, depth);
        }
        let Some(&ty) = TYPES.iter().find(|t| t.name() == d.kind.value) else {
            return Ok(());
        };
        let title_node = shown(&d.title)?;
        let title = match &title_node.value {
            Yaml::String(title) if title.is_empty() => {
                return Err(Diagnostic::error("empty title", Some(d.title.span), "a resource's title cannot be empty"));
            }
            Yaml::String(title) if title.contains('\0') => {
                return Err(Diagnostic::error("wrong title", Some(d.title.span), "a title cannot hold a NUL byte"));
            }
            Yaml::String(title) => title.clone(),
            other => {
                let label = format!("a title is a string, this is {}", other.kind());
                let mut e = Diagnostic::error("wrong title", Some(d.title.span), label);
                if matches!(other, Yaml::List(_)) {
                    e = e.help("one resource a title; for several use `for_each`");
                }
                return Err(e);
            }
        };
        let mut params: Mapping = vec![];
        for (key, value) in &d.params {
            params.push((key.clone(), templates.render(value, scope)?));
        }
        if let Some((_, secret)) = params.iter().find(|(_, v)| matches!(&v.value, Yaml::String(s) if s.contains('\0')))
        {
            return Err(Diagnostic::error("wrong value", Some(secret.span), "text for a host cannot hold a NUL byte"));
        }
        let body = if ty.has_body() { body::of(self.project, d, &params, scope)? } else { None };
        let text = |node: &Option<Node>| match node {
            None => Ok(None),
            Some(node) => {
                let node = shown(node)?;
                match node.value {
                    Yaml::String(s) => Ok(Some(s)),
                    other => {
                        let label = format!("a string is wanted here, this is {}", other.kind());
                        Err(Diagnostic::error("wrong value", Some(node.span), label))
                    }
                }
            }
        };
        let sensitive = match &d.common.sensitive {
            Some(node) => templates.is_true(node, scope)?,
            None => false,
        };
        let name = text(&d.common.name)?;
        let become_user = text(&d.common.become_user)?;
        if become_user.is_some() && !ty.runs_as() {
            let takers: Vec<_> = TYPES.iter().filter(|t| t.runs_as()).map(|t| t.name()).collect();
            return Err(Diagnostic::error(
                "wrong parameter",
                d.common.become_user.as_ref().map(|n| n.span),
                format!("a {} is made as the connection's own user", d.kind.value),
            )
            .help(format!("become_user is for {}; for a whole play it stands beside `become`", takers.join(", "))));
        }
        let declared = Declared {
            title,
            params: Node::new(d.title.span, Yaml::Map(params)),
            body,
            sensitive,
            become_user,
            places: Places { title: d.title.span, params: vec![] },
            managed_below: vec![],
            departed: None,
        };
        let within = inherited.modules.iter().map(|module| format!("module[{module}]")).collect();
        let controls = d.common.controls.clone();
        self.draft.add(ty, Entry { declared, name, tags, controls, references, within });
        Ok(())
    }

    fn call(&mut self, d: &Declaration, scope: &Scope, inherited: &Inherited, depth: usize) -> Result<(), Diagnostic> {
        let project = self.project;
        let Some(module) = d.title.as_str().and_then(|name| project.modules.get(name)) else {
            return Err(Diagnostic::error(
                "unknown module",
                Some(d.title.span),
                "a module's name is plain text, without templates",
            ));
        };
        if depth >= MAX_DEPTH {
            return Err(Diagnostic::error(
                "modules that call one another",
                Some(d.title.span),
                format!("{MAX_DEPTH} calls deep"),
            ));
        }
        let mut given: Mapping = vec![];
        for (key, value) in &d.params {
            // The command line is the strongest, here too.
            let extra = project.extra_vars.iter().find(|(name, _)| name.value == key.value);
            let mut value = project.templates.render(extra.map_or(value, |(_, extra)| extra), scope)?;
            // Final from here on: it is rendered in the caller's scope, not again in the module's.
            value.rendered = true;
            given.push((key.clone(), value));
        }
        let known = |name: &str| scope.has(name);
        module::check(module, &given, d.title.span, &known, &mut self.draft.found);
        let mut vars = given;
        let mut missing = false;
        for p in &module.parameters {
            if scope.has(&p.name.value) || vars.iter().any(|(k, _)| k.value == p.name.value) {
                continue;
            }
            match &p.default {
                Some(default) => vars.push((p.name.clone(), default.clone())),
                None => missing = true,
            }
        }
        if !missing {
            self.declare(&module.resources, &scope.over(vars, HashMap::new()), inherited, depth + 1);
        }
        Ok(())
    }
}
