//! After a crash: what a killed lockdoctor had begun is finished or undone. The store's lock is ours by now, so
//! every intent without an end belongs to a process that is gone.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::rc::Rc;

use chrono::Utc;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::journal::{Entry, Event};
use super::store::{Store, StoreError};
use super::swap::{SwapOutcome, is_tombstone, put_back};
use super::tombstone;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;

/// Finishes or undoes every unfinished act, and removes drafts of tombstones.
pub fn recover(store: &mut Store, leases: &mut Leases) -> Result<(), StoreError> {
    for name in store.quarantined()? {
        if name.ends_with(".new") {
            tombstone::withdraw(&store.quarantine, &name);
        }
    }
    let ended: HashSet<String> =
        store.entries.iter().filter(|entry| entry.event.is_end()).map(|entry| entry.id.clone()).collect();
    let unfinished: Vec<Entry> = store
        .entries
        .iter()
        .filter(|entry| entry.event == Event::Intent && !ended.contains(&entry.id))
        .cloned()
        .collect();
    for intent in unfinished {
        let event = settle(store, &intent, leases);
        let mut end = Entry::about(Utc::now(), &intent.id, event, intent.subject.clone());
        (end.dev, end.inode) = (intent.dev, intent.inode);
        end.detail = Some(format!("lockdoctor (pid {}) was killed in the middle of it", intent.by.pid));
        store.write(&end)?;
    }
    Ok(())
}

/// What lies under the intent's name in the quarantine tells how far it came.
fn settle(store: &Store, intent: &Entry, leases: &mut Leases) -> Event {
    let quarantine = &store.quarantine;
    let id = intent.id.as_str();
    let stat = match rustix::fs::statat(quarantine, id, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Event::Undone,
        Err(_) => return Event::Failed,
    };
    if (stat.st_dev, stat.st_ino) == (intent.dev, intent.inode) {
        return Event::Completed;
    }
    if is_tombstone(quarantine, id) {
        tombstone::withdraw(quarantine, id);
        return Event::Undone;
    }
    // A lock that was not judged came out of the swap, and the kill came before it could be put back.
    let Some((directory, name)) = place_of(store, intent) else { return Event::Failed };
    match put_back(quarantine, id, &directory, &name, leases) {
        SwapOutcome::LiveLockPutBack => Event::LivePutBack,
        SwapOutcome::ReleasedMeanwhile => Event::ReleasedMeanwhile,
        _ => Event::DoubleHolder,
    }
}

/// The directory and name that an entry's `lock` means.
pub(super) fn place_of(store: &Store, entry: &Entry) -> Option<(Rc<Directory>, OsString)> {
    let path = Path::new(&entry.subject.lock);
    let name = path.file_name()?.to_owned();
    let parent = path.parent()?;
    let directory = if path.is_absolute() {
        Directory::open_root(parent)
    } else {
        let home = store.quarantine.path.parent()?.parent()?;
        let home = Directory::open_root(home).ok()?;
        if parent == Path::new("") { Ok(home) } else { home.open_beneath(parent) }
    };
    Some((Rc::new(directory.ok()?), name))
}

/// Whether a directory entry is there.
pub(super) fn exists(directory: &Directory, name: &OsStr) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
