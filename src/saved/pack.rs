//! From what a run found out to a saved plan. What is secret goes to the sealed part, or is left out.

use super::contents::{BodyRef, Collected, Content};
use super::document::{
    ChangeDocument, Declaration, HostDocument, Part, ResourceDocument, StepDocument, TypeDocument, Value,
};
use super::plan::{Head, SaveError, SavedPlan};
use super::reach::{Reach, Reached};
use super::seal::{SealKey, Sealed};
use crate::engine::outcome::HostReport;
use crate::facts::Facts;
use crate::manifest::rollout::Rollout;
use crate::model::body::{Body, Digest};
use crate::plan::HostPlan;
use crate::plan::basis::Basis;
use crate::resources::Together;
use crate::resources::batch::Declared;
use crate::resources::types::TYPES;
use crate::shell::steps::PlannedStep;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What is sealed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vault {
    pub values: Vec<serde_json::Value>,
    pub contents: BTreeMap<Digest, Content>,
}

#[derive(Default)]
struct Packer {
    open: Collected,
    sealed: Collected,
    values: Vec<serde_json::Value>,
}

impl SavedPlan {
    /// `reached`: for each report how its host is reached, and its plays.
    ///
    /// # Errors
    /// Where contents cannot be read any more, or nothing can be sealed.
    pub fn new(
        head: Head,
        reports: Vec<HostReport>,
        reached: Vec<Reached>,
        rollout: Vec<Rollout>,
        key: Option<&SealKey>,
    ) -> Result<Self, SaveError> {
        let mut packer = Packer::default();
        let mut hosts = vec![];
        let mut left_out = vec![];
        for (n, (report, (reach, plays))) in reports.iter().zip(reached).enumerate() {
            let (Some(plan), Some(basis)) = (&report.plan, &report.basis) else { continue };
            let before = packer.values.len();
            hosts.push(packer.host(n, reach, plays, plan, basis)?);
            if packer.values.len() > before && key.is_none() {
                let secret = secret_declarations(basis);
                let of = |r: &&crate::catalog::Resource| at(&secret, r.batch, r.index);
                left_out
                    .extend(basis.parts.resources.iter().filter(of).map(|r| format!("{} on {}", r.id, report.host)));
            }
        }
        let vault = Vault { values: packer.values, contents: packer.sealed.contents };
        let sealed = match key.filter(|_| !vault.values.is_empty()) {
            Some(key) => {
                let text = Zeroizing::new(serde_json::to_vec(&vault)?);
                serde_json::from_slice::<Vault>(&text)?;
                Some(Sealed::new(key, &text)?)
            }
            None => None,
        };
        Ok(Self { head, reports, rollout, hosts, contents: packer.open.contents, sealed, left_out })
    }

    /// The resources whose secrets were left out for want of a key.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

fn at(flags: &[Vec<bool>], batch: usize, index: usize) -> bool {
    flags.get(batch).and_then(|list| list.get(index)).copied().unwrap_or(true)
}

/// Which declarations must not be read by anybody, by batch.
fn secret_declarations(basis: &Basis) -> Vec<Vec<bool>> {
    let of = |(kind, list): &(&'static str, Vec<Declared>)| {
        let secrets = TYPES.iter().find(|t| t.name() == *kind).map(|t| t.secrets()).unwrap_or_default();
        list.iter().map(|d| d.holds_secret(&secrets)).collect()
    };
    basis.parts.declared.iter().map(of).collect()
}

impl Packer {
    fn part<T: Serialize>(&mut self, secret: bool, value: T) -> Result<Part<T>, SaveError> {
        if !secret {
            return Ok(Part::Open(value));
        }
        self.values.push(serde_json::to_value(&value)?);
        Ok(Part::Sealed(self.values.len() - 1))
    }

    fn body(&mut self, secret: bool, body: &Body) -> Result<BodyRef, SaveError> {
        Ok(if secret { &mut self.sealed } else { &mut self.open }.put(body)?)
    }

    fn host(
        &mut self,
        report: usize,
        reach: Reach,
        plays: Vec<usize>,
        plan: &HostPlan,
        basis: &Basis,
    ) -> Result<HostDocument, SaveError> {
        let secret = secret_declarations(basis);
        let mut types = vec![];
        for ((kind, list), secret) in basis.parts.declared.iter().zip(&secret) {
            let mut declared = vec![];
            for (d, &secret) in list.iter().zip(secret) {
                let body = d.body.as_ref().map(|b| self.body(secret, b)).transpose()?;
                let declaration = Declaration {
                    title: d.title.clone(),
                    params: Value::from(&d.params),
                    body,
                    sensitive: d.sensitive,
                    become_user: d.become_user.clone(),
                    managed_below: d.managed_below.clone(),
                    departed: d.departed.clone(),
                };
                declared.push(self.part(secret, declaration)?);
            }
            types.push(TypeDocument { name: (*kind).to_owned(), declared });
        }
        let place = |change: usize| {
            let resource = basis.parts.resources.get(plan.changes.get(change)?.resource)?;
            Some((resource.batch, resource.index))
        };
        let mut changes = vec![];
        for (n, change) in plan.changes.iter().enumerate() {
            let secret = change.sensitive || place(n).is_none_or(|(batch, index)| at(&secret, batch, index));
            let state = self.part(secret, basis.states.get(n).cloned().flatten())?;
            changes.push(ChangeDocument { resource: change.resource, verifiable: change.verifiable, state });
        }
        // What is written as one holds the secrets of all.
        let of_secret = |change: usize| {
            place(change).is_none_or(|(batch, index)| {
                let kind = basis.parts.declared.get(batch).map(|(kind, _)| *kind);
                let whole = TYPES.iter().any(|t| Some(t.name()) == kind && t.together() == Together::All);
                at(&secret, batch, index) || whole && secret.get(batch).is_some_and(|list| list.contains(&true))
            })
        };
        let mut steps = vec![];
        for step in &plan.steps {
            let PlannedStep { serves, step: what, undo } = &step.planned;
            let secret = plan.is_sensitive(&step.serves)
                || what.body().is_some_and(|b| b.secret)
                || step.serves.iter().any(|n| of_secret(*n));
            let (serves, undo) = (serves.clone(), undo.clone());
            let what = what.clone().map(|body| self.body(secret, &body))?;
            let step_document = self.part(secret, PlannedStep { serves, step: what, undo })?;
            let (serves, only_if_changed) = (step.serves.clone(), step.only_if_changed.clone());
            steps.push(StepDocument { step: step_document, serves, only_if_changed });
        }
        let resource = |r: &crate::catalog::Resource| ResourceDocument {
            title: r.id.title.clone(),
            name: r.name.clone(),
            place: r.place.clone(),
            at: (r.batch, r.index),
            tags: r.tags.clone(),
            controls: r.controls.clone(),
            selected: r.selected,
            departed: r.departed,
        };
        Ok(HostDocument {
            report,
            reach,
            plays,
            facts: Facts { custom: serde_json::Map::new(), ..basis.facts.clone() },
            resources: basis.parts.resources.iter().map(resource).collect(),
            types,
            edges: basis.parts.edges.clone(),
            changes,
            steps,
        })
    }
}
