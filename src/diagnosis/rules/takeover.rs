//! Somebody else wrote to a transcript while a run had let go of its lock (5.18 to 7.35).

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::{View, count};
use crate::gatewaylog::{Cause, Event};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::{Incidents, Story};
use crate::verdict::severity::Effect;

/// Takeovers of one chat's transcript.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    pub(super) lines: Evidence,
    incidents: Incidents,
    transcript: Option<String>,
    /// In the lane of messages between agents.
    nested: bool,
}

impl Takeover {
    pub(super) fn push(&mut self, logged: Logged<'_>, story: &mut Story) {
        let Logged { at, entry, .. } = logged;
        let Some(Cause::Takeover { transcript }) = entry.event.cause() else { return };
        self.transcript = Some(transcript.clone());
        self.nested |= entry.event.lane().is_some_and(|lane| lane.starts_with("nested"));
        self.incidents
            .note(at, if matches!(entry.event, Event::LaneError { .. }) { "lane" } else { "other" });
        self.lines.add(logged);
        story.note(at, "takeover", "a run was given up: its transcript had changed under it");
    }

    pub(super) fn absorb(&mut self, other: Self) {
        if self.lines.count() == 0 {
            *self = other;
        }
    }
}

pub(super) fn judge(view: &View<'_>, chat: &Chat, takeover: &Takeover) -> Option<Finding> {
    let transcript = takeover.transcript.as_deref()?;
    let given_up = match takeover.incidents.count {
        0 | 1 => "A run was given up".to_owned(),
        n => format!("{} were given up", count(n, "run")),
    };
    let deletes = !view.facts.deleters.is_empty() || !view.facts.deleted.is_empty();
    let why = if deletes {
        "Lock files are deleted by age on this machine: that lets a second writer in."
    } else if takeover.nested {
        "It was in the lane of messages between agents: most likely the same gateway ran a second turn in this chat (`sessions_send`), beside a run under way."
    } else {
        "Several things do that: a second run of the same gateway in this chat (`sessions_send` from another agent), another process (a CLI `agent --local`, a second gateway), a live lock that was deleted; and 2026.5.18 to 5.22 took their own writes for foreign ones."
    };
    let text = format!("{given_up} because the transcript changed under it. {why}");
    let still = takeover.incidents.since(view.last_answer(chat));
    let effect = if still > 2 { Effect::MessagesFail } else { Effect::MessagesFailed };
    let mut finding = Finding::new(Code::SessionTakeover, effect, text)
        .about_path(&format!("{transcript}.lock"), view)
        .backed_by(&takeover.lines)
        .helps(Some(false));
    finding.lock = None;
    (finding.count, finding.messages_failed) = (takeover.incidents.count, takeover.incidents.count);
    finding.certainty = if deletes || takeover.nested { Certainty::Likely } else { Certainty::Possible };
    Some(
        finding
            .act(remedy::say("Let one run use a chat at a time: stop second gateways and `--local` runs, and do not send to a chat that is at work."))
            .act(remedy::say("`lockdoctor doctor` looks for a job that deletes locks by age."))
            .act(remedy::send_again()),
    )
}
