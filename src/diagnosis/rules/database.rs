//! The SQLite era: a database that was locked, or slow, and by whom.

use super::super::finding::{Certainty, Code, Finding};
use super::event_loop::LoopTrouble;
use super::remedy;
use super::view::{count, lasting};
use crate::gatewaylog::{Cause, Event, Loss, SlowSqlite};
use crate::history::evidence::{Evidence, Logged};
use crate::history::lives::Lives;
use crate::history::names::session_of_lane;
use crate::history::story::Incidents;
use crate::verdict::severity::Effect;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// OpenClaw gives up on a locked database after this (busy_timeout).
const BUSY_TIMEOUT_MS: u64 = 5_000;
const CHATS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Database {
    busy: Evidence,
    /// Messages that failed on it.
    failed: Incidents,
    chats: BTreeSet<String>,
    channels: BTreeSet<String>,
    wal_mismatch: bool,
    damaged: Evidence,
    slow: BTreeMap<SlowSqlite, Slow>,
    held_on_main_ms: u64,
}

#[derive(Debug, Default)]
struct Slow {
    lines: Evidence,
    longest_ms: u64,
}

impl Database {
    pub(super) fn push(&mut self, logged: Logged<'_>, lives: &Lives) {
        let Logged { at, entry, .. } = logged;
        if let Some(cause @ (Cause::DatabaseBusy | Cause::WalMismatch)) = entry.event.cause() {
            self.wal_mismatch |= *cause == Cause::WalMismatch;
            self.busy.add(logged);
            if is_of_a_message(&entry.event) {
                self.failed.note(at, entry.event.lane().unwrap_or(""));
            }
            if let Event::Undelivered(lost) = &entry.event
                && self.channels.len() < CHATS
            {
                self.channels.extend(lost.channel.clone());
            }
            if let Some(key) = entry.event.lane().and_then(session_of_lane)
                && self.chats.len() < CHATS
            {
                self.chats.insert(key.to_owned());
            }
        }
        // A message that failed on it is told as such.
        if entry.event.cause() == Some(&Cause::DatabaseDamaged) && !is_of_a_message(&entry.event) {
            self.damaged.add(logged);
        }
        // At start everything is slow.
        if let Event::SlowSqlite { what, elapsed_ms, main_thread, .. } = &entry.event
            && !lives.starting(at)
        {
            let slow = self.slow.entry(*what).or_default();
            slow.lines.add(logged);
            let ms = elapsed_ms.unwrap_or(0);
            slow.longest_ms = slow.longest_ms.max(ms);
            if *main_thread && *what == SlowSqlite::TransactionHold {
                self.held_on_main_ms = self.held_on_main_ms.max(ms);
            }
        }
    }

    /// The longest transaction on the thread of the event loop.
    pub(super) fn held_on_main_ms(&self) -> Option<u64> {
        (self.held_on_main_ms > 0).then_some(self.held_on_main_ms)
    }

    fn longest(&self, what: SlowSqlite) -> u64 {
        self.slow.get(&what).map_or(0, |slow| slow.longest_ms)
    }
}

fn is_of_a_message(event: &Event) -> bool {
    event.is_outcome()
        || matches!(event, Event::Undelivered(lost) if matches!(lost.what, Loss::Message | Loss::Ingress))
}

pub(super) fn judge(database: &Database, event_loop: &LoopTrouble) -> Option<Finding> {
    damaged(database).or_else(|| busy(database)).or_else(|| slow(database, event_loop))
}

fn damaged(database: &Database) -> Option<Finding> {
    if database.damaged.count() == 0 {
        return None;
    }
    let text = "A database of OpenClaw's is damaged: what asks for it fails.";
    let finding = Finding::new(Code::MessageFailed, Effect::MessagesFail, text).backed_by(&database.damaged);
    Some(finding.helps(Some(false)).act(remedy::say(remedy::DAMAGED_DATABASE)))
}

