//! What people are told to do, worded once: the command as it is typed, what it is for, and what it costs.

use super::super::finding::{Finding, Remedy};
use super::view::View;

/// Advice of a rule; the lock's name takes the place of `LOCK` where it may be shown.
pub(in super::super) const EXPLAIN_LOCK: &str = "lockdoctor explain LOCK";

/// What tells whose lock it is, or whether there is one at all.
pub(super) fn look() -> Remedy {
    Remedy {
        command: Some("lockdoctor status".to_owned()),
        text: "lockdoctor status".to_owned(),
        effect: Some("Run where the gateway runs, it says whether the lock of this chat is still there and whether its owner uses it. It only reads.".to_owned()),
    }
}

pub(super) fn reclaim() -> Remedy {
    Remedy {
        command: Some("lockdoctor reclaim --yes".to_owned()),
        text: "lockdoctor reclaim --yes".to_owned(),
        effect: Some("Frees the lock after a second look; the lock file is kept in quarantine.".to_owned()),
    }
}

pub(super) fn restart(view: &View<'_>) -> Remedy {
    let command = format!("{} gateway restart", view.program());
    Remedy {
        text: command.clone(),
        command: Some(command),
        effect: Some(
            "Restarts the gateway: runs under way end, lanes are emptied, transcripts stay whole.".to_owned(),
        ),
    }
}

pub(super) fn start(view: &View<'_>) -> Remedy {
    let command = format!("{} gateway start", view.program());
    Remedy { text: command.clone(), command: Some(command), effect: Some("Starts the gateway.".to_owned()) }
}

pub(super) fn gateway_status(view: &View<'_>) -> Remedy {
    let command = format!("{} gateway status", view.program());
    Remedy { text: command.clone(), command: Some(command), effect: Some("Only reads.".to_owned()) }
}

/// A command of OpenClaw that changes nothing.
pub(super) fn reads(view: &View<'_>, what: &str, effect: &str) -> Remedy {
    let command = format!("{} {what}", view.program());
    Remedy { text: command.clone(), command: Some(command), effect: Some(effect.to_owned()) }
}

pub(super) fn doctor(view: &View<'_>) -> Remedy {
    let command = format!("{} doctor --fix", view.program());
    Remedy {
        text: command.clone(),
        command: Some(command),
        effect: Some("Repairs what OpenClaw itself can repair.".to_owned()),
    }
}

pub(super) fn explain_lock() -> Remedy {
    let command = EXPLAIN_LOCK.to_owned();
    Remedy {
        text: command.clone(),
        command: Some(command),
        effect: Some("All evidence for this lock. It only reads.".to_owned()),
    }
}

pub(super) const DAMAGED_DATABASE: &str = "Stop the gateway and copy the state directory before anything else; then put the database back from a backup. Never delete `-wal` or `-shm` files.";

/// In the chat itself.
pub(super) fn stop() -> Remedy {
    say("Send `/stop` in the chat: it ends the run and lets the next message through.")
}

pub(super) fn send_again() -> Remedy {
    say("Send the failed message again: OpenClaw does not retry it.")
}

pub(super) fn say(text: impl Into<String>) -> Remedy {
    Remedy { command: None, text: text.into(), effect: None }
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
