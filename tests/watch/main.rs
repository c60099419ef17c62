//! `lockdoctor watch` as a process, beside real lock holders: what it learns, what it survives, what it shows
//! and whom it tells.
#![expect(clippy::float_cmp, reason = "metrics are counts that happen to be written as floats")]

#[path = "../support/mod.rs"]
mod support;

mod daemon;

mod churn;
mod life;
mod listener;
mod soak;
mod telling;
