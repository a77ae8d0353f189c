//! Ctrl-C, counted: the first ends a run in order, the second at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct Interrupts {
    count: watch::Receiver<u32>,
    told: u32,
}

impl Interrupts {
    /// From now on they end nothing by themselves.
    pub fn listen() -> std::io::Result<Self> {
        let mut signals = signal(SignalKind::interrupt())?;
        let (send, count) = watch::channel(0);
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                send.send_modify(|n| *n += 1);
            }
        });
        Ok(Self { count, told: 0 })
    }

    pub fn are_there(&self) -> bool {
        *self.count.borrow() > 0
    }

    /// How many there were by now, once there are more than were told.
    pub async fn next(&mut self) -> u32 {
        let told = self.told;
        match self.count.wait_for(|n| *n > told).await {
            Ok(n) => self.told = *n,
            // The runtime is at its end.
            Err(_) => std::future::pending().await,
        }
        self.told
    }
}
