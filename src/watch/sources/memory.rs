//! What the logs told lately. The diagnosis' model never forgets, so there are two of it, one a window younger
//! than the other: when the elder covers two windows it goes, and the younger takes its place.

use std::time::Duration;

use crate::diagnosis::Model;
use crate::gatewaylog::Entry;

#[derive(Debug)]
pub(crate) struct Memory {
    window: Duration,
    elder: Model,
    younger: Model,
    /// Since when there is the younger one, on the boot clock.
    since: Duration,
}

impl Memory {
    pub(crate) fn new(window: Duration, now: Duration) -> Self {
        Self { window, elder: Model::small(), younger: Model::small(), since: now }
    }

    /// How far back it reaches at least.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    pub(crate) fn push(&mut self, source: usize, entry: &Entry) {
        self.elder.push(source, entry);
        self.younger.push(source, entry);
    }

    /// Lets go of what is too long ago.
    pub(crate) fn forget(&mut self, now: Duration) {
        if now >= self.since + self.window {
            self.elder = std::mem::replace(&mut self.younger, Model::small());
            self.since = now;
        }
    }

    pub(crate) fn model(&self) -> &Model {
        &self.elder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gatewaylog::Scanner;
    use crate::redact::Redactor;

    #[test]
    fn a_window_is_kept_and_what_is_older_than_two_is_not() {
        let second = Duration::from_secs;
        let mut memory = Memory::new(second(60), second(0));
        let told = |memory: &mut Memory, lane: &str, at: u64| {
            let line = format!(
                "2026-11-22T10:00:00.000Z [diagnostic] lane wait exceeded: lane={lane} waitedMs=5000 queueAhead=0\n"
            );
            let entry = Scanner::new(line.as_bytes(), None).next_entry().expect("reads").expect("an event");
            memory.forget(second(at));
            memory.push(0, &entry);
        };
        let lanes = |memory: &Memory| -> Vec<String> {
            memory.model().lane_reports(Redactor::Off).into_iter().map(|lane| lane.lane).collect()
        };
        told(&mut memory, "early", 10);
        told(&mut memory, "middle", 70);
        assert_eq!(lanes(&memory), ["early", "middle"]);
        told(&mut memory, "late", 131);
        assert_eq!(lanes(&memory), ["late", "middle"]);
    }
}
