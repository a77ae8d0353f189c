use super::output::{self, CliError, Output};
use super::record;
use super::show::reports;
use crate::engine::compare::Comparison;
use crate::report::{compare, json};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Two runs: their names, starts of them, or `last`.
    #[arg(value_name = "RUN..RUN")]
    runs: String,
    /// One JSON document; `trueup schema diff` describes it.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let Some((before, after)) = args.runs.split_once("..") else {
        return Err(CliError::Other("two runs are wanted, as in `trueup diff 20261120..last`".into()));
    };
    let history = record::history(output)?;
    let (before, after) = (history.find(before)?, history.find(after)?);
    let comparison = Comparison::of(&reports(&history, &before)?, &reports(&history, &after)?);
    let text = match args.json {
        true => {
            let document = json::comparison(&before, &after, &comparison);
            format!("{}\n", document.map_err(|e| CliError::Other(e.to_string()))?)
        }
        false => compare::text(&before, &after, &comparison, output.style()),
    };
    output::print(&text)?;
    Ok(0)
}
