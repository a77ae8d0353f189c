//! What every other folder may know: names, contents, secrets, times, and places in source text.

pub mod body;
pub mod id;
pub mod run_name;
pub mod secret;
pub mod span;
pub mod utc;
