//! The act itself, from the order to the answer. Each step may be the last: what it leaves behind is then in order.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::kept::{keep, withdraw};
use super::row::{Cannot, Coordinator, Database};
use super::{Answer, Order, What};
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::{Look, PinnedLock, Presence};
use crate::evidence::view::SystemView;
use crate::install::Install;
use crate::install::gateway::{STATE_COORDINATOR, STATE_LOCK};
use crate::leases::Tri;
use crate::leases::gone::{Facts, LeaseOwnerGone, Named, Refusal, Row, refusal};
use crate::leases::state_db;
use crate::peek::place::Place;
use crate::reclaim::entry::{Entry, Event, Subject};
use crate::reclaim::past::Memory;
use crate::reclaim::store::{Patience, Store, Turn};
use crate::reclaim::{Failure, acting_as_owner_of, trust};
use crate::survey::removal::{self, CoordinatorIs, DatabaseFiles, Places};

/// Why it ended early.
enum Ended {
    Refused(Refusal),
    Vanished,
    Changed,
    Failed(String),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone => Self::Vanished,
            Refusal::Changed => Self::Changed,
            refusal => Self::Refused(refusal),
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<Ended> for Answer {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Refused(refusal) => Self::Refused { passes: refusal.passes(), why: refusal.to_string() },
            Ended::Vanished => Self::Vanished,
            Ended::Changed => Self::Changed,
            Ended::Failed(why) => Self::Failed { why },
        }
    }
}

/// Does what `order` says. Only in a process that does nothing else: see `super::row`.
pub fn carry_out(order: &Order) -> Answer {
    let mut view = SystemView::open();
    let done = match &order.what {
        What::Remove { row, subject } => remove(order, row, subject, &mut view),
        What::PutBack { quarantine_id } => put_back(order, quarantine_id, &mut view),
    };
    done.unwrap_or_else(Answer::from)
}

/// The install, its directories and its store, all trusted.
struct Ground {
    install: Install,
    places: Places,
    store: Store,
}

impl Ground {
    fn open(order: &Order, view: &mut SystemView) -> Result<Self, Ended> {
        let unreached = |error| Ended::Failed(format!("{}: {error}", order.state_dir.display()));
        let install = Install::open(&order.state_dir, view).map_err(unreached)?;
        let home = Arc::clone(&install.root);
        if (home.dev, home.ino) != order.id {
            return Err(Ended::Changed);
        }
        let places = Places::open(&home).ok_or(Refusal::CoordinatorMissing)?;
        let directories: [&Directory; 3] = [&home, &places.state, &places.locks];
        for directory in directories {
            trust::check(directory).map_err(Failure::from)?;
        }
        let patience = if order.waits { Patience::TheirTurn } else { Patience::None };
        let _acting = acting_as_owner_of(&home)?;
        let store = Store::open(&home, Memory::Whole, patience, &mut view.leases)
            .map_err(|error| Failure::of_store(error, &home))?;
        Ok(Self { install, places, store })
    }
}

/// As the owner of the state directory: what SQLite makes must not become another user's.
fn hold(home: &Directory, places: &Places) -> Result<Coordinator, Ended> {
    let _acting = acting_as_owner_of(home)?;
    Coordinator::hold(&places.locks, STATE_COORDINATOR).map_err(|cannot| match cannot {
        Cannot::Busy => Ended::Refused(Refusal::CoordinatorHeld),
        cannot => Ended::Failed(format!("{STATE_COORDINATOR}: {cannot}")),
    })
}

fn open<'held>(
    home: &Directory,
    places: &Places,
    coordinator: &'held Coordinator,
) -> Result<Database<'held>, Ended> {
    let _acting = acting_as_owner_of(home)?;
    Database::open(&places.state, state_db::NAME, coordinator).map_err(of_database)
}

fn of_database(cannot: Cannot) -> Ended {
    match cannot {
        Cannot::Busy => Ended::Refused(Refusal::DatabaseOpen),
        cannot => Ended::Failed(format!("{}: {cannot}", state_db::NAME)),
    }
}

