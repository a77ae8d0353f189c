use super::args::{FleetArgs, ReportArgs};
use super::fleet;
use super::output::{self, CliError, Output};
use super::prune::PruneArgs;
use super::saved::SaveArgs;
use crate::engine::outcome::exit_code;
use crate::engine::run::Mode;
use crate::report::progress::Progress;
use crate::report::timings::RunTimings;
use crate::report::{json, text};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    prune: PruneArgs,
    #[command(flatten)]
    save: SaveArgs,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let started = Instant::now();
    let prepared = fleet::load(&args.fleet, output)?.pruning(&args.prune);
    let (run, reached) = match &args.save.out {
        Some(_) => prepared.keeping()?,
        None => (prepared.into_run()?, vec![]),
    };
    let load = started.elapsed();
    let hosts = run.jobs.iter().map(|j| j.host.clone()).collect();
    let mut progress = Progress::new("planning", hosts, output.quiet || args.report.json, output.quiet);
    let reports = run.execute(Mode::Plan, &mut progress);
    progress.finish();
    let reports = reports?;
    let timings = args.report.timings.then(|| RunTimings::of(&reports, load, started.elapsed()));
    let told = if args.report.json {
        let document = json::document("trueup/plan", &reports, timings.as_ref());
        document.map(|d| format!("{d}\n")).map_err(|e| CliError::Other(e.to_string()))?
    } else {
        let timings = timings.map_or(String::new(), |t| t.text(output.style()));
        format!("{}{timings}", text::plan(&reports, &args.report.options(output)))
    };
    let code = output::tell(&told, Ok(exit_code(&reports)))?;
    if let Some(out) = &args.save.out {
        args.save.save(out, &run, reached, reports, output)?;
    }
    Ok(code)
}
