use super::args::ProjectArgs;
use super::loaded;
use super::output::{self, CliError, Output};
use crate::catalog::Selection;
use crate::facts::Facts;
use crate::manifest::evaluate::{HostInput, compile};
use crate::report::graph;
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Whose resources; the first host without it.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Graphviz: `trueup graph | dot -Tsvg`.
    Dot,
    Mermaid,
}

/// Draws without speaking to the host: as if it were a plain Debian.
pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let loaded = loaded::load_project(&args.project, output)?;
    let groups = loaded::groups_value(&loaded.inventory);
    let jobs = loaded::jobs(&loaded);
    let wanted = |host: &&crate::engine::run::Job| args.host.as_ref().is_none_or(|h| *h == host.host);
    let Some(job) = jobs.iter().find(wanted) else {
        let host = args.host.as_deref().unwrap_or_default();
        return Err(CliError::Other(format!("no play is for a host {host}")));
    };
    let input = HostInput {
        name: &job.host,
        group_names: &job.group_names,
        vars: job.vars.iter().collect(),
        groups: &groups,
        plays: job.plays.iter().filter_map(|n| loaded.project.plays.get(*n)).collect(),
    };
    let catalog = compile(&loaded.project, &input, Facts::sample(), &Selection::default())
        .map_err(|found| output::told(&found, &loaded.project.templates.sources, output))?;
    output::print(&match args.format {
        Format::Dot => graph::dot(&catalog),
        Format::Mermaid => graph::mermaid(&catalog),
    })?;
    Ok(0)
}
