//! A process that plays a part, and the wait until it does.

use std::process::Child;
use std::time::{Duration, Instant};

/// Ended with the test that started it.
pub(super) struct StandIn(pub(super) Child);

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn until_within(seconds: u64, what: &str, mut probe: impl FnMut() -> bool) {
    let start = Instant::now();
    while !probe() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
