//! Carries a run out: connects, gathers, probes and applies, many hosts at once.
//!
//! The one asynchronous place beside the transports. What costs CPU (compiling, judging) runs on rayon's threads.

mod apply;
mod confirm;
mod health;
mod interrupt;
mod judge;
pub mod kept;
pub mod ledgers;
pub mod rollback;
mod send;
mod tasks;

use super::bookkeeping::Bookkeeping;
use super::options::{ApplyOptions, Prune};
use super::outcome::{HostReport, HostStatus};
use super::schedule::{Order, Stopped};
use super::source::{Compiled, Source};
use crate::facts::Facts;
use crate::model::run_name::RunName;
use crate::plan::HostPlan;
use crate::plan::basis::Held;
use crate::shell::frame::{Limits, Nonce};
use crate::store::facts::RememberedFacts;
use crate::transport::{BoxFuture, Connection, TransportError};
use interrupt::Interrupts;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Makes connections. The real one speaks SSH; tests have their own.
pub trait Connect: Send + Sync {
    /// A connection to the host with this number in the run.
    fn connect(&self, host: usize) -> BoxFuture<'_, Result<Box<dyn Connection>, TransportError>>;
}

/// One host of a run.
#[derive(Clone, Debug)]
pub struct Job {
    pub host: String,
    /// How it is reached, for what is remembered of it: the same name may be another machine elsewhere.
    pub reached: String,
    /// Whether there is a network between: only then can the operator be cut off.
    pub remote: bool,
}

/// What a run works from.
pub struct Run {
    pub jobs: Vec<Job>,
    /// Where the hosts' catalogs come from.
    pub source: Arc<dyn Source>,
    pub connect: Arc<dyn Connect>,
    pub forks: usize,
    /// The order of an apply. Reading goes to all hosts at once.
    pub order: Order,
    /// How long it pauses between two waves. None: the operator is asked.
    pub pause: Option<Duration>,
    /// How long a host may take, in planning and in applying.
    pub host_deadline: Option<Duration>,
    pub limits: Limits,
    pub apply: ApplyOptions,
    /// Whether what has left the manifest is removed.
    pub prune: Option<Prune>,
    /// Facts of earlier runs, where there is a place for them.
    pub remembered: Option<RememberedFacts>,
    /// Whether reports bring along what their plans were made from, to be saved.
    pub keeps_basis: bool,
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
    /// Of an apply in more than one wave: one begins.
    Wave(Wave),
    /// It waits before this wave.
    Pausing {
        wave: Wave,
        seconds: Option<u64>,
    },
    /// Nothing new is started from now on; so many hosts are still worked on.
    Stopping {
        why: Stopped,
        running: usize,
    },
}

/// Hosts that are come to together.
#[derive(Clone, Debug)]
pub struct Wave {
    /// From 1.
    pub number: usize,
    pub of: usize,
    pub hosts: Vec<usize>,
}

/// Who watches over a run. A question that is interrupted is answered with no.
pub trait Operator {
    fn on(&mut self, event: Event);

    /// Asked once in [`Mode::ApplyConfirmed`], with every host's plan.
    fn confirms(&mut self, _plans: &[HostReport], _interrupted: &dyn Fn() -> bool) -> bool {
        false
    }

    /// Asked once before a run is taken back, with what that comes to on every host.
    fn takes_back(&mut self, _run: &str, _plans: &[HostReport], _interrupted: &dyn Fn() -> bool) -> bool {
        false
    }

    /// Asked before a wave, where the run pauses for an answer.
    fn goes_on(&mut self, _wave: &Wave, _interrupted: &dyn Fn() -> bool) -> bool {
        false
    }
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
    compiled: Arc<Compiled>,
    plan: HostPlan,
    /// Refreshes that the host is owed.
    owed: Vec<String>,
    /// For its ledger; none where that cannot be read.
    books: Option<Bookkeeping>,
    /// How many things its ledger is to be told though nothing is changed.
    untold: usize,
    /// Changes of it that are left alone.
    held: Held,
    /// A run that the host takes back by itself unless it is confirmed.
    unconfirmed: Option<RunName>,
    /// What is known of the host so far.
    report: HostReport,
}

