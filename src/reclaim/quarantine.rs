//! What was reclaimed: listed, put back, dropped.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::RenameFlags;
use serde::Serialize;

use super::journal::{Entry, Event, Subject};
use super::recovery::{exists, place_of};
use super::store::{Store, StoreError};
use super::swap::is_tombstone;
use super::tombstone;

/// One file in the quarantine, with what the journal knows of it.
#[derive(Debug, Clone, Serialize)]
pub struct Quarantined {
    pub id: String,
    pub at: Option<DateTime<Utc>>,
    pub event: Option<Event>,
    #[serde(flatten)]
    pub subject: Subject,
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{0}: not in the quarantine; see `lockdoctor quarantine list`")]
    Unknown(String),
    #[error("the name is taken: {0} is a lock that somebody made since; nothing was changed")]
    Taken(String),
    #[error("the directory of {0} cannot be opened any more")]
    NoPlace(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("putting it back: {0}")]
    System(#[from] rustix::io::Errno),
}

/// Everything in the quarantine, oldest first.
pub fn list(store: &Store) -> Result<Vec<Quarantined>, StoreError> {
    let names = store.quarantined()?;
    let found = names.into_iter().filter(|name| !name.ends_with(".new")).map(|id| {
        let last = store.entries.iter().rev().find(|entry| entry.id == id && entry.event.is_end());
        Quarantined {
            at: last.map(|entry| entry.at),
            event: last.map(|entry| entry.event),
            subject: last.map(|entry| entry.subject.clone()).unwrap_or_default(),
            id,
        }
    });
    Ok(found.collect())
}

/// Puts a lock back under its name: over our own tombstone, or where the name is free; never over a lock.
pub fn restore(store: &mut Store, id: &str, now: DateTime<Utc>) -> Result<Subject, RestoreError> {
    let entry = store.entries.iter().rev().find(|entry| entry.id == id).cloned();
    let entry = entry.filter(|_| exists(&store.quarantine, id.as_ref()));
    let entry = entry.ok_or_else(|| RestoreError::Unknown(id.to_owned()))?;
    let lock = entry.subject.lock.clone();
    let (directory, name) = place_of(store, &entry).ok_or_else(|| RestoreError::NoPlace(lock.clone()))?;
    let taken = || RestoreError::Taken(lock.clone());
    if is_tombstone(&directory, &name.to_string_lossy()) {
        rustix::fs::renameat_with(&store.quarantine, id, &directory, &name, RenameFlags::EXCHANGE)?;
        if !is_tombstone(&store.quarantine, id) {
            // Somebody took the lock in that instant: theirs goes back.
            rustix::fs::renameat_with(&store.quarantine, id, &directory, &name, RenameFlags::EXCHANGE)?;
            return Err(taken());
        }
        tombstone::withdraw(&store.quarantine, id);
    } else {
        match rustix::fs::renameat_with(&store.quarantine, id, &directory, &name, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => return Err(taken()),
            other => other?,
        }
    }
    store.write(&Entry::about(now, id, Event::Restored, entry.subject.clone()))?;
    Ok(entry.subject)
}

/// Drops what has been in the quarantine for longer than `age`; returns the ids.
pub fn purge(store: &mut Store, age: Duration, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    let due = list(store)?.into_iter().filter(|file| file.at.is_none_or(|at| now - at >= age));
    let ids: Vec<String> = due.map(|file| file.id).collect();
    for id in &ids {
        store.drop_file(id, now)?;
    }
    Ok(ids)
}
