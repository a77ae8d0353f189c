//! The only `sh` in the tree: quoting, framed answers, and the two builders of scripts.

pub mod frame;
pub mod quote;
