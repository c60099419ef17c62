//! The swap itself, and what to do with what comes out of it.
//!
//! While our tombstone stands under the name of a live lock, a waiter may read it and take the name. So between
//! a swap that met a live lock and the swap back there is one system call and no decision.

use std::ffi::OsStr;
use std::sync::Arc;

use rustix::fs::{AtFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::Failure;
use super::tombstone::{self, Tombstone};
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;
use crate::evidence::lockfile::{Look, PinnedLock, Presence};
use crate::evidence::{LeaseUnknown, Writer};
use crate::verdict::{StaleProof, Verdict};

/// What came of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SwapOutcome {
    /// The judged lock came out; it lies in the quarantine.
    Judged,
    Vanished,
    /// The last check failed; nothing was swapped.
    Changed,
    /// Another lock came out and was put back at once.
    PutBack,
    /// Another lock came out, and its owner let go of it before it could be put back.
    ReleasedMeanwhile,
    /// A live lock came out and somebody else took the name before it could be put back.
    DoubleHolder,
    /// Another lock came out and could not be put back yet; recovery tries again.
    Unfinished(Errno),
}

/// A lock's place: the name that OpenClaw looks at, and the name in the quarantine that it is swapped with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub quarantine: &'a Arc<Directory>,
    pub id: &'a str,
    pub directory: &'a Arc<Directory>,
    pub name: &'a OsStr,
}

impl Places<'_> {
    fn exchange(&self) -> Result<(), Errno> {
        rustix::fs::renameat_with(self.quarantine, self.id, self.directory, self.name, RenameFlags::EXCHANGE)
    }

    /// From the quarantine to the name, if that is free.
    fn give_back(&self) -> Result<(), Errno> {
        rustix::fs::renameat_with(self.quarantine, self.id, self.directory, self.name, RenameFlags::NOREPLACE)
    }

    fn in_quarantine(&self) -> Result<Stat, Errno> {
        rustix::fs::statat(self.quarantine, self.id, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn withdraw(&self) {
        tombstone::withdraw(self.quarantine, self.id);
    }

    fn writer_in_quarantine(&self, leases: &mut Leases) -> Writer {
        match PinnedLock::look(self.quarantine, OsStr::new(self.id)) {
            Ok(Look::Pinned(lock)) => lock.probe_writer(leases),
            Ok(Look::Vanished) => Writer::NoneOpen,
            // A link, a FIFO, a directory: no lock of OpenClaw, so back where it came from.
            Ok(Look::Unpinned(..)) | Err(_) => Writer::Unknown(LeaseUnknown::NotProbed),
        }
    }
}

/// Exchanges the tombstone with `lock`, which was checked the moment before.
pub(super) fn swap(
    places: Places<'_>,
    tombstone: &Tombstone,
    lock: &PinnedLock,
    proof: &StaleProof,
    leases: &mut Leases,
) -> Result<SwapOutcome, Failure> {
    match places.exchange() {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            // One of the two names is gone. Only the lock's means that somebody released it.
            let lock_is_there = lock.presence() != Ok(Presence::Gone);
            places.withdraw();
            return if lock_is_there { Err(Failure::QuarantineRemoved) } else { Ok(SwapOutcome::Vanished) };
        }
        Err(error) => {
            places.withdraw();
            return Err(failure(error, &places));
        }
    }
    let facts = lock.facts();
    let judged = places.in_quarantine().is_ok_and(|out| (out.st_dev, out.st_ino) == (facts.dev, facts.ino));
    if judged && is_still_abandoned(lock, proof, leases) {
        return Ok(SwapOutcome::Judged);
    }
    Ok(put_back(places, tombstone, leases))
}

/// The bytes that were judged, and no writer. OpenClaw never opens a lock that exists for writing;
/// should anything else do so in the last microsecond, it gets its file back.
fn is_still_abandoned(lock: &PinnedLock, proof: &StaleProof, leases: &mut Leases) -> bool {
    let unchanged = lock.bytes_unchanged().unwrap_or(false);
    // An abandoned lock is taken although its owner has it open: that is what --abandoned means.
    unchanged && (proof.verdict() == Verdict::Overdue || lock.probe_writer(leases) != Writer::Open)
}

fn failure(error: Errno, places: &Places<'_>) -> Failure {
    match error {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => Failure::CannotSwap,
        Errno::XDEV => Failure::OtherMount { quarantine: places.quarantine.path.display().to_string() },
        error => Failure::of("swapping the lock for a tombstone", error, places.directory),
    }
}

