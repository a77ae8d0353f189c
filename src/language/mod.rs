//! What people write: YAML with a place on every node, manifests, modules, variables and templates.

pub mod de;
pub mod diagnostic;
pub mod node;
pub mod span;
pub mod yaml;
