//! The only `sh` in the tree: quoting, framed answers, and the two builders of scripts.

pub mod answers;
pub mod apply;
pub mod facts;
pub mod files;
pub mod frame;
pub mod health;
pub mod history;
pub mod ledger;
pub mod packages;
pub mod probe;
pub mod protected;
pub mod quote;
mod script;
pub mod state;
pub mod steps;
pub mod tree;
mod unfinished;
mod way;
