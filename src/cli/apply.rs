use super::args::{FleetArgs, ReportArgs};
use super::output::{self, CliError, Output};
use super::prune::PruneArgs;
use super::record::{RecordArgs, Recorder};
use super::rollout::RolloutArgs;
use super::saved::{Ready, TrustArgs};
use super::{fleet, loaded, prompt};
use crate::engine::outcome::{HostReport, Totals, exit_code};
use crate::engine::run::{Event, Mode, Operator, Wave};
use crate::manifest::rollout::Rollout;
use crate::report::progress::{Progress, part};
use crate::report::say;
use crate::report::timings::RunTimings;
use crate::report::{json, text};
use crate::store::history::record::Purpose;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    prune: PruneArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Take back what was done to a host where the run fails on it, or leaves it unhealthy. What cannot be taken back
    /// is marked in the plan.
    #[arg(long)]
    rollback_on_failure: bool,
    /// Apply without asking. It is needed where standard input is no terminal.
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let started = Instant::now();
    let asks = prompt::asks(args.yes, "apply")?;
    let given = [("--prune", args.prune.of().is_some()), ("--retry", args.rollout.retries())];
    let (prepared, order, saved) = match args.trust.load(&args.fleet, &given, output)? {
        Some(Ready { prepared, hosts }) => (prepared, args.rollout.of(&hosts.rollout, &hosts.plays)?, Some(hosts)),
        None => {
            let mut loaded = loaded::load_project(&args.fleet.project, output)?;
            args.rollout.retry(&mut loaded, &args.fleet.project, output)?;
            let plays: Vec<Rollout> = loaded.project.plays.iter().map(|p| p.rollout.clone()).collect();
            let hosts: Vec<Vec<usize>> = loaded.hosts.iter().map(|(_, plays)| plays.clone()).collect();
            let order = args.rollout.of(&plays, &hosts)?;
            (fleet::prepare_fleet(loaded, &args.fleet, output)?.pruning(&args.prune), order, None)
        }
    };
    let run = prepared
        .because(args.record.reason.clone())
        .rolling_back(args.rollback_on_failure)
        .in_order(order.0, order.1, args.rollout.host_deadline())
        .into_run()?;
    let load = started.elapsed();
    let mut recorder = Recorder::new(
        &args.record,
        Purpose::Apply,
        &run,
        &args.fleet.project.hosts,
        Some(&args.fleet.project.manifest),
        output,
    )?;
    let options = args.report.options(output);
    if !asks {
        recorder.begin()?;
    }
    let hosts = run.jobs.iter().map(|j| j.host.clone()).collect();
    let mut attended = Attended {
        progress: None,
        hosts,
        hidden: output.quiet || args.report.json,
        quiet: output.quiet,
        options,
        recorder: &mut recorder,
        answer: Answer::NotAsked,
    };
    attended.show_progress(if asks { "planning" } else { "applying" });
    let mode = if asks { Mode::ApplyConfirmed } else { Mode::Apply };
    let reports = run.execute(mode, &mut attended);
    let answer = attended.end();
    let reports = reports?;
    match answer {
        Answer::Unrecorded(error) => return Err(error),
        Answer::No => {
            say!("nothing was changed");
            return Ok(0);
        }
        Answer::Interrupted => {
            say!("nothing was changed");
            return Ok(130);
        }
        Answer::NotAsked | Answer::Yes => {}
    }
    let reports = match saved {
        Some(hosts) => hosts.whole(reports),
        None => reports,
    };
    let timings = args.report.timings.then(|| RunTimings::of(&reports, load, started.elapsed()));
    let told = if args.report.json {
        let document = json::document("trueup/apply", &reports, timings.as_ref());
        document.map(|d| format!("{d}\n")).map_err(|e| CliError::Other(e.to_string()))?
    } else {
        // Without a question nobody has seen what was planned.
        let shown = matches!(answer, Answer::Yes);
        let applied =
            if shown { text::brought_changes(&reports, &options) } else { text::changes_of(&reports, &options) };
        let timings = timings.map_or(String::new(), |t| t.text(output.style()));
        format!("{applied}{}{timings}", text::outcome(&reports, &options))
    };
    output::tell(&told, recorder.end(&reports, exit_code(&reports)))
}

/// What became of the question whether to apply.
enum Answer {
    NotAsked,
    Yes,
    No,
    Interrupted,
    /// The history took no record of it, so it was as good as a no.
    Unrecorded(CliError),
}

/// Shows a run at the terminal, and asks there.
struct Attended<'a> {
    progress: Option<Progress>,
    hosts: Vec<String>,
    hidden: bool,
    quiet: bool,
    options: text::Options,
    recorder: &'a mut Recorder,
    answer: Answer,
}

impl Attended<'_> {
    fn show_progress(&mut self, verb: &'static str) {
        self.progress = Some(Progress::new(verb, self.hosts.clone(), self.hidden, self.quiet));
    }

    fn end(mut self) -> Answer {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        self.answer
    }
}

impl Operator for Attended<'_> {
    fn on(&mut self, event: Event) {
        if let Some(progress) = &mut self.progress {
            progress.on(event);
        }
    }

    fn confirms(&mut self, plans: &[HostReport], interrupted: &dyn Fn() -> bool) -> bool {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        let _ = output::print(&text::plan(plans, &self.options));
        self.answer = match prompt::confirms(&question(plans), interrupted) {
            _ if interrupted() => Answer::Interrupted,
            false => Answer::No,
            true => match self.recorder.begin() {
                Ok(()) => Answer::Yes,
                Err(error) => Answer::Unrecorded(error),
            },
        };
        let yes = matches!(self.answer, Answer::Yes);
        if yes {
            self.show_progress("applying");
        }
        yes
    }

    fn goes_on(&mut self, wave: &Wave, interrupted: &dyn Fn() -> bool) -> bool {
        let Some(progress) = &self.progress else { return false };
        let question = format!("Go on with {} ({})?", part(wave), progress.names(wave));
        progress.aside(|| prompt::confirms(&question, interrupted))
    }
}

fn question(plans: &[HostReport]) -> String {
    let all = || plans.iter().filter_map(|r| r.plan.as_ref()).flat_map(|p| &p.changes);
    let removed = all().filter(|c| c.departed).count();
    let changes = all().count() - removed;
    let hosts = plans.iter().filter(|r| r.plan.as_ref().is_some_and(|p| !p.changes.is_empty())).count();
    let totals = Totals::of(plans);
    if totals.unreachable > 0 {
        say!("{} of {} hosts cannot be reached and stay as they are.", totals.unreachable, totals.hosts);
    }
    let apply = format!("Apply {changes} change{}", plural(changes));
    let remove = format!("remove {removed} resource{} that left the manifest", plural(removed));
    let what = match (changes, removed) {
        (_, 0) => apply,
        (0, _) => format!("R{}", &remove[1..]),
        _ => format!("{apply} and {remove}"),
    };
    format!("{what} on {hosts} host{}?", plural(hosts))
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
