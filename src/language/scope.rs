//! The variables that an expression sees: rendered when first asked for, cycles found, secrets followed.

use super::diagnostic::Diagnostic;
use super::node::{Layer, Mapping, Node, Yaml};
use super::value::to_value;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What renders a variable as it was written, when it is first asked for.
pub trait Render: std::fmt::Debug + Send + Sync {
    /// # Errors
    /// The first thing that fails, at its place.
    fn rendered(&self, node: &Node, scope: &Scope) -> Result<Node, Diagnostic>;
}

/// So many variables may need one another in a row: each takes its part of the stack.
const FARTHEST: usize = 50;

/// One level of names over those of its parent.
#[derive(Clone, Debug)]
pub struct Scope {
    object: Arc<Level>,
}

#[derive(Debug)]
struct Level {
    templates: Arc<dyn Render>,
    parent: Option<Arc<Level>>,
    /// As written, the weakest first: values may hold templates, rendered where they stand.
    layers: Vec<Layer>,
    /// Final values: facts, loop items.
    fixed: HashMap<String, Value>,
    state: Arc<State>,
    cache: Mutex<HashMap<String, Cached>>,
}

/// A variable's value, and whether reading it alone is reading a secret.
type Cached = (Value, bool);

/// What a whole chain of levels shares while something is rendered.
#[derive(Debug, Default)]
struct State {
    /// Variables being rendered, outermost first.
    visiting: Mutex<Vec<String>>,
    failure: Mutex<Option<Diagnostic>>,
    /// Whether a secret was read since it was last reset.
    secret: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it holds one of these; if it did, what is inside would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scope {
    /// The lowest level: a host's variables, the weakest layer first.
    pub fn new(templates: Arc<dyn Render>, layers: Vec<Layer>, fixed: HashMap<String, Value>) -> Self {
        let cache = Mutex::default();
        Self { object: Arc::new(Level { templates, parent: None, layers, fixed, state: Arc::default(), cache }) }
    }

    /// A level above this one.
    pub fn over(&self, vars: Mapping, fixed: HashMap<String, Value>) -> Self {
        Self {
            object: Arc::new(Level {
                templates: self.object.templates.clone(),
                parent: Some(self.object.clone()),
                layers: if vars.is_empty() { vec![] } else { vec![Arc::new(vars)] },
                fixed,
                state: self.object.state.clone(),
                cache: Mutex::default(),
            }),
        }
    }

    pub(super) fn object(&self) -> Arc<impl Object + 'static> {
        self.object.clone()
    }

    /// Runs it, and tells whether a secret was read meanwhile.
    pub(super) fn watch<T>(&self, run: impl FnOnce() -> T) -> (T, bool) {
        let state = &self.object.state;
        let outer = state.secret.swap(false, Ordering::Relaxed);
        let result = run();
        let inner = state.secret.load(Ordering::Relaxed);
        state.secret.store(outer || inner, Ordering::Relaxed);
        (result, inner)
    }

    pub(super) fn take_failure(&self) -> Option<Diagnostic> {
        lock(&self.object.state.failure).take()
    }

    /// A variable of this level as it was written.
    pub fn written(&self, name: &str) -> Option<&Node> {
        self.object.written(name)
    }

    /// What was written for a variable, if its value does not print like that: its name, or the path of a part of it.
    pub(super) fn lost(&self, path: &str) -> Option<Box<str>> {
        let mut parts = path.split('.');
        let mut level = Some(&self.object);
        let name = parts.next()?;
        let mut node = loop {
            let l = level?;
            if l.fixed.contains_key(name) {
                return None;
            }
            match l.written(name) {
                Some(node) => break node,
                None => level = l.parent.as_ref(),
            }
        };
        for part in parts {
            node = node.get(part)?;
        }
        match &node.value {
            // A variable may be another one, in a level below where it has the same name.
            Yaml::String(text) if !node.rendered => {
                let next = super::written::whole_expression(text)?.trim();
                let below = level.filter(|_| next != path).or_else(|| level?.parent.as_ref())?;
                Scope { object: below.clone() }.lost(next)
            }
            _ => node.lost.clone(),
        }
    }

