use super::fleet::{self, FleetArgs, ReportArgs};
use super::record::{RecordArgs, Recorder};
use super::{CliError, Output};
use crate::engine::outcome::{HostReport, Totals, exit_code};
use crate::engine::run::Mode;
use crate::report::progress::Progress;
use crate::report::timings::RunTimings;
use crate::report::{json, text};
use crate::store::history::record::Purpose;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    record: RecordArgs,
    /// Apply without asking. Where standard input is no terminal, nobody is asked either.
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let started = Instant::now();
    let run = fleet::load(&args.fleet, output)?.because(args.record.reason.clone()).into_run()?;
    let load = started.elapsed();
    let mut recorder = Recorder::new(
        &args.record,
        Purpose::Apply,
        &run,
        &args.fleet.project.hosts,
        Some(&args.fleet.project.manifest),
        output,
    )?;
    let hosts: Vec<String> = run.jobs.iter().map(|j| j.host.clone()).collect();
    let asks = !args.yes && std::io::stdin().is_terminal();
    let options = args.report.options(output);
    let hidden = output.quiet || args.report.json;
    let mut progress = Some(Progress::new(if asks { "planning" } else { "applying" }, hosts.clone(), hidden));
    let progress = std::cell::RefCell::new(&mut progress);
    if !asks {
        recorder.begin()?;
    }
    let mut declined = false;
    let mut unrecorded = None;
    let mut shown = false;
    let mut confirm = |reports: &[HostReport]| {
        if let Some(p) = progress.borrow_mut().take() {
            p.finish();
        }
        shown = true;
        let _ = super::print(&text::plan(reports, &options));
        declined = !ask(reports);
        if !declined && let Err(error) = recorder.begin() {
            unrecorded = Some(error);
            return false;
        }
        if !declined {
            **progress.borrow_mut() = Some(Progress::new("applying", hosts.clone(), hidden));
        }
        !declined
    };
    let mode = if asks { Mode::ApplyConfirmed } else { Mode::Apply };
    let mut on_event = |event| {
        if let Some(p) = progress.borrow_mut().as_mut() {
            p.on(&event);
        }
    };
    let reports = run.execute(mode, &mut confirm, &mut on_event);
    if let Some(p) = progress.borrow_mut().take() {
        p.finish();
    }
    let reports = reports?;
    if let Some(error) = unrecorded {
        return Err(error);
    }
    if declined {
        eprintln!("nothing was changed");
        return Ok(0);
    }
    let timings = args.report.timings.then(|| RunTimings::of(&reports, load, started.elapsed()));
    if args.report.json {
        let document =
            json::document("trueup/apply", &reports, timings.as_ref()).map_err(|e| CliError::Other(e.to_string()))?;
        super::print(&format!("{document}\n"))?;
    } else {
        // Without a question nobody has seen what was planned.
        let applied = if shown { String::new() } else { text::changes_of(&reports, &options) };
        let timings = timings.map_or(String::new(), |t| t.text(output.style()));
        super::print(&format!("{applied}{}{timings}", text::outcome(&reports, &options)))?;
    }
    let code = exit_code(&reports);
    recorder.end(&reports, code)
}

fn ask(reports: &[HostReport]) -> bool {
    let changes: usize = reports.iter().filter_map(|r| r.plan.as_ref()).map(|p| p.changes.len()).sum();
    let hosts = reports.iter().filter(|r| r.plan.as_ref().is_some_and(|p| !p.changes.is_empty())).count();
    let totals = Totals::of(reports);
    if totals.unreachable > 0 {
        eprintln!("{} of {} hosts cannot be reached and stay as they are.", totals.unreachable, totals.hosts);
    }
    agrees(&format!("Apply {changes} change{} on {hosts} host{}?", plural(changes), plural(hosts)))
}

/// Asks on the terminal; only a plain yes is a yes.
pub fn agrees(question: &str) -> bool {
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES")
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
