//! Applies a host's plan, stage by stage.

use super::send::{Ending, Ran, Start, Work};
use super::{Event, Judged, Run, compute, nonce, planned, unreachable};
use crate::catalog::Catalog;
use crate::engine::bookkeeping::Bookkeeping;
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::script;
use crate::engine::source::{Compiled, Known, Outputs};
use crate::engine::stages::{Mark, Stages};
use crate::plan::HostPlan;
use crate::plan::basis::{Held, SavedHost};
use crate::plan::diff;
use crate::plan::notes::Notes;
use crate::plan::probe::{self, CatalogProbe};
use crate::shell::apply::{self, ApplyPlan};
use crate::shell::frame::Frame;
use crate::shell::probe::ProbeScript;
use crate::transport::{Connection, TransportError};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A host that is changed, between two stages.
struct Applying {
    connection: Option<Box<dyn Connection>>,
    compiled: Arc<Compiled>,
    /// Asks about the whole catalog.
    probe: Arc<CatalogProbe>,
    stages: Stages,
    /// The plan of the host as it is now.
    now: HostPlan,
    held: Held,
    books: Option<Bookkeeping>,
    saved: Option<Arc<SavedHost>>,
    /// What a saved plan does not hold and so leaves as it is.
    drift: Vec<String>,
    /// Whether the host stays locked for a further stage.
    waits: bool,
    /// What was said since the source was asked last.
    outputs: Outputs,
    warnings: Vec<String>,
    report: HostReport,
}

/// What comes after a stage.
enum Then {
    Next,
    /// The host had to be waited for, and nothing was done.
    Afresh,
    /// No further stage; what there is to say of the host, unless its changes say it.
    Over(Option<HostStatus>),
}

impl Run {
    /// Applies a host's plan until all of its catalog is in sync, or nothing more can be done.
    pub(super) async fn apply(
        self: Arc<Self>,
        n: usize,
        mut judged: Judged,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let mut patient = true;
        loop {
            let again = match self.clone().apply_stages(n, judged, patient, events).await {
                Ok(report) => return report,
                Err(again) => again,
            };
            judged = match self.judge_afresh(n, *again).await {
                Ok(judged) => judged,
                Err(report) => return report,
            };
            // Whoever has waited has the lock.
            patient = false;
            if judged.plan.changes.is_empty() {
                let mut report = planned(&judged);
                let Judged { mut connection, compiled, plan, books, .. } = judged;
                let notes = books.map(|b| b.notes(&compiled, &[], &plan));
                self.note(connection.as_mut(), notes.as_ref(), &mut report).await;
                self.check_health(n, Some(connection), &plan.health, &mut report, events).await;
                return report;
            }
        }
    }

