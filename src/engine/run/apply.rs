//! Carries out a host's plan.

use super::confirm::{Confirmed, Confirming};
use super::{Event, Judged, Run, compute, nonce};
use crate::catalog::Catalog;
use crate::engine::carry_out;
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::timings::Stage;
use crate::plan::HostPlan;
use crate::plan::diff::{self, CatalogProbe};
use crate::shell::apply::{self, ApplyPlan};
use crate::shell::body::Body;
use crate::shell::frame::{Frame, FrameSink, Limits, Script};
use crate::shell::state::{RunName, StateDir};
use crate::transport::{Connection, TransportError, body};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Slots of the questions about a run that went on alone.
const END: u32 = u32::MAX - 2;

impl Run {
    /// Applies a host's plan, and looks again at what was changed, in one script.
    ///
    /// Where the connection is lost the host goes on by itself, and its results are fetched over a new one.
    pub(super) async fn apply(
        self: Arc<Self>,
        n: usize,
        judged: Judged,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let Judged { mut connection, catalog, plan, mut report } = judged;
        let plan = Arc::new(plan);
        let begun = Instant::now();
        let verify = diff::probe_of(&catalog, plan.changes.iter().filter(|c| c.verifiable).map(|c| c.resource));
        let remote = self.jobs.get(n).is_some_and(|j| j.remote);
        let script = carry_out::script_of(&catalog, &plan, &self.apply, remote);
        let first_verify = carry_out::first_verify_slot(&plan);
        let confirming = script.guard.clone().map(|guard| Confirming::begin(self.clone(), n, guard));
        let tell = confirming.as_ref().map(|c| (c.last_slot, c.tell.clone()));
        let mut frames = Progress { host: n, plan: &plan, events, frames: vec![], tell };
        let lost = {
            let sent = self.send(connection.as_mut(), &catalog, &plan, &script, &verify, &mut report, &mut frames);
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
            report.plan = Some(Arc::unwrap_or_clone(plan));
            return report;
        }
        let confirmed = match confirming {
            Some(confirming) => confirming.end().await,
            None => Confirmed::NotNeeded,
        };
        let mut ending = Ending::Complete;
        if lost.is_some() || confirmed.is_refused() {
            let guard = script.guard.as_ref().filter(|_| confirmed.is_refused());
            ending = match self.collect(n, &verify, guard.map(apply::Guard::at_most), &mut report).await {
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
        let shared = plan.clone();
        let is_lost = matches!(ending, Ending::Lost(_));
        let died = matches!(ending, Ending::Died);
        let refused = confirmed.is_refused();
        report.results = compute(move || {
            let mut results = carry_out::results(&shared, &steps, died);
            if refused {
                carry_out::taken_back(&shared, &mut results);
            }
            if !is_lost {
                let seen = diff::observe(&catalog, &verify, seen, first_verify);
                carry_out::verify(&catalog, &shared, &seen, &mut results);
            }
            results
        })
        .await;
        report.status = match (ending, confirmed) {
            (Ending::Lost(error), Confirmed::Refused(why)) => {
                HostStatus::Unreachable { reason: format!("{why}, and it has not come back since: {error}"), help: Some(
                    "it takes back by itself what may have cut you off; if it does not come back, look on its console at /var/lib/trueup/runs".into(),
                ) }
            }
            (Ending::Lost(error), _) => went_on(&error),
            (_, Confirmed::Refused(why)) => HostStatus::CutOff { reason: why },
            _ if report.results.iter().any(|r| r.status.is_failure()) || !plan.unjudged.is_empty() => HostStatus::Failed,
            _ => HostStatus::Applied,
        };
        report.plan = Some(Arc::unwrap_or_clone(plan));
        report
    }

    #[allow(clippy::too_many_arguments)]
    async fn send(
        &self,
        connection: &mut dyn Connection,
        catalog: &Catalog,
        plan: &HostPlan,
        script: &ApplyPlan,
        verify: &CatalogProbe,
        report: &mut HostReport,
        frames: &mut Progress<'_>,
    ) -> Result<(), TransportError> {
        for body in script.ahead() {
            report.round_trips += 1;
            report.bytes_sent += body.size;
            self.send_ahead(connection, body, catalog.facts.tools.gzip).await?;
        }
        let nonce = nonce()?;
        let text = apply::script(script, &verify.script, carry_out::first_verify_slot(plan), &nonce);
        let limits = Limits {
            // A step may be silent for as long as it may take.
            idle: carry_out::longest_step(plan, &self.apply) + self.apply.lock_wait + self.limits.idle,
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
        verify: &CatalogProbe,
        taken_back: Option<Duration>,
        report: &mut HostReport,
    ) -> Option<Collected> {
        if let (Some(within), Some(revert)) = (taken_back, carry_out::revert_name(&self.apply.run)) {
            let deadline = Instant::now() + within;
            while self.collect_once(n, &revert, report).await.is_none_or(|(_, died)| died) {
                if Instant::now() >= deadline {
                    return None;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        let (steps, died) = self.collect_once(n, &self.apply.run, report).await?;
        if died && steps.is_empty() {
            return None;
        }
        let mut connection = self.connect.connect(n).await.ok()?;
        let nonce = nonce().ok()?;
        let text = verify.script.clone().into_text(&nonce);
        let seen = self.ask(connection.as_mut(), (nonce, text), report).await.ok()?;
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
        body: &Body,
        has_gzip: bool,
    ) -> Result<(), TransportError> {
        let limits = Limits { total_time: Duration::from_secs(24 * 3600), ..self.limits };
        let mut frames: Vec<Frame> = vec![];
        let (encoding, mut stream) = body::open(body, has_gzip).await?;
        let nonce = nonce()?;
        let text = apply::receive(body, encoding, &StateDir::Usual, 0, &nonce);
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

fn went_on(error: &TransportError) -> HostStatus {
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
    events: &'a mpsc::UnboundedSender<Event>,
    frames: Vec<Frame>,
    /// Whom to tell once the frame of this slot is there.
    tell: Option<(u32, Arc<Notify>)>,
}

impl FrameSink for Progress<'_> {
    fn begin(&mut self, slot: u32) {
        if let Some(what) = carry_out::describe(self.plan, slot) {
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
