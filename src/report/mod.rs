//! What people and machines read: fed by the engine, computing nothing that it does not hold.

pub mod compare;
pub mod doc;
pub mod facts;
pub mod graph;
pub mod history;
pub mod json;
mod orphans;
pub mod progress;
pub mod schema;
pub mod style;
mod summary;
pub mod text;
pub mod timings;
mod words;

/// A line on standard error, as `eprintln!` writes one; where it cannot be written, nothing ends by that: a run that is
/// under way goes on though nobody can read of it.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
pub(crate) use say;