    /// Every name that has a value.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![];
        let mut level = Some(&self.object);
        while let Some(l) = level {
            names.extend(l.layers.iter().flat_map(|vars| vars.iter()).map(|(name, _)| name.value.clone()));
            names.extend(l.fixed.keys().cloned());
            level = l.parent.as_ref();
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether a name has a value.
    pub fn has(&self, name: &str) -> bool {
        let mut level = Some(&self.object);
        while let Some(l) = level {
            if l.fixed.contains_key(name) || l.written(name).is_some() {
                return true;
            }
            level = l.parent.as_ref();
        }
        false
    }
}

impl Level {
    /// This level's own.
    fn written(&self, name: &str) -> Option<&Node> {
        let layers = self.layers.iter().rev();
        layers.flat_map(|vars| vars.iter()).find(|(key, _)| key.value == name).map(|(_, node)| node)
    }

    fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(value) = self.fixed.get(name) {
            return Some(value.clone());
        }
        if let Some((value, secret)) = lock(&self.cache).get(name) {
            if *secret {
                self.state.secret.store(true, Ordering::Relaxed);
            }
            return Some(value.clone());
        }
        let Some(node) = self.written(name) else {
            return self.parent.as_ref()?.lookup(name);
        };
        // The engine looks the names of a failed expression up again, to tell of them: each level would double the work.
        if lock(&self.state.failure).is_some() {
            return Some(no_value());
        }
        // A variable of the same name one level below is what `x: "{{ x }}"` under `with:` means.
        let visit = format!("{name}@{:p}", Arc::as_ptr(self));
        let (cycle, far) = {
            let mut visiting = lock(&self.state.visiting);
            let cycle = visiting.iter().position(|v| *v == visit).map(|at| {
                let names = visiting[at..].iter().chain([&visit]).map(|v| v.split('@').next().unwrap_or(v));
                names.collect::<Vec<_>>().join(" → ")
            });
            let far = visiting.len() >= FARTHEST;
            if cycle.is_none() && !far {
                visiting.push(visit);
            }
            (cycle, far)
        };
        if let Some(path) = cycle {
            let d = Diagnostic::error("variables that need one another", Some(node.span), path);
            return Some(self.fail(d));
        }
        if far {
            let label = format!("{name} is needed at the end of a chain of {FARTHEST} variables");
            return Some(self.fail(Diagnostic::error("too long a chain of variables", Some(node.span), label)));
        }
        let scope = Scope { object: self.clone() };
        let before = self.state.secret.load(Ordering::Relaxed);
        let rendered = self.templates.rendered(node, &scope);
        lock(&self.state.visiting).pop();
        match rendered {
            Ok(node) => {
                let secret = node.secret;
                // What is secret in it is marked there, so that a user's name is not as secret as their password.
                self.state.secret.store(before || secret, Ordering::Relaxed);
                let value = guarded(Arc::new(node), &self.state);
                lock(&self.cache).insert(name.to_owned(), (value.clone(), secret));
                Some(value)
            }
            Err(diagnostic) => Some(self.fail(diagnostic)),
        }
    }

    /// Keeps why it has no value.
    fn fail(&self, diagnostic: Diagnostic) -> Value {
        let mut failure = lock(&self.state.failure);
        failure.get_or_insert(diagnostic);
        no_value()
    }
}

/// Makes whoever uses it fail.
fn no_value() -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, "a variable it uses has no value"))
}

impl Object for Level {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lookup(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = Scope { object: self.clone() }.names();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

/// A list or mapping with secrets in it, reading one of which is noticed; or with numbers that do not print as they were
/// written, which is remembered.
#[derive(Debug)]
struct Guarded {
    node: Arc<Node>,
    state: Arc<State>,
}

impl Guarded {
    fn read(&self, node: &Node) -> Value {
        if node.secret {
            self.state.secret.store(true, Ordering::Relaxed);
        }
        guarded(Arc::new(node.clone()), &self.state)
    }
}

impl Object for Guarded {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.node.value, Yaml::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let part = match &self.node.value {
            Yaml::List(items) => items.get(key.as_usize()?)?,
            _ => self.node.get(key.as_str()?)?,
        };
        Some(self.read(part))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.node.value {
            Yaml::List(items) => Enumerator::Seq(items.len()),
            Yaml::Map(map) => Enumerator::Values(map.iter().map(|(k, _)| Value::from(k.value.as_str())).collect()),
            _ => Enumerator::Empty,
        }
    }
}

/// A node as the template engine's value. Whoever takes a whole that is secret has noticed that before.
fn guarded(node: Arc<Node>, state: &Arc<State>) -> Value {
    if node.secret || !node.holds_secret() && !node.holds_lost() {
        return to_value(&node);
    }
    Value::from_object(Guarded { node, state: state.clone() })
}

/// What [`guarded`] made the value of, where it did.
pub(super) fn guarded_node(value: &Value) -> Option<&Node> {
    value.downcast_object_ref::<Guarded>().map(|g| &*g.node)
}
