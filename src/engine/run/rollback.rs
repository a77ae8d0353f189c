//! Takes a run back on all hosts that were in it.

use super::interrupt::Interrupts;
use super::send::{Ending, Start, Work};
use super::{Event, Operator, Run, RunError, nonce, not_started, unreachable};
use crate::engine::outcome::{self, HostReport, HostStatus};
use crate::engine::schedule::Order;
use crate::engine::script;
use crate::engine::take_back::{self, NoSuchRun};
use crate::journal::undo::Undoing;
use crate::journal::{self, HostRun};
use crate::model::run_name::RunName;
use crate::plan::HostPlan;
use crate::shell::apply::ApplyPlan;
use crate::shell::frame::Frame;
use crate::shell::history::{self, Which};
use crate::shell::probe::ProbeScript;
use crate::shell::state::StateDir;
use crate::transport::Connection;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// What is to be taken back.
#[derive(Clone, Debug)]
pub struct Rollback {
    pub which: Which,
    /// Also what something else has touched since.
    pub force: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct RolledBack {
    /// The run that is meant.
    pub run: String,
    /// Hosts that were in it, or that could not be asked.
    pub reports: Vec<HostReport>,
    /// Hosts that have kept nothing of it.
    pub without: Vec<String>,
    /// Later runs by their names, which are of the future.
    pub future: BTreeSet<String>,
}

/// Why nothing was taken back on any host.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    NoSuchRun(#[from] NoSuchRun),
    #[error("no host could be asked: {0}")]
    Nobody(String),
}

/// A host that was asked what it has kept.
struct Asked {
    connection: Box<dyn Connection>,
    runs: Vec<String>,
    found: Option<Result<HostRun, String>>,
}

/// A host whose part is ready to be taken back.
struct Ready {
    connection: Box<dyn Connection>,
    report: HostReport,
    undoing: Undoing,
}

/// A part with its host's number, until a task takes it.
type Waiting = Mutex<Option<(usize, Ready)>>;

