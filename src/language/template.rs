//! Templates: expressions inside strings, and template files. An undefined variable is an error at its place.

use super::bounds::{self, Room};
use super::condition::Condition;
use super::depth;
use super::diagnostic::{Diagnostic, did_you_mean};
use super::node::{Node, Yaml};
use super::rewrite::{self, Source};
use super::scope::{Render, Scope, guarded_node};
use super::vault::Keyring;
use super::written::{self, Kind, whole_expression};
use crate::model::span::{FileId, Sources, Span, Spanned};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use std::collections::HashMap;
use std::sync::Arc;

/// Enough for a template of some hundred thousand operations; a runaway loop ends in well under a second.
const FUEL: u64 = 10_000_000;

/// Of those that need a variable which fails, so many are shown, and the outermost.
const NEAREST: usize = 6;

/// Includes and macros within one another.
const RECURSION: usize = 150;

/// A project's templates, compiled once, and all that renders.
pub struct Templates {
    env: Environment<'static>,
    compiled: written::Count,
    files: HashMap<String, FileId>,
    pub sources: Arc<Sources>,
    /// Opens what is encrypted, when it is rendered.
    pub keyring: Arc<Keyring>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl Templates {
    /// Compiles template files: name, and the file among `sources` that holds its text.
    ///
    /// # Errors
    /// Each syntax error, at its place.
    pub fn new(
        sources: Arc<Sources>,
        files: impl IntoIterator<Item = (String, FileId)>,
    ) -> Result<Self, (Arc<Sources>, Vec<Diagnostic>)> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(RECURSION);
        env.set_debug(true);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        // An include inside a module's template means that module's.
        env.set_path_join_callback(|name, parent| {
            let name = written::file_name(name);
            match parent.rsplit_once(':') {
                Some((module, _)) if !name.contains(':') && !written::is_written(parent) => {
                    format!("{module}:{name}").into()
                }
                _ => name.into(),
            }
        });
        super::filters::add_to(&mut env);
        env.set_unknown_method_callback(super::methods::call);
        env.set_formatter(|out, state, value| match value.is_none() {
            // As Ansible has it: nothing, where Jinja alone writes "None".
            true => Ok(()),
            false => minijinja::escape_formatter(out, state, value),
        });
        rewrite::add_to(&mut env);
        let compiled = written::add_to(&mut env);
        let mut this = Self { env, compiled, files: files.into_iter().collect(), sources, keyring: Arc::default() };
        let mut found = vec![];
        let mut names: Vec<_> = this.files.iter().map(|(n, f)| (n.clone(), *f)).collect();
        names.sort();
        for (name, file) in names {
            let text = this.sources.get(file).map(|s| s.text.to_string()).unwrap_or_default();
            if let Some(deep) = depth::too_deep(&text) {
                let span = Span::new(file, deep.start, deep.end);
                found.push(Diagnostic::error("malformed template", Some(span), depth::TOLD));
                continue;
            }
            let rewritten = rewrite::template(&text, Source::File);
            if let Err(error) = this.env.add_template_owned(name, rewritten.text.clone()) {
                let span = error.range().map(|r| rewritten.original(r)).map(|r| Span::new(file, r.start, r.end));
                let span = span.or_else(|| this.sources.line(file, error.line().unwrap_or(1)));
                found.push(Diagnostic::error("malformed template", span, reason(&error)));
            }
        }
        if found.is_empty() { Ok(this) } else { Err((this.sources, found)) }
    }

    /// With what opens what is encrypted.
    pub fn opened_by(mut self, keyring: Arc<Keyring>) -> Self {
        self.keyring = keyring;
        self
    }

