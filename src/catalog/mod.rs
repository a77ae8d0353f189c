//! One host's resources as a dependency graph, all values final.

pub mod id;
