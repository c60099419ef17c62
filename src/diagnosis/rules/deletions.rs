//! Locks that were deleted while their owners had them.

use super::super::finding::{Certainty, Code, Finding};
use super::super::input::DeletedLock;
use super::remedy;
use super::view::View;
use crate::history::evidence::Line;
use crate::history::names::id_of_lock;
use crate::redact::local;
use crate::verdict::severity::Effect;

/// A live lock whose name was deleted: its owner goes on writing, the next one starts beside it.
pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let finding = |lock: &DeletedLock| {
        let id = lock.session_id.clone().or_else(|| id_of_lock(&lock.path));
        let session = view.facts.sessions.iter().find(|session| session.id.is_some() && session.id == id);
        let forked = session.is_some_and(|session| session.forked);
        let effect = if forked {
            "The transcript has already forked: turns are off its active branch."
        } else {
            "The next writer gets in beside it, and two writers corrupt the chat history."
        };
        let what = if lock.replaced { "replaced by a copy" } else { "deleted" };
        let text = format!("A lock was {what} while pid {} still holds it open. {effect}", lock.pid);
        let mut finding =
            Finding::new(Code::LockDeletedWhileHeld, Effect::MessagesFail, text).about_path(&lock.path, view);
        finding.session_key = finding.session_key.or_else(|| session.map(|session| session.key.clone()));
        let seen = if lock.replaced { "is another file than the one under the name" } else { "(deleted)" };
        finding.evidence.push(Line::seen(format!("/proc/{}/fd: {} {seen}", lock.pid, local(&lock.path))));
        finding.evidence.extend(view.facts.deleters.iter().map(Line::seen));
        if view.facts.deleters.is_empty() {
            finding = finding.act(remedy::say("Find what deletes lock files by age and stop it: `crontab -l`, `systemctl list-timers`, backup tools."));
        } else {
            finding = finding.act(remedy::say("Remove the job that deletes locks by age (`lockdoctor doctor cron` says how); `lockdoctor watch --reclaim` does what it was meant to do."));
        }
        finding.certainty = Certainty::Proven;
        finding.helps(Some(false)).act(remedy::say("Send nothing to this chat until the run has ended."))
    };
    view.facts.deleted.iter().map(finding).collect()
}
