//! `lockdoctor watch` as a process, beside real lock holders: what it learns, what it survives, what it shows
//! and whom it tells.

#[path = "../support/mod.rs"]
mod support;

mod daemon;

mod churn;
mod life;
mod listener;
mod telling;
