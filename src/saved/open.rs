//! From a saved plan to what a run applies. Nothing in it is taken on trust: it may be damaged, or made to do harm.

use super::contents::{BodyRef, ContentError, Shelf};
use super::document::{HostDocument, Part};
use super::pack::Vault;
use super::plan::SavedPlan;
use super::reach::Reach;
use super::seal::{SealError, SealKey};
use crate::catalog::Resource;
use crate::catalog::parts::Parts;
use crate::language::node::{Node, Yaml};
use crate::model::body::Body;
use crate::model::id::ResourceId;
use crate::model::span::Span;
use crate::plan::basis::{Basis, SavedHost};
use crate::plan::{HostPlan, Step};
use crate::resources::Places;
use crate::resources::batch::Declared;
use crate::resources::types::TYPES;
use crate::shell::steps::PlannedStep;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A host of a saved plan, ready to be applied.
#[derive(Debug)]
pub struct Opened {
    /// Its place among the plan's reports.
    pub report: usize,
    pub reach: Reach,
    pub plays: Vec<usize>,
    pub saved: SavedHost,
}

/// Why a plan cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("its secrets are sealed with the key `{0}`: name it with --seal-key")]
    NeedsKey(String),
    #[error("its secrets were left out, for no key was given when it was made: {0}; plan again with --seal-key")]
    LeftOut(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("it is damaged: {0}")]
    Damaged(String),
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged(what.to_owned())
}

struct Opener {
    open: Shelf,
    sealed: Shelf,
    values: Vec<serde_json::Value>,
}

impl SavedPlan {
    /// The hosts that have changes, all contents at hand.
    ///
    /// # Errors
    /// Where secrets are not at hand, contents are others than planned with, or it does not fit together.
    pub fn open(&self, key: Option<&SealKey>) -> Result<Vec<Opened>, OpenError> {
        if let Some((first, more)) = self.left_out.split_first() {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            return Err(OpenError::LeftOut(format!("{first}{more}")));
        }
        let vault = match (&self.sealed, key) {
            (None, _) => Vault::default(),
            (Some(sealed), None) => return Err(OpenError::NeedsKey(sealed.key.clone())),
            (Some(sealed), Some(key)) => {
                serde_json::from_slice(&sealed.open(key)?).map_err(|e| OpenError::Damaged(e.to_string()))?
            }
        };
        let mut opener = Opener {
            open: Shelf::new(self.contents.clone()),
            sealed: Shelf::new(vault.contents),
            values: vault.values,
        };
        let mut opened = vec![];
        for host in &self.hosts {
            let report = self.reports.get(host.report).ok_or_else(|| damaged("a host has no report"))?;
            let plan = report.plan.as_ref().ok_or_else(|| damaged("a host has no plan"))?;
            if !plan.changes.is_empty() {
                opened.push(opener.host(host, &report.host, plan)?);
            }
        }
        Ok(opened)
    }
}

impl Opener {
    /// The value, and whether it was sealed.
    fn value<T: Clone + DeserializeOwned>(&self, part: &Part<T>) -> Result<(T, bool), OpenError> {
        match part {
            Part::Open(value) => Ok((value.clone(), false)),
            Part::Sealed(n) => {
                let value = self.values.get(*n).ok_or_else(|| damaged("a secret is missing"))?;
                let value = T::deserialize(value).map_err(|_| damaged("a secret is not what it should be"))?;
                Ok((value, true))
            }
        }
    }

    fn body(&mut self, sealed: bool, body: &BodyRef) -> Result<Body, OpenError> {
        Ok(if sealed { &mut self.sealed } else { &mut self.open }.get(body)?)
    }

    fn host(&mut self, host: &HostDocument, name: &str, plan: &HostPlan) -> Result<Opened, OpenError> {
        let parts = self.parts(host, name)?;
        let plan = self.plan(host, name, plan, &parts)?;
        let states = host.changes.iter().map(|c| Ok(self.value(&c.state)?.0)).collect::<Result<_, OpenError>>()?;
        let basis = Basis { parts, facts: host.facts.clone(), states };
        Ok(Opened {
            report: host.report,
            reach: host.reach.clone(),
            plays: host.plays.clone(),
            saved: SavedHost { plan, basis },
        })
    }

