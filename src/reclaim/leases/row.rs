//! The one file that opens OpenClaw's databases with SQLite: its coordinator, held; its row, read, removed, put back.
//! Nothing else in lockdoctor does, and nothing else is done here.
//!
//! SQLite's locks belong to a process (fcntl(2)): they end when it closes any descriptor of the file. So these
//! connections live in a process of their own (`super::child`), in which nothing else opens these files between
//! [`Coordinator::hold`] and the end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use rustix::fs::{AtFlags, FileType};

use crate::evidence::directory::Directory;
use crate::leases::gone::{KEY, LeaseOwnerGone, Row, SCOPE};
use crate::leases::state_db::on_one_line;

#[derive(Debug, thiserror::Error)]
pub(super) enum Cannot {
    #[error("another process has it locked")]
    Busy,
    #[error("the path of {0} leads elsewhere than where it was reached")]
    Elsewhere(String),
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Cannot {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error),
        }
    }
}

/// `gateway.state.lock.sqlite`, held as a gateway holds it for its whole life: while this lives, none can get past
/// its start.
#[derive(Debug)]
pub(super) struct Coordinator(Connection);

impl Coordinator {
    pub(super) fn hold(directory: &Directory, name: &str) -> Result<Self, Cannot> {
        let connection = open(directory, name)?;
        // As OpenClaw itself does. No row and no journal is written.
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Self(connection))
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // Should it fail, the hold ends with the process.
        let _ = self.0.execute_batch("ROLLBACK");
    }
}

/// The database, in a transaction that keeps every other writer out. It is rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct Database<'held> {
    connection: Connection,
    /// Held until after the commit.
    _coordinator: &'held Coordinator,
}

impl<'held> Database<'held> {
    pub(super) fn open(
        directory: &Directory,
        name: &str,
        coordinator: &'held Coordinator,
    ) -> Result<Self, Cannot> {
        let before = descriptors();
        let connection = open(directory, name)?;
        // The removal is in the log alone; OpenClaw checkpoints it when it likes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let database = Self { connection, _coordinator: coordinator };
        // The log is opened with the first look.
        database.row()?;
        is_what_was_reached(directory, name, &before)?;
        Ok(database)
    }

    pub(super) fn row(&self) -> Result<Option<Row>, Cannot> {
        let columns = "owner, expires_at, heartbeat_at, payload_json, created_at, updated_at";
        let sql = format!("SELECT {columns} FROM state_leases WHERE scope = ?1 AND lease_key = ?2");
        let row = self.connection.query_row(&sql, [SCOPE, KEY], |row| {
            Ok(Row {
                owner: row.get(0)?,
                expires_at: row.get(1)?,
                heartbeat_at: row.get(2)?,
                payload_json: row.get(3)?,
                created_at: row.get(4)?,
                updated_at: row.get(5)?,
            })
        });
        Ok(row.optional()?)
    }

    /// As `leases::gone::TABLE`.
    pub(super) fn table(&self) -> Result<Vec<String>, Cannot> {
        let sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = 'state_leases' COLLATE NOCASE AND sql IS NOT NULL \
                   ORDER BY sql";
        let mut statement = self.connection.prepare(sql)?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(texts.map(|text| Ok(on_one_line(&text?))).collect::<Result<_, rusqlite::Error>>()?)
    }

    pub(super) fn version(&self) -> Result<Option<String>, Cannot> {
        let sql = "SELECT app_version FROM schema_meta WHERE meta_key = 'primary'";
        let version = self.connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).optional()?;
        Ok(version.flatten().and_then(|text| text.lines().next().map(str::to_owned)))
    }

    /// Removes the row of the proof, and no other; `false`: it is not there.
    pub(super) fn remove(self, proof: LeaseOwnerGone) -> Result<bool, Cannot> {
        let row = proof.row();
        let sql = "DELETE FROM state_leases WHERE scope = ?1 AND lease_key = ?2 AND owner = ?3 AND heartbeat_at IS ?4";
        let removed = self.connection.execute(sql, params![SCOPE, KEY, row.owner, row.heartbeat_at])?;
        if removed != 1 {
            return Ok(false);
        }
        self.connection.execute_batch("COMMIT")?;
        Ok(true)
    }

    /// Puts a row back where none stands.
    pub(super) fn put_back(self, row: &Row) -> Result<bool, Cannot> {
        if self.row()?.is_some() {
            return Ok(false);
        }
        let sql = "INSERT INTO state_leases (scope, lease_key, owner, expires_at, heartbeat_at, payload_json, \
                   created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let Row { owner, expires_at, heartbeat_at, payload_json, created_at, updated_at } = row;
        self.connection.execute(
            sql,
            params![SCOPE, KEY, owner, expires_at, heartbeat_at, payload_json, created_at, updated_at],
        )?;
        self.connection.execute_batch("COMMIT")?;
        Ok(true)
    }
}

/// Opens `name` in `directory`, which was reached without following a link. SQLite takes a path; what it opened is
/// looked at before it counts.
fn open(directory: &Directory, name: &str) -> Result<Connection, Cannot> {
    let elsewhere = || Cannot::Elsewhere(name.to_owned());
    let path = directory.real_path().ok_or_else(elsewhere)?.join(name);
    let before = descriptors();
    // No CREATE: a file that is not there stays so.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    is_what_was_reached(directory, name, &before)?;
    connection.busy_timeout(Duration::ZERO)?;
    // The file may be hostile: nothing of its schema is run but the table itself.
    for (what, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
    ] {
        connection.set_db_config(what, on)?;
    }
    Ok(connection)
}

/// The descriptors of this process. Its one thread opens no other file meanwhile.
fn descriptors() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Every file that was opened since `before` is the database, its log or its index, under the names in `directory`.
fn is_what_was_reached(directory: &Directory, name: &str, before: &BTreeSet<String>) -> Result<(), Cannot> {
    let names = ["", "-wal", "-shm"].map(|suffix| format!("{name}{suffix}"));
    let known: Vec<(u64, u64)> = names
        .iter()
        .filter_map(|name| rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok())
        .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
        .map(|stat| (stat.st_dev, stat.st_ino))
        .collect();
    let opened = descriptors();
    let is_known = |number: &String| {
        let link = Path::new("/proc/self/fd").join(OsStr::from_bytes(number.as_bytes()));
        // The descriptor that listed the directory is closed by now.
        rustix::fs::stat(link).map_or(true, |stat| known.contains(&(stat.st_dev, stat.st_ino)))
    };
    if opened.difference(before).all(is_known) { Ok(()) } else { Err(Cannot::Elsewhere(name.to_owned())) }
}
