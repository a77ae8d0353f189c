//! trueup: brings a fleet into line with what was written down.

pub mod language;
pub mod shell;
pub mod transport;
