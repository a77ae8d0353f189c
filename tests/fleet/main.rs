//! Tests on real hosts: see README.md beside this file. They need root.

mod accounts;
mod across_stages;
mod busybox;
mod connections;
mod examples;
mod faults;
mod firewall;
mod history;
mod host;
mod kept;
mod led_astray;
mod lockout;
mod offered;
mod orphans;
mod packages;
mod random_packages;
mod rollback;
mod rollout;
mod saved_plan;
mod secrets;
mod smoke;
mod snapshot;
mod stages;
mod sysctl;
mod trueup;
mod web_tier;
