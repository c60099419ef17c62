//! Records that the log itself says are missing: what is not in it did not necessarily not happen.

use super::super::evidence::Evidence;
use super::super::finding::{Certainty, Code, Finding};
use super::{View, count, remedy};
use crate::gatewaylog::{Entry, Event, LogLoss};
use crate::verdict::severity::Effect;

#[derive(Debug, Default)]
pub(in super::super) struct Losses {
    lines: Evidence,
    dropped: u64,
    /// Nothing is written any more.
    stopped: bool,
}

impl Losses {
    pub(in super::super) fn push(&mut self, source: usize, entry: &Entry) {
        if let Event::LogLost { dropped, what } = &entry.event {
            self.lines.add(source, entry);
            self.dropped += dropped.unwrap_or(0);
            self.stopped |= *what == LogLoss::SizeCap;
        }
    }
}

pub(super) fn judge(view: &View<'_>) -> Option<Finding> {
    let losses = &view.model.counters.log_loss;
    if losses.lines.count() == 0 {
        return None;
    }
    let (effect, text) = if losses.stopped {
        (Effect::Threatens, "The log ends before its gateway did: its size reached the cap, and nothing is written after that. What happened since is not in it.".to_owned())
    } else if losses.dropped > 0 {
        (
            Effect::Untidy,
            format!(
                "The log has gaps: the gateway dropped {} that it could not write in time.",
                count(losses.dropped, "record")
            ),
        )
    } else {
        (Effect::Untidy, "The log could not be rotated; it goes on in the old file.".to_owned())
    };
    let mut finding =
        Finding::new(Code::LogIncomplete, effect, text).backed_by(&losses.lines).helps(Some(false));
    finding.certainty = Certainty::Proven;
    Some(finding.act(remedy::say("Read the console as well (`journalctl --user -u openclaw-gateway`, the container's log); move the big file away.")))
}
