use super::args::ProjectArgs;
use super::loaded;
use super::output::{self, CliError, Output};
use crate::catalog::Selection;
use crate::facts::Facts;
use crate::language::diagnostic::Diagnostics;
use crate::manifest::evaluate::compile;
use rayon::prelude::*;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
}

/// Compiles every host's catalog as if the host were a plain Debian.
pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let loaded = loaded::load_project(&args.project, output)?;
    let groups = loaded::groups_value(&loaded.inventory);
    let hosts = loaded::manifest_hosts(&loaded);
    let results: Vec<_> = hosts
        .par_iter()
        .map(|host| {
            let input = host.input(&loaded.project, &groups);
            compile(&loaded.project, &input, Facts::sample(), &Selection::default())
        })
        .collect();
    let mut found = Diagnostics::default();
    let mut resources = 0;
    for result in results {
        match result {
            Ok(catalog) => resources += catalog.resources.len(),
            Err(errors) => {
                for mut d in errors.iter().cloned() {
                    // What is wrong for every host is told once.
                    if found.iter().any(|f| f.span == d.span && f.label == d.label && f.summary == d.summary) {
                        continue;
                    }
                    if hosts.len() == 1 {
                        d.host = None;
                    }
                    found.push(d);
                }
            }
        }
    }
    if found.has_errors() {
        return Err(output::told(&found, &loaded.project.templates.sources, output));
    }
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let (plays, hosts) = (loaded.project.plays.len(), hosts.len());
    output::print(&format!(
        "valid: {plays} play{}, {hosts} host{}, {resources} resource{} in all (as if each host were a plain Debian)\n",
        plural(plays),
        plural(hosts),
        plural(resources)
    ))?;
    Ok(0)
}
