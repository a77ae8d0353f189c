use super::output::{self, CliError};
use crate::facts::Facts;
use crate::report::{json, schema};
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum, default_value_t = What::Manifest)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Manifests, for an editor.
    Manifest,
    /// What `plan --json`, `apply --json` and `show RUN --json` print.
    Plan,
    /// What `history --json` prints.
    History,
    /// What `history --from-hosts --json` prints.
    HistoryFromHosts,
    /// What `diff RUN..RUN --json` prints.
    Diff,
    /// What `facts --json` prints of each host.
    Facts,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let schema = match args.what {
        What::Manifest => schema::manifest(),
        What::Plan => schemars::schema_for!(json::Document<'_>).to_value(),
        What::History => schemars::schema_for!(json::HistoryDocument<'_>).to_value(),
        What::HistoryFromHosts => schemars::schema_for!(json::RebuiltDocument<'_>).to_value(),
        What::Diff => schemars::schema_for!(json::ComparisonDocument<'_>).to_value(),
        What::Facts => schemars::schema_for!(Facts).to_value(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(|e| CliError::Other(e.to_string()))?;
    output::print(&format!("{text}\n"))?;
    Ok(0)
}
