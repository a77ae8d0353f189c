//! What this machine remembers between runs.

pub mod facts;
pub mod history;
