//! From what was written to one host's catalog: variables bound, templates rendered, types checked, edges drawn.

use super::body;
use super::departed::{self, Removal};
use super::link::{Linked, References, cycle_error, tell_what_is_managed};
use super::selection::Candidate;
pub use super::selection::Selection;
use super::{Catalog, Resource};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::health;
use crate::language::manifest::{Declaration, Play};
use crate::language::module;
use crate::language::node::{Layer, Mapping, Node, Yaml};
use crate::language::project::Project;
use crate::language::scope::{Scope, to_value};
use crate::model::id::ResourceId;
use crate::model::span::{Span, Spanned};
use crate::resources::batch::{Batch, Declared, Type};
use crate::resources::{Places, TYPES, Together};
use crate::shell::health::HealthCheck;
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
    let mut compiler = Compiler {
        project,
        found: Diagnostics::default(),
        declared: TYPES.iter().map(|_| vec![]).collect(),
        pending: vec![],
        modules: HashMap::new(),
        health: vec![],
    };
    let facts_value = Value::from(Serde(&facts));
    for play in &host.plays {
        let layers = host.vars.iter().copied().chain([&play.vars, &project.extra_vars]);
        let fixed = HashMap::from([
            ("facts".to_owned(), facts_value.clone()),
            ("inventory_hostname".to_owned(), Value::from(host.name)),
            ("group_names".to_owned(), host.group_names.iter().map(|g| Value::from(g.as_str())).collect()),
            ("groups".to_owned(), host.groups.clone()),
        ]);
        let scope = Scope::new(project.templates.clone(), layers.cloned().collect(), fixed);
        let inherited = Inherited { tags: play.tags.clone(), ..Inherited::default() };
        compiler.declare(&play.resources, &scope, &inherited, 0);
        for check in &play.rollout.health {
            match project.templates.render(check, &scope).and_then(|node| health::check(&node)) {
                Ok(check) if compiler.health.contains(&check) => {}
                Ok(check) => compiler.health.push(check),
                Err(d) => compiler.found.push(d),
            }
        }
    }
    compiler.depart(departed);
    let mut found = std::mem::take(&mut compiler.found);
    let catalog = compiler.link(host.name, facts, selection, departed, &mut found);
    for d in found.iter_mut() {
        d.host.get_or_insert_with(|| host.name.to_owned());
    }
    match catalog {
        Some(catalog) if !found.has_errors() => Ok(catalog),
        _ => Err(found),
    }
}

/// What a module call passes on to all that it declares.
#[derive(Clone, Default)]
struct Inherited {
    tags: Vec<String>,
    references: References,
    modules: Vec<String>,
}

/// A resource that is declared, not yet typed.
pub(super) struct Pending {
    pub id: ResourceId,
    pub ty: usize,
    pub index: usize,
    pub span: Span,
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub controls: Vec<String>,
    pub references: References,
    /// It has left the manifest, and is to be removed.
    pub departed: bool,
}

pub(super) struct Compiler<'a> {
    project: &'a Project,
    found: Diagnostics,
    /// By the type's place in [`TYPES`].
    pub declared: Vec<Vec<Declared>>,
    pub pending: Vec<Pending>,
    /// A module's resources, so that `module[x]` can be referred to.
    pub modules: HashMap<String, Vec<usize>>,
    health: Vec<HealthCheck>,
}

