//! The swap itself, and what to do with what comes out of it.

use std::ffi::OsStr;
use std::rc::Rc;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::{Failure, tombstone};
use crate::evidence::Writer;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;
use crate::evidence::lockfile::{Look, PinnedLock};

/// What came of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    /// The judged lock came out; it lies in the quarantine.
    Judged,
    Vanished,
    /// The last check failed; nothing was swapped.
    Changed,
    /// A live lock came out and was put back at once.
    LiveLockPutBack,
    /// Another lock came out, but its owner let go of it before it could be put back.
    ReleasedMeanwhile,
    /// A live lock came out and somebody else took the name before it could be put back.
    DoubleHolder,
}

/// Exchanges the tombstone `id` in the quarantine with `lock`.
pub fn swap(
    quarantine: &Rc<Directory>,
    id: &str,
    lock: &PinnedLock,
    leases: &mut Leases,
) -> Result<SwapOutcome, Failure> {
    match exchange(quarantine, id, lock.directory(), lock.name()) {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            tombstone::withdraw(quarantine, id);
            return Ok(SwapOutcome::Vanished);
        }
        Err(error) => {
            tombstone::withdraw(quarantine, id);
            return Err(failure(error, quarantine, lock));
        }
    }
    let out = rustix::fs::statat(quarantine, id, AtFlags::SYMLINK_NOFOLLOW);
    let facts = lock.facts();
    if out.is_ok_and(|out| (out.st_dev, out.st_ino) == (facts.dev, facts.ino)) {
        return Ok(SwapOutcome::Judged);
    }
    Ok(put_back(quarantine, id, lock.directory(), lock.name(), leases))
}

fn exchange(from: &Directory, id: &str, directory: &Directory, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(from, id, directory, name, RenameFlags::EXCHANGE)
}

fn failure(error: Errno, quarantine: &Directory, lock: &PinnedLock) -> Failure {
    match error {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => Failure::CannotSwap,
        Errno::XDEV => Failure::OtherMount { quarantine: quarantine.path.display().to_string() },
        Errno::ACCESS | Errno::PERM => Failure::WrongUser { uid: lock.directory().uid },
        Errno::ROFS => Failure::ReadOnly,
        error => Failure::System { what: "swapping the lock for a tombstone", error },
    }
}

/// A lock that was not judged lies in the quarantine: a live owner was met in the instant of the swap.
///
/// If its owner has closed it, it let go: putting it back would resurrect a released lock. Otherwise it goes
/// back under its name, which our tombstone has kept taken.
pub fn put_back(
    quarantine: &Rc<Directory>,
    id: &str,
    directory: &Directory,
    name: &OsStr,
    leases: &mut Leases,
) -> SwapOutcome {
    if owner_let_go(quarantine, id, leases) {
        return SwapOutcome::ReleasedMeanwhile;
    }
    loop {
        match exchange(quarantine, id, directory, name) {
            // Our tombstone came out, or whatever has taken its place meanwhile.
            Ok(()) if is_tombstone(quarantine, id) => {
                tombstone::withdraw(quarantine, id);
                return SwapOutcome::LiveLockPutBack;
            }
            // Somebody removed the tombstone and took the name: two owners now hold it. The newer one keeps
            // the name, so it goes back; what we hold stays in the quarantine, and the journal says so.
            Ok(()) => {
                let _ = exchange(quarantine, id, directory, name);
                return SwapOutcome::DoubleHolder;
            }
            // Somebody removed the tombstone and has not taken the name yet.
            Err(Errno::NOENT) => {
                match rustix::fs::renameat_with(quarantine, id, directory, name, RenameFlags::NOREPLACE) {
                    Ok(()) => return SwapOutcome::LiveLockPutBack,
                    Err(Errno::EXIST) => {}
                    Err(_) => return SwapOutcome::DoubleHolder,
                }
            }
            Err(_) => return SwapOutcome::DoubleHolder,
        }
    }
}

fn owner_let_go(quarantine: &Rc<Directory>, id: &str, leases: &mut Leases) -> bool {
    match PinnedLock::look(quarantine, OsStr::new(id)) {
        Ok(Look::Pinned(lock)) => lock.probe_writer(leases) == Writer::NoneOpen,
        // A link, a FIFO, a directory: no lock of OpenClaw, so back where it came from.
        Ok(Look::Unpinned(..)) | Err(_) => false,
        Ok(Look::Vanished) => true,
    }
}

/// Whether `name` is one of our tombstones.
pub fn is_tombstone(directory: &Rc<Directory>, name: &str) -> bool {
    matches!(PinnedLock::look(directory, OsStr::new(name)),
        Ok(Look::Pinned(file)) if tombstone::id_of(file.bytes()).is_some())
}
