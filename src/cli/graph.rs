use super::args::ProjectArgs;
use super::loaded;
use super::output::{self, CliError, Output};
use crate::catalog::Selection;
use crate::facts::Facts;
use crate::manifest::evaluate::compile;
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
    let hosts = loaded::manifest_hosts(&loaded);
    let Some(host) = hosts.iter().find(|host| args.host.as_ref().is_none_or(|h| *h == host.name)) else {
        let host = args.host.as_deref().unwrap_or_default();
        return Err(CliError::Other(format!("no play is for a host {host}")));
    };
    let input = host.input(&loaded.project, &groups);
    let catalog = compile(&loaded.project, &input, Facts::sample(), &Selection::default())
        .map_err(|found| output::told(&found, &loaded.project.templates.sources, output))?;
    output::print(&match args.format {
        Format::Dot => graph::dot(&catalog),
        Format::Mermaid => graph::mermaid(&catalog),
    })?;
    Ok(0)
}
