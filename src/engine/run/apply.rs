//! Carries out a host's plan.

use super::confirm::{Confirmed, Confirming};
use super::{Event, Judged, Run, compute, nonce};
use crate::catalog::Catalog;
use crate::engine::carry_out;
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::timings::Stage;
use crate::model::body::Body;
use crate::model::run_name::RunName;
use crate::plan::HostPlan;
use crate::plan::diff::{self, CatalogProbe};
use crate::plan::notes::Notes;
use crate::shell::apply::{self, ApplyPlan};
use crate::shell::frame::{Frame, FrameSink, Limits, Script};
use crate::shell::probe::ProbeScript;
use crate::shell::state::StateDir;
use crate::transport::{Connection, TransportError, body};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Slots of the questions about a run that went on alone.
const END: u32 = u32::MAX - 2;

impl Run {
    /// Applies a host's plan, and looks again at what was changed, in one script.
    pub(super) async fn apply(
        self: Arc<Self>,
        n: usize,
        judged: Judged,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let Judged { connection, catalog, plan, notes, held, report, .. } = judged;
        let remote = self.jobs.get(n).is_some_and(|j| j.remote);
        let left = held.keys().copied().collect();
        let script = carry_out::script_of(&catalog, &plan, notes.as_ref(), &self.apply, remote);
        let script = ApplyPlan { left, ..script };
        let probe = diff::probe_of(&catalog, plan.changes.iter().filter(|c| c.verifiable).map(|c| c.resource));
        let has_gzip = catalog.facts.tools.gzip;
        let work = Work { connection, plan: Arc::new(plan), script, verify: Some(Verify { catalog, probe }), has_gzip };
        let mut report = self.carry_out(n, work, report, events).await;
        carry_out::left_alone(&held, &mut report.results);
        report
    }

