//! A plan as a file: all that is needed to show it, to look at its hosts again, and to apply exactly that.
//!
//! Nothing secret is in it but sealed. What was written (manifests, inventory) is not needed to apply it.

pub mod contents;
mod document;
pub mod file;
mod open;
mod pack;
mod plan;
mod reach;
pub mod seal;
pub mod signature;
pub mod signers;

pub use open::{OpenError, Opened};
pub use plan::{Head, ReadError, SaveError, SavedPlan};
pub use reach::{Reach, Reached, SshPlace};
