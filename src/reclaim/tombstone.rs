//! The file that takes a reclaimed lock's place: a payload in the lock's own format whose pid no Linux kernel
//! can ever hand out. OpenClaw's acquirers, 1.24 to 7.35, find its process dead and remove it by their own
//! protocol; gateways that look for crash evidence at their start find it here as they would have found the
//! dead lock.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use crate::evidence::Content;
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::{FileFacts, Look, PinnedLock};
use crate::openclaw::payload::{
    Ending, Format, Layout, TOMBSTONE_ID_KEY, TOMBSTONE_KEY, TOMBSTONE_PID, TOMBSTONE_SENTENCE, tombstone_id,
};

/// Old enough for every version that judges by mtime (30 s for the store lock up to 2.12, 30 min for an
/// unreadable payload from 2.22 to 4.22).
const MTIME_AGE: TimeDelta = TimeDelta::hours(1);

/// The tombstone for `lock`.
pub fn bytes(lock: &PinnedLock, created_at: Option<DateTime<Utc>>, id: &str, now: DateTime<Utc>) -> Vec<u8> {
    let format = match lock.content() {
        Content::Parsed(payload) => payload.format,
        _ => Format { layout: Layout::Pretty, ending: Ending::Newline },
    };
    let created_at = created_at.unwrap_or(now - MTIME_AGE);
    let mut fields = Map::new();
    fields.insert("pid".to_owned(), json!(TOMBSTONE_PID));
    fields.insert("createdAt".to_owned(), iso(created_at));
    if format.layout == Layout::Compact {
        // The store lock up to 2026.2.12.
        fields.insert("startedAt".to_owned(), json!(created_at.timestamp_millis()));
    }
    let sentence = format!(
        "{TOMBSTONE_SENTENCE}{}: it had no holder. OpenClaw removes this file at the next message. \
         The lock itself is kept: lockdoctor quarantine list",
        now.to_rfc3339_opts(SecondsFormat::Secs, true),
    );
    fields.insert(TOMBSTONE_KEY.to_owned(), json!(sentence));
    fields.insert(TOMBSTONE_ID_KEY.to_owned(), json!(id));
    let value = Value::Object(fields);
    let mut text = match format.layout {
        Layout::Compact => value.to_string(),
        Layout::Pretty | Layout::PidColonMs => format!("{value:#}"),
    };
    if format.ending != Ending::Bare {
        text.push('\n');
    }
    text.into_bytes()
}

fn iso(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The id in a tombstone's bytes; `None` if they are not a tombstone's.
pub fn id_of(bytes: &[u8]) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    tombstone_id(&fields).map(str::to_owned)
}

/// The id of the tombstone that lies at `name`; `None` if something else lies there, or nothing.
pub(super) fn at(directory: &Arc<Directory>, name: &OsStr) -> Result<Option<String>, Errno> {
    match PinnedLock::look(directory, name)? {
        Look::Pinned(file) => Ok(id_of(file.bytes())),
        Look::Unpinned(..) | Look::Vanished => Ok(None),
    }
}

/// A tombstone that lies in the quarantine, ready to be swapped. Held open, so that its inode number means
/// nothing else as long as this lives.
#[derive(Debug)]
pub(super) struct Tombstone {
    _fd: OwnedFd,
    dev: u64,
    ino: u64,
}

impl Tombstone {
    pub(super) fn is(&self, stat: &Stat) -> bool {
        (stat.st_dev, stat.st_ino) == (self.dev, self.ino)
    }
}

const DRAFT: &str = ".new";

/// Whether a name in the quarantine is that of a tombstone that is still being written.
pub(super) fn is_draft(name: &str) -> bool {
    name.ends_with(DRAFT)
}

/// Writes the tombstone to `<id>` in the quarantine. It appears there whole or not at all, so that after a
/// crash whatever is called `<id>` is either a whole tombstone or a lock.
pub(super) fn place(
    quarantine: &Directory,
    id: &str,
    bytes: &[u8],
    like: &FileFacts,
    now: DateTime<Utc>,
) -> Result<Tombstone, Errno> {
    let draft = format!("{id}{DRAFT}");
    let placed = draw_up(quarantine, &draft, bytes, like, now).and_then(|tombstone| {
        rustix::fs::renameat_with(quarantine, &draft, quarantine, id, RenameFlags::NOREPLACE)?;
        Ok(tombstone)
    });
    if placed.is_err() {
        withdraw(quarantine, &draft);
    }
    placed
}

fn draw_up(
    quarantine: &Directory,
    draft: &str,
    bytes: &[u8],
    like: &FileFacts,
    now: DateTime<Utc>,
) -> Result<Tombstone, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(quarantine, draft, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(like.mode & 0o666 | 0o600))?;
    let old = Timespec { tv_sec: (now - MTIME_AGE).timestamp().min(like.mtime.0), tv_nsec: 0 };
    rustix::fs::futimens(&fd, &Timestamps { last_access: old, last_modification: old })?;
    // Without it a power cut could leave an empty file under the lock's name.
    rustix::fs::fsync(&fd)?;
    // From here on nobody may have it open for writing, or the next lockdoctor takes it for a held lock.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned = rustix::fs::openat(quarantine, draft, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&pinned)?;
    if rustix::fs::fstat(&fd)?.st_ino != stat.st_ino {
        return Err(Errno::STALE);
    }
    Ok(Tombstone { _fd: pinned, dev: stat.st_dev, ino: stat.st_ino })
}

/// Removes a tombstone from the quarantine. Only names in our own quarantine are ever unlinked.
pub(super) fn withdraw(quarantine: &Directory, name: &str) {
    // Should it fail, recovery finds it at the next start.
    let _ = rustix::fs::unlinkat(quarantine, name, AtFlags::empty());
}
