//! What a host is, and what it lacks: facts, catalog, probe, plan.

use super::{Event, Judged, Run, compute, nonce, unreachable};
use crate::catalog::departed::Removal;
use crate::engine::bookkeeping::Bookkeeping;
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::source::{Compiled, Known, Outputs};
use crate::engine::timings::Stage;
use crate::facts::{self, Facts};
use crate::journal::unfinished::Unfinished;
use crate::ledger::Owner;
use crate::model::id::visible;
use crate::model::run_name::RunName;
use crate::model::utc::Utc;
use crate::plan::HostPlan;
use crate::plan::basis::{Basis, Held};
use crate::plan::diff;
use crate::plan::past::Past;
use crate::plan::probe::{self, CatalogProbe};
use crate::shell;
use crate::shell::facts::FIRST_SLOT;
use crate::shell::frame::{Frame, Nonce, Script};
use crate::shell::probe::{BadAnswer, ProbeScript};
use crate::transport::{Connection, TransportError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What came of a look.
struct Found {
    compiled: Arc<Compiled>,
    plan: HostPlan,
    owed: Vec<String>,
    books: Option<Bookkeeping>,
    /// How many things the ledger is to be told though nothing is changed.
    untold: usize,
    /// A run that the host takes back by itself unless it is confirmed.
    unconfirmed: Option<RunName>,
    /// What has left the manifest and is to be removed, where that was asked for and was not looked at.
    removals: Vec<Removal>,
    /// Changes that are left alone.
    held: Held,
    /// What the plan was made from, where that is to be saved.
    basis: Option<Arc<Basis>>,
}

impl Run {
    pub(super) async fn facts(&self, connection: &mut dyn Connection) -> Result<(Facts, Vec<String>), TransportError> {
        let nonce = nonce()?;
        let text = shell::facts::script(&nonce);
        let mut report = HostReport::new(String::new(), HostStatus::InLine);
        let frames = self.ask(connection, (nonce, text), &mut report).await?;
        facts::parse::parse(&frames).map_err(|e| bad(&e))
    }

    pub(super) async fn ask(
        &self,
        connection: &mut dyn Connection,
        script: (Nonce, Vec<u8>),
        report: &mut HostReport,
    ) -> Result<Vec<Frame>, TransportError> {
        report.round_trips += 1;
        report.bytes_sent += script.1.len() as u64;
        let mut frames: Vec<Frame> = vec![];
        let script = Script { nonce: script.0, text: script.1, limits: self.limits };
        connection.run(&script, &mut frames).await?;
        Ok(frames)
    }

    /// Connects, gathers, compiles, probes, plans. Writes nothing on the host.
    ///
    /// Where facts of an earlier run are remembered, the probe that they lead to travels with the facts. Its answers
    /// count only where the fresh facts ask the very same questions; else the host is probed again.
    pub(super) async fn judge(
        self: &Arc<Self>,
        n: usize,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Judged, HostReport> {
        let mut report = self.report(n, HostStatus::InLine);
        match self.judge_into(n, events, &mut report).await {
            Ok((connection, found)) => {
                let Found { compiled, plan, owed, books, untold, unconfirmed, held, .. } = found;
                Ok(Judged { connection, compiled, plan, owed, books, untold, held, unconfirmed, report })
            }
            Err(status) => Err(HostReport { status, ..report }),
        }
    }

    async fn judge_into(
        self: &Arc<Self>,
        n: usize,
        events: &mpsc::UnboundedSender<Event>,
        report: &mut HostReport,
    ) -> Result<(Box<dyn Connection>, Found), HostStatus> {
        let _ = events.send(Event::Started { host: n });
        let run = self.clone();
        let (connection, expected) = tokio::join!(self.connect.connect(n), compute(move || run.expected(n)));
        let mut connection = connection.map_err(|e| unreachable(&e))?;
        report.timings.add(Stage::Connect, connection.opening().connect);
        report.timings.add(Stage::LogIn, connection.opening().log_in);

        let asked = Instant::now();
        let nonce = nonce().map_err(|e| unreachable(&e))?;
        let asked_for = expected.as_ref().map(ProbeScript::len);
        let text = match &expected {
            Some(probe) => shell::facts::script_with(probe, &nonce),
            None => shell::facts::script(&nonce),
        };
        let frames = self.ask(connection.as_mut(), (nonce, text), report).await.map_err(|e| unreachable(&e))?;
        let (gathered, answers): (Vec<Frame>, Vec<Frame>) = frames.into_iter().partition(|f| f.slot >= FIRST_SLOT);
        let took = asked.elapsed();

        let run = self.clone();
        let (compiled, compiling) = timed(move || {
            let (facts, notes) = facts::parse::parse(&gathered).map_err(|e| unreachable(&bad(&e)))?;
            run.is_still_the_host(n, &facts)?;
            let compiled = run.compile(n, &facts, &[])?;
            let probe = probe::all_and_kept(compiled.catalog());
            let as_expected = expected.as_ref() == Some(&probe.script);
            if !as_expected && probe.script.guards().is_empty() {
                run.remember(n, &facts);
            }
            Ok((Arc::new(compiled), probe, notes, as_expected))
        })
        .await;
        report.timings.add(Stage::Compile, compiling);
        let (compiled, probe, notes, as_expected) = match compiled {
            Ok(compiled) => compiled,
            Err(status) => return Err(status),
        };
        report.timings.add(if as_expected { Stage::Probe } else { Stage::Facts }, took);
        let _ = events.send(Event::Probing { host: n, resources: compiled.catalog().resources.len() });

        let answers = if as_expected {
            answers
        } else if let (true, Some(asked)) = (probe.is_about_nothing(), asked_for) {
            // What the host keeps was asked last, and is the same whatever else was asked.
            probe::kept(answers, asked)
        } else {
            let asked = Instant::now();
            let nonce = super::nonce().map_err(|e| unreachable(&e))?;
            let text = probe.script.clone().into_text(&nonce);
            let answers = self.ask(connection.as_mut(), (nonce, text), report).await.map_err(|e| unreachable(&e))?;
            report.timings.add(Stage::Probe, asked.elapsed());
            answers
        };
        let mut found = self.plan_from(n, compiled, probe, answers, report).await;
        if !found.removals.is_empty() {
            found = self.plan_again(n, connection.as_mut(), found, report).await?;
        }
        report.basis = found.basis.take();
        found.plan.warnings.extend(notes);
        Ok((connection, found))
    }

    /// Judges what the host has answered.
    async fn plan_from(
        &self,
        n: usize,
        compiled: Arc<Compiled>,
        probe: CatalogProbe,
        answers: Vec<Frame>,
        report: &mut HostReport,
    ) -> Found {
        let (owner, run, prune) = (self.owner(n), self.apply.run.clone(), self.prune);
        let (saved, keeps) = (self.source.saved(n).cloned(), self.keeps_basis);
        let (found, judging) = timed(move || {
            let catalog = compiled.catalog();
            let guards = probe.script.guards().to_vec();
            let mut seen = probe::observe(catalog, &probe, answers, 0);
            let now = diff::plan(catalog, &seen, guards, &Past::default());
            let (mut plan, held) = match &saved {
                Some(saved) => saved.hold(catalog, &seen, &now),
                None => (now, Held::new()),
            };
            let (mut books, mut untold, mut removals) = (None, 0, vec![]);
            match seen.ledger.take() {
                Some(Ok(ledger)) => {
                    let kept = Bookkeeping { ledger, owner, run, prune, is_saved: saved.is_some() };
                    removals = kept.list_orphans(&compiled, &mut plan);
                    untold = kept.notes(&compiled, &plan.changes, &plan).due;
                    books = Some(kept);
                }
                Some(Err(why)) => plan.warnings.push(format!("{why}; what has left the manifest is not known")),
                None => {}
            }
            plan.is_part = compiled.whole().is_none();
            let basis = keeps.then(|| Arc::new(Basis::of(catalog, &seen, &plan)));
            plan.warnings.extend(seen.unfinished.as_ref().and_then(|run| told(run, &plan)));
            let unconfirmed = seen.unfinished.take().filter(|run| run.unconfirmed).map(|run| run.run);
            let owed = std::mem::take(&mut seen.owed);
            drop(seen);
            Found { compiled, plan, owed, books, untold, unconfirmed, removals, held, basis }
        })
        .await;
        report.timings.add(Stage::Diff, judging);
        found
    }

    /// Judges a host afresh that had to be waited for: another run may have changed anything there.
    pub(super) async fn judge_afresh(self: &Arc<Self>, n: usize, judged: Judged) -> Result<Judged, HostReport> {
        let Judged { mut connection, compiled, mut report, .. } = judged;
        let probe = probe::all_and_kept(compiled.catalog());
        let asked = async {
            let nonce = nonce()?;
            let text = probe.script.clone().into_text(&nonce);
            self.ask(connection.as_mut(), (nonce, text), &mut report).await
        };
        let answers = match asked.await {
            Ok(answers) => answers,
            Err(error) => return Err(HostReport { status: unreachable(&error), ..report }),
        };
        let found = self.plan_from(n, compiled, probe, answers, &mut report).await;
        let Found { compiled, plan, owed, books, untold, unconfirmed, held, .. } = found;
        Ok(Judged { connection, compiled, plan, owed, books, untold, held, unconfirmed, report })
    }

    /// Looks once more, at what has left the manifest too: that is known from the first look alone.
    async fn plan_again(
        self: &Arc<Self>,
        n: usize,
        connection: &mut dyn Connection,
        first: Found,
        report: &mut HostReport,
    ) -> Result<Found, HostStatus> {
        let run = self.clone();
        let (compiled, compiling) = timed(move || {
            let compiled = run.compile(n, &first.compiled.catalog().facts, &first.removals)?;
            let probe = probe::all_and_kept(compiled.catalog());
            Ok((Arc::new(compiled), probe))
        })
        .await;
        report.timings.add(Stage::Compile, compiling);
        let (compiled, probe) = compiled?;
        let asked = Instant::now();
        let nonce = super::nonce().map_err(|e| unreachable(&e))?;
        let text = probe.script.clone().into_text(&nonce);
        let answers = self.ask(connection, (nonce, text), report).await.map_err(|e| unreachable(&e))?;
        report.timings.add(Stage::Probe, asked.elapsed());
        Ok(self.plan_from(n, compiled, probe, answers, report).await)
    }

    /// Whose entries in a host's ledger are ours.
    pub(super) fn owner(&self, n: usize) -> Owner {
        let host = self.jobs.get(n).map(|j| j.host.clone()).unwrap_or_default();
        Owner { project: self.apply.project.clone(), host }
    }

    /// Whether a host is still the machine that its saved plan was made for.
    fn is_still_the_host(&self, n: usize, facts: &Facts) -> Result<(), HostStatus> {
        let saved = self.source.saved(n);
        let moved = saved.map(|s| s.basis.moved_facts(facts)).unwrap_or_default();
        if moved.is_empty() {
            return Ok(());
        }
        let told = moved.iter().map(|m| format!("{} was {}, is {}", m.name, m.from, m.to));
        Err(HostStatus::OtherHost { facts: told.collect() })
    }

    /// The probe that remembered facts lead to. None with guards: a foreign command runs only as the fresh facts want.
    fn expected(&self, n: usize) -> Option<ProbeScript> {
        let job = self.jobs.get(n)?;
        let facts = self.remembered.as_ref()?.of(&job.host, &job.reached)?;
        let probe = probe::all_and_kept(self.compile(n, &facts, &[]).ok()?.catalog()).script;
        (!probe.is_empty() && probe.guards().is_empty()).then_some(probe)
    }

    fn remember(&self, n: usize, facts: &Facts) {
        if let (Some(remembered), Some(job)) = (&self.remembered, self.jobs.get(n)) {
            remembered.keep(&job.host, &job.reached, facts);
        }
    }

    fn compile(&self, n: usize, facts: &Facts, removals: &[Removal]) -> Result<Compiled, HostStatus> {
        let known = Known { facts, removals, outputs: &Outputs::new() };
        self.source.compile(n, known).map_err(|findings| HostStatus::Invalid { findings })
    }
}

/// What is said of a run that did not come to its end: which, whose, when, where, and what the next apply does.
fn told(run: &Unfinished, plan: &HostPlan) -> Option<String> {
    let name = format!("the run {} of {}, {} UTC,", run.run, visible(&run.owner), Utc(run.started));
    let step = run.step.as_ref().map_or(String::new(), |s| format!(" at {}", visible(s)));
    if run.unconfirmed {
        return Some(format!(
            "{name} ended{step} and is not confirmed: the host takes back by itself what may cut you off; an apply confirms it"
        ));
    }
    // What it left undone is a change here; without one there is nothing to do about it.
    (!plan.changes.is_empty()).then(|| format!("{name} died here{step}; an apply goes on from what is there"))
}

fn bad(answer: &BadAnswer) -> TransportError {
    TransportError::Lost { reason: answer.to_string() }
}

/// Runs what costs CPU, and says how long that took, without the time that it waited for its turn.
async fn timed<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (T, Duration) {
    compute(move || {
        let begun = Instant::now();
        let result = work();
        (result, begun.elapsed())
    })
    .await
}
