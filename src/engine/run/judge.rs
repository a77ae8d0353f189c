//! What a host is, and what it lacks: facts, catalog, probe, plan.

use super::{Event, Judged, Run, compute, nonce, unreachable};
use crate::catalog::Catalog;
use crate::catalog::compile::{HostInput, compile};
use crate::engine::outcome::HostStatus;
use crate::facts::{self, Facts};
use crate::language::diagnostic::Diagnostics;
use crate::language::manifest::Play;
use crate::plan::diff;
use crate::shell;
use crate::shell::frame::{Frame, Nonce, Script};
use crate::transport::{Connection, TransportError};
use std::sync::Arc;
use tokio::sync::mpsc;

impl Run {
    pub(super) async fn facts(&self, connection: &mut dyn Connection) -> Result<(Facts, Vec<String>), TransportError> {
        let nonce = nonce()?;
        let text = shell::facts::script(&nonce);
        let frames = self.ask(connection, (nonce, text)).await?;
        facts::parse::parse(&frames).map_err(|e| TransportError::Lost { reason: e.to_string() })
    }

    async fn ask(
        &self,
        connection: &mut dyn Connection,
        script: (Nonce, Vec<u8>),
    ) -> Result<Vec<Frame>, TransportError> {
        let mut frames: Vec<Frame> = vec![];
        let script = Script { nonce: script.0, text: script.1, limits: self.limits };
        connection.run(&script, &mut frames).await?;
        Ok(frames)
    }

    /// Connects, gathers, compiles, probes, plans. Writes nothing on the host.
    pub(super) async fn judge(
        self: &Arc<Self>,
        n: usize,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Judged, HostStatus> {
        let _ = events.send(Event::Started { host: n });
        let mut connection = self.connect.connect(n).await.map_err(|e| unreachable(&e))?;
        let (facts, notes) = self.facts(connection.as_mut()).await.map_err(|e| unreachable(&e))?;
        let run = self.clone();
        let compiled = compute(move || run.compile(n, facts)).await;
        let catalog = compiled.map_err(|found| HostStatus::Invalid {
            findings: found.iter().map(|d| d.render(&self.project.templates.sources, false)).collect(),
        })?;
        let _ = events.send(Event::Probing { host: n, resources: catalog.resources.len() });
        let mut round_trips = 1;
        let probe = diff::probe(&catalog);
        let guards = probe.script.guards().to_vec();
        let frames = if probe.script.is_empty() {
            vec![]
        } else {
            round_trips += 1;
            let nonce = nonce().map_err(|e| unreachable(&e))?;
            let text = probe.script.clone().into_text(&nonce);
            self.ask(connection.as_mut(), (nonce, text)).await.map_err(|e| unreachable(&e))?
        };
        let catalog = Arc::new(catalog);
        let shared = catalog.clone();
        let mut plan = compute(move || {
            let seen = diff::observe(&shared, &probe, frames, 0);
            diff::plan(&shared, &seen, guards)
        })
        .await;
        plan.warnings.extend(notes);
        Ok(Judged { connection, catalog, plan, round_trips })
    }

    fn compile(&self, n: usize, facts: Facts) -> Result<Catalog, Diagnostics> {
        let Some(job) = self.jobs.get(n) else { return Err(Diagnostics::default()) };
        let plays: Vec<&Play> = job.plays.iter().filter_map(|p| self.project.plays.get(*p)).collect();
        let input = HostInput {
            name: &job.host,
            group_names: &job.group_names,
            vars: job.vars.iter().collect(),
            groups: &self.groups,
            plays,
        };
        compile(&self.project, &input, facts, &self.selection)
    }
}
