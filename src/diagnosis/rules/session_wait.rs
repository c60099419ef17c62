//! Messages that waited for the turn before them in the same chat: told when the wait is over.

use super::super::finding::{Code, Finding};
use super::remedy;
use super::view::{count, lasting};
use crate::gatewaylog::Event;
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::Story;
use crate::verdict::severity::Effect;
use std::fmt::Write as _;

#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) lines: Evidence,
    pub(super) longest_ms: u64,
    behind: u64,
    /// Waits whose task ahead ended in a lock error.
    after_lock_error: u64,
}

impl Waits {
    pub(super) fn push(&mut self, logged: Logged<'_>, chat: &Chat, story: &mut Story) {
        let Logged { at, entry, .. } = logged;
        let Event::LaneWait { waited_ms, queue_ahead, counts, .. } = &entry.event else { return };
        self.lines.add(logged);
        self.longest_ms = self.longest_ms.max(*waited_ms);
        self.behind = self.behind.max(counts.map_or(*queue_ahead, |counts| counts.queue_behind));
        self.after_lock_error += u64::from(chat.is_after_a_lock_error(at));
        story.note(at, "wait", format!("a message got its turn after waiting {}", lasting(*waited_ms)));
    }
}

pub(super) fn judge(waits: &Waits) -> Option<Finding> {
    let n = waits.lines.count() - waits.after_lock_error;
    if n == 0 {
        return None;
    }
    let mut text = format!(
        "{} waited up to {} for the turn before in the same chat, and then got {} turn: turns of one chat run one after the other.",
        count(n, "message"),
        lasting(waits.longest_ms),
        if n > 1 { "their" } else { "its" }
    );
    if waits.behind > 0 {
        let _ = write!(text, " Behind them up to {} more waited.", waits.behind);
    }
    let mut finding =
        Finding::new(Code::LaneWait, Effect::Slow, text).backed_by(&waits.lines).helps(Some(false));
    finding.count = n;
    Some(finding.act(remedy::say(
        "Harmless by itself. Where waits are long, the run ahead is: a slow model or tool.",
    )))
}
