//! Manifests: lists of plays, each binding a host pattern to resources. Values are as written, not yet rendered.

use super::rollout::{self, Rollout};
use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Layer, Mapping, Node, Yaml};
use crate::model::span::{Span, Spanned};

/// What binds a host pattern to resources.
#[derive(Clone, Debug)]
pub struct Play {
    pub span: Span,
    pub name: Option<String>,
    pub hosts: Spanned<String>,
    pub become_: Option<bool>,
    pub become_user: Option<String>,
    pub vars: Layer,
    pub tags: Vec<String>,
    pub rollout: Rollout,
    pub resources: Vec<Declaration>,
}

/// A resource, or a call of a module, as written.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The resource type's name, or `module`.
    pub kind: Spanned<String>,
    pub title: Node,
    /// The type's own parameters; a module's `with`.
    pub params: Mapping,
    pub common: Common,
    /// The module it stands in.
    pub module: Option<String>,
}

/// What every resource takes.
#[derive(Clone, Debug, Default)]
pub struct Common {
    pub name: Option<Node>,
    pub when: Option<Node>,
    pub for_each: Option<Node>,
    pub require: Vec<Node>,
    pub before: Vec<Node>,
    pub notify: Vec<Node>,
    pub subscribe: Vec<Node>,
    pub tags: Vec<String>,
    pub controls: Vec<String>,
    pub become_user: Option<Node>,
    pub sensitive: Option<Node>,
}

pub const COMMON: &[&str] = &[
    "require",
    "before",
    "notify",
    "subscribe",
    "when",
    "for_each",
    "name",
    "tags",
    "controls",
    "become_user",
    "sensitive",
];
const PLAY: &[&str] = &["hosts", "name", "become", "become_user", "vars", "tags", "resources", "include"];

/// One entry of a manifest's list.
#[derive(Clone, Debug)]
pub enum Entry {
    Play(Box<Play>),
    /// Another manifest's plays, in this place.
    Include(Spanned<String>),
}

/// Reads a manifest's document. `types` are the names of the resource types there are.
pub fn read(document: &Node, types: &[&str], found: &mut Diagnostics) -> Vec<Entry> {
    let Some(plays) = document.as_list() else {
        found.push(
            Diagnostic::error("no list of plays", Some(document.span), format!("this is {}", document.value.kind()))
                .help("a manifest is a list: begin with `- hosts: …`"),
        );
        return vec![];
    };
    plays.iter().filter_map(|node| entry(node, types, found)).collect()
}

fn entry(node: &Node, types: &[&str], found: &mut Diagnostics) -> Option<Entry> {
    let Some(map) = node.as_map() else {
        found.push(Diagnostic::error(
            "no play",
            Some(node.span),
            format!("a play is a mapping, this is {}", node.value.kind()),
        ));
        return None;
    };
    for (key, _) in map {
        let keys = || PLAY.iter().chain(rollout::KEYS).copied();
        if !keys().any(|k| k == key.value) {
            let mut d =
                Diagnostic::error("unknown key of a play", Some(key.span), format!("a play has no `{}`", key.value));
            d = match (key.value.as_str(), did_you_mean(&key.value, keys())) {
                ("tasks" | "roles" | "handlers", _) => {
                    d.help("what Ansible has under tasks, roles and handlers stands under `resources`")
                }
                ("max_fail_percentage", _) => d.help("write `max_fail: 25%`"),
                (_, Some(near)) => d.help(format!("did you mean `{near}`?")),
                (name, None) if types.contains(&name) => d.help("a resource stands in a play's list of `resources`"),
                _ => d.help(format!("it can be: {}", keys().collect::<Vec<_>>().join(", "))),
            };
            found.push(d);
        }
    }
    if let Some(path) = node.get("include") {
        return Some(Entry::Include(text(path, found)?));
    }
    let hosts = match node.get("hosts") {
        Some(Node { value: Yaml::List(parts), span, .. }) => {
            let parts: Option<Vec<_>> = parts.iter().map(|p| text(p, found).map(|s| s.value)).collect();
            Spanned { value: parts?.join(","), span: *span }
        }
        Some(hosts) => text(hosts, found)?,
        None => {
            found.push(
                Diagnostic::error("missing key", Some(first(node)), "this play has no `hosts`")
                    .help("name the hosts it is for: `hosts: all`, a group, or a pattern"),
            );
            return None;
        }
    };
    let flag = |key: &str, found: &mut Diagnostics| match node.get(key) {
        None => None,
        Some(Node { value: Yaml::Bool(b), .. }) => Some(*b),
        Some(other) => {
            found.push(Diagnostic::error("wrong value", Some(other.span), format!("`{key}` is true or false")));
            None
        }
    };
    let become_ = flag("become", found);
    let vars = match node.get("vars").map(|n| (n, &n.value)) {
        None | Some((_, Yaml::Null)) => vec![],
        Some((_, Yaml::Map(map))) => map.clone(),
        Some((other, _)) => {
            found.push(Diagnostic::error(
                "wrong value",
                Some(other.span),
                format!("`vars` is a mapping, this is {}", other.value.kind()),
            ));
            vec![]
        }
    };
    Some(Entry::Play(Box::new(Play {
        span: first(node),
        name: node.get("name").and_then(|n| text(n, found)).map(|s| s.value),
        hosts,
        become_,
        become_user: node.get("become_user").and_then(|n| text(n, found)).map(|s| s.value),
        vars: vars.into(),
        tags: node.get("tags").map(|n| words(n, found)).unwrap_or_default(),
        rollout: Rollout::read(node, found),
        resources: node.get("resources").map(|n| resources(n, types, None, found)).unwrap_or_default(),
    })))
}

