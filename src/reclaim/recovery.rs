//! After a crash: what a killed lockdoctor had begun is finished or undone. It is our turn in the store, so every
//! beginning without an end belongs to a process that is gone.
//!
//! The journal says what was meant; what lies under its id in the quarantine says how far it came.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};
use std::sync::Arc;

use chrono::Utc;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::entry::{Entry, Event, Word};
use super::leases::kept;
use super::store::Store;
use super::store_error::StoreError;
use super::swap::{Places, SwapOutcome, put_back_late, undo_restore};
use super::tombstone;
use crate::evidence::Writer;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;
use crate::evidence::lockfile::{Look, PinnedLock};
use crate::verdict::Verdict;

/// In one turn: each is written to disk, and a turn is short.
const AT_ONCE: usize = 8;

/// Finishes or undoes unfinished acts; should there be a great many, the rest comes in the next turns.
pub(super) fn recover(store: &mut Store, leases: &mut Leases) -> Result<(), StoreError> {
    for begun in store.unfinished().into_iter().take(AT_ONCE) {
        // What cannot be found out now is tried again next time.
        let Some(event) = ending(store, &begun, leases) else { continue };
        let mut end = Entry::about(Utc::now(), &begun.id, event, begun.subject.clone());
        (end.dev, end.inode) = (begun.dev, begun.inode);
        end.detail = Some(format!("lockdoctor (pid {}) ended in the middle of it", begun.by.pid));
        end.row.clone_from(&begun.row);
        store.write(&end)?;
    }
    Ok(())
}

/// Brings one act to an end; `None`: not yet.
fn ending(store: &Store, begun: &Entry, leases: &mut Leases) -> Option<Event> {
    let id = begun.id.as_str();
    // The journal is a file like any other: a name from it must not lead elsewhere.
    if !is_plain_name(id) {
        return Some(Event::Failed);
    }
    if let Some(row) = &begun.row {
        return kept::ending(&store.home, &store.quarantine, begun, row);
    }
    let (directory, name) = match place_of(store, begun) {
        Ok(place) => place,
        // The place itself is gone, or no longer one of ours; anything else may pass.
        Err(Errno::NOENT | Errno::LOOP | Errno::XDEV | Errno::INVAL) => return Some(Event::Failed),
        Err(_) => return None,
    };
    let places = Places { quarantine: &store.quarantine, id, directory: &directory, name: &name };
    let inside = match rustix::fs::statat(&store.quarantine, id, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat.st_ino,
        Err(Errno::NOENT) => return without_file(&places, begun.event),
        Err(_) => return None,
    };
    if tombstone::at(&store.quarantine, OsStr::new(id)).ok()?.is_some() {
        tombstone::withdraw(&store.quarantine, id);
        // Of a restoration it came out; of a reclaim it was never swapped in, or swapped back.
        return Some(if begun.event == Event::Restoring { Event::Restored } else { Event::Undone });
    }
    match begun.event {
        // Not swapped yet.
        Event::Restoring if inside == begun.inode => Some(Event::Undone),
        Event::Restoring if restored_one_has_the_name(&places, begun) => {
            (undo_restore(places) == SwapOutcome::Changed).then_some(Event::Undone)
        }
        Event::Intent if inside == begun.inode && !is_in_use(store, begun, leases) => Some(Event::Completed),
        // A lock that was not judged came out, and the kill came before it could be put back.
        _ => match put_back_late(places, leases) {
            SwapOutcome::PutBack => Some(Event::LivePutBack),
            SwapOutcome::ReleasedMeanwhile => Some(Event::ReleasedMeanwhile),
            SwapOutcome::Unfinished(_) => None,
            _ => Some(Event::DoubleHolder),
        },
    }
}

/// The file has left the quarantine, or never was there.
fn without_file(places: &Places<'_>, begun: Event) -> Option<Event> {
    let ours = tombstone::at(places.directory, places.name).ok()?.is_some_and(|id| id == places.id);
    Some(match begun {
        Event::Restoring => Event::Restored,
        // Swapped; then somebody emptied the quarantine.
        _ if ours => Event::Completed,
        _ => Event::Undone,
    })
}

fn restored_one_has_the_name(places: &Places<'_>, begun: &Entry) -> bool {
    rustix::fs::statat(places.directory, places.name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_ino == begun.inode)
}

fn is_in_use(store: &Store, begun: &Entry, leases: &mut Leases) -> bool {
    let inside = PinnedLock::look(&store.quarantine, OsStr::new(&begun.id));
    begun.subject.verdict != Word::Ours(Verdict::Overdue)
        && matches!(inside, Ok(Look::Pinned(lock)) if lock.probe_writer(leases) == Writer::Open)
}

pub(super) fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name)
}

/// The directory and name that an entry's `lock` means: always below the store's home.
pub(super) fn place_of(store: &Store, entry: &Entry) -> Result<(Arc<Directory>, OsString), Errno> {
    let path = Path::new(&entry.subject.lock);
    let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
    let parent = path.parent().ok_or(Errno::INVAL)?;
    if parent == Path::new("") {
        return Ok((Arc::clone(&store.home), name));
    }
    Ok((Arc::new(store.home.open_beneath(parent)?), name))
}
