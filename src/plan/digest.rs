//! A plan's fingerprint: the same for the same changes by the same steps.

use super::HostPlan;
use crate::model::body::Digest;
use sha2::{Digest as _, Sha256};
use std::io;

struct Into(Sha256);

impl io::Write for Into {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// SHA-256 over each host's plan and its steps as JSON, a line each. Secrets are no part of it, nor is a digest of them.
///
/// # Errors
/// None in practice: every key is text.
pub fn of<'a>(plans: impl IntoIterator<Item = &'a HostPlan>) -> serde_json::Result<Digest> {
    let mut into = Into(Sha256::new());
    for plan in plans {
        serde_json::to_writer(&mut into, plan)?;
        into.0.update(b"\n");
        for step in plan.steps.iter().filter(|s| !plan.is_sensitive(&s.serves)) {
            serde_json::to_writer(&mut into, &(&step.planned, &step.serves, &step.only_if_changed))?;
            into.0.update(b"\n");
        }
    }
    Ok(Digest::from_bytes(&into.0.finalize()))
}
