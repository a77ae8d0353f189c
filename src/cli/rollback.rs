use super::fleet::{self, ConnectionArgs, HostArgs, ReportArgs};
use super::record::{RecordArgs, Recorder};
use super::{CliError, Output};
use crate::engine::outcome::{HostReport, exit_code};
use crate::engine::run::rollback::Rollback;
use crate::report::progress::Progress;
use crate::report::{json, text};
use crate::shell::history::Which;
use crate::store::history::record::Purpose;
use std::io::IsTerminal as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: its name, the start of it, or `last`.
    run: String,
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Show what would be taken back, and change nothing.
    #[arg(long)]
    plan: bool,
    /// Take back also what something else has touched since.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    record: RecordArgs,
    /// Do it without asking. Where standard input is no terminal, nobody is asked either.
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let which = Which::parse(&args.run).ok_or_else(|| {
        CliError::Other(format!("`{}` names no run; a name is like 20261123T071500Z-3f2a, or `last`", args.run))
    })?;
    let reason = args.record.reason.clone();
    let run = fleet::without_manifest("all", &args.hosts, &args.connection, reason, output)?;
    let mut recorder = match args.plan {
        true => None,
        false => Some(Recorder::new(&args.record, Purpose::Rollback, &run, &args.hosts, None, output)?),
    };
    let mut unrecorded = None;
    let hosts: Vec<String> = run.jobs.iter().map(|j| j.host.clone()).collect();
    let options = args.report.options(output);
    let hidden = output.quiet || args.report.json;
    let progress = std::cell::RefCell::new(Some(Progress::new("asking", hosts.clone(), hidden)));
    let asks = !args.yes && std::io::stdin().is_terminal();
    let (mut shown, mut declined) = (false, false);
    let mut decide = |name: &str, reports: &[HostReport]| {
        if let Some(p) = progress.borrow_mut().take() {
            p.finish();
        }
        let Some(recorder) = &mut recorder else { return false };
        if asks {
            shown = true;
            let _ = super::print(&text::plan(reports, &options));
            declined = !super::apply::agrees(&format!("Take back run {name} as shown?"));
            if declined {
                return false;
            }
        }
        recorder.undoes(name, reports);
        if let Err(error) = recorder.begin() {
            unrecorded = Some(error);
            return false;
        }
        *progress.borrow_mut() = Some(Progress::new("taking back", hosts.clone(), hidden));
        true
    };
    let mut on_event = |event| {
        if let Some(p) = progress.borrow_mut().as_mut() {
            p.on(&event);
        }
    };
    let rolled = run.rollback(&Rollback { which, force: args.force }, &mut decide, &mut on_event);
    if let Some(p) = progress.borrow_mut().take() {
        p.finish();
    }
    let rolled = rolled.map_err(|e| CliError::Other(e.to_string()))?;
    if let Some(error) = unrecorded {
        return Err(error);
    }
    if declined {
        eprintln!("nothing was changed");
        return Ok(0);
    }
    let reports = &rolled.reports;
    if args.report.json {
        let document = json::document("trueup/rollback", reports, None).map_err(|e| CliError::Other(e.to_string()))?;
        super::print(&format!("{document}\n"))?;
        return end(recorder, &rolled.run, reports);
    }
    let name = &rolled.run;
    let text = if args.plan {
        format!("run {name}, taken back:\n\n{}", text::plan(reports, &options))
    } else {
        let changes = if shown { String::new() } else { text::changes_of(reports, &options) };
        format!("run {name}, taken back by {}:\n\n{changes}{}", run.apply.run, text::outcome(reports, &options))
    };
    super::print(&text)?;
    if !rolled.without.is_empty() {
        eprintln!("not in that run: {}", rolled.without.join(", "));
    }
    end(recorder, &rolled.run, reports)
}

fn end(recorder: Option<Recorder>, undone: &str, reports: &[HostReport]) -> Result<u8, CliError> {
    let code = exit_code(reports);
    let Some(mut recorder) = recorder else { return Ok(code) };
    recorder.undoes(undone, reports);
    recorder.end(reports, code)
}
