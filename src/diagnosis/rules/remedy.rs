//! What people are told to do, worded once: the command as it is typed, what it is for, and what it costs.

use std::borrow::Cow;

use super::super::finding::{Finding, Remedy};

/// Advice of a rule; the lock's name takes the place of `LOCK` where it may be shown.
pub(in super::super) const EXPLAIN_LOCK: &str = "lockdoctor explain LOCK";

/// What tells whose lock it is, or whether there is one at all.
pub(super) fn look() -> Remedy {
    typed(
        "lockdoctor status",
        "Run where the gateway runs, it says whether the lock of this chat is still there and whether its owner uses it. It only reads.",
    )
}

pub(super) fn reclaim() -> Remedy {
    typed(
        "lockdoctor reclaim --yes",
        "Frees the lock after a second look; the lock file is kept in quarantine.",
    )
}

pub(super) fn reclaim_lease() -> Remedy {
    typed(
        "lockdoctor reclaim --leases --yes",
        "Removes the lease of the dead gateway if every proof is there, and keeps a copy; then a start succeeds.",
    )
}

pub(super) fn restart() -> Remedy {
    typed(
        "openclaw gateway restart",
        "Restarts the gateway: runs under way end, lanes are emptied, transcripts stay whole.",
    )
}

pub(super) fn start() -> Remedy {
    typed("openclaw gateway start", "Starts the gateway.")
}

pub(super) fn gateway_status() -> Remedy {
    typed("openclaw gateway status", "Only reads.")
}

pub(super) fn doctor() -> Remedy {
    typed("openclaw doctor --fix", "Repairs what OpenClaw itself can repair.")
}

pub(super) fn typed(command: &'static str, effect: &'static str) -> Remedy {
    Remedy::command(command, effect)
}

pub(super) fn explain_lock() -> Remedy {
    typed(EXPLAIN_LOCK, "All evidence for this lock. It only reads.")
}

pub(super) const DAMAGED_DATABASE: &str = "Stop the gateway and copy the state directory before anything else; then put the database back from a backup. Never delete `-wal` or `-shm` files.";

/// In the chat itself.
pub(super) fn stop() -> Remedy {
    say("Send `/stop` in the chat: it ends the run and lets the next message through.")
}

pub(super) fn send_again() -> Remedy {
    say("Send the failed message again: OpenClaw does not retry it.")
}

pub(super) fn say(text: impl Into<Cow<'static, str>>) -> Remedy {
    Remedy::hint(text)
}

/// Where nobody can tell whether a lock is in the way, the first thing to do is to look.
pub(in super::super) fn look_first(finding: &mut Finding) {
    let looks =
        |action: &Remedy| action.command.as_deref().is_some_and(|command| command.starts_with("lockdoctor "));
    if finding.removing_lock_helps.is_none() && !finding.actions.first().is_some_and(looks) {
        finding.actions.retain(|action| action.command.as_deref() != Some("lockdoctor status"));
        finding.actions.insert(0, look());
        finding.advice = finding.actions.iter().map(|action| action.text.clone()).collect();
    }
}
