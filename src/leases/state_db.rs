//! `state/openclaw.sqlite`: leases, open agent databases, memory locks, migrations.
//!
//! Seen in real databases: `state_leases`, `schema_meta` and `plugin_state_entries` from 2026.6.11 to 2026.9.6 with
//! the same columns; `agent_database_leases` from 2026.8.2. What a version does not have is [`Section::Absent`].

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::boots::{self, Boot};
use super::cells::{Section, integer, section, text, time};
use super::owner::LeaseOwner;
use super::queues::{self, Queues};
use super::scope::LeaseScope;
use crate::peek::error::{ReadError, Result};
use crate::peek::place::Place;
use crate::peek::record::Value;
use crate::peek::snapshot::{self, Sizes, Snapshot};
use crate::peek::table::Schema;

pub(crate) const NAME: &str = "openclaw.sqlite";

#[derive(Debug, Clone)]
pub struct StateDb {
    pub path: PathBuf,
    pub sizes: Sizes,
    pub migration: Migration,
    pub leases: Section<Lease>,
    /// What the file's schema says of their table, white space set aside.
    pub lease_table: Vec<String>,
    pub agent_database_leases: Section<AgentDatabaseLease>,
    pub memory_locks: Section<MemoryLock>,
    pub boots: Section<Boot>,
    pub queues: Queues,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    pub scope: LeaseScope,
    pub key: String,
    pub owner: LeaseOwner,
    /// `None`: the lease never expires.
    pub expires_at: Option<DateTime<Utc>>,
    pub heartbeat_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// As it stands, beyond the owner. Not for printing: plugins put their own things here.
    pub payload: Option<Json>,
}

/// A process has this agent's database open. One row a connection, so a gateway has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentDatabaseLease {
    pub lease_id: String,
    pub agent: String,
    pub path: PathBuf,
    pub owner: LeaseOwner,
    pub opened_at: DateTime<Utc>,
}

/// The memory plugin's workspace lock. It never expires by itself (openclaw#134999).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLock {
    /// A hash of the workspace's path.
    pub key: String,
    pub owner: LeaseOwner,
    pub acquired_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// What `schema_meta` and `user_version` say about how far the state directory is migrated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Migration {
    /// The version that wrote the tables; unset in 2026.6 and 2026.7.
    pub app_version: Option<String>,
    pub schema_version: Option<i64>,
    pub user_version: u32,
    /// The versions whose migrations are on record as done.
    pub state_migrations: Option<String>,
    pub startup_migrations: Option<String>,
}

impl Migration {
    /// A sentence when the tables are of another schema than the header says.
    pub fn half_done(&self) -> Option<String> {
        let schema = self.schema_version.filter(|schema| *schema != i64::from(self.user_version))?;
        let header = self.user_version;
        Some(format!("half-migrated: its tables are of schema {schema}, its header says {header}"))
    }

    /// A sentence when the shared database is between two versions. Agent databases keep no record of finished
    /// migrations.
    pub fn unfinished(&self) -> Option<String> {
        if let Some(sentence) = self.half_done() {
            return Some(sentence);
        }
        let (tables, done) = (self.app_version.as_ref()?, self.startup_migrations.as_ref());
        match done {
            None => Some(format!("tables of {tables}, but no finished startup migration is on record")),
            Some(done) if done != tables => {
                Some(format!("tables of {tables}, but the last finished startup migration is that of {done}"))
            }
            Some(_) => None,
        }
    }
}

pub(crate) fn read(state_dir: &Place) -> Result<StateDb> {
    let place = state_dir.below("state".as_ref())?;
    snapshot::read(&place, NAME, look)
}

fn look(snapshot: &mut Snapshot) -> Result<StateDb> {
    let schema = Schema::read(snapshot)?;
    if !schema.has("schema_meta") && !schema.has("state_leases") {
        return Err(ReadError::Foreign { path: snapshot.path(), table: "state_leases" });
    }
    Ok(StateDb {
        path: snapshot.path(),
        sizes: snapshot.sizes(),
        migration: migration(snapshot, &schema)?,
        leases: section(leases(snapshot, &schema))?,
        lease_table: schema.texts("state_leases").into_iter().map(on_one_line).collect(),
        agent_database_leases: section(agent_database_leases(snapshot, &schema))?,
        memory_locks: section(memory_locks(snapshot, &schema))?,
        boots: section(boots::read(snapshot, &schema))?,
        queues: queues::read(snapshot, &schema)?,
    })
}