    /// `patient`: whether a host that has to be waited for comes back, to be judged afresh.
    async fn apply_stages(
        self: Arc<Self>,
        n: usize,
        judged: Judged,
        patient: bool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<HostReport, Box<Judged>> {
        let Judged { connection, compiled, plan, owed, books, held, report, .. } = judged;
        let mut a = Applying {
            connection: Some(connection),
            probe: Arc::new(probe::all(compiled.catalog())),
            compiled,
            stages: Stages::new(&plan, &owed),
            now: plan,
            held,
            books,
            saved: self.source.saved(n).cloned(),
            drift: vec![],
            waits: false,
            outputs: Outputs::new(),
            warnings: vec![],
            report,
        };
        let (status, reached) = loop {
            let Some(mark) = a.stages.begin(&a.now, &a.held) else {
                if a.compiled.whole().is_some() {
                    break (None, true);
                }
                match self.clone().next_part(n, a).await {
                    Ok(next) => a = next,
                    Err(over) => {
                        let status;
                        (a, status) = *over;
                        break (Some(status), false);
                    }
                }
                continue;
            };
            let then;
            (a, then) = self.clone().stage(n, a, mark, patient, events).await;
            match then {
                Then::Next => {}
                Then::Over(status) => break (status, false),
                Then::Afresh => {
                    let Applying { connection, compiled, now, held, books, report, .. } = a;
                    let Some(connection) = connection else { return Ok(report) };
                    let (owed, untold, unconfirmed) = (vec![], 0, None);
                    let judged =
                        Judged { connection, compiled, plan: now, owed, books, untold, held, unconfirmed, report };
                    return Err(Box::new(judged));
                }
            }
            // What is rolled back anyway is not made first.
            if self.apply.rollback_on_failure && a.stages.past().failed().is_some() {
                break (None, false);
            }
        };
        Ok(self.end(n, a, status, reached, events).await)
    }

    /// What has been said of the host is in sync: asks its source for what comes next.
    async fn next_part(self: Arc<Self>, n: usize, mut a: Applying) -> Result<Applying, Box<(Applying, HostStatus)>> {
        let run = self.clone();
        let (mut a, compiled) = compute(move || {
            let known = Known { facts: &a.compiled.catalog().facts, removals: &[], outputs: &a.outputs };
            let compiled = run.source.compile(n, known).map_err(|findings| HostStatus::Invalid { findings });
            let compiled = compiled.and_then(|next| goes_on(a.compiled.catalog(), next));
            a.outputs.clear();
            (a, compiled)
        })
        .await;
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(status) => return Err(Box::new((a, status))),
        };
        a.probe = Arc::new(probe::all(compiled.catalog()));
        a.compiled = Arc::new(compiled);
        let asked = async {
            let mut connection = match a.connection.take() {
                Some(connection) => connection,
                None => self.connect.connect(n).await?,
            };
            let nonce = nonce()?;
            let text = a.probe.script.clone().into_text(&nonce);
            let answers = self.ask(connection.as_mut(), (nonce, text), &mut a.report).await?;
            a.connection = Some(connection);
            Ok(answers)
        };
        let asked: Result<_, TransportError> = asked.await;
        match asked {
            Ok(answers) => Ok(compute(move || a.look(answers)).await),
            Err(error) => Err(Box::new((a, unreachable(&error)))),
        }
    }

