//! Records that the log itself says are missing: what it does not show may still have happened.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::count;
use crate::gatewaylog::{Event, LogLoss};
use crate::history::evidence::{Evidence, Logged};
use crate::verdict::severity::Effect;

#[derive(Debug, Default)]
pub(super) struct Losses {
    lines: Evidence,
    dropped: u64,
    /// Nothing is written any more.
    stopped: bool,
}

impl Losses {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        if let Event::LogLost { dropped, what } = &logged.entry.event {
            self.lines.add(logged);
            self.dropped += dropped.unwrap_or(0);
            self.stopped |= *what == LogLoss::SizeCap;
        }
    }
}

pub(super) fn judge(losses: &Losses) -> Option<Finding> {
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

#[cfg(test)]
mod tests {
    use super::super::tests::counted;
    use super::*;

    #[test]
    fn a_log_that_has_ended_is_worse_than_one_with_gaps() {
        let told = |line: &str| judge(&counted(&[("10:00:00", line)], Losses::push)).unwrap();
        let gaps = told("[openclaw] file log queue overflow; dropped 312 oldest records");
        let ended =
            told("[logging] log file size cap reached; suppressing writes file=/tmp/x.log maxFileBytes=500");
        assert!(gaps.explanation.contains("312 records") && ended.severity > gaps.severity);
    }
}
