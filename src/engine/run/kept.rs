//! Asks hosts what runs they have kept.

use super::{Run, RunError, nonce, unreachable};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::journal::kept::{self, Kept};
use crate::shell::history;
use crate::shell::state::StateDir;
use crate::transport::TransportError;
use std::sync::Arc;

/// What one host has kept, the oldest run first, or why it cannot be asked.
pub struct HostKept {
    pub host: String,
    pub runs: Result<Vec<Kept>, HostStatus>,
}

impl Run {
    /// Asks every host. Writes nothing there.
    ///
    /// # Errors
    /// Where nothing could be started, or it was interrupted twice; what happens on hosts is in the results.
    pub fn kept(self: &Arc<Self>) -> Result<Vec<HostKept>, RunError> {
        let kept = |run: Arc<Self>, n| async move { run.kept_on(n).await.map_err(|e| unreachable(&e)) };
        let results = self.ask_each(kept)?;
        let kept = self.jobs.iter().zip(results).map(|(job, runs)| HostKept { host: job.host.clone(), runs });
        Ok(kept.collect())
    }

    async fn kept_on(&self, n: usize) -> Result<Vec<Kept>, TransportError> {
        let mut connection = self.connect.connect(n).await?;
        let nonce = nonce()?;
        let text = history::all(&StateDir::Usual, &nonce);
        let mut report = HostReport::new(String::new(), HostStatus::InLine);
        Ok(kept::read(&self.ask(connection.as_mut(), (nonce, text), &mut report).await?))
    }
}
