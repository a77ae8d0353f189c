//! Faults: what dies, is full, hangs, lies, or comes twice, and that the next apply makes it good.

mod answers;
mod death;
mod kill_point;
mod operators;
mod places;
mod tier;
