//! What is found out about a project beyond what keeps it from being read.

use crate::catalog::Selection;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::language::diagnostic::{Diagnostics, Severity};
use crate::manifest::evaluate::{HostInput, compile};
use crate::manifest::project::Project;
use minijinja::Value;

/// What else is wrong with a project that could not be read whole: each host's catalog is tried with what there is.
pub fn tell_more(project: &Project, inventory: &Inventory, groups: &Value, found: &mut Diagnostics) {
    let names: Vec<String> = match inventory.hosts() {
        [] => vec!["localhost".into()],
        hosts => hosts.iter().map(|h| h.name.clone()).collect(),
    };
    // What is encrypted there would be missing, which is no mistake.
    for name in names.into_iter().filter(|n| !inventory.is_sealed(n)) {
        let group_names = inventory.group_names(&name);
        let input = HostInput {
            name: &name,
            group_names: &group_names,
            vars: inventory.vars_of(&name).into_iter().map(|l| l.vars).collect(),
            groups,
            plays: project.plays.iter().collect(),
        };
        let Err(more) = compile(project, &input, Facts::sample(), &Selection::default()) else { continue };
        for mut d in more.iter().cloned() {
            d.host = None;
            // What could not be read is missing now, which is no mistake of its own.
            if d.summary != "unknown resource" && d.summary != "unknown module" && d.severity == Severity::Error {
                found.push(d);
            }
        }
    }
}