/// The lock file and the database, open until the end: who else has them open is asked repeatedly.
struct Witness {
    lock: Option<PinnedLock>,
    files: DatabaseFiles,
}

impl Witness {
    fn open(home: &Directory, places: &Places) -> Result<Self, Ended> {
        let lock = match PinnedLock::look(&places.locks, STATE_LOCK.as_ref()) {
            Ok(Look::Pinned(lock)) => Some(lock),
            _ => None,
        };
        let files = DatabaseFiles::open(&home.path).ok_or(Refusal::DatabaseNotKnown)?;
        Ok(Self { lock, files })
    }

    /// A process has the lock file open.
    fn writer(&self, view: &mut SystemView) -> Tri {
        self.lock.as_ref().map_or(Tri::No, |lock| removal::tri(lock.probe_writer(&mut view.leases)))
    }

    /// Nothing has moved since the proof was made.
    fn last_look(&self, view: &mut SystemView) -> Result<(), Ended> {
        let lock = self.lock.as_ref().ok_or(Refusal::NoLockFile)?;
        match (self.writer(view), self.files.are_open_elsewhere()) {
            (Tri::No, Tri::No) => {}
            (Tri::No, Tri::Yes) => return Err(Refusal::DatabaseOpen.into()),
            (Tri::No, Tri::Unknown) => return Err(Refusal::DatabaseNotKnown.into()),
            (Tri::Yes, _) => return Err(Refusal::LockFileOpen.into()),
            (Tri::Unknown, _) => return Err(Refusal::WriterNotKnown.into()),
        }
        match (lock.presence(), lock.bytes_unchanged()) {
            (Ok(Presence::Same), Ok(true)) => Ok(()),
            _ => Err(Ended::Changed),
        }
    }
}

fn remove(order: &Order, judged: &Named, subject: &Subject, view: &mut SystemView) -> Result<Answer, Ended> {
    let Ground { install, places, mut store } = Ground::open(order, view)?;
    let home = Arc::clone(&install.root);
    let mut turn = store.turn(&mut view.leases).map_err(|error| Failure::of_store(error, &home))?;
    if turn.entries().iter().any(|entry| has_removed(entry, &judged.owner)) {
        return Err(Refusal::Before.into());
    }
    let coordinator = hold(&home, &places)?;
    // From here on no gateway gets past its start, and what is seen stays so.
    view.refresh();
    let database = read(&home)?;
    let facts = removal::look(&install, &database, CoordinatorIs::Ours, view);
    if let Some(refusal) = refusal(&facts) {
        return Err(refusal.into());
    }
    // Opening it would change the index beside the log.
    if facts.row.as_ref() != Some(judged) {
        return Err(Refusal::Changed.into());
    }
    let witness = Witness::open(&home, &places)?;
    let database = open(&home, &places, &coordinator)?;
    let row = database.row().map_err(of_database)?.ok_or(Refusal::Gone)?;
    let facts = Facts {
        row: Some(Named::from(&row)),
        table: database.table().map_err(of_database)?,
        version: database.version().map_err(of_database)?,
        lock_file: witness.lock.as_ref().map_or(facts.lock_file, removal::owner_in),
        writer: witness.writer(view),
        database_open: witness.files.are_open_elsewhere(),
        ..facts
    };
    let proof = LeaseOwnerGone::prove(&facts, judged)?;
    let _acting = acting_as_owner_of(&home)?;
    let now = Utc::now();
    let id = turn.new_id(now, places.state.ino);
    let begun = Entry { row: Some(row.clone()), ..Entry::about(now, &id, Event::Intent, subject.clone()) };
    turn.write(&begun).map_err(|error| Failure::of_store(error, &home))?;
    let removed = keep(&turn.quarantine, &id, &row)
        .map_err(|error| Ended::from(Failure::of("writing to the quarantine", error, &home)))
        .and_then(|()| witness.last_look(view))
        .and_then(|()| database.remove(proof).map_err(of_database));
    let removed = removed.and_then(|removed| if removed { Ok(()) } else { Err(Ended::Changed) });
    conclude(&mut turn, begun, now, removed)?;
    Ok(Answer::Removed { quarantine_id: id })
}