impl Run {
    /// Shows what taking the run back comes to, and does it where the operator says so.
    ///
    /// # Errors
    /// Where no such run is known, or nothing could be started; what happens on hosts is in their reports.
    pub fn rollback(
        self: &Arc<Self>,
        asked: &Rollback,
        operator: &mut dyn Operator,
    ) -> Result<RolledBack, RollbackError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::from)?;
        let result = runtime.block_on(self.drive_rollback(asked, operator));
        runtime.shutdown_timeout(Duration::from_millis(100));
        result
    }

    async fn drive_rollback(
        self: &Arc<Self>,
        asked: &Rollback,
        operator: &mut dyn Operator,
    ) -> Result<RolledBack, RollbackError> {
        let interrupts = Interrupts::listen(true).map_err(RunError::from)?;
        let which = asked.which.clone();
        let look = move |run: Arc<Self>, n, events: mpsc::UnboundedSender<Event>| {
            let which = which.clone();
            async move {
                let result = run.look(n, &which, &events).await;
                let _ = events.send(Event::Finished { host: n });
                result
            }
        };
        let order = Order::at_once(self.jobs.len());
        let looked = self.for_each(&order, operator, interrupts.clone(), |_, _| false, look).await?;
        let all: BTreeSet<String> = looked.iter().flatten().flatten().flat_map(|a| a.runs.iter().cloned()).collect();
        if let (true, Some(Ok(Err(status)))) = (all.is_empty(), looked.first()) {
            return Err(RollbackError::Nobody(match status {
                HostStatus::Unreachable { reason, .. } => reason.clone(),
                _ => "the run was stopped".into(),
            }));
        }
        let future = match asked.which {
            Which::Last => take_back::of_the_future(&all, self.apply.started),
            Which::Named(_) => BTreeSet::new(),
        };
        let name = take_back::resolve(&asked.which, &all, &future)?;
        let (mut reports, mut without, mut ready) = (vec![], vec![], vec![]);
        for (n, result) in looked.into_iter().enumerate() {
            match result {
                Err(why) => reports.push(self.report(n, not_started(why))),
                Ok(Err(status)) => reports.push(self.report(n, status)),
                Ok(Ok(asked_host)) => match self.part(n, asked_host, &name, &self.apply.run, asked.force).await {
                    Ok(Some(part)) => {
                        reports.push(part.report.clone());
                        ready.push((n, reports.len() - 1, part));
                    }
                    Ok(None) => without.extend(self.jobs.get(n).map(|j| j.host.clone())),
                    Err(status) => reports.push(self.report(n, status)),
                },
            }
        }
        ready.retain(|(_, _, part)| !part.undoing.plan.steps.is_empty());
        let interrupted = || interrupts.are_there();
        let mut is_wanted = || operator.takes_back(&name, &reports, &interrupted);
        if ready.is_empty() || interrupted() || !tokio::task::block_in_place(&mut is_wanted) {
            return Ok(RolledBack { run: name, reports, without, future });
        }
        let places: Vec<usize> = ready.iter().map(|(_, at, _)| *at).collect();
        let parts: Arc<[Waiting]> = ready.into_iter().map(|(n, _, part)| Waiting::new(Some((n, part)))).collect();
        let order = Order::at_once(places.len());
        let take_back = move |run: Arc<Self>, i, events: mpsc::UnboundedSender<Event>| {
            let taken = parts.get(i).and_then(|s: &Waiting| s.lock().ok()?.take());
            async move {
                let (n, part) = taken?;
                let _ = events.send(Event::Started { host: n });
                let plan = part.report.plan.clone()?;
                let report = run.roll_back(n, part.connection, plan, part.undoing.plan, part.report, &events).await;
                let _ = events.send(Event::Finished { host: n });
                Some(report)
            }
        };
        let done = self.for_each(&order, operator, interrupts.clone(), |_, _| false, take_back).await?;
        for (at, report) in places.into_iter().zip(done) {
            let Some(slot) = reports.get_mut(at) else { continue };
            match report {
                Ok(Some(report)) => *slot = report,
                Ok(None) => {}
                Err(why) => slot.status = not_started(why),
            }
        }
        Ok(RolledBack { run: name, reports, without, future })
    }

    /// Runs the script that rolls a host back, and says what became of it.
    async fn roll_back(
        self: Arc<Self>,
        n: usize,
        connection: Box<dyn Connection>,
        plan: HostPlan,
        script: ApplyPlan,
        mut report: HostReport,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let plan = Arc::new(plan);
        let work = Work { connection, plan: plan.clone(), script, probe: ProbeScript::default(), has_gzip: false };
        let ran = self.run_script(n, work, &mut report, events).await;
        let shown = |warning: Option<String>| {
            let mut plan = plan.as_ref().clone();
            plan.warnings.extend(warning);
            Some(plan)
        };
        if let Start::Refused(status) = ran.start {
            return HostReport { status, plan: shown(None), ..report };
        }
        let died = matches!(ran.ending, Ending::Died);
        let mut results = script::results(&plan, 0, &[], &ran.script, &ran.steps, died);
        if ran.confirmed.is_refused() {
            script::taken_back(0, &ran.script, &mut results);
        }
        report.status = match ran.status() {
            Some(status) => status,
            None if results.iter().any(|r| r.status.is_failure()) => HostStatus::Failed,
            None => HostStatus::Applied,
        };
        HostReport { results, plan: shown(ran.unwritten), ..report }
    }

    /// Takes back what this very run has done to a host.
    pub(super) async fn take_back(
        self: Arc<Self>,
        n: usize,
        events: &mpsc::UnboundedSender<Event>,
    ) -> outcome::RolledBack {
        let name = &self.apply.run;
        let Some(by) = take_back::on_failure(name) else { return none(name, "its name is too long".into()) };
        let ready = async {
            let asked = self.look(n, &Which::Named(name.to_string()), events).await?;
            self.part(n, asked, name.as_str(), &by, false).await
        };
        let Ready { connection, report, undoing } = match ready.await {
            Ok(Some(ready)) => ready,
            Ok(None) => return none(&by, "the host has kept nothing of the run".into()),
            Err(HostStatus::Unreachable { reason, .. }) => return none(&by, reason),
            Err(status) => return none(&by, status.as_str().to_owned()),
        };
        let stays = undoing.lost.clone();
        if undoing.plan.steps.is_empty() {
            return outcome::RolledBack { run: by.to_string(), results: vec![], stays, reason: None };
        }
        let Some(plan) = report.plan.clone() else { return none(&by, "there is no plan of it".into()) };
        let report = self.roll_back(n, connection, plan, undoing.plan, report, events).await;
        let reason = match report.status {
            HostStatus::Unreachable { reason, .. } | HostStatus::CutOff { reason } => Some(reason),
            HostStatus::Locked { by: owner } => Some(format!("another apply holds the host: {owner}")),
            _ => None,
        };
        outcome::RolledBack { run: by.to_string(), results: report.results, stays, reason }
    }

    /// A host's part of the run, ready to be taken back; `None` where it was not in it.
    async fn part(
        &self,
        n: usize,
        asked: Asked,
        name: &str,
        by: &RunName,
        force: bool,
    ) -> Result<Option<Ready>, HostStatus> {
        let Asked { mut connection, runs, mut found } = asked;
        if !runs.iter().any(|r| r == name) {
            return Ok(None);
        }
        let is_it = |f: &Option<Result<HostRun, String>>| match f {
            Some(Ok(run)) => run.record.run.as_str() == name,
            _ => false,
        };
        if !is_it(&found) {
            let exact = Which::Named(name.to_owned());
            found = self.tell(connection.as_mut(), &exact).await.map_err(|e| unreachable(&e))?.1;
        }
        let run = match found {
            Some(Ok(run)) => run,
            Some(Err(reason)) => return Err(HostStatus::Unreachable { reason, help: None }),
            None => return Ok(None),
        };
        let job = self.jobs.get(n);
        let how = take_back::how(&self.apply, by.clone(), force, job.is_some_and(|j| j.remote));
        let host = job.map(|j| j.host.as_str()).unwrap_or_default();
        let (plan, undoing) = take_back::plan(host, &run, &how);
        let status = if undoing.plan.steps.is_empty() { HostStatus::InLine } else { HostStatus::Drift };
        let report = HostReport { plan: Some(plan), ..self.report(n, status) };
        Ok(Some(Ready { connection, report, undoing }))
    }

    async fn look(&self, n: usize, which: &Which, events: &mpsc::UnboundedSender<Event>) -> Result<Asked, HostStatus> {
        let _ = events.send(Event::Started { host: n });
        let asked = async {
            let mut connection = self.connect.connect(n).await?;
            let (runs, found) = self.tell(connection.as_mut(), which).await?;
            Ok(Asked { connection, runs, found })
        };
        asked.await.map_err(|e| unreachable(&e))
    }

    /// All runs that a host has kept, and the one that is meant.
    async fn tell(
        &self,
        connection: &mut dyn Connection,
        which: &Which,
    ) -> Result<(Vec<String>, Option<Result<HostRun, String>>), crate::transport::TransportError> {
        let nonce = nonce()?;
        let text = history::look(which, &StateDir::Usual, &nonce);
        let mut report = HostReport::new(String::new(), HostStatus::InLine);
        let frames: Vec<Frame> = self.ask(connection, (nonce, text), &mut report).await?;
        let runs =
            frames.iter().find(|f| f.slot == history::RUNS).map(|f| String::from_utf8_lossy(&f.body).into_owned());
        let runs = runs.unwrap_or_default().lines().map(str::to_owned).collect();
        Ok((runs, journal::read(&frames).map_err(|e| e.to_string()).transpose()))
    }
}

/// Where nothing came of it.
fn none(by: &RunName, reason: String) -> outcome::RolledBack {
    outcome::RolledBack { run: by.to_string(), results: vec![], stays: vec![], reason: Some(reason) }
}
