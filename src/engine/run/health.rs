//! Whether a host is well after its changes, which the next wave waits for.

use super::{Event, Run, nonce};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::shell::frame::{Frame, FrameSink, Limits, Script};
use crate::shell::health::{self, HealthCheck};
use crate::transport::{Connection, TransportError};
use std::time::Duration;
use tokio::sync::mpsc;

impl Run {
    /// Runs the checks, over the connection that there is or a new one. The report says so where one does not hold.
    pub(super) async fn check_health(
        &self,
        n: usize,
        connection: Option<Box<dyn Connection>>,
        checks: &[HealthCheck],
        report: &mut HostReport,
        events: &mpsc::UnboundedSender<Event>,
    ) {
        if checks.is_empty() || report.status.is_failure() {
            return;
        }
        let mut answers = Answers { host: n, checks, events, frames: vec![] };
        let asked = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => self.connect.connect(n).await?,
            };
            let nonce = nonce()?;
            let text = health::script(checks, &nonce);
            let longest = checks.iter().map(HealthCheck::at_most).max().unwrap_or_default();
            let limits =
                Limits { idle: longest + self.limits.idle, total_time: Duration::from_secs(24 * 3600), ..self.limits };
            report.round_trips += 1;
            report.bytes_sent += text.len() as u64;
            connection.run(&Script { nonce, text, limits }, &mut answers).await
        };
        let asked: Result<(), TransportError> = asked.await;
        let frames = answers.frames;
        let shown = |slot: usize| checks.get(slot).map(|c| c.asks.to_string()).unwrap_or_default();
        if let Some(bad) = frames.iter().find(|f| f.status != 0) {
            let output = String::from_utf8_lossy(&bad.body).trim_end().to_owned();
            let check = shown(usize::try_from(bad.slot).unwrap_or(usize::MAX));
            report.status = HostStatus::Unhealthy { check, output };
        } else if frames.len() < checks.len() {
            let output = asked.err().map_or_else(|| "it gave no answer".to_owned(), |e| e.to_string());
            report.status = HostStatus::Unhealthy { check: shown(frames.len()), output };
        }
    }
}

struct Answers<'a> {
    host: usize,
    checks: &'a [HealthCheck],
    events: &'a mpsc::UnboundedSender<Event>,
    frames: Vec<Frame>,
}

impl FrameSink for Answers<'_> {
    fn begin(&mut self, slot: u32) {
        if let Some(check) = usize::try_from(slot).ok().and_then(|n| self.checks.get(n)) {
            let _ = self.events.send(Event::Step { host: self.host, what: format!("health: {}", check.asks) });
        }
    }

    fn frame(&mut self, frame: Frame) {
        self.frames.push(frame);
    }
}
