use super::output::{self, CliError, Output};
use super::{record, saved};
use crate::engine::outcome::HostReport;
use crate::report::say;
use crate::report::{history, json, text};
use crate::saved::{Head, file};
use crate::store::history::History;
use crate::store::history::record::Run;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run: its name, a start of it that no other has, or `last`. Or the file of a saved plan.
    #[arg(value_name = "RUN|FILE")]
    what: String,
    /// One JSON document; `trueup schema plan` describes it.
    #[arg(long)]
    json: bool,
    /// Without the lines that change in files.
    #[arg(long)]
    no_diff: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let options = text::Options { style: output.style(), diff: !args.no_diff, quiet: output.quiet };
    if file::is_plan(Path::new(&args.what)) {
        return plan(args, &options);
    }
    let history = record::history(output)?;
    let run = history.find(&args.what)?;
    let reports = reports(&history, &run)?;
    if args.json {
        let document = json::run(&run, &reports).map_err(|e| CliError::Other(e.to_string()))?;
        output::print(&format!("{document}\n"))?;
        return Ok(0);
    }
    let mut shown = history::head(&run, output.style());
    if run.ended.is_some() {
        let (changes, outcome) = (text::changes_of(&reports, &options), text::outcome(&reports, &options));
        shown.push_str(&format!("\n{changes}{outcome}"));
    }
    output::print(&shown)?;
    Ok(0)
}

/// What `plan` printed, and where it comes from.
fn plan(args: &Args, options: &text::Options) -> Result<u8, CliError> {
    let (_, plan) = saved::read(Path::new(&args.what))?;
    if args.json {
        let document =
            json::document("trueup/plan", &plan.reports, None).map_err(|e| CliError::Other(e.to_string()))?;
        output::print(&format!("{document}\n"))?;
    } else {
        output::print(&text::plan(&plan.reports, options))?;
    }
    if !options.quiet {
        let Head { version, at, by, manifest, sources, .. } = &plan.head;
        say!("planned {at} by {by} with trueup {version} from {manifest} (sha256 {})", sources.as_str());
    }
    Ok(0)
}

/// What a run's hosts reported.
pub fn reports(history: &History, run: &Run) -> Result<Vec<HostReport>, CliError> {
    let name = &run.began.run;
    let parse = |text: &String| {
        serde_json::from_str(text).map_err(|e| {
            CliError::Other(format!("what the hosts of {name} reported cannot be read by this version: {e}"))
        })
    };
    history.reports(name)?.iter().map(parse).collect()
}
