use super::args::{ConnectionArgs, HostArgs, ReportArgs};
use super::output::{self, CliError, Output};
use super::record::{RecordArgs, Recorder};
use super::{fleet, prompt};
use crate::engine::outcome::{HostReport, exit_code};
use crate::engine::run::rollback::{Rollback, RollbackError};
use crate::engine::run::{Event, Operator};
use crate::model::id::visible;
use crate::report::progress::Progress;
use crate::report::say;
use crate::report::{json, text};
use crate::shell::history::Which;
use crate::store::history::record::Purpose;

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
    /// Do it without asking. It is needed where standard input is no terminal.
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let which = Which::parse(&args.run).ok_or_else(|| {
        CliError::Other(format!("`{}` names no run; a name is like 20261123T071500Z-3f2a, or `last`", args.run))
    })?;
    let reason = args.record.reason.clone();
    let asks = !args.plan && prompt::asks(args.yes, "rollback")?;
    let run = fleet::without_manifest("all", &args.hosts, &args.connection, reason, output)?;
    let mut recorder = match args.plan {
        true => None,
        false => Some(Recorder::new(&args.record, Purpose::Rollback, &run, &args.hosts, None, output)?),
    };
    let options = args.report.options(output);
    let mut attended = Attended {
        progress: None,
        hosts: run.jobs.iter().map(|j| j.host.clone()).collect(),
        hidden: output.quiet || args.report.json,
        quiet: output.quiet,
        options,
        recorder: recorder.as_mut(),
        asks,
        shown: false,
        ends: None,
    };
    attended.show_progress("asking");
    let rolled = run.rollback(&Rollback { which, force: args.force }, &mut attended);
    let Attended { progress, shown, ends, .. } = attended;
    if let Some(progress) = progress {
        progress.finish();
    }
    let rolled = rolled.map_err(|e| match e {
        RollbackError::Run(e) => CliError::Run(e),
        e => CliError::Other(e.to_string()),
    })?;
    if let Some(end) = ends {
        return end;
    }
    let reports = &rolled.reports;
    let name = &rolled.run;
    let told = if args.report.json {
        let document = json::document("trueup/rollback", reports, None);
        document.map(|d| format!("{d}\n")).map_err(|e| CliError::Other(e.to_string()))?
    } else if args.plan {
        format!("run {name}, taken back:\n\n{}", text::plan(reports, &options))
    } else {
        let changes = if shown { String::new() } else { text::changes_of(reports, &options) };
        format!("run {name}, taken back by {}:\n\n{changes}{}", run.apply.run, text::outcome(reports, &options))
    };
    let code = output::tell(&told, end(recorder, name, reports))?;
    if !args.report.json && !rolled.without.is_empty() {
        say!("not in that run: {}", rolled.without.join(", "));
    }
    if !args.report.json && !rolled.future.is_empty() {
        let names = rolled.future.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ");
        say!("passed over, because the name is of the future (is a clock wrong?): {names}");
    }
    Ok(code)
}

fn end(recorder: Option<Recorder>, undone: &str, reports: &[HostReport]) -> Result<u8, CliError> {
    let code = exit_code(reports);
    let Some(mut recorder) = recorder else { return Ok(code) };
    recorder.undoes(undone, reports);
    recorder.end(reports, code)
}

/// Shows it at the terminal, and asks there.
struct Attended<'a> {
    progress: Option<Progress>,
    hosts: Vec<String>,
    hidden: bool,
    quiet: bool,
    options: text::Options,
    /// None where nothing is to be taken back, but shown.
    recorder: Option<&'a mut Recorder>,
    asks: bool,
    /// Whether what is to be done was shown before.
    shown: bool,
    /// What it ends with, where nothing is taken back.
    ends: Option<Result<u8, CliError>>,
}

impl Attended<'_> {
    fn show_progress(&mut self, verb: &'static str) {
        self.progress = Some(Progress::new(verb, self.hosts.clone(), self.hidden, self.quiet));
    }
}

impl Operator for Attended<'_> {
    fn on(&mut self, event: Event) {
        if let Some(progress) = &mut self.progress {
            progress.on(event);
        }
    }

    fn takes_back(&mut self, run: &str, plans: &[HostReport], interrupted: &dyn Fn() -> bool) -> bool {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        let Some(recorder) = &mut self.recorder else { return false };
        if self.asks {
            self.shown = true;
            let _ = output::print(&text::plan(plans, &self.options));
            if !prompt::confirms(&format!("Take back run {run} as shown?"), interrupted) {
                say!("nothing was changed");
                self.ends = Some(Ok(if interrupted() { 130 } else { 0 }));
                return false;
            }
        }
        recorder.undoes(run, plans);
        if let Err(error) = recorder.begin() {
            self.ends = Some(Err(error));
            return false;
        }
        self.show_progress("taking back");
        true
    }
}
