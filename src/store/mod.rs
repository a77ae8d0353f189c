//! What this machine remembers between runs.

pub mod facts;
