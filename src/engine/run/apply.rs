//! Carries out a host's plan.

use super::{Event, Judged, Run, compute, nonce, unreachable};
use crate::engine::carry_out;
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::timings::Stage;
use crate::plan::{HostPlan, diff};
use crate::shell::apply;
use crate::shell::body::Body;
use crate::shell::frame::{Frame, FrameSink, Limits, Script};
use crate::shell::state::StateDir;
use crate::transport::{Connection, TransportError, body};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

impl Run {
    /// Applies a host's plan, and looks again at what was changed, in one script.
    pub(super) async fn apply(
        self: Arc<Self>,
        n: usize,
        judged: Judged,
        events: &mpsc::UnboundedSender<Event>,
    ) -> HostReport {
        let Judged { mut connection, catalog, plan, mut report } = judged;
        let begun = Instant::now();
        let verify = diff::probe_of(&catalog, plan.changes.iter().filter(|c| c.verifiable).map(|c| c.resource));
        let script = carry_out::script_of(&plan, &self.apply);
        let first_verify = carry_out::first_verify_slot(&plan);
        let mut frames = Progress { host: n, plan: &plan, events, frames: vec![] };
        let mut sent = async || -> Result<(), TransportError> {
            for body in script.ahead() {
                report.round_trips += 1;
                report.bytes_sent += body.size;
                self.send_ahead(connection.as_mut(), body, catalog.facts.tools.gzip).await?;
            }
            let nonce = nonce()?;
            let text = apply::script(&script, &verify.script, first_verify, &nonce);
            let limits = Limits {
                // A step may be silent for as long as it may take.
                idle: carry_out::longest_step(&plan, &self.apply) + self.limits.idle,
                total_time: Duration::from_secs(24 * 3600),
                ..self.limits
            };
            report.round_trips += 1;
            report.bytes_sent += text.len() as u64;
            connection.run(&Script { nonce, text, limits }, &mut frames).await
        };
        let lost = sent().await.err();
        report.timings.add(Stage::Apply, begun.elapsed());
        let (steps, seen): (Vec<Frame>, Vec<Frame>) = frames.frames.into_iter().partition(|f| f.slot < first_verify);
        if let Some(status) = carry_out::refused(&steps) {
            report.status = status;
            report.plan = Some(plan);
            return report;
        }
        let complete = lost.is_none();
        let (catalog, plan) = (catalog, Arc::new(plan));
        let shared = plan.clone();
        report.results = compute(move || {
            let mut results = carry_out::results(&shared, &steps);
            if complete {
                let seen = diff::observe(&catalog, &verify, seen, first_verify);
                carry_out::verify(&catalog, &shared, &seen, &mut results);
            }
            results
        })
        .await;
        report.status = match lost {
            Some(error) => unreachable(&error),
            None if report.results.iter().any(|r| r.status.is_failure()) => HostStatus::Failed,
            None if !plan.unjudged.is_empty() => HostStatus::Failed,
            None => HostStatus::Applied,
        };
        report.plan = Some(Arc::unwrap_or_clone(plan));
        report
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

/// Tells what a host is at while its answers come.
struct Progress<'a> {
    host: usize,
    plan: &'a HostPlan,
    events: &'a mpsc::UnboundedSender<Event>,
    frames: Vec<Frame>,
}

impl FrameSink for Progress<'_> {
    fn begin(&mut self, slot: u32) {
        if let Some(what) = carry_out::describe(self.plan, slot) {
            let _ = self.events.send(Event::Step { host: self.host, what });
        }
    }

    fn frame(&mut self, frame: Frame) {
        self.frames.push(frame);
    }
}
