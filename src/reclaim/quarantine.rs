//! What was reclaimed: listed, put back, dropped.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::AtFlags;
use serde::Serialize;

use super::entry::{Entry, Event, Subject};
use super::leases::child::have_done;
use super::leases::{Answer, Order, What};
use super::past::Memory;
use super::recovery::{is_plain_name, place_of};
use super::store::{Patience, Store, StoreError, time_in};
use super::swap::{Places, SwapOutcome, restore_over_tombstone, restore_to_free_name};
use super::{Failure, acting_as_owner_of, tombstone, trust};
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;

/// One file in the quarantine, with what the journal knows of it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Quarantined {
    pub id: String,
    pub at: Option<DateTime<Utc>>,
    pub event: Option<Event>,
    #[serde(flatten)]
    pub subject: Subject,
}

/// Why a lock was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{0}: not in the quarantine; see `lockdoctor quarantine list`")]
    Unknown(String),
    #[error("the name is taken: {0} is a lock that somebody made since; nothing was changed")]
    Taken(String),
    #[error("the directory of {0} cannot be opened any more")]
    NoPlace(String),
    #[error("{0}")]
    Row(String),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Everything in the quarantine, oldest first. What a crash left there of our own making is no lock.
pub fn list(store: &Store) -> Result<Vec<Quarantined>, StoreError> {
    let is_lock = |name: &String| {
        !tombstone::is_draft(name)
            && !matches!(tombstone::at(&store.quarantine, OsStr::new(name)), Ok(Some(_)))
    };
    let found = store.quarantined()?.into_iter().filter(is_lock).map(|id| {
        let last = last_entry(store, &id);
        Quarantined {
            // Without a journal, the name tells.
            at: last.map(|entry| entry.at).or_else(|| time_in(&id)),
            event: last.map(|entry| entry.event),
            subject: last.map(|entry| entry.subject.clone()).unwrap_or_default(),
            id,
        }
    });
    Ok(found.collect())
}

fn last_entry<'a>(store: &'a Store, id: &str) -> Option<&'a Entry> {
    store.entries().iter().rev().find(|entry| entry.id == id)
}

/// Puts a lock back under its name: over our own tombstone, or where the name is free; never over a lock.
pub fn restore(
    home: &Arc<Directory>,
    id: &str,
    leases: &mut Leases,
    now: DateTime<Utc>,
) -> Result<Subject, RestoreError> {
    trust::check(home).map_err(Failure::from)?;
    if is_row(home, id) {
        return restore_row(home, id);
    }
    let _acting = acting_as_owner_of(home)?;
    let in_store = |error| Failure::of_store(error, home);
    let system = |error| Failure::of("putting the lock back", error, home);
    let mut store = Store::open(home, Memory::Whole, Patience::TheirTurn, leases).map_err(in_store)?;
    let mut turn = store.turn(leases).map_err(in_store)?;
    let unknown = || RestoreError::Unknown(id.to_owned());
    let entry = last_entry(&turn, id).filter(|_| is_plain_name(id)).cloned().ok_or_else(unknown)?;
    let kept = rustix::fs::statat(&turn.quarantine, id, AtFlags::SYMLINK_NOFOLLOW);
    let kept = kept.map_err(|_| unknown())?;
    if tombstone::at(&turn.quarantine, OsStr::new(id)).map_err(system)?.is_some() {
        return Err(unknown());
    }
    let lock = entry.subject.lock.clone();
    let (directory, name) = place_of(&turn, &entry).map_err(|_| RestoreError::NoPlace(lock.clone()))?;
    trust::check(&directory).map_err(Failure::from)?;
    let over_tombstone = tombstone::at(&directory, &name).map_err(system)?.is_some();
    let mut begin = Entry::about(now, id, Event::Restoring, entry.subject.clone());
    (begin.dev, begin.inode) = (kept.st_dev, kept.st_ino);
    turn.write(&begin).map_err(in_store)?;
    let places = Places { quarantine: &turn.quarantine, id, directory: &directory, name: &name };
    let outcome = if over_tombstone { restore_over_tombstone(places) } else { restore_to_free_name(places) };
    let (event, answer) = match outcome {
        SwapOutcome::Judged => (Event::Restored, Ok(entry.subject)),
        // The next lockdoctor finds out how far it got.
        SwapOutcome::Unfinished(error) => return Err(system(error).into()),
        _ => (Event::Failed, Err(RestoreError::Taken(lock))),
    };
    let detail = answer.as_ref().err().map(ToString::to_string);
    turn.write_end(Entry { at: Utc::now(), event, detail, ..begin });
    answer
}

fn is_row(home: &Arc<Directory>, id: &str) -> bool {
    let store = Store::look(home).ok().flatten();
    store.is_some_and(|store| last_entry(&store, id).is_some_and(|entry| entry.row.is_some()))
}

/// A row goes back through SQLite, in a process of its own.
fn restore_row(home: &Directory, id: &str) -> Result<Subject, RestoreError> {
    let what = What::PutBack { quarantine_id: id.to_owned() };
    let order = Order { state_dir: home.path.clone(), id: (home.dev, home.ino), waits: true, what };
    match have_done(&order) {
        Answer::PutBack { subject } => Ok(*subject),
        answer => Err(RestoreError::Row(answer.why().unwrap_or("it is another row now").to_owned())),
    }
}

/// Drops what has been in the quarantine for longer than `age`; returns the ids.
pub fn purge(
    home: &Arc<Directory>,
    age: Duration,
    leases: &mut Leases,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Failure> {
    trust::check(home)?;
    let _acting = acting_as_owner_of(home)?;
    let in_store = |error| Failure::of_store(error, home);
    let mut store = Store::open(home, Memory::Whole, Patience::TheirTurn, leases).map_err(in_store)?;
    let mut turn = store.turn(leases).map_err(in_store)?;
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    let due = list(&turn).map_err(in_store)?.into_iter();
    let due = due.filter(|file| file.at.is_none_or(|at| now - at >= age));
    let ids: Vec<String> = due.map(|file| file.id).collect();
    for id in &ids {
        turn.drop_file(id, now).map_err(in_store)?;
    }
    Ok(ids)
}
