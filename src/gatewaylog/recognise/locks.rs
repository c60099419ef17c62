//! Lock messages outside lane errors: the watchdog, the sweep at start, restart recovery, bare error texts.

use super::super::event::{Cause, Event, Interruption};
use super::super::fields;
use super::super::level::Level;
use super::cause;
use super::line::Line;

pub(super) fn read(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    if let Some(rest) = line.after("releasing lock held for ") {
        let (_, lock) = rest.split_once("ms): ")?;
        return Some(Event::WatchdogRelease {
            held_ms: fields::leading_number(rest)?,
            max_ms: fields::number_after(rest, "(max=")?,
            lock: lock.trim_end().to_owned(),
        });
    }
    if let Some(rest) = line.after("removed stale session lock: ") {
        let (lock, reasons) = rest.rsplit_once(" (")?;
        let reasons = reasons.trim_end().trim_end_matches(')').split(", ").map(str::to_owned).collect();
        return Some(Event::StaleLockRemoved { lock: lock.to_owned(), reasons });
    }
    if let Some(rest) = line.after("session lock cleanup failed on startup: ") {
        return Some(Event::LockCleanupFailed { cause: cause::of(rest) });
    }
    if text.starts_with("failed to release") && text.contains("session lock") {
        let cause =
            text.rsplit_once(": ").map_or(Cause::Other { class: None }, |(_, error)| cause::of(error));
        return Some(Event::LockReleaseFailed { run_id: fields::owned(text, "runId="), cause });
    }
    if let Some(rest) = line.after("marked ") {
        let count = fields::leading_number(rest)?;
        let why = if rest.contains("interrupted main session(s) from stale transcript locks") {
            Interruption::StaleLocks
        } else if rest.contains("startup-orphaned main session(s)") {
            Interruption::StartupOrphaned
        } else if rest.contains("interrupted main session(s) for restart recovery") {
            Interruption::Restart
        } else {
            return None;
        };
        return Some(Event::InterruptedMarked { count, why });
    }
    let resumed = line.after("resumed ").or_else(|| line.after("started "))?;
    let key = resumed.strip_prefix("interrupted main session: ")?;
    // A pending text may follow in parentheses; keys have none.
    let key = key.split(" (").next().unwrap_or(key);
    Some(Event::RunResumed { session_key: key.trim_end().to_owned() })
}

/// Errors that are written, or pasted, without a class in front.
const BARE: &[&str] = &[
    "session file lock",
    "timeout acquiring session store lock",
    "Gateway is draining",
    "OAuth token refresh failed",
    "All models failed (",
    "No active WhatsApp Web listener",
];

/// A line that is nothing but an error: `FailoverError: session file locked ...`, `Error: SQLITE_BUSY: ...`.
pub(super) fn bare_error(line: &Line<'_>) -> Option<Event> {
    let text = line.text.strip_prefix("Uncaught ").unwrap_or(line.text);
    // What people leave of a lane's error when they shorten it.
    let shortened = text.starts_with("lane task error");
    if shortened || BARE.iter().any(|beginning| text.starts_with(beginning)) {
        return cause::known(text).map(|cause| Event::Failed { cause });
    }
    let (class, _) = text.split_once(':')?;
    if class.ends_with("Error") && !class.contains(' ') {
        return cause::known(text).map(|cause| Event::Failed { cause });
    }
    // Handlers of all sorts put their own words in front; a lock text is unmistakable anywhere but in what a part of
    // OpenClaw passes on for information.
    let quiet = matches!(line.record.level, Level::Trace | Level::Debug | Level::Info)
        && line.record.subsystem.is_some();
    cause::known(text)
        .filter(|_| !quiet)
        .filter(|cause| {
            cause.is_lock()
                || matches!(
                    cause,
                    Cause::Takeover { .. }
                        | Cause::WalMismatch
                        | Cause::DatabaseBusy
                        | Cause::DatabaseDamaged
                        | Cause::MemoryLocked
                )
        })
        .map(|cause| Event::Failed { cause })
}
