//! trueup: brings a fleet into line with what was written down.

// They panic where nobody can read what they write, in the middle of a run.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod catalog;
pub mod cli;
pub mod engine;
pub mod facts;
pub mod inventory;
pub mod journal;
pub mod language;
pub mod ledger;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod report;
pub mod resources;
pub mod saved;
pub mod shell;
pub mod store;
pub mod transport;