/// Writes down how it ended. The row is as it was unless it was removed.
fn conclude(
    turn: &mut Turn<'_>,
    begun: Entry,
    now: DateTime<Utc>,
    removed: Result<(), Ended>,
) -> Result<(), Ended> {
    let (event, detail) = match &removed {
        Ok(()) => (Event::Reclaimed, None),
        Err(Ended::Vanished | Ended::Changed) => (Event::Changed, None),
        Err(Ended::Refused(refusal)) => (Event::Failed, Some(refusal.to_string())),
        Err(Ended::Failed(why)) => (Event::Failed, Some(why.clone())),
    };
    if removed.is_err() {
        withdraw(&turn.quarantine, &begun.id);
    }
    turn.write_end(Entry { at: Utc::now(), event, detail, ..begun });
    turn.bound(now);
    removed
}

fn read(home: &Directory) -> Result<state_db::StateDb, Ended> {
    let read = Place::root(&home.path).and_then(|place| state_db::read(&place));
    read.map_err(|error| Ended::Failed(error.to_string()))
}

/// A row of this owner was removed, by this run or by one whose end recovery found out.
fn has_removed(entry: &Entry, owner: &str) -> bool {
    matches!(entry.event, Event::Reclaimed | Event::Completed)
        && entry.row.as_ref().is_some_and(|row| row.owner == owner)
}

/// Puts a row back: only where none stands, and no gateway runs or starts.
fn put_back(order: &Order, id: &str, view: &mut SystemView) -> Result<Answer, Ended> {
    let Ground { install, places, mut store } = Ground::open(order, view)?;
    let home = Arc::clone(&install.root);
    let mut turn = store.turn(&mut view.leases).map_err(|error| Failure::of_store(error, &home))?;
    let entry = turn.entries().iter().rev().find(|entry| entry.id == id).cloned();
    let kept = entry.and_then(|entry| Some((entry.row.clone()?, entry)));
    let (row, entry) = kept.ok_or_else(|| Ended::Failed(format!("{id}: no row is kept under this name")))?;
    let coordinator = hold(&home, &places)?;
    view.refresh();
    let facts = removal::look(&install, &read(&home)?, CoordinatorIs::Ours, view);
    if let Some(obstacle) = obstacle_to_put_back(&facts, &row) {
        return Err(obstacle);
    }
    let witness = Witness::open(&home, &places)?;
    let database = open(&home, &places, &coordinator)?;
    if witness.files.are_open_elsewhere() != Tri::No {
        return Err(Refusal::DatabaseOpen.into());
    }
    let _acting = acting_as_owner_of(&home)?;
    let begun = Entry {
        row: Some(row.clone()),
        ..Entry::about(Utc::now(), id, Event::Restoring, entry.subject.clone())
    };
    turn.write(&begun).map_err(|error| Failure::of_store(error, &home))?;
    let done = database.put_back(&row).map_err(of_database);
    let done = done.and_then(|done| if done { Ok(()) } else { Err(taken()) });
    let (event, detail) = match &done {
        Ok(()) => (Event::Restored, None),
        Err(_) => (Event::Failed, Some("the row was not put back".to_owned())),
    };
    if done.is_ok() {
        withdraw(&turn.quarantine, id);
    }
    turn.write_end(Entry { at: Utc::now(), event, detail, ..begun });
    done.map(|()| Answer::PutBack { subject: Box::new(entry.subject) })
}

fn taken() -> Ended {
    Ended::Failed("the name is taken: a row stands there; nothing was changed".to_owned())
}

/// Everything that a removal asks for, but for the row, which is not there, and the lock file, which need not be.
fn obstacle_to_put_back(facts: &Facts, row: &Row) -> Option<Ended> {
    use crate::leases::gone::LockFile;
    if facts.row.is_some() {
        return Some(taken());
    }
    let as_if =
        Facts { row: Some(row.into()), lock_file: LockFile::OfGateway(row.owner.clone()), ..facts.clone() };
    refusal(&as_if).map(Ended::from)
}