/// What lies in the quarantine is not what was judged: it goes back under its name, which our tombstone has
/// kept taken. Whether its owner has let go of it in these microseconds is not asked: up to 2026.5.7 it then
/// removes whatever has the name, which must be its own lock and not that of a waiter whom our tombstone let in.
fn put_back(places: Places<'_>, tombstone: &Tombstone, leases: &mut Leases) -> SwapOutcome {
    match places.exchange() {
        Ok(()) => match places.in_quarantine() {
            Ok(out) if tombstone.is(&out) => {
                places.withdraw();
                SwapOutcome::PutBack
            }
            Ok(_) => newer_keeps_the_name(&places),
            // The lock is back; what came out for it is not known, so it stays until recovery can look.
            Err(error) => SwapOutcome::Unfinished(error),
        },
        // The tombstone was removed and the name is free: by a waiter, who is about to take it, or by the
        // owner, who let go. Now there is time to ask, as nothing of ours stands under the name.
        Err(Errno::NOENT) => give_back_if_held(&places, leases),
        Err(error) => SwapOutcome::Unfinished(error),
    }
}

fn give_back_if_held(places: &Places<'_>, leases: &mut Leases) -> SwapOutcome {
    if places.writer_in_quarantine(leases) == Writer::NoneOpen {
        return SwapOutcome::ReleasedMeanwhile;
    }
    match places.give_back() {
        Ok(()) => SwapOutcome::PutBack,
        Err(Errno::EXIST) => SwapOutcome::DoubleHolder,
        Err(error) => SwapOutcome::Unfinished(error),
    }
}

/// Somebody removed the tombstone and took the name before we were back: two owners hold this session now. The
/// newer one keeps the name; the other's lock stays in the quarantine, and the journal says so.
fn newer_keeps_the_name(places: &Places<'_>) -> SwapOutcome {
    match places.exchange() {
        Ok(()) => SwapOutcome::DoubleHolder,
        // The older one, whose lock had the name again, let go in this instant.
        Err(Errno::NOENT) if places.give_back().is_ok() => SwapOutcome::PutBack,
        Err(error) => SwapOutcome::Unfinished(error),
    }
}

/// The same long after, for a lockdoctor that was killed between the two swaps: what lies under `id` in the
/// quarantine is neither a tombstone nor the lock that was judged.
pub(super) fn put_back_late(places: Places<'_>, leases: &mut Leases) -> SwapOutcome {
    match tombstone::at(places.directory, places.name) {
        Err(error) => SwapOutcome::Unfinished(error),
        Ok(None) => give_back_if_held(&places, leases),
        Ok(Some(_)) if places.writer_in_quarantine(leases) == Writer::NoneOpen => {
            SwapOutcome::ReleasedMeanwhile
        }
        Ok(Some(_)) => match places.exchange() {
            Ok(()) => match tombstone::at(places.quarantine, OsStr::new(places.id)) {
                Ok(Some(_)) => {
                    places.withdraw();
                    SwapOutcome::PutBack
                }
                Ok(None) => newer_keeps_the_name(&places),
                Err(error) => SwapOutcome::Unfinished(error),
            },
            Err(Errno::NOENT) => give_back_if_held(&places, leases),
            Err(error) => SwapOutcome::Unfinished(error),
        },
    }
}

/// The other way round: puts the kept lock `id` over our own tombstone. [`SwapOutcome::Changed`]: somebody took
/// the lock in the instant of the exchange, and theirs went back.
pub(super) fn restore_over_tombstone(places: Places<'_>) -> SwapOutcome {
    match places.exchange() {
        Ok(()) => match tombstone::at(places.quarantine, OsStr::new(places.id)) {
            Ok(Some(_)) => {
                places.withdraw();
                SwapOutcome::Judged
            }
            Ok(None) => undo_restore(places),
            Err(error) => SwapOutcome::Unfinished(error),
        },
        // The tombstone has been removed: the name is free, or somebody's.
        Err(Errno::NOENT) => restore_to_free_name(places),
        Err(error) => SwapOutcome::Unfinished(error),
    }
}

pub(super) fn restore_to_free_name(places: Places<'_>) -> SwapOutcome {
    match places.give_back() {
        Ok(()) => SwapOutcome::Judged,
        Err(Errno::EXIST) => SwapOutcome::Changed,
        Err(error) => SwapOutcome::Unfinished(error),
    }
}

/// A lock that somebody made meanwhile lies in the quarantine, and the restored one under its name.
pub(super) fn undo_restore(places: Places<'_>) -> SwapOutcome {
    match places.exchange() {
        Ok(()) => SwapOutcome::Changed,
        Err(error) => SwapOutcome::Unfinished(error),
    }
}
