//! What people write: YAML with a place on every node, manifests, modules, variables and templates.

mod bounds;
mod condition;
pub mod de;
mod depth;
pub mod diagnostic;
pub mod filters;
pub mod mask;
mod methods;
pub mod node;
mod rewrite;
pub mod scope;
pub mod settings;
pub mod template;
pub mod toml;
pub mod value;
pub mod vault;
mod written;
pub mod yaml;
mod yaml11;
