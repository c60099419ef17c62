//! `agents/ID/agent/openclaw-agent.sqlite`: the sessions of one agent.
//!
//! The file is there from 2026.6 on, for credentials; the tables of sessions came with 2026.8.1. Seen in 2026.8.2
//! (schema 19) and 2026.9.6 (schema 23).

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::cells::{Section, section, text, time};
use super::state_db::{Migration, all, migration};
use crate::peek::error::{ReadError, Result};
use crate::peek::place::Place;
use crate::peek::record::Value;
use crate::peek::snapshot::{self, Sizes, Snapshot};
use crate::peek::table::{Schema, Table};

pub(crate) const NAME: &str = "openclaw-agent.sqlite";

#[derive(Debug, Clone)]
pub struct AgentDb {
    pub agent: String,
    pub path: PathBuf,
    pub sizes: Sizes,
    pub migration: Migration,
    pub nodes: Section<SessionNode>,
    pub windows: Section<SessionWindow>,
    pub tables: Tables,
}

/// What the era of an agent's sessions can be told from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tables {
    /// The database is for other things.
    NoSessions,
    Sessions {
        /// When any of them was changed last.
        youngest: Option<DateTime<Utc>>,
    },
    /// A sentence.
    Unreadable(String),
}

/// A session by its key. The key may hold a phone number: redact before printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNode {
    pub key: String,
    pub session_id: String,
    pub status: Option<SessionStatus>,
    pub updated_at: DateTime<Utc>,
    /// The run that wrote last. It stays after the run has ended (seen in 8.2 and 9.6): with another status than
    /// running it claims nothing.
    pub active_writer_run_id: Option<String>,
    /// The run under way; gone when it ends.
    pub lifecycle_run_id: Option<String>,
    pub aborted_last_run: Option<bool>,
}

/// One transcript of a session: from one reset to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionWindow {
    pub session_id: String,
    pub key: String,
    pub status: Option<SessionStatus>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub transcript_updated_at: Option<DateTime<Utc>>,
}

/// Which sessions to read. An entry takes some 20 kB, and an agent may have thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Those with a run under way, or one that died: what can be stuck.
    Running,
    All,
}

impl Sessions {
    fn filter(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Running => &[("status", "running")],
            Self::All => &[],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStatus {
    /// Survives the death of the gateway: believe it only when the run began after the gateway did.
    Running,
    Done,
    Failed,
    Killed,
    Timeout,
    Other(String),
}

impl SessionStatus {
    pub fn parse(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "done" => Self::Done,
            "failed" => Self::Failed,
            "killed" => Self::Killed,
            "timeout" => Self::Timeout,
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Timeout => "timeout",
            Self::Other(text) => text,
        }
    }
}

/// The few fields of `entry_json` that matter here; it holds prompts and message text, which are not kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    active_writer_run_id: Option<String>,
    lifecycle_run_id: Option<String>,
    aborted_last_run: Option<bool>,
}

/// The names of the agents below `agents/`, whether or not they have a database.
pub(crate) fn agents(state_dir: &Place) -> Result<Vec<String>> {
    match state_dir.below("agents".as_ref()) {
        Ok(agents) => agents.names(),
        Err(ReadError::Missing { .. }) => Ok(Vec::new()),
        Err(other) => Err(other),
    }
}

pub(crate) fn read(state_dir: &Place, agent: &str, which: Sessions) -> Result<AgentDb> {
    let place = state_dir.below(&Path::new("agents").join(agent).join("agent"))?;
    snapshot::read(&place, NAME, |snapshot| look(snapshot, agent, which))
}

fn own_schema(snapshot: &mut Snapshot) -> Result<Schema> {
    let schema = Schema::read(snapshot)?;
    if schema.has("schema_meta") {
        return Ok(schema);
    }
    Err(ReadError::Foreign { path: snapshot.path(), table: "schema_meta" })
}

fn look(snapshot: &mut Snapshot, agent: &str, which: Sessions) -> Result<AgentDb> {
    let schema = own_schema(snapshot)?;
    let table = match schema.table(snapshot, "session_windows") {
        Ok(table) => Ok(table),
        Err(unknown @ ReadError::Schema { .. }) => Err(unknown.to_string()),
        Err(other) => return Err(other),
    };
    let (tables, windows) = match table {
        Ok(None) => (Tables::NoSessions, Section::Absent),
        Ok(Some(table)) => (tables(snapshot, &table)?, section(windows(snapshot, &table, which).map(Some))?),
        Err(what) => (Tables::Unreadable(what.clone()), Section::Unreadable(what)),
    };
    Ok(AgentDb {
        agent: agent.to_owned(),
        path: snapshot.path(),
        sizes: snapshot.sizes(),
        migration: migration(snapshot, &schema)?,
        nodes: section(nodes(snapshot, &schema, which))?,
        windows,
        tables,
    })
}

/// Asks for one column, so that a change of the others does not hide the era.
fn tables(snapshot: &mut Snapshot, windows: &Table) -> Result<Tables> {
    match windows.rows(snapshot, &[], &["updated_at"], &[]) {
        Ok(rows) => Ok(Tables::Sessions { youngest: rows.iter().filter_map(|row| time(&row[0])).max() }),
        Err(unknown @ ReadError::Schema { .. }) => Ok(Tables::Unreadable(unknown.to_string())),
        Err(other) => Err(other),
    }
}

fn nodes(snapshot: &mut Snapshot, schema: &Schema, which: Sessions) -> Result<Option<Vec<SessionNode>>> {
    let Some(table) = schema.table(snapshot, "session_nodes")? else { return Ok(None) };
    let required = ["session_key", "current_session_id", "status", "updated_at", "entry_json"];
    let rows = table.rows(snapshot, which.filter(), &required, &[])?;
    let node = |row: &[Value]| {
        let entry: Entry =
            text(&row[4]).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        Some(SessionNode {
            key: text(&row[0])?,
            session_id: text(&row[1])?,
            status: text(&row[2]).as_deref().map(SessionStatus::parse),
            updated_at: time(&row[3])?,
            active_writer_run_id: entry.active_writer_run_id,
            lifecycle_run_id: entry.lifecycle_run_id,
            aborted_last_run: entry.aborted_last_run,
        })
    };
    all(&rows, node, || snapshot.corrupt("session_nodes holds a row that is no session")).map(Some)
}

fn windows(snapshot: &mut Snapshot, table: &Table, which: Sessions) -> Result<Vec<SessionWindow>> {
    let required = ["session_id", "session_key", "status", "started_at", "ended_at"];
    let rows = table.rows(snapshot, which.filter(), &required, &["transcript_updated_at"])?;
    let window = |row: &[Value]| {
        Some(SessionWindow {
            session_id: text(&row[0])?,
            key: text(&row[1])?,
            status: text(&row[2]).as_deref().map(SessionStatus::parse),
            started_at: time(&row[3]),
            ended_at: time(&row[4]),
            transcript_updated_at: time(&row[5]),
        })
    };
    all(&rows, window, || snapshot.corrupt("session_windows holds a row that is no session"))
}
