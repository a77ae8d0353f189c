//! Carries plans out: who is started when, what came of it.

pub mod carry_out;
pub mod compare;
pub mod outcome;
pub mod rebuilt;
pub mod rollout;
pub mod run;
pub mod schedule;
pub mod take_back;
pub mod timings;
