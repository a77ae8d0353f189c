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
pub mod text;
pub mod timings;