    fn parts(&mut self, host: &HostDocument, name: &str) -> Result<Parts, OpenError> {
        let mut declared = vec![];
        for ty in &host.types {
            let kind = TYPES.iter().map(|t| t.name()).find(|t| *t == ty.name);
            let kind = kind.ok_or_else(|| OpenError::Damaged(format!("there is no type {}", ty.name)))?;
            let mut list = vec![];
            for part in &ty.declared {
                let (d, sealed) = self.value(part)?;
                let params = Node::from(d.params);
                if !matches!(params.value, Yaml::Map(_)) {
                    return Err(damaged("parameters are no mapping"));
                }
                let body = d.body.as_ref().map(|b| self.body(sealed, b)).transpose()?;
                list.push(Declared {
                    title: d.title,
                    params,
                    body,
                    sensitive: d.sensitive,
                    become_user: d.become_user,
                    places: Places { title: Span::default(), params: vec![] },
                    managed_below: d.managed_below,
                    departed: d.departed,
                });
            }
            declared.push((kind, list));
        }
        let mut resources = vec![];
        for r in &host.resources {
            let (batch, index) = r.at;
            let (kind, list) = declared.get(batch).ok_or_else(|| damaged("a resource has no type"))?;
            if list.get(index).is_none_or(|d: &Declared| d.title != r.title) {
                return Err(damaged("a resource is not declared"));
            }
            resources.push(Resource {
                id: ResourceId::new(kind, r.title.clone()),
                key: String::new(),
                name: r.name.clone(),
                place: r.place.clone(),
                batch,
                index,
                tags: r.tags.clone(),
                controls: r.controls.clone(),
                selected: r.selected,
                departed: r.departed,
            });
        }
        if host.edges.iter().any(|(a, b, _)| *a.max(b) >= resources.len()) {
            return Err(damaged("an edge leads to no resource"));
        }
        Ok(Parts { host: name.to_owned(), resources, declared, edges: host.edges.clone() })
    }

    fn plan(&mut self, host: &HostDocument, name: &str, plan: &HostPlan, parts: &Parts) -> Result<HostPlan, OpenError> {
        let mut plan = plan.clone();
        let count = plan.changes.len();
        if count != host.changes.len() || plan.host != name {
            return Err(damaged("a plan and what it was made from are not of one piece"));
        }
        let ids: BTreeMap<String, usize> =
            parts.resources.iter().enumerate().map(|(n, r)| (r.id.to_string(), n)).collect();
        for (n, (change, made)) in plan.changes.iter_mut().zip(&host.changes).enumerate() {
            // What was shown is what is done: the id that a person read leads to the resource that is changed.
            if ids.get(&change.id.to_string()) != Some(&made.resource) {
                return Err(damaged("a change is of another resource than it says"));
            }
            if change.needs.iter().chain(&change.refreshed_by).any(|before| *before >= n) {
                return Err(damaged("a change waits for one that comes after it"));
            }
            (change.resource, change.verifiable) = (made.resource, made.verifiable);
            if let Some(resource) = parts.resources.get(made.resource) {
                change.id = resource.id.clone();
            }
        }
        plan.steps = vec![];
        for step in &host.steps {
            if step.serves.iter().chain(&step.only_if_changed).any(|n| *n >= count) {
                return Err(damaged("a step serves no change"));
            }
            let (PlannedStep { serves, step: what, undo }, sealed) = self.value(&step.step)?;
            let what = what.map(|body| self.body(sealed, &body))?;
            plan.steps.push(Step {
                planned: PlannedStep { serves, step: what, undo },
                serves: step.serves.clone(),
                only_if_changed: step.only_if_changed.clone(),
            });
        }
        Ok(plan)
    }
}