/// Reads a list of resources, of a play or of a module.
pub fn resources(node: &Node, types: &[&str], module: Option<&str>, found: &mut Diagnostics) -> Vec<Declaration> {
    match &node.value {
        Yaml::Null => vec![],
        Yaml::List(items) => items.iter().filter_map(|n| declaration(n, types, module, found)).collect(),
        other => {
            found.push(
                Diagnostic::error(
                    "wrong value",
                    Some(node.span),
                    format!("`resources` is a list, this is {}", other.kind()),
                )
                .help("begin each resource with `- `"),
            );
            vec![]
        }
    }
}

fn declaration(node: &Node, types: &[&str], module: Option<&str>, found: &mut Diagnostics) -> Option<Declaration> {
    let Some(map) = node.as_map() else {
        found.push(
            Diagnostic::error(
                "no resource",
                Some(node.span),
                format!("a resource is a mapping, this is {}", node.value.kind()),
            )
            .help("write `- TYPE: TITLE`, such as `- package: nginx`"),
        );
        return None;
    };
    let Some((kind, title)) = map.iter().find(|(k, _)| !COMMON.contains(&k.value.as_str())) else {
        found.push(
            Diagnostic::error("no resource", Some(first(node)), "no resource type is named here")
                .help("write `- TYPE: TITLE`, such as `- package: nginx`"),
        );
        return None;
    };
    if kind.value != "module" && !types.contains(&kind.value.as_str()) {
        let mut d = Diagnostic::error("unknown resource type", Some(kind.span), format!("no type `{}`", kind.value));
        let later =
            map.iter().find(|(k, _)| types.contains(&k.value.as_str()) && k.value != "user" && k.value != "group");
        d = match (did_you_mean(&kind.value, types.iter().copied().chain(["module"])), later) {
            (Some(near), _) => d.help(format!("did you mean `{near}`?")),
            (None, Some((other, _))) => d.help(format!("the type comes first: begin with `- {}: …`", other.value)),
            _ => d.help(format!("there are: {}, module", types.join(", "))),
        };
        found.push(d);
        return None;
    }
    let list = |key: &str| match node.get(key) {
        None => vec![],
        Some(Node { value: Yaml::List(items), .. }) => items.clone(),
        Some(one) => vec![one.clone()],
    };
    let common = Common {
        name: node.get("name").cloned(),
        when: node.get("when").cloned(),
        for_each: node.get("for_each").cloned(),
        require: list("require"),
        before: list("before"),
        notify: list("notify"),
        subscribe: list("subscribe"),
        tags: node.get("tags").map(|n| words(n, found)).unwrap_or_default(),
        controls: node.get("controls").map(|n| words(n, found)).unwrap_or_default(),
        become_user: node.get("become_user").cloned(),
        sensitive: node.get("sensitive").cloned(),
    };
    let mut params: Mapping =
        map.iter().filter(|(k, _)| k.value != kind.value && !COMMON.contains(&k.value.as_str())).cloned().collect();
    if kind.value == "module" {
        params = with(params, found);
    }
    Some(Declaration { kind: kind.clone(), title: title.clone(), params, common, module: module.map(str::to_owned) })
}

/// A module call's parameters: what stands under `with`, and nothing else.
fn with(params: Mapping, found: &mut Diagnostics) -> Mapping {
    let mut given = vec![];
    for (key, value) in params {
        match (key.value.as_str(), value.value) {
            ("with", Yaml::Map(map)) => given = map,
            ("with", Yaml::Null) => {}
            ("with", other) => {
                let label = format!("`with` is a mapping of the module's parameters, this is {}", other.kind());
                found.push(Diagnostic::error("wrong value", Some(value.span), label));
            }
            (name, _) => found.push(
                Diagnostic::error("unknown parameter", Some(key.span), format!("a module call has no `{name}`"))
                    .help("a module's parameters stand under `with:`"),
            ),
        }
    }
    given
}

/// A string, or a finding.
fn text(node: &Node, found: &mut Diagnostics) -> Option<Spanned<String>> {
    match &node.value {
        Yaml::String(s) => Some(Spanned { value: s.clone(), span: node.span }),
        other => {
            found.push(Diagnostic::error(
                "wrong value",
                Some(node.span),
                format!("a string is wanted here, this is {}", other.kind()),
            ));
            None
        }
    }
}

/// A word or a list of words.
fn words(node: &Node, found: &mut Diagnostics) -> Vec<String> {
    match &node.value {
        Yaml::List(items) => items.iter().filter_map(|n| text(n, found)).map(|s| s.value).collect(),
        Yaml::String(s) => s.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect(),
        _ => text(node, found).map(|s| vec![s.value]).unwrap_or_default(),
    }
}

/// The place of a mapping's first key: its whole text would be too much to point at.
fn first(node: &Node) -> Span {
    node.as_map().and_then(|m| m.first()).map_or(node.span, |(k, _)| k.span)
}
