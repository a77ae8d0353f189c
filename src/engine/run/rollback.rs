//! Takes a run back on all hosts that were in it.

use super::apply::Work;
use super::{Event, Run, RuntimeError, nonce, unreachable};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::take_back::{self, NoSuchRun};
use crate::journal::undo::Undoing;
use crate::journal::{self, HostRun};
use crate::shell::frame::Frame;
use crate::shell::history::{self, Which};
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
}

/// Why nothing was taken back on any host.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
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
    /// Shows what taking the run back comes to, and does it where `decide` says so.
    ///
    /// # Errors
    /// Where no such run is known, or nothing could be started; what happens on hosts is in their reports.
    pub fn rollback(
        self: &Arc<Self>,
        asked: &Rollback,
        decide: &mut dyn FnMut(&str, &[HostReport]) -> bool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<RolledBack, RollbackError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RuntimeError::from)?;
        let result = runtime.block_on(self.drive_rollback(asked, decide, on_event));
        runtime.shutdown_timeout(Duration::from_millis(100));
        result
    }

    async fn drive_rollback(
        self: &Arc<Self>,
        asked: &Rollback,
        decide: &mut dyn FnMut(&str, &[HostReport]) -> bool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<RolledBack, RollbackError> {
        let which = asked.which.clone();
        let looked = self
            .for_each(self.jobs.len(), on_event, move |run, n, events| {
                let which = which.clone();
                async move {
                    let result = run.look(n, &which, &events).await;
                    let _ = events.send(Event::Finished { host: n });
                    result
                }
            })
            .await;
        let all: BTreeSet<String> = looked.iter().flatten().flatten().flat_map(|a| a.runs.iter().cloned()).collect();
        if let (true, Some(Some(Err(status)))) = (all.is_empty(), looked.first()) {
            return Err(RollbackError::Nobody(match status {
                HostStatus::Unreachable { reason, .. } => reason.clone(),
                _ => "the run was stopped".into(),
            }));
        }
        let name = take_back::resolve(&asked.which, &all)?;
        let (mut reports, mut without, mut ready) = (vec![], vec![], vec![]);
        for (n, result) in looked.into_iter().enumerate() {
            match result {
                None => reports.push(self.report(n, HostStatus::NotStarted)),
                Some(Err(status)) => reports.push(self.report(n, status)),
                Some(Ok(asked_host)) => match self.part(n, asked_host, &name, asked.force).await {
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
        if ready.is_empty() || !tokio::task::block_in_place(|| decide(&name, &reports)) {
            return Ok(RolledBack { run: name, reports, without });
        }
        let places: Vec<usize> = ready.iter().map(|(_, at, _)| *at).collect();
        let parts: Arc<[Waiting]> = ready.into_iter().map(|(n, _, part)| Waiting::new(Some((n, part)))).collect();
        let done = self
            .for_each(places.len(), on_event, move |run, i, events| {
                let taken = parts.get(i).and_then(|s| s.lock().ok()?.take());
                async move {
                    let (n, part) = taken?;
                    let _ = events.send(Event::Started { host: n });
                    let plan = part.report.plan.clone()?;
                    let work = Work {
                        connection: part.connection,
                        plan: Arc::new(plan),
                        script: part.undoing.plan,
                        verify: None,
                        has_gzip: false,
                    };
                    let report = run.carry_out(n, work, part.report, &events).await;
                    let _ = events.send(Event::Finished { host: n });
                    Some(report)
                }
            })
            .await;
        for (at, report) in places.into_iter().zip(done) {
            if let (Some(slot), Some(Some(report))) = (reports.get_mut(at), report) {
                *slot = report;
            }
        }
        Ok(RolledBack { run: name, reports, without })
    }

    /// A host's part of the run, ready to be taken back; `None` where it was not in it.
    async fn part(&self, n: usize, asked: Asked, name: &str, force: bool) -> Result<Option<Ready>, HostStatus> {
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
        let how = take_back::how(&self.apply, self.apply.run.clone(), force, job.is_some_and(|j| j.remote));
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
