//! `lockdoctor watch` as a process, beside real lock holders: what it learns, what it survives, what it shows
//! and whom it tells.
#![expect(clippy::float_cmp, reason = "metrics are counts that happen to be written as floats")]

mod churn;
mod databases;
mod docs;
mod life;
mod listener;
mod live;
mod logs;
mod page;
mod pressure;
mod recipes;
mod sidecar;
mod soak;
mod telling;
