//! Confirms, by a connection made anew, that a change has not cut the operator off.

use super::{Run, nonce};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::model::run_name::RunName;
use crate::shell::apply::{ApplyPlan, Guard, guard};
use crate::shell::state::StateDir;
use crate::transport::TransportError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// What became of it.
#[derive(Clone, Debug)]
pub(super) enum Confirmed {
    /// There was nothing to confirm.
    NotNeeded,
    /// A new connection came about, with all that it takes, and has said so.
    Yes,
    /// It did not, and why: the host takes it back by itself.
    Refused(String),
}

impl Confirmed {
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// A confirmation that waits for its time.
pub(super) struct Confirming {
    /// The step after which it is due.
    pub last_slot: u32,
    /// Says that this step is done.
    pub tell: Arc<Notify>,
    result: watch::Receiver<Option<Confirmed>>,
    within: Duration,
}

impl Confirming {
    pub fn begin(run: Arc<Run>, host: usize, guard: Guard, script: &ApplyPlan) -> Self {
        let name = script.run.clone();
        let tell = Arc::new(Notify::new());
        let (send, result) = watch::channel(None);
        let due = tell.clone();
        let within = guard.within;
        tokio::spawn(async move {
            due.notified().await;
            let _ = send.send(Some(run.confirm(host, &name, within).await));
        });
        Self { last_slot: guard.slots.last().copied().unwrap_or_default(), tell, result, within }
    }

    /// Waits until it is clear that the operator was cut off, and then as long as the old connection may need to notice
    /// that the host has taken it back. For ever, where it is confirmed.
    pub async fn cut_off(&self) -> TransportError {
        let mut result = self.result.clone();
        let refused = result.wait_for(|r| r.as_ref().is_some_and(Confirmed::is_refused)).await.is_ok();
        if !refused {
            std::future::pending::<()>().await;
        }
        TransportError::Idle { after: self.within }
    }

    /// The result, once the run itself is over: whatever came of its steps, it is due now.
    pub async fn end(mut self) -> Confirmed {
        self.tell.notify_one();
        match self.result.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Confirmed::NotNeeded),
            Err(_) => Confirmed::Refused("the confirmation itself has failed".into()),
        }
    }
}

impl Run {
    /// Tries until the host does not wait any more.
    pub(super) async fn confirm(&self, host: usize, name: &RunName, within: Duration) -> Confirmed {
        let deadline = Instant::now() + within;
        let mut report = HostReport::new(String::new(), HostStatus::InLine);
        loop {
            let tried = async {
                let mut connection = self.connect.connect(host).await?;
                let nonce = nonce()?;
                let text = guard::confirm(name, &StateDir::Usual, 0, &nonce);
                self.ask(connection.as_mut(), (nonce, text), &mut report).await
            };
            let why = match tokio::time::timeout_at(deadline, tried).await {
                Ok(Ok(frames)) => match frames.first().map(|f| f.status) {
                    Some(0) => return Confirmed::Yes,
                    Some(guard::TOO_LATE) => return Confirmed::Refused("a new connection came too late".into()),
                    _ => "the new connection gave no answer".to_owned(),
                },
                Ok(Err(error)) => format!("no new connection comes about: {error}"),
                Err(_) => format!("no new connection has come about within {} s", within.as_secs()),
            };
            if Instant::now() + Duration::from_secs(1) >= deadline {
                return Confirmed::Refused(why);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