impl Judged {
    fn has_work(&self) -> bool {
        !self.plan.changes.is_empty()
            || self.compiled.whole().is_none()
            || (!self.plan.health.is_empty() && self.plan.unjudged.is_empty())
            || self.has_notes()
            || self.unconfirmed.is_some()
    }

    fn has_notes(&self) -> bool {
        self.untold > 0
    }
}

/// A judged host that has something to apply, until a task takes it.
type Waiting = std::sync::Mutex<Option<Judged>>;

/// Why a run has no reports.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    /// Interrupted a second time, and so ended at once.
    #[error("ended at once; what had begun on a host goes on there by itself, and its journal stays")]
    Interrupted,
}

impl Run {
    /// Runs it and blocks until it is done. Reports come in the order of the jobs.
    ///
    /// # Errors
    /// Where nothing could be started, or it was interrupted twice; what happens on hosts is in their reports.
    pub fn execute(self: &Arc<Self>, mode: Mode, operator: &mut dyn Operator) -> Result<Vec<HostReport>, RunError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let reports = runtime.block_on(self.drive(mode, operator));
        // A connection that hangs must not hold up the end.
        runtime.shutdown_timeout(Duration::from_millis(100));
        reports
    }

    /// Gathers facts alone.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn gather(self: &Arc<Self>) -> Result<Vec<HostFacts>, RunError> {
        let gather = |run: Arc<Self>, n| async move {
            let gathered = async {
                let mut connection = run.connect.connect(n).await?;
                run.facts(connection.as_mut()).await
            };
            gathered.await.map_err(|e| unreachable(&e))
        };
        let results = self.ask_each(gather)?;
        let facts = self.jobs.iter().zip(results).map(|(job, facts)| HostFacts { host: job.host.clone(), facts });
        Ok(facts.collect())
    }

    async fn drive(self: &Arc<Self>, mode: Mode, operator: &mut dyn Operator) -> Result<Vec<HostReport>, RunError> {
        let interrupts = Interrupts::listen(mode != Mode::Plan)?;
        let order = if mode == Mode::Apply { self.order.clone() } else { Order::at_once(self.jobs.len()) };
        let task = move |run: Arc<Self>, n, events: mpsc::UnboundedSender<Event>| async move {
            let result = match run.judge_in_time(n, &events).await {
                Ok(judged) if mode == Mode::Apply && judged.has_work() => (run.work(n, judged, &events).await, None),
                Ok(judged) => {
                    let report = planned(&judged);
                    // Only what may still be applied keeps its connection.
                    let keep = mode == Mode::ApplyConfirmed && judged.has_work();
                    (report, keep.then_some(judged))
                }
                Err(report) => (report, None),
            };
            let _ = events.send(Event::Finished { host: n });
            result
        };
        let failed = |_, (report, _): &(HostReport, Option<Judged>)| report.status.is_failure();
        let results = self.for_each(&order, operator, interrupts.clone(), failed, task).await?;
        let mut reports = vec![];
        let mut waiting: Vec<Waiting> = vec![];
        for (n, result) in results.into_iter().enumerate() {
            let (report, judged) = result.unwrap_or_else(|why| (self.report(n, not_started(why)), None));
            waiting.push(Waiting::new(judged));
            reports.push(report);
        }
        if mode == Mode::ApplyConfirmed {
            self.apply_confirmed(operator, interrupts, &mut reports, waiting).await?;
        }
        if matches!(mode, Mode::Apply | Mode::ApplyConfirmed) {
            for (number, wave) in (1..).zip(&self.order.waves) {
                for host in wave {
                    if let Some(report) = reports.get_mut(*host) {
                        report.wave = Some(number);
                    }
                }
            }
        }
        Ok(reports)
    }

    /// Asks, and applies what was planned where the answer is yes.
    async fn apply_confirmed(
        self: &Arc<Self>,
        operator: &mut dyn Operator,
        interrupts: Interrupts,
        reports: &mut [HostReport],
        waiting: Vec<Waiting>,
    ) -> Result<(), RunError> {
        let waits = |n: usize| waiting.get(n).and_then(|w| w.lock().ok()).is_some_and(|w| w.is_some());
        let waits: Vec<bool> = (0..waiting.len()).map(waits).collect();
        if !waits.contains(&true) || interrupts.are_there() {
            return Ok(());
        }
        let changes = reports.iter().filter_map(|r| r.plan.as_ref()).any(|p| !p.changes.is_empty());
        let mut is_wanted = || operator.confirms(reports, &|| interrupts.are_there());
        // To see whether hosts are well nobody is asked.
        if changes && !tokio::task::block_in_place(&mut is_wanted) {
            return Ok(());
        }
        let slots: Arc<[Waiting]> = waiting.into();
        let first_wave: Arc<[usize]> = self.order.waves.first().cloned().unwrap_or_default().into();
        let task = move |run: Arc<Self>, n, events: mpsc::UnboundedSender<Event>| {
            let taken = slots.get(n).and_then(|s: &Waiting| s.lock().ok()?.take());
            let comes_later = !first_wave.contains(&n);
            async move {
                let report = match taken {
                    Some(judged) => {
                        let _ = events.send(Event::Started { host: n });
                        Some(run.apply_later(n, judged, comes_later, &events).await)
                    }
                    None => None,
                };
                let _ = events.send(Event::Finished { host: n });
                report
            }
        };
        let known: Vec<bool> = reports.iter().map(|r| r.status.is_failure()).collect();
        let failed = |n: usize, report: &Option<HostReport>| match report {
            Some(report) => report.status.is_failure(),
            None => known.get(n) == Some(&true),
        };
        let applied = self.for_each(&self.order, operator, interrupts, failed, task).await?;
        for ((report, applied), waited) in reports.iter_mut().zip(applied).zip(waits) {
            match applied {
                Ok(Some(applied)) => *report = applied,
                Err(why) if waited => report.status = not_started(why),
                _ => {}
            }
        }
        Ok(())
    }

    async fn judge_in_time(
        self: &Arc<Self>,
        n: usize,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Judged, HostReport> {
        let judged = self.in_time(self.judge(n, events)).await;
        judged.unwrap_or_else(|late| Err(self.report(n, unreachable(&late))))
    }

    /// Applies what there is to apply, and sees whether the host is well.
    async fn work(self: Arc<Self>, n: usize, judged: Judged, events: &mpsc::UnboundedSender<Event>) -> HostReport {
        let planned = planned(&judged);
        let work = async {
            // A new connection has come about, which is all that the host waits for; it is made anew, for this one may be
            // older than what is to be confirmed.
            if let Some(run) = &judged.unconfirmed {
                self.confirm(n, run, self.apply.confirm_within).await;
            }
            if !judged.plan.changes.is_empty() || judged.compiled.whole().is_none() {
                return self.clone().apply(n, judged, events).await;
            }
            let mut report = planned.clone();
            let has_notes = judged.has_notes();
            let Judged { mut connection, compiled, plan, books, .. } = judged;
            if let Some(books) = books.filter(|_| has_notes) {
                let notes = books.notes(&compiled, &[], &plan);
                self.note(connection.as_mut(), Some(&notes), &mut report).await;
            }
            if plan.unjudged.is_empty() {
                self.check_health(n, Some(connection), &plan.health, &mut report, events).await;
            }
            report
        };
        let done = self.in_time(work).await;
        let mut report = done.unwrap_or_else(|late| HostReport { status: send::went_on(&late), ..planned });
        if self.apply.rollback_on_failure && report.status.is_failure() && !report.results.is_empty() {
            report.rolled_back = Some(self.take_back(n, events).await);
        }
        report
    }

    /// A host that hangs is given up, and counts as one that cannot be reached.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, TransportError> {
        match self.host_deadline {
            None => Ok(work.await),
            Some(after) => tokio::time::timeout(after, work).await.map_err(|_| TransportError::Deadline { after }),
        }
    }

    /// Applies what was judged a while ago: by the time of a later wave a host may well have closed the connection.
    async fn apply_later(
        self: Arc<Self>,
        n: usize,
        mut judged: Judged,
        connects_anew: bool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        if connects_anew {
            match self.connect.connect(n).await {
                Ok(connection) => judged.connection = connection,
                Err(error) => return HostReport { status: unreachable(&error), ..planned(&judged) },
            }
        }
        self.work(n, judged, events).await
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

/// `None`: it was begun, and has come to no result.
fn not_started(why: Option<Stopped>) -> HostStatus {
    let reason = why.map_or_else(|| "its task has failed, which is a fault of trueup's".to_owned(), |w| w.to_string());
    HostStatus::NotStarted { reason }
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
