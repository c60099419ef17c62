//! `lockdoctor watch` as a process, beside real lock holders: how fast it learns, what it costs, what it
//! survives, what it shows and whom it tells.

#[path = "../support/mod.rs"]
mod support;

mod daemon;

mod churn;
mod frugal;
mod latency;
mod life;
mod listener;
mod telling;
