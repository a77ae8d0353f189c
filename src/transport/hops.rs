//! Hosts on the way to others: one connection to each, however many hosts are behind it.

use super::ssh::{self, Client, SshOptions};
use super::{Target, TransportError};
use russh::client::Handle;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a hop that could not be reached is not tried again: all who came for it meanwhile are told the same.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// The connections to hops, by their places.
#[derive(Default)]
pub struct Hops(std::sync::Mutex<HashMap<String, Arc<Mutex<Reached>>>>);

#[derive(Default)]
enum Reached {
    #[default]
    NotYet,
    Open(Arc<Handle<Client>>),
    Failed(Instant, Arc<TransportError>),
}

impl Hops {
    /// The connection to a hop. Who comes first makes it, the others wait for that.
    pub(super) async fn to(
        &self,
        hop: &Target,
        options: &Arc<SshOptions>,
    ) -> Result<Arc<Handle<Client>>, TransportError> {
        let place = hop.to_string();
        let reached = {
            let mut hops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            hops.entry(place.clone()).or_default().clone()
        };
        let mut reached = reached.lock().await;
        match &*reached {
            Reached::Open(handle) if !handle.is_closed() => return Ok(handle.clone()),
            Reached::Failed(at, error) if at.elapsed() < FAILED_FOR => {
                return Err(TransportError::Hop { hop: place, error: error.clone() });
            }
            _ => {}
        }
        match ssh::open(hop, options).await {
            Ok((handle, _)) => {
                let handle = Arc::new(handle);
                *reached = Reached::Open(handle.clone());
                Ok(handle)
            }
            Err(error) => {
                let error = Arc::new(error);
                *reached = Reached::Failed(Instant::now(), error.clone());
                Err(TransportError::Hop { hop: place, error })
            }
        }
    }
}
