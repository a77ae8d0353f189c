//! Tests on real hosts: see README.md beside this file. They need root.

mod host;
mod smoke;
mod snapshot;
mod trueup;
mod web_tier;