/// A text with single spaces.
pub(crate) fn on_one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn leases(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Lease>>> {
    let Some(table) = schema.table(snapshot, "state_leases")? else { return Ok(None) };
    let required = ["scope", "lease_key", "owner", "created_at", "updated_at", "expires_at"];
    let rows = table.rows(snapshot, &[], &required, &["heartbeat_at", "payload_json"])?;
    let lease = |row: &[Value]| {
        let payload = text(&row[7]).and_then(|json| serde_json::from_str::<Json>(&json).ok());
        Some(Lease {
            scope: LeaseScope::parse(&text(&row[0])?),
            key: text(&row[1])?,
            owner: LeaseOwner::of_lease(&text(&row[2])?, payload.as_ref()),
            created_at: time(&row[3])?,
            updated_at: time(&row[4])?,
            expires_at: time(&row[5]),
            heartbeat_at: time(&row[6]),
            payload,
        })
    };
    all(&rows, lease, || snapshot.corrupt("state_leases holds a row that is no lease")).map(Some)
}

fn agent_database_leases(
    snapshot: &mut Snapshot,
    schema: &Schema,
) -> Result<Option<Vec<AgentDatabaseLease>>> {
    let Some(table) = schema.table(snapshot, "agent_database_leases")? else { return Ok(None) };
    let required = ["lease_id", "agent_id", "path", "owner_pid", "owner_start_time", "opened_at"];
    let rows = table.rows(snapshot, &[], &required, &[])?;
    let lease = |row: &[Value]| {
        Some(AgentDatabaseLease {
            lease_id: text(&row[0])?,
            agent: text(&row[1])?,
            path: text(&row[2])?.into(),
            owner: LeaseOwner::of_process(integer(&row[3])?, integer(&row[4])),
            opened_at: time(&row[5])?,
        })
    };
    all(&rows, lease, || snapshot.corrupt("agent_database_leases holds a row that is no lease")).map(Some)
}

fn memory_locks(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<MemoryLock>>> {
    let Some(table) = schema.table(snapshot, "plugin_state_entries")? else { return Ok(None) };
    let of_memory_core = [("plugin_id", "memory-core"), ("namespace", "short-term-locks")];
    let rows = table.rows(snapshot, &of_memory_core, &["entry_key", "value_json"], &["expires_at"])?;
    let lock = |row: &[Value]| {
        let value: Json = serde_json::from_str(&text(&row[1])?).unwrap_or(Json::Null);
        Some(MemoryLock {
            key: text(&row[0])?,
            owner: LeaseOwner::of_memory_lock(&value),
            acquired_at: value
                .get("acquiredAt")
                .and_then(Json::as_i64)
                .and_then(DateTime::from_timestamp_millis),
            expires_at: time(&row[2]),
        })
    };
    all(&rows, lock, || snapshot.corrupt("plugin_state_entries holds a memory lock that is none")).map(Some)
}

pub(crate) fn migration(snapshot: &mut Snapshot, schema: &Schema) -> Result<Migration> {
    let mut migration = Migration { user_version: snapshot.user_version(), ..Migration::default() };
    let Some(table) = schema.table(snapshot, "schema_meta")? else { return Ok(migration) };
    for row in table.rows(snapshot, &[], &["meta_key", "schema_version"], &["app_version"])? {
        // "2026.9.6\n3\n<build time>\n<fingerprints>": the version is the first line.
        let version = text(&row[2]).and_then(|text| text.lines().next().map(str::to_owned));
        match text(&row[0]).as_deref() {
            Some("primary") => {
                migration.app_version = version;
                migration.schema_version = integer(&row[1]);
            }
            Some("state-migrations") => migration.state_migrations = version,
            Some("startup-migrations") => migration.startup_migrations = version,
            _ => {}
        }
    }
    Ok(migration)
}

/// Every row, or the error: a row that is left out in silence could be the one that matters.
pub(crate) fn all<T>(
    rows: &[Vec<Value>],
    row: impl Fn(&[Value]) -> Option<T>,
    otherwise: impl FnOnce() -> ReadError,
) -> Result<Vec<T>> {
    rows.iter().map(|values| row(values)).collect::<Option<_>>().ok_or_else(otherwise)
}
