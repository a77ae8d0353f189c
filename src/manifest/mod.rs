//! trueup's own language: plays, modules, and what they come to on one host, which fills a catalog's draft.

mod body;
pub mod contents;
pub mod evaluate;
pub mod health;
pub mod module;
pub mod play;
pub mod project;
pub mod reserved;
pub mod rollout;
