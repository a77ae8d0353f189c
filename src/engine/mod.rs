//! Carries plans out: who is started when, what came of it.

pub mod bookkeeping;
pub mod compare;
pub mod options;
pub mod outcome;
pub mod rebuilt;
pub mod rollout;
pub mod run;
pub mod schedule;
pub mod script;
pub mod source;
pub mod stages;
pub mod take_back;
pub mod timings;
