//! `lockdoctor watch` as a process, beside real lock holders: what it learns, what it survives, what it shows
//! and whom it tells.
#![expect(clippy::float_cmp, reason = "metrics are counts that happen to be written as floats")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../sqlite/support.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod sqlite;

mod daemon;

mod churn;
mod databases;
mod life;
mod listener;
mod logs;
mod soak;
mod telling;