    /// Whether there is a template file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// How many texts in manifests have been compiled until now. Each is once, however many hosts it is rendered for.
    pub fn compiled(&self) -> usize {
        self.compiled.get()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A template file's text for this scope, and whether anything secret went into it.
    ///
    /// # Errors
    /// The first thing that fails, at its place in the template.
    pub fn render_file(&self, name: &str, scope: &Scope) -> Result<(String, bool), Diagnostic> {
        let (result, secret) = scope.watch(|| {
            self.env.get_template(name).and_then(|t| bounds::render(&t, Value::from_dyn_object(scope.object())))
        });
        match result {
            Ok(text) => Ok((text, secret)),
            Err(error) => Err(self.explain(&error, None, scope, secret)),
        }
    }

    /// A node with every template in it rendered. What is one whole `{{ … }}` keeps its type.
    ///
    /// # Errors
    /// The first thing that fails, at its place.
    pub fn render(&self, node: &Node, scope: &Scope) -> Result<Node, Diagnostic> {
        let value = match &node.value {
            // What an expression gave is data: braces in it mean nothing.
            Yaml::String(text) if is_template(text) && !node.rendered => return self.render_text(node, text, scope),
            Yaml::Vault(sealed) => {
                let text = sealed.open_text(&self.keyring, Some(node.span))?;
                let opened = Node { value: Yaml::String(text.to_owned()), ..node.clone() };
                return self.render(&opened.into_secret(), scope);
            }
            Yaml::List(items) => Yaml::List(items.iter().map(|n| self.render(n, scope)).collect::<Result<_, _>>()?),
            Yaml::Map(map) => Yaml::Map(
                map.iter()
                    .map(|(k, v)| {
                        let key = if is_template(&k.value) {
                            let node = Node::new(k.span, Yaml::String(k.value.clone()));
                            let rendered = self.render_text(&node, &k.value, scope)?;
                            if rendered.holds_secret() {
                                let label = "this comes to a secret, and a key is shown";
                                return Err(Diagnostic::error("a key that is secret", Some(k.span), label));
                            }
                            match rendered.value {
                                Yaml::String(s) => s,
                                Yaml::Int(n) => n.to_string(),
                                other => {
                                    let label = format!("this comes to {}", other.kind());
                                    return Err(Diagnostic::error("a key that is not text", Some(k.span), label));
                                }
                            }
                        } else {
                            k.value.clone()
                        };
                        Ok((Spanned { value: key, span: k.span }, self.render(v, scope)?))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            other => other.clone(),
        };
        Ok(Node { value, ..node.clone() })
    }

    fn render_text(&self, node: &Node, text: &str, scope: &Scope) -> Result<Node, Diagnostic> {
        let (value, secret) = self.evaluate(Kind::Text, text, scope);
        let explain = |e: minijinja::Error| self.explain(&e, Some((node, text)), scope, secret);
        let mut rendered = value.and_then(|v| from_value(&v, node.span, &mut Room::new())).map_err(explain)?;
        if matches!(rendered.value, Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_)) && rendered.lost.is_none() {
            rendered.lost = whole_expression(text).and_then(|name| scope.lost(name.trim()));
        }
        if secret || node.secret {
            rendered = rendered.into_secret();
        }
        Ok(rendered)
    }

    fn evaluate(&self, kind: Kind, text: &str, scope: &Scope) -> (Result<Value, minijinja::Error>, bool) {
        scope.watch(|| written::evaluate(&self.env, kind, text, Value::from_dyn_object(scope.object())))
    }

    /// Whether a bare expression, as under `when:`, is true.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn is_true(&self, node: &Node, scope: &Scope) -> Result<bool, Diagnostic> {
        match &node.value {
            Yaml::Bool(b) => Ok(*b),
            Yaml::String(text) => {
                let condition = Condition::parse(whole_expression(text).unwrap_or(text));
                condition.holds(&mut |operand| self.holds(operand, node, scope))
            }
            Yaml::List(all) => {
                for one in all {
                    if !self.is_true(one, scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            other => Err(Diagnostic::error(
                "wrong value",
                Some(node.span),
                format!("a condition is wanted here, this is {}", other.kind()),
            )
            .help("write an expression, such as facts.os.family == \"debian\"")),
        }
    }

    /// Whether one operand of a condition is true.
    fn holds(&self, operand: &str, node: &Node, scope: &Scope) -> Result<bool, Diagnostic> {
        let (value, secret) = self.evaluate(Kind::Expression, operand, scope);
        let at = self.inside(node.span, operand, Some(0..operand.len()));
        let value = value.map_err(|e| {
            let mut d = self.explain(&e, Some((node, operand)), scope, secret);
            d.span = d.span.map(|span| if span == node.span { at } else { span });
            d
        })?;
        if value.as_str().is_some() {
            // The text may be a secret: it is not to be in a message.
            let d = Diagnostic::error("text as a condition", Some(at), "this is text, not true or false");
            return Err(d.help(
                "as a condition even \"no\" would count as true: compare it, as in `x == \"yes\"`, or write `x | bool`",
            ));
        }
        Ok(value.is_true())
    }

    /// A template error at the place people can mend: in the manifest's string, or in the template file.
    ///
    /// `secret`: one was read before. What the engine or a filter says of a value may quote it, so that is left out then:
    /// here, where all errors pass, and not in each filter.
    fn explain(
        &self,
        error: &minijinja::Error,
        text: Option<(&Node, &str)>,
        scope: &Scope,
        secret: bool,
    ) -> Diagnostic {
        if let Some(inner) = scope.take_failure() {
            return match text {
                Some((node, ..))
                    if inner.span != Some(node.span) && !inner.related.iter().any(|(s, _)| *s == node.span) =>
                {
                    let mut inner = inner;
                    // The nearest, and the one that all of it is for.
                    inner.related.truncate(NEAREST);
                    inner.related(node.span, "needed here")
                }
                _ => inner,
            };
        }
        // The innermost cause has the place: an included template's error is wrapped by the includer's.
        let mut error = error;
        while let Some(cause) = std::error::Error::source(error).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
            error = cause;
        }
        let file = error.name().and_then(|n| self.files.get(n)).copied();
        let (span, slice) = match (file, text) {
            (Some(file), _) => {
                let text = self.sources.get(file).map(|s| s.text.as_ref()).unwrap_or_default();
                let range = error.range().map(|r| rewrite::template(text, Source::File).original(r));
                let slice = range.clone().and_then(|r| text.get(r)).map(str::to_owned);
                let range = range.map(|r| Span::new(file, r.start, r.end));
                (range.or_else(|| self.sources.line(file, error.line()?)), slice)
            }
            (None, Some((node, text))) => {
                let range = written::range(error, text);
                let slice = range.clone().and_then(|r| text.get(r)).map(str::to_owned);
                (Some(self.inside(node.span, text, range)), slice)
            }
            (None, None) => (None, None),
        };
        if error.kind() == ErrorKind::UndefinedError {
            let whole = text.and_then(|(_, t)| whole_expression(t).or(Some(t))).map(str::trim).map(str::to_owned);
            let name = slice.map(|s| s.trim().to_owned()).or(whole).unwrap_or_default();
            let name = name.trim_start_matches("{{").trim_end_matches("}}").trim().to_owned();
            let d = Diagnostic::error("undefined variable", span, format!("`{name}` has no value here"));
            let root = name.split(['.', '[', '|', ' ', '(']).next().unwrap_or_default();
            let names = scope.names();
            return match did_you_mean(root, names.iter().map(String::as_str)) {
                Some(near) if near != root => d.help(format!("did you mean `{near}`?")),
                Some(_) => d.help("it is known, but has no such part; give a fallback with `| default(…)`"),
                None => d.help(
                    "set it in vars, group_vars or host_vars, or with -e; or give a fallback with `| default(…)`",
                ),
            };
        }
        let summary = match error.kind() {
            ErrorKind::SyntaxError => "malformed template",
            ErrorKind::UnknownFilter => "unknown filter",
            ErrorKind::UnknownTest => "unknown test",
            ErrorKind::UnknownFunction => "unknown function",
            ErrorKind::TemplateNotFound => "template not found",
            ErrorKind::OutOfFuel => "a template without end",
            _ => "template failed",
        };
        if secret {
            let d = Diagnostic::error(summary, span, format!("{}, of what is secret", error.kind()));
            return d.help("why is not told, for that may quote a secret; try it with a value that is none");
        }
        let mut d = Diagnostic::error(summary, span, reason(error));
        if error.kind() == ErrorKind::UnknownFilter
            && let Some(slice) = slice
            && let Some(name) = slice.rsplit('|').next()
            && let Some(near) = did_you_mean(name.trim(), super::filters::NAMES.iter().copied())
        {
            d = d.help(format!("did you mean `{near}`?"));
        }
        d
    }

    /// Where in a source a range of a string node's text stands.
    fn inside(&self, span: Span, text: &str, range: Option<std::ops::Range<usize>>) -> Span {
        let found = || {
            let range = range?;
            let source = &self.sources.get(span.file)?.text;
            let raw = source.get(span.start as usize..span.end as usize)?;
            let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let alone = |at: &usize| {
                let before = raw.get(..*at).and_then(|r| r.chars().next_back());
                let after = raw.get(*at + text.len()..).and_then(|r| r.chars().next());
                !(word(before) && word(text.chars().next()) || word(after) && word(text.chars().next_back()))
            };
            if let Some(at) = raw.match_indices(text).map(|(at, _)| at).find(alone).or_else(|| raw.find(text)) {
                let start = span.start as usize + at + range.start;
                return Some(Span::new(span.file, start, span.start as usize + at + range.end));
            }
            // A block scalar's lines are indented: its line can be found all the same.
            let line_start = text.get(..range.start)?.rfind('\n').map_or(0, |n| n + 1);
            let line = text.get(line_start..)?.lines().next()?;
            let at = raw.find(line.trim())?;
            let offset = range.start.checked_sub(line_start + (line.len() - line.trim_start().len()))?;
            let start = span.start as usize + at + offset;
            Some(Span::new(span.file, start, start + range.len()))
        };
        found().unwrap_or(span)
    }
}

impl Render for Templates {
    fn rendered(&self, node: &Node, scope: &Scope) -> Result<Node, Diagnostic> {
        self.render(node, scope)
    }
}

fn reason(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// Whether a string has anything for the template engine in it.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// A template engine's value as a node at this place.
fn from_value(value: &Value, span: Span, room: &mut Room) -> Result<Node, minijinja::Error> {
    let bad = |what: &str| minijinja::Error::new(ErrorKind::InvalidOperation, format!("the expression gives {what}"));
    if let Some(node) = guarded_node(value) {
        return placed(node, span, room);
    }
    room.take(value.as_str().map_or(0, str::len))?;
    let yaml = match value.kind() {
        ValueKind::Undefined => return Err(minijinja::Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Yaml::Null,
        ValueKind::Bool => Yaml::Bool(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(n) if value.is_integer() => Yaml::Int(n),
            _ => Yaml::Float(f64::try_from(value.clone())?),
        },
        ValueKind::String => Yaml::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            Yaml::List(value.try_iter()?.map(|v| from_value(&v, span, room)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut map = vec![];
            for key in value.try_iter()? {
                let node = from_value(&value.get_item(&key)?, span, room)?;
                let key = key.to_string();
                room.take(key.len())?;
                map.push((Spanned { value: key, span }, node));
            }
            Yaml::Map(map)
        }
        ValueKind::Bytes => return Err(bad("bytes, not text")),
        _ => return Err(bad("no plain value")),
    };
    Ok(Node { rendered: true, ..Node::new(span, yaml) })
}

/// As what an expression at this place gave; what is secret in it stays so.
fn placed(node: &Node, span: Span, room: &mut Room) -> Result<Node, minijinja::Error> {
    room.take(node.as_str().map_or(0, str::len))?;
    let value = match &node.value {
        Yaml::List(items) => Yaml::List(items.iter().map(|n| placed(n, span, room)).collect::<Result<_, _>>()?),
        Yaml::Map(map) => {
            let mut entries = vec![];
            for (key, node) in map {
                room.take(key.value.len())?;
                entries.push((Spanned { value: key.value.clone(), span }, placed(node, span, room)?));
            }
            Yaml::Map(entries)
        }
        scalar => scalar.clone(),
    };
    Ok(Node { span, value, secret: node.secret, rendered: true, lost: node.lost.clone() })
}
