//! Carries a run out: connects, gathers, probes and applies, many hosts at once.
//!
//! The one asynchronous place beside the transports. What costs CPU (compiling, judging) runs on rayon's threads.

mod apply;
mod confirm;
mod judge;
pub mod kept;
pub mod rollback;

use super::outcome::{HostReport, HostStatus};
use super::schedule::{self, Command, RunState};
use crate::catalog::Catalog;
use crate::catalog::compile::Selection;
use crate::facts::Facts;
use crate::language::node::Mapping;
use crate::language::project::Project;
use crate::plan::HostPlan;
use crate::shell::frame::{Limits, Nonce};
use crate::shell::state::RunName;
use crate::store::facts::RememberedFacts;
use crate::transport::{BoxFuture, Connection, TransportError};
use minijinja::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Makes connections. The real one speaks SSH; tests have their own.
pub trait Connect: Send + Sync {
    /// A connection to the host with this number in the run.
    fn connect(&self, host: usize) -> BoxFuture<'_, Result<Box<dyn Connection>, TransportError>>;
}

/// One host of a run, with all that its catalog is made from.
#[derive(Clone, Debug)]
pub struct Job {
    pub host: String,
    pub group_names: Vec<String>,
    /// Variables, the weakest layer first.
    pub vars: Vec<Mapping>,
    /// How it is reached, for what is remembered of it: the same name may be another machine elsewhere.
    pub reached: String,
    /// Numbers of the plays it is in.
    pub plays: Vec<usize>,
    /// Whether there is a network between: only then can the operator be cut off.
    pub remote: bool,
}

/// What a run works from.
pub struct Run {
    pub project: Arc<Project>,
    pub jobs: Vec<Job>,
    pub groups: Value,
    pub selection: Selection,
    pub connect: Arc<dyn Connect>,
    pub forks: usize,
    pub limits: Limits,
    pub apply: ApplyOptions,
    /// Facts of earlier runs, where there is a place for them.
    pub remembered: Option<RememberedFacts>,
}

/// How changes are applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Names this run on the hosts.
    pub run: RunName,
    /// Who runs it, for the lock on a host and its journal.
    pub owner: String,
    /// Seconds since 1970.
    pub started: u64,
    /// What is applied, for the journal: the manifest's path.
    pub source: String,
    pub reason: Option<String>,
    /// How long to wait for a host that another run holds.
    pub lock_wait: Duration,
    /// How long a host waits for a new connection to confirm a change that may cut the operator off.
    pub confirm_within: Duration,
    /// One step may take this long, where its type does not say otherwise.
    pub step_deadline: Duration,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Facts,
    Plan,
    /// Apply each host's plan as soon as it is made.
    Apply,
    /// Show all plans first, and go on where the answer is yes.
    ApplyConfirmed,
}

/// What happens, as it happens, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Event {
    Started {
        host: usize,
    },
    /// Facts are there, the catalog is made; so many resources are probed.
    Probing {
        host: usize,
        resources: usize,
    },
    /// A step runs now: a line for people.
    Step {
        host: usize,
        what: String,
    },
    Finished {
        host: usize,
    },
}

/// A host's facts, or why there are none.
#[derive(Debug)]
pub struct HostFacts {
    pub host: String,
    pub facts: Result<(Facts, Vec<String>), HostStatus>,
}

/// A host between planning and applying.
struct Judged {
    connection: Box<dyn Connection>,
    catalog: Arc<Catalog>,
    plan: HostPlan,
    /// What is known of the host so far.
    report: HostReport,
}

/// A judged host with its number, until a task takes it.
type Waiting = std::sync::Mutex<Option<(usize, Judged)>>;

