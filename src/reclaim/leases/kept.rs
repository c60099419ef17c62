//! The row of a lease in the quarantine, and what became of an act that was cut off.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::evidence::directory::Directory;
use crate::leases::gone::{Row, is_the_row};
use crate::leases::state_db;
use crate::peek::place::Place;
use crate::reclaim::entry::{Entry, Event};

/// Writes the row down where locks are kept.
pub(super) fn keep(quarantine: &Directory, id: &str, row: &Row) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(quarantine, id, flags, Mode::RUSR | Mode::WUSR)?;
    let text = serde_json::to_vec_pretty(row).unwrap_or_default();
    let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, &text))?;
    if written < text.len() {
        return Err(Errno::NOSPC);
    }
    rustix::fs::fsync(&file)?;
    rustix::fs::fsync(quarantine)
}

/// The copy is not needed: the row stands.
pub(super) fn withdraw(quarantine: &Directory, id: &str) {
    // What stays is listed, and dropped with age.
    let _ = rustix::fs::unlinkat(quarantine, id, AtFlags::empty());
}

/// How an act on a row ended whose process was killed: what stands in the table tells. `None`: it cannot be read now.
pub(in crate::reclaim) fn ending(
    home: &Directory,
    quarantine: &Directory,
    begun: &Entry,
    row: &Row,
) -> Option<Event> {
    let place = Place::root(&home.path).ok()?;
    let database = state_db::read(&place).ok()?;
    let mut rows = database.leases.rows().iter();
    let stands = rows.any(|lease| is_the_row(lease) && lease.owner.raw == row.owner);
    let event = match (begun.event, stands) {
        (Event::Restoring, true) => Event::Restored,
        (_, true) => Event::Undone,
        (Event::Restoring, false) => return Some(Event::Undone),
        (_, false) => return Some(Event::Completed),
    };
    withdraw(quarantine, &begun.id);
    Some(event)
}
