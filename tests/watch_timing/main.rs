//! How fast `lockdoctor watch` is, and what it costs: measured, so these tests run one at a time.
#![expect(clippy::float_cmp, reason = "metrics are counts that happen to be written as floats")]

#[path = "../support/mod.rs"]
mod support;

mod frugal;
mod latency;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static MEASURING: Mutex<()> = Mutex::new(());

/// Keeps the other tests from disturbing this one.
fn alone() -> MutexGuard<'static, ()> {
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the design promises of a machine that does nothing else, which `LOCKDOCTOR_MEASURE=1` says of this one.
/// Elsewhere the clock of the wall decides nothing but that it happens.
fn promised(limit: Duration) -> Duration {
    if std::env::var_os("LOCKDOCTOR_MEASURE").is_some() { limit } else { limit + Duration::from_secs(15) }
}
