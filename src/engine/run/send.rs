//! One script on one host: sent, heard, and where the connection is lost, its results fetched over a new one.

use super::confirm::{Confirmed, Confirming};
use super::{Event, Run, nonce};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::script;
use crate::engine::timings::Stage;
use crate::model::body::Body;
use crate::model::run_name::RunName;
use crate::plan::HostPlan;
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
    /// Runs a script.
    ///
    /// Where the connection is lost the host goes on by itself, and its results are fetched over a new one.
    pub(super) async fn run_script(
        self: Arc<Self>,
        n: usize,
        mut work: Work,
        report: &mut HostReport,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Ran {
        let begun = Instant::now();
        let first_probe = script::first_verify_slot(&work.script);
        let confirming = work.script.guard.clone().map(|guard| Confirming::begin(self.clone(), n, guard, &work.script));
        let tell = confirming.as_ref().map(|c| (c.last_slot, c.tell.clone()));
        let (plan, script) = (work.plan.clone(), &work.script);
        let mut heard = Progress { host: n, plan: &plan, script, events, frames: vec![], tell };
        let lost = {
            let connection = work.connection.as_mut();
            let sent = self.send(connection, script, &work.probe, work.has_gzip, report, &mut heard);
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
        let (mut steps, seen): (Vec<Frame>, Vec<Frame>) =
            heard.frames.into_iter().partition(|f| script::is_of_step(f.slot, first_probe));
        let start = match script::refused(&steps) {
            Some(status) => Start::Refused(status),
            None if script::has_waited(&steps) => Start::Waited,
            None => Start::Begun,
        };
        let unwritten = script::ledger_failed(&seen);
        let from_zero = |f: Frame| Some(Frame { slot: f.slot.checked_sub(first_probe)?, ..f });
        let mut seen: Vec<Frame> = seen.into_iter().filter_map(from_zero).collect();
        let Work { connection, script, probe, .. } = work;
        if !matches!(start, Start::Begun) {
            let (ending, confirmed) = (Ending::Complete, Confirmed::NotNeeded);
            return Ran { start, steps, seen, ending, confirmed, unwritten, connection: Some(connection), script };
        }
        let confirmed = match confirming {
            Some(confirming) => confirming.end().await,
            None => Confirmed::NotNeeded,
        };
        let mut ending = Ending::Complete;
        let keeps_connection = lost.is_none() && !confirmed.is_refused();
        if lost.is_some() || confirmed.is_refused() {
            let guard = script.guard.as_ref().filter(|_| confirmed.is_refused());
            let taken_back = guard.map(|guard| guard.at_most(&script));
            ending = match self.collect(n, &script, &probe, taken_back, report).await {
                Some(Collected { steps: more, seen: again, died }) => {
                    let known: BTreeSet<u32> = steps.iter().map(|f| f.slot).collect();
                    steps.extend(more.into_iter().filter(|f| !known.contains(&f.slot)));
                    seen = again;
                    if died { Ending::Died } else { Ending::Complete }
                }
                None => Ending::Lost(lost.unwrap_or(TransportError::Idle { after: self.apply.confirm_within })),
            };
        }
        report.timings.add(Stage::Apply, begun.elapsed());
        let connection = keeps_connection.then_some(connection);
        Ran { start, steps, seen, ending, confirmed, unwritten, connection, script }
    }

    async fn send(
        &self,
        connection: &mut dyn Connection,
        script: &ApplyPlan,
        probe: &ProbeScript,
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
        let text = apply::script(script, probe, script::first_verify_slot(script), &nonce);
        let limits = Limits {
            // A step may be silent for as long as it may take.
            idle: script::longest_step(script) + script.lock_wait + self.limits.idle,
            total_time: Duration::from_secs(24 * 3600),
            ..self.limits
        };
        report.round_trips += 1;
        report.bytes_sent += text.len() as u64;
        connection.run(&Script { nonce, text, limits }, frames).await
    }

    /// Comes back to a host whose connection was lost, waits until the stage is at its end, and fetches its results.
    ///
    /// `taken_back`: how long the host may take to take the run back, which is waited for. `None`: it does not come
    /// back, or does not know of the run.
    async fn collect(
        &self,
        n: usize,
        script: &ApplyPlan,
        probe: &ProbeScript,
        taken_back: Option<Duration>,
        report: &mut HostReport,
    ) -> Option<Collected> {
        if let (Some(within), Some(revert)) = (taken_back, script::revert_name(&script.run)) {
            let deadline = Instant::now() + within;
            while self.collect_once(n, &revert, 1, report).await.is_none_or(|(_, died)| died) {
                if Instant::now() >= deadline {
                    return None;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        let (steps, died) = self.collect_once(n, &script.run, script.stage, report).await?;
        if died && steps.is_empty() {
            return None;
        }
        let mut seen = vec![];
        if !probe.is_empty() {
            let mut connection = self.connect.connect(n).await.ok()?;
            let nonce = nonce().ok()?;
            let text = probe.clone().into_text(&nonce);
            seen = self.ask(connection.as_mut(), (nonce, text), report).await.ok()?;
        }
        Some(Collected { steps, seen, died })
    }

    /// The frames of a run's steps, once that stage is at its end, and whether it has died.
    async fn collect_once(
        &self,
        n: usize,
        run: &RunName,
        stage: u32,
        report: &mut HostReport,
    ) -> Option<(Vec<Frame>, bool)> {
        let mut connection = self.connect.connect(n).await.ok()?;
        let patience = Duration::from_secs(20);
        loop {
            let nonce = nonce().ok()?;
            let text = apply::collect::collect(run, stage, patience, &StateDir::Usual, END, &nonce);
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

/// What is to be run on a host.
pub(super) struct Work {
    pub connection: Box<dyn Connection>,
    /// The changes, for people.
    pub plan: Arc<HostPlan>,
    pub script: ApplyPlan,
    /// What is asked at the end, in the same script.
    pub probe: ProbeScript,
    /// Whether the host can take compressed contents.
    pub has_gzip: bool,
}

/// How a script began.
pub(super) enum Start {
    Begun,
    /// The host had to be waited for. Nothing was run, and the next script of the run has the lock.
    Waited,
    /// Nothing was run, and why.
    Refused(HostStatus),
}

/// What came of a script.
pub(super) struct Ran {
    pub start: Start,
    /// Frames of the steps.
    pub steps: Vec<Frame>,
    /// Answers to the probe, from slot 0.
    pub seen: Vec<Frame>,
    pub ending: Ending,
    pub confirmed: Confirmed,
    /// Why the host's ledger was not written, where that is so.
    pub unwritten: Option<String>,
    /// The connection, unless it was lost.
    pub connection: Option<Box<dyn Connection>>,
    pub script: ApplyPlan,
}

impl Ran {
    /// Whether the host's answer to the probe can be trusted to be whole.
    pub fn is_complete(&self) -> bool {
        matches!(self.ending, Ending::Complete) && !self.confirmed.is_refused()
    }

    /// What has to be said of the host, where the script did not come to a good end.
    pub fn status(&self) -> Option<HostStatus> {
        Some(match (&self.ending, &self.confirmed) {
            (Ending::Lost(error), Confirmed::Refused(why)) => HostStatus::Unreachable {
                reason: format!("{why}, and it has not come back since: {error}"),
                help: Some(
                    "the host takes back by itself what may have cut you off; its console shows /var/lib/trueup/runs"
                        .into(),
                ),
            },
            (Ending::Lost(error), _) => went_on(error),
            (_, Confirmed::Refused(why)) => HostStatus::CutOff { reason: why.clone() },
            _ => return None,
        })
    }
}

pub(super) fn went_on(error: &TransportError) -> HostStatus {
    HostStatus::Unreachable {
        reason: error.to_string(),
        help: Some("what the host has begun goes on without you; plan again once it can be reached".into()),
    }
}

/// How a run came to its end, as far as it is known here.
pub(super) enum Ending {
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
        if let Some(what) = script::describe(self.plan, self.script, slot) {
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
