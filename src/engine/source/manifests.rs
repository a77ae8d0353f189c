//! trueup's own manifests.

use super::{Compiled, Known, Source};
use crate::catalog::{Selection, Whole};
use crate::language::diagnostic::Diagnostic;
use crate::language::node::Layer;
use crate::manifest::evaluate::{HostInput, compile_with};
use crate::manifest::project::Project;
use crate::manifest::rollout::Rollout;
use crate::model::body::Digest;
use minijinja::Value;
use std::sync::Arc;

/// A host with all that its catalog is made from.
#[derive(Clone, Debug)]
pub struct ManifestHost {
    pub name: String,
    pub group_names: Vec<String>,
    /// Variables, the weakest layer first. A group's are shared by its hosts.
    pub vars: Vec<Layer>,
    /// Numbers of the plays it is in.
    pub plays: Vec<usize>,
}

impl ManifestHost {
    /// As the language takes it.
    pub fn input<'a>(&'a self, project: &'a Project, groups: &'a Value) -> HostInput<'a> {
        HostInput {
            name: &self.name,
            group_names: &self.group_names,
            vars: self.vars.iter().collect(),
            groups,
            plays: self.plays.iter().filter_map(|p| project.plays.get(*p)).collect(),
        }
    }
}

/// A project's plays for the hosts of a run.
pub struct Manifests {
    pub project: Arc<Project>,
    pub hosts: Vec<ManifestHost>,
    pub groups: Value,
    pub selection: Selection,
}

impl Source for Manifests {
    fn compile(&self, host: usize, known: Known<'_>) -> Result<Compiled, Vec<String>> {
        let Some(host) = self.hosts.get(host) else { return Err(vec![]) };
        let input = host.input(&self.project, &self.groups);
        let catalog = compile_with(&self.project, &input, known.facts.clone(), &self.selection, known.removals);
        match catalog {
            Ok(catalog) => Ok(Compiled::Whole(Whole(catalog))),
            Err(found) => {
                // Whose finding it is stands beside it, and the same one of many hosts is told once.
                let without_host = |d: &Diagnostic| Diagnostic { host: None, ..d.clone() };
                let sources = &self.project.templates.sources;
                Err(found.iter().map(|d| without_host(d).render(sources, false)).collect())
            }
        }
    }

    fn digest(&self) -> &Digest {
        &self.project.digest
    }

    fn rollouts(&self) -> Vec<Rollout> {
        self.project.plays.iter().map(|p| p.rollout.clone()).collect()
    }

    fn plays(&self, host: usize) -> Vec<usize> {
        self.hosts.get(host).map(|h| h.plays.clone()).unwrap_or_default()
    }
}