fn busy(database: &Database) -> Option<Finding> {
    if database.busy.count() == 0 {
        return None;
    }
    let failed = database.failed.count;
    let mut text = format!(
        "The database was locked for longer than OpenClaw waits ({}).",
        count(database.busy.count(), "error")
    );
    if failed > 0 {
        let channels = database.channels.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let of = if channels.is_empty() { channels } else { format!(" of {channels}") };
        let _ = write!(text, " {}{of} failed on it.", count(failed, "message"));
    } else {
        text.push_str(" No message failed on it.");
    }
    let reclamation = database.longest(SlowSqlite::Reclamation);
    let hold = database.longest(SlowSqlite::TransactionHold);
    let itself = reclamation.max(hold) >= BUSY_TIMEOUT_MS;
    if reclamation >= BUSY_TIMEOUT_MS {
        let _ = write!(
            text,
            " Beside it the gateway's own reclamation of old sessions took up to {}: it is the writer that the others waited for.",
            lasting(reclamation)
        );
    } else if itself {
        let _ = write!(text, " Beside it the gateway itself held a transaction for up to {}.", lasting(hold));
    }
    if database.wal_mismatch {
        text.push_str(" Its `-wal` is not its own: files of two databases were mixed (a restored backup, a copy while it was open).");
    }
    let effect = match failed {
        0 => Effect::Slow,
        1 | 2 => Effect::MessagesFailed,
        _ => Effect::MessagesFail,
    };
    let mut finding =
        Finding::new(Code::DatabaseBusy, effect, text).backed_by(&database.busy).helps(Some(false));
    finding.certainty = Certainty::Proven;
    finding.messages_failed = failed;
    for slow in database.slow.values() {
        finding.evidence.extend(slow.lines.lines().into_iter().take(2));
    }
    let mut chats = database.chats.iter();
    if let (Some(key), None) = (chats.next(), chats.next()) {
        finding = finding.about_key(key);
    }
    let look = if itself {
        "Look for what makes it so slow: a backup that reads the whole database, a slow disk, a very large database. Never delete `-wal` or `-shm` files."
    } else {
        "Look for who else writes to it: a backup tool, a second gateway, `openclaw doctor`. Never delete `-wal` or `-shm` files."
    };
    let finding = finding.act(remedy::say(look));
    Some(if failed > 0 { finding.act(remedy::send_again()) } else { finding })
}

/// Waiting for another writer is contention; being slow oneself is a slow disk or a busy machine.
fn slow(database: &Database, event_loop: &LoopTrouble) -> Option<Finding> {
    // A blocked event loop tells what a transaction on its thread did.
    if database.held_on_main_ms >= BUSY_TIMEOUT_MS && event_loop.worst_ms > 0 {
        return None;
    }
    // A worker's clean-up is slow by design.
    let told = || database.slow.iter().filter(|(what, _)| **what != SlowSqlite::Reclamation);
    let lines = told().map(|(_, slow)| &slow.lines).max_by_key(|lines| lines.count())?;
    let parts: Vec<String> = told()
        .map(|(what, slow)| format!("{what} up to {} ({})", lasting(slow.longest_ms), slow.lines.count()))
        .collect();
    let contended = told().any(|(what, slow)| {
        let waits = matches!(what, SlowSqlite::LockWait | SlowSqlite::CoordinatorLockWait);
        waits && slow.lines.count() >= 10 && slow.longest_ms >= BUSY_TIMEOUT_MS
    });
    let stands_still = database.held_on_main_ms >= 2 * BUSY_TIMEOUT_MS;
    let effect = if contended || stands_still { Effect::Threatens } else { Effect::Slow };
    let mut text = format!("SQLite was slow: {}.", parts.join(", "));
    if stands_still {
        text.push_str(
            " It held transactions on the main thread, where the event loop stands still meanwhile.",
        );
    }
    let mut finding = Finding::new(Code::DatabaseBusy, effect, text).backed_by(lines).helps(Some(false));
    finding.count = told().map(|(_, slow)| slow.lines.count()).sum();
    Some(
        finding.act(remedy::say(
            "If it grows: a slow disk, a big database, or another process that writes to it.",
        )),
    )
}
