//! What takes minutes: a kill or a failure at every system call, attacks and torture, OpenClaw's real lock code.
//! Plain `cargo test` runs the short form; `LOCKDOCTOR_LONG=1`, which `.ci/run` sets, runs all of it.

#[path = "../support/mod.rs"]
mod support;

mod real;

mod attack;
mod crash;
mod crash_faults;
mod real_scan;
mod real_waiter;
mod torture_lease;
mod torture_native;
mod torture_real;
mod torture_release;

/// How far the short form thins out what the long one runs whole: every so many steps, a fraction of the rounds.
fn thinned(by: usize) -> usize {
    if std::env::var_os("LOCKDOCTOR_LONG").is_some() { 1 } else { by }
}
