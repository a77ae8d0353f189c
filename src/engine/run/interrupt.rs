//! Ctrl-C, and what else asks a run to end, counted: the first ends it in order, the second at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct Interrupts {
    count: watch::Receiver<u32>,
    told: u32,
}

impl Interrupts {
    /// From now on they end nothing by themselves. A run that changes something ends in order also where it is killed, as
    /// a pipeline that is called off is, and where its terminal is closed; one that only looks may end anywhere.
    pub fn listen(changes: bool) -> std::io::Result<Self> {
        let (send, count) = watch::channel(0);
        let count_each = |kind, most: u32| {
            let (mut signals, send) = (signal(kind)?, send.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    send.send_modify(|n| *n = (*n).max((*n + 1).min(most)));
                }
            });
            Ok::<_, std::io::Error>(())
        };
        count_each(SignalKind::interrupt(), u32::MAX)?;
        if changes {
            count_each(SignalKind::terminate(), u32::MAX)?;
            // It comes from the kernel and from the shell, and nobody is there any more to mean more by the second one.
            if !ignores(SignalKind::hangup()) {
                count_each(SignalKind::hangup(), 1)?;
            }
        }
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

/// Whether a signal means nothing to this process, as `nohup` has it of SIGHUP.
fn ignores(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // The first bit is that of signal 1.
    kind.as_raw_value().checked_sub(1).is_some_and(|bit| ignored >> bit & 1 == 1)
}
