//! Asks hosts what runs they have kept.

use super::{Run, RuntimeError, nonce, unreachable};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::journal::kept::{self, Kept};
use crate::shell::history;
use crate::shell::state::StateDir;
use crate::transport::TransportError;
use std::sync::Arc;
use std::time::Duration;

/// What one host has kept, the oldest run first, or why it cannot be asked.
pub struct HostKept {
    pub host: String,
    pub runs: Result<Vec<Kept>, HostStatus>,
}

impl Run {
    /// Asks every host. Writes nothing there.
    ///
    /// # Errors
    /// Only where nothing could be started; what happens on hosts is in the results.
    pub fn kept(self: &Arc<Self>) -> Result<Vec<HostKept>, RuntimeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let this = self.clone();
        let kept = runtime.block_on(async move {
            let results = this
                .for_each(this.jobs.len(), &mut |_| {}, |run, n, _| async move {
                    run.kept_on(n).await.map_err(|e| unreachable(&e))
                })
                .await;
            let of = |(job, runs): (&super::Job, Option<_>)| HostKept {
                host: job.host.clone(),
                runs: runs.unwrap_or(Err(HostStatus::NotStarted)),
            };
            this.jobs.iter().zip(results).map(of).collect()
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(kept)
    }

    async fn kept_on(&self, n: usize) -> Result<Vec<Kept>, TransportError> {
        let mut connection = self.connect.connect(n).await?;
        let nonce = nonce()?;
        let text = history::all(&StateDir::Usual, &nonce);
        let mut report = HostReport::new(String::new(), HostStatus::InLine);
        Ok(kept::read(&self.ask(connection.as_mut(), (nonce, text), &mut report).await?))
    }
}