    /// Runs a script, and tells what came of each change.
    ///
    /// Where the connection is lost the host goes on by itself, and its results are fetched over a new one.
    pub(super) async fn carry_out(
        self: Arc<Self>,
        n: usize,
        mut work: Work,
        mut report: HostReport,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let begun = Instant::now();
        let first_verify = carry_out::first_verify_slot(&work.script);
        let confirming = work.script.guard.clone().map(|guard| Confirming::begin(self.clone(), n, guard, &work.script));
        let tell = confirming.as_ref().map(|c| (c.last_slot, c.tell.clone()));
        let (plan, script) = (work.plan.clone(), &work.script);
        let mut frames = Progress { host: n, plan: &plan, script, events, frames: vec![], tell };
        let lost = {
            let connection = work.connection.as_mut();
            let sent = self.send(connection, script, work.verify.as_ref(), work.has_gzip, &mut report, &mut frames);
            let cut_off = async {
                match &confirming {
                    Some(confirming) => confirming.cut_off().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                sent = sent => sent.err(),
                lost = cut_off => Some(lost),
            }
        };
        let (mut steps, mut seen): (Vec<Frame>, Vec<Frame>) =
            frames.frames.into_iter().partition(|f| f.slot < first_verify);
        if let Some(status) = carry_out::refused(&steps) {
            report.status = status;
            report.plan = Some(plan.as_ref().clone());
            return report;
        }
        let unwritten = carry_out::ledger_failed(&seen);
        let confirmed = match confirming {
            Some(confirming) => confirming.end().await,
            None => Confirmed::NotNeeded,
        };
        let mut ending = Ending::Complete;
        let was_not_lost = lost.is_none();
        if lost.is_some() || confirmed.is_refused() {
            let guard = work.script.guard.as_ref().filter(|_| confirmed.is_refused());
            let taken_back = guard.map(apply::Guard::at_most);
            let verify = work.verify.as_ref();
            ending = match self.collect(n, &work.script.run, verify, taken_back, &mut report).await {
                Some(Collected { steps: more, seen: again, died }) => {
                    let known: BTreeSet<u32> = steps.iter().map(|f| f.slot).collect();
                    steps.extend(more.into_iter().filter(|f| !known.contains(&f.slot)));
                    seen =
                        again.into_iter().map(|f| Frame { slot: f.slot.saturating_add(first_verify), ..f }).collect();
                    if died { Ending::Died } else { Ending::Complete }
                }
                None => Ending::Lost(lost.unwrap_or(TransportError::Idle { after: self.apply.confirm_within })),
            };
        }
        report.timings.add(Stage::Apply, begun.elapsed());
        let (is_lost, died) = (matches!(ending, Ending::Lost(_)), matches!(ending, Ending::Died));
        let refused = confirmed.is_refused();
        let keeps_connection = was_not_lost && !refused;
        let Work { connection, plan, script, verify, .. } = work;
        let shared = plan.clone();
        report.results = compute(move || {
            let mut results = carry_out::results(&shared, &script, &steps, died);
            if refused {
                carry_out::taken_back(&shared, &mut results);
            }
            if let Some(Verify { catalog, probe }) = verify.filter(|_| !is_lost) {
                let seen = diff::observe(&catalog, &probe, seen, first_verify);
                carry_out::verify(&catalog, &shared, &seen, &mut results);
            }
            results
        })
        .await;
        report.status = match (ending, confirmed) {
            (Ending::Lost(error), Confirmed::Refused(why)) => HostStatus::Unreachable {
                reason: format!("{why}, and it has not come back since: {error}"),
                help: Some(
                    "the host takes back by itself what may have cut you off; its console shows /var/lib/trueup/runs"
                        .into(),
                ),
            },
            (Ending::Lost(error), _) => went_on(&error),
            (_, Confirmed::Refused(why)) => HostStatus::CutOff { reason: why },
            _ if report.results.iter().any(|r| r.status.is_failure()) || !plan.unjudged.is_empty() => {
                HostStatus::Failed
            }
            _ => HostStatus::Applied,
        };
        let connection = keeps_connection.then_some(connection);
        self.check_health(n, connection, &plan.health, &mut report, events).await;
        let mut plan = Arc::unwrap_or_clone(plan);
        plan.warnings.extend(unwritten);
        report.plan = Some(plan);
        report
    }

    /// Tells a host's ledger what was found in line there. Where another run holds the host, or it is lost, the next
    /// apply does it.
    pub(super) async fn note(&self, connection: &mut dyn Connection, notes: &Notes, report: &mut HostReport) {
        let Ok(nonce) = nonce() else { return };
        let script = carry_out::note_of(notes, &self.apply);
        let text = apply::script(&script, &ProbeScript::default(), carry_out::first_verify_slot(&script), &nonce);
        let frames = self.ask(connection, (nonce, text), report).await.unwrap_or_default();
        if let (Some(why), Some(plan)) = (carry_out::ledger_failed(&frames), &mut report.plan) {
            plan.warnings.push(why);
        }
    }

    async fn send(
        &self,
        connection: &mut dyn Connection,
        script: &ApplyPlan,
        verify: Option<&Verify>,
        has_gzip: bool,
        report: &mut HostReport,
        frames: &mut Progress<'_>,
    ) -> Result<(), TransportError> {
        for body in script.ahead() {
            report.round_trips += 1;
            report.bytes_sent += body.size;
            self.send_ahead(connection, &script.run, body, has_gzip).await?;
        }
        let nonce = nonce()?;
        let nothing = ProbeScript::default();
        let verify = verify.map_or(&nothing, |v| &v.probe.script);
        let text = apply::script(script, verify, carry_out::first_verify_slot(script), &nonce);
        let limits = Limits {
            // A step may be silent for as long as it may take.
            idle: carry_out::longest_step(script) + script.lock_wait + self.limits.idle,
            total_time: Duration::from_secs(24 * 3600),
            ..self.limits
        };
        report.round_trips += 1;
        report.bytes_sent += text.len() as u64;
        connection.run(&Script { nonce, text, limits }, frames).await
    }

    /// Comes back to a host whose connection was lost, waits until the run is at its end, and fetches its results.
    ///
    /// `taken_back`: how long the host may take to take the run back, which is waited for. `None`: it does not come
    /// back, or does not know of the run.
    async fn collect(
        &self,
        n: usize,
        run: &RunName,
        verify: Option<&Verify>,
        taken_back: Option<Duration>,
        report: &mut HostReport,
    ) -> Option<Collected> {
        if let (Some(within), Some(revert)) = (taken_back, carry_out::revert_name(run)) {
            let deadline = Instant::now() + within;
            while self.collect_once(n, &revert, report).await.is_none_or(|(_, died)| died) {
                if Instant::now() >= deadline {
                    return None;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        let (steps, died) = self.collect_once(n, run, report).await?;
        if died && steps.is_empty() {
            return None;
        }
        let mut seen = vec![];
        if let Some(verify) = verify.filter(|v| !v.probe.script.is_empty()) {
            let mut connection = self.connect.connect(n).await.ok()?;
            let nonce = nonce().ok()?;
            let text = verify.probe.script.clone().into_text(&nonce);
            seen = self.ask(connection.as_mut(), (nonce, text), report).await.ok()?;
        }
        Some(Collected { steps, seen, died })
    }

    /// The frames of a run's steps, once it is at its end, and whether it has died.
    async fn collect_once(&self, n: usize, run: &RunName, report: &mut HostReport) -> Option<(Vec<Frame>, bool)> {
        let mut connection = self.connect.connect(n).await.ok()?;
        let patience = Duration::from_secs(20);
        loop {
            let nonce = nonce().ok()?;
            let text = apply::collect::collect(run, patience, &StateDir::Usual, END, &nonce);
            let mut steps = self.ask(connection.as_mut(), (nonce, text), report).await.ok()?;
            let end = steps.pop().filter(|f| f.slot == END)?;
            if end.status != apply::collect::GOES_ON {
                return Some((steps, end.status == apply::collect::DIED));
            }
        }
    }

    /// Streams contents that are too large for a script, compressed where the host can take that and it pays.
    async fn send_ahead(
        &self,
        connection: &mut dyn Connection,
        run: &RunName,
        body: &Body,
        has_gzip: bool,
    ) -> Result<(), TransportError> {
        let limits = Limits { total_time: Duration::from_secs(24 * 3600), ..self.limits };
        let mut frames: Vec<Frame> = vec![];
        let (encoding, mut stream) = body::open(body, has_gzip).await?;
        let nonce = nonce()?;
        let text = apply::receive(run, body, encoding, &StateDir::Usual, 0, &nonce);
        connection.feed(&Script { nonce, text, limits }, &mut stream, &mut frames).await?;
        match frames.into_iter().next() {
            Some(frame) if frame.status == 0 => Ok(()),
            Some(frame) => {
                let said = String::from_utf8_lossy(&frame.body).trim().to_owned();
                Err(TransportError::Local(format!("the host could not take a file of {} bytes: {said}", body.size)))
            }
            None => Err(TransportError::Lost { reason: "no answer to a file that was sent".into() }),
        }
    }
}

/// What is to be carried out on a host.
pub(super) struct Work {
    pub connection: Box<dyn Connection>,
    /// The changes, for people.
    pub plan: Arc<HostPlan>,
    pub script: ApplyPlan,
    pub verify: Option<Verify>,
    /// Whether the host can take compressed contents.
    pub has_gzip: bool,
}

/// How it is looked again at what was changed.
pub(super) struct Verify {
    pub catalog: Arc<Catalog>,
    pub probe: CatalogProbe,
}

pub(super) fn went_on(error: &TransportError) -> HostStatus {
    HostStatus::Unreachable {
        reason: error.to_string(),
        help: Some("what the host has begun goes on without you; plan again once it can be reached".into()),
    }
}

/// How a run came to its end, as far as it is known here.
enum Ending {
    Complete,
    /// The run was killed on the host.
    Died,
    /// The host has not come back.
    Lost(TransportError),
}

/// What a host that was lost has told of its run.
struct Collected {
    steps: Vec<Frame>,
    /// Answers to the second look, from slot 0.
    seen: Vec<Frame>,
    died: bool,
}

/// Tells what a host is at while its answers come.
struct Progress<'a> {
    host: usize,
    plan: &'a HostPlan,
    script: &'a ApplyPlan,
    events: &'a mpsc::UnboundedSender<Event>,
    frames: Vec<Frame>,
    /// Whom to tell once the frame of this slot is there.
    tell: Option<(u32, Arc<Notify>)>,
}

impl FrameSink for Progress<'_> {
    fn begin(&mut self, slot: u32) {
        if let Some(what) = carry_out::describe(self.plan, self.script, slot) {
            let _ = self.events.send(Event::Step { host: self.host, what });
        }
    }

    fn frame(&mut self, frame: Frame) {
        if let Some((_, notify)) = self.tell.as_ref().filter(|(slot, _)| *slot == frame.slot) {
            notify.notify_one();
        }
        self.frames.push(frame);
    }
}
