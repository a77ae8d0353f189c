//! Hosts on the way to others: one connection to each, however many hosts are behind it.

use super::{Target, TransportError};
use russh::client::{Handle, Handler};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a hop that could not be reached is not tried again: all who came for it meanwhile are told the same.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// The connections to hops, by their places.
pub struct Hops<C: Handler>(std::sync::Mutex<HashMap<String, Arc<Mutex<Reached<C>>>>>);

impl<C: Handler> Default for Hops<C> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

enum Reached<C: Handler> {
    NotYet,
    Open(Arc<Handle<C>>),
    Failed(Instant, Arc<TransportError>),
}

impl<C: Handler> Hops<C> {
    /// The connection to a hop. Who comes first makes it by `open`, the others wait for that.
    pub(super) async fn to(
        &self,
        hop: &Target,
        open: impl Future<Output = Result<Handle<C>, TransportError>>,
    ) -> Result<Arc<Handle<C>>, TransportError> {
        let place = hop.to_string();
        let reached = {
            let mut hops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            hops.entry(place.clone()).or_insert_with(|| Arc::new(Mutex::new(Reached::NotYet))).clone()
        };
        let mut reached = reached.lock().await;
        match &*reached {
            Reached::Open(handle) if !handle.is_closed() => return Ok(handle.clone()),
            Reached::Failed(at, error) if at.elapsed() < FAILED_FOR => {
                return Err(TransportError::Hop { hop: place, error: error.clone() });
            }
            _ => {}
        }
        match open.await {
            Ok(handle) => {
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