    /// One stage: its script goes out, and the host is judged by what it answers.
    async fn stage(
        self: Arc<Self>,
        n: usize,
        mut a: Applying,
        mark: Mark,
        patient: bool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> (Applying, Then) {
        let remote = self.jobs.get(n).is_some_and(|j| j.remote);
        let notes = a.books.as_ref().map(|b| b.notes(&a.compiled, &a.stages.plan().changes, &a.now));
        let script = ApplyPlan {
            more: a.now.has_later_stages() || a.compiled.whole().is_none(),
            judges_afresh: patient && mark.stage == 1,
            ..script::script_of(a.compiled.catalog(), &a.stages, notes.as_ref(), &self.apply, remote)
        };
        let connection = match a.connection.take() {
            Some(connection) => connection,
            None => match self.connect.connect(n).await {
                Ok(connection) => connection,
                Err(error) => return (a, Then::Over(Some(unreachable(&error)))),
            },
        };
        let has_gzip = a.compiled.catalog().facts.tools.gzip;
        let work = Work { connection, plan: a.stages.plan().clone(), script, probe: a.probe.script.clone(), has_gzip };
        let mut ran = self.run_script(n, work, &mut a.report, events).await;
        a.connection = ran.connection.take();
        a.warnings.extend(ran.unwritten.take());
        match ran.start {
            Start::Waited => return (a, Then::Afresh),
            Start::Refused(status) => return (a, Then::Over(Some(status))),
            Start::Begun => a.waits = ran.script.more,
        }
        let then = match ran.status() {
            None if ran.is_complete() => Then::Next,
            status => Then::Over(status),
        };
        a = compute(move || a.judge(mark, ran)).await;
        (a, then)
    }

    /// Ends the run on a host, and says what became of it.
    async fn end(
        &self,
        n: usize,
        mut a: Applying,
        status: Option<HostStatus>,
        reached: bool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let nothing_done = a.stages.results().is_empty();
        if let Some(connection) = a.connection.as_mut().filter(|_| a.waits) {
            let notes = a.books.as_ref().map(|b| b.notes(&a.compiled, &a.stages.plan().changes, &a.now));
            let script = script::closing(a.compiled.catalog(), &a.stages, notes.as_ref(), &self.apply);
            let said = self.say(connection.as_mut(), &script, &mut a.report).await;
            a.warnings.extend(said);
        }
        let mut report = a.report;
        if let Some(status) = status.clone().filter(|_| nothing_done) {
            report.status = status;
            report.plan = Some(a.now);
            return report;
        }
        let (mut plan, results) = a.stages.finish(&a.now, reached);
        report.status = match status {
            Some(status) => status,
            _ if results.iter().any(|r| r.status.is_failure()) || !plan.unjudged.is_empty() => HostStatus::Failed,
            _ if !a.drift.is_empty() => HostStatus::Drift,
            _ if results.is_empty() => HostStatus::InLine,
            _ => HostStatus::Applied,
        };
        report.results = results;
        self.check_health(n, a.connection, &plan.health, &mut report, events).await;
        plan.warnings.append(&mut a.drift);
        plan.warnings.append(&mut a.warnings);
        report.plan = Some(plan);
        report
    }

    /// Tells a host's ledger what was found in line there. Where another run holds the host, or it is lost, the next
    /// apply does it.
    pub(super) async fn note(&self, connection: &mut dyn Connection, notes: Option<&Notes>, report: &mut HostReport) {
        let script = script::note_of(&report.host, notes, &self.apply);
        if let (Some(why), Some(plan)) = (self.say(connection, &script, report).await, &mut report.plan) {
            plan.warnings.push(why);
        }
    }

    /// Runs a script of which nobody waits for a result; what comes back is why the ledger was not written.
    async fn say(
        &self,
        connection: &mut dyn Connection,
        script: &ApplyPlan,
        report: &mut HostReport,
    ) -> Option<String> {
        let nonce = nonce().ok()?;
        let text = apply::script(script, &ProbeScript::default(), script::first_verify_slot(script), &nonce);
        let frames = self.ask(connection, (nonce, text), report).await.unwrap_or_default();
        script::ledger_failed(&frames)
    }
}

impl Applying {
    /// Notes what became of the stage, and makes the plan anew of what is there now.
    fn judge(mut self, mark: Mark, ran: Ran) -> Self {
        let died = matches!(ran.ending, Ending::Died);
        let plan = self.stages.plan().clone();
        let mut results = script::results(&plan, mark.change, self.stages.results(), &ran.script, &ran.steps, died);
        drop(plan);
        if ran.confirmed.is_refused() {
            script::taken_back(mark.change, &ran.script, &mut results);
        }
        self.stages.settle(results);
        self.outputs.extend(script::outputs(self.stages.plan(), mark, &ran.steps));
        if matches!(ran.ending, Ending::Lost(_)) {
            return self;
        }
        let complete = ran.is_complete();
        let (now, drift) = (self.now.clone(), self.drift.clone());
        self = self.look(ran.seen);
        if !complete {
            (self.now, self.drift) = (now, drift);
        }
        self
    }

    /// Sees what is still in sync, and makes the plan of what is there now.
    fn look(mut self, answers: Vec<Frame>) -> Self {
        self.held = Held::new();
        let catalog = self.compiled.catalog();
        let guards = self.probe.script.guards().to_vec();
        let seen = probe::observe(catalog, &self.probe, answers, 0);
        self.stages.verify(catalog, &seen);
        let next = diff::plan(catalog, &seen, guards, self.stages.past());
        drop(seen);
        (self.now, self.drift) = match &self.saved {
            Some(saved) => saved.rest(next),
            None => (next, vec![]),
        };
        self
    }
}

/// What a source says next begins with what it has said: changes go by their resources' numbers.
fn goes_on(said: &Catalog, next: Compiled) -> Result<Compiled, HostStatus> {
    let ids = |catalog: &Catalog| catalog.resources.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    let (said, then) = (ids(said), ids(next.catalog()));
    let is_more = then.len() > said.len() || next.whole().is_some();
    if then.starts_with(&said) && is_more {
        return Ok(next);
    }
    let why = "its source says something else of it than before, or nothing new; this is a fault of trueup's";
    Err(HostStatus::Invalid { findings: vec![why.to_owned()] })
}
