//! What people and machines read: fed by the engine, computing nothing that it does not hold.

pub mod json;
pub mod progress;
pub mod style;
pub mod text;