impl Compiler<'_> {
    fn declare(&mut self, resources: &[Declaration], scope: &Scope, inherited: &Inherited, depth: usize) {
        for declaration in resources {
            if let Err(diagnostic) = self.each(declaration, scope, inherited, depth) {
                self.found.push(diagnostic);
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
            if item.holds_secret() {
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
                        self.found.push(e);
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
                        self.found.push(e);
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
        let Some((ty, kind)) = TYPES.iter().enumerate().find(|(_, t)| t.name() == d.kind.value) else {
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
        let body = if kind.has_body() { body::of(self.project, d, &params, scope)? } else { None };
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
        if become_user.is_some() && d.kind.value != "exec" {
            return Err(Diagnostic::error(
                "wrong parameter",
                d.common.become_user.as_ref().map(|n| n.span),
                format!("a {} is made as the connection's own user", d.kind.value),
            )
            .help("become_user is for exec; for a whole play it stands beside `become`"));
        }
        let declared = Declared {
            title: title.clone(),
            params: Node::new(d.title.span, Yaml::Map(params)),
            body,
            sensitive,
            become_user,
            places: Places { title: d.title.span, params: vec![] },
            managed_below: vec![],
            departed: None,
        };
        let number = self.pending.len();
        for module in &inherited.modules {
            self.modules.entry(module.clone()).or_default().push(number);
        }
        if let Some(list) = self.declared.get_mut(ty) {
            let index = list.len();
            list.push(declared);
            self.pending.push(Pending {
                id: ResourceId::new(kind.name(), title),
                ty,
                index,
                span: d.title.span,
                name,
                tags,
                controls: d.common.controls.clone(),
                references,
                departed: false,
            });
        }
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
            let mut value = project.templates.render(value, scope)?;
            // Final from here on: it is rendered in the caller's scope, not again in the module's.
            value.rendered = true;
            given.push((key.clone(), value));
        }
        let known = |name: &str| scope.has(name);
        module::check(module, &given, d.title.span, &known, &mut self.found);
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

    /// Types the declarations and draws the edges.
    fn link(
        mut self,
        host: &str,
        facts: Facts,
        selection: &Selection,
        departed: &[Removal],
        found: &mut Diagnostics,
    ) -> Option<Catalog> {
        let sources = &self.project.templates.sources;
        tell_what_is_managed(&self.pending, &mut self.declared);
        let mut batches: Vec<Option<Box<dyn Batch>>> = vec![];
        for (ty, declared) in TYPES.iter().zip(&self.declared) {
            let ty: &'static dyn Type = *ty;
            batches.push(if declared.is_empty() { None } else { ty.batch(declared, &facts, found) });
        }
        if found.has_errors() {
            return None;
        }
        let linked = Linked::new(&self, &batches, found);
        let mut graph = linked.edges(&self, &batches, found);
        departed::edges(&mut graph, departed, &linked.kept);
        let order = match graph.order() {
            Ok(order) => order,
            Err(cycle) => {
                found.push(cycle_error(&cycle, &linked));
                return None;
            }
        };
        if found.has_errors() {
            return None;
        }
        let candidates: Vec<_> = linked
            .kept
            .iter()
            .map(|p| Candidate {
                id: &p.id,
                tags: &p.tags,
                one_with: TYPES.get(p.ty).filter(|t| t.together() == Together::All).map(|_| p.ty),
            })
            .collect();
        let mut selected = selection.of(&candidates, &graph, &order);
        let skipped = match selection.start(&candidates, &order, &mut selected) {
            Ok(skipped) => skipped,
            Err(d) => {
                found.push(d);
                return None;
            }
        };
        // Numbers of the batches that are there.
        let mut place = vec![None; batches.len()];
        let mut there = vec![];
        for (n, batch) in batches.into_iter().enumerate() {
            if let (Some(batch), Some(slot)) = (batch, place.get_mut(n)) {
                *slot = Some(there.len());
                there.push(batch);
            }
        }
        let resources = linked
            .kept
            .iter()
            .zip(selected)
            .zip(&linked.keys)
            .map(|((p, selected), key)| Resource {
                id: p.id.clone(),
                key: key.clone(),
                name: p.name.clone(),
                place: if p.departed { None } else { sources.place(p.span) },
                batch: place.get(p.ty).copied().flatten().unwrap_or_default(),
                index: p.index,
                tags: p.tags.clone(),
                controls: p.controls.clone(),
                selected,
                departed: p.departed,
            })
            .collect();
        let warnings = found.iter().filter(|d| d.severity == Severity::Warning).map(|d| d.render(sources, false));
        let warnings = warnings.chain(skipped).collect();
        let (host, health) = (host.to_owned(), self.health.clone());
        let declared = self.declared.into_iter().filter(|list| !list.is_empty()).collect();
        Some(Catalog { host, facts, resources, batches: there, declared, graph, order, health, warnings })
    }
}