/// The runtime could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the runtime could not be started: {0}")]
pub struct RuntimeError(#[from] std::io::Error);

impl Run {
    /// Runs it and blocks until it is done. Reports come in the order of the jobs.
    ///
    /// `confirm` is asked once in [`Mode::ApplyConfirmed`], with every host's plan.
    ///
    /// # Errors
    /// Only where nothing could be started; what happens on hosts is in their reports.
    pub fn execute(
        self: &Arc<Self>,
        mode: Mode,
        confirm: &mut dyn FnMut(&[HostReport]) -> bool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<HostReport>, RuntimeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let reports = runtime.block_on(self.drive(mode, confirm, on_event));
        // A connection that hangs must not hold up the end.
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(reports)
    }

    /// Gathers facts alone.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn gather(self: &Arc<Self>) -> Result<Vec<HostFacts>, RuntimeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let this = self.clone();
        let facts = runtime.block_on(async move {
            let results = this
                .for_each(this.jobs.len(), &mut |_| {}, |run, n, _| async move {
                    let gathered = async {
                        let mut connection = run.connect.connect(n).await?;
                        run.facts(connection.as_mut()).await
                    };
                    gathered.await.map_err(|e| unreachable(&e))
                })
                .await;
            let jobs = this.jobs.iter().zip(results);
            jobs.map(|(job, facts)| HostFacts {
                host: job.host.clone(),
                facts: facts.unwrap_or(Err(HostStatus::NotStarted)),
            })
            .collect()
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(facts)
    }

    async fn drive(
        self: &Arc<Self>,
        mode: Mode,
        confirm: &mut dyn FnMut(&[HostReport]) -> bool,
        on_event: &mut dyn FnMut(Event),
    ) -> Vec<HostReport> {
        let hosts = self.jobs.len();
        let judged = self
            .for_each(hosts, on_event, move |run, n, events| async move {
                let result = match run.judge(n, &events).await {
                    Ok(judged) if mode == Mode::Apply && !judged.plan.changes.is_empty() => {
                        (run.apply(n, judged, &events).await, None)
                    }
                    Ok(judged) => {
                        let report = planned(&judged);
                        // Only what may still be applied keeps its connection.
                        let keep = mode == Mode::ApplyConfirmed && !judged.plan.changes.is_empty();
                        (report, keep.then_some(judged))
                    }
                    Err(report) => (report, None),
                };
                let _ = events.send(Event::Finished { host: n });
                result
            })
            .await;
        let mut reports = vec![];
        let mut waiting = vec![];
        for (n, result) in judged.into_iter().enumerate() {
            let (report, judged) = result.unwrap_or_else(|| (self.report(n, HostStatus::NotStarted), None));
            if let Some(judged) = judged {
                waiting.push((n, judged));
            }
            reports.push(report);
        }
        if mode != Mode::ApplyConfirmed || waiting.is_empty() {
            return reports;
        }
        if !tokio::task::block_in_place(|| confirm(&reports)) {
            return reports;
        }
        let numbers: Vec<usize> = waiting.iter().map(|(n, _)| *n).collect();
        let slots: Arc<[Waiting]> = waiting.into_iter().map(|w| Waiting::new(Some(w))).collect();
        let applied = self
            .for_each(numbers.len(), on_event, move |run, i, events| {
                let taken = slots.get(i).and_then(|s| s.lock().ok()?.take());
                async move {
                    let (n, judged) = taken?;
                    let _ = events.send(Event::Started { host: n });
                    let report = run.apply(n, judged, &events).await;
                    let _ = events.send(Event::Finished { host: n });
                    Some(report)
                }
            })
            .await;
        for (n, report) in numbers.into_iter().zip(applied) {
            if let (Some(slot), Some(Some(report))) = (reports.get_mut(n), report) {
                *slot = report;
            }
        }
        reports
    }

    /// Runs a task for each of so many hosts, `forks` at once; `None` for those never started.
    async fn for_each<T, F, Fut>(
        self: &Arc<Self>,
        count: usize,
        on_event: &mut (dyn FnMut(Event) + '_),
        task: F,
    ) -> Vec<Option<T>>
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, usize, mpsc::UnboundedSender<Event>) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (events, mut coming) = mpsc::unbounded_channel();
        let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
        let mut state = RunState::new(count, self.forks);
        let mut tasks = tokio::task::JoinSet::new();
        let mut commands = state.on(schedule::Event::Begin);
        let mut interrupted = false;
        loop {
            for command in commands.drain(..) {
                match command {
                    Command::Start(n) => {
                        let future = task(self.clone(), n, events.clone());
                        tasks.spawn(async move { (n, future.await) });
                    }
                    Command::Skip(_) => {}
                    Command::Finish => {
                        while let Ok(event) = coming.try_recv() {
                            on_event(event);
                        }
                        return results;
                    }
                }
            }
            tokio::select! {
                // What was said comes before what follows from it.
                biased;
                Some(event) = coming.recv() => on_event(event),
                Some(joined) = tasks.join_next() => {
                    if let Ok((n, result)) = joined
                        && let Some(slot) = results.get_mut(n)
                    {
                        *slot = Some(result);
                    }
                    commands = state.on(schedule::Event::Done);
                }
                _ = tokio::signal::ctrl_c(), if !interrupted => {
                    interrupted = true;
                    commands = state.on(schedule::Event::Stop);
                }
            }
        }
    }

    fn report(&self, n: usize, status: HostStatus) -> HostReport {
        let host = self.jobs.get(n).map(|j| j.host.clone()).unwrap_or_default();
        HostReport::new(host, status)
    }
}

/// A report of what would be done.
fn planned(judged: &Judged) -> HostReport {
    let plan = &judged.plan;
    let status = if !plan.unjudged.is_empty() {
        HostStatus::Failed
    } else if plan.changes.is_empty() {
        HostStatus::InLine
    } else {
        HostStatus::Drift
    };
    HostReport { status, plan: Some(plan.clone()), ..judged.report.clone() }
}

fn unreachable(error: &TransportError) -> HostStatus {
    HostStatus::Unreachable { reason: error.to_string(), help: error.help() }
}

/// Runs what costs CPU where it does not hold up the connections.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        let _ = send.send(work());
    });
    match receive.await {
        Ok(result) => result,
        // The sender is only lost where the work panicked; rayon has ended the process by then.
        Err(_) => std::process::abort(),
    }
}

fn nonce() -> Result<Nonce, TransportError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| TransportError::Local(format!("no randomness: {e}")))?;
    Ok(Nonce::new(random))
}
