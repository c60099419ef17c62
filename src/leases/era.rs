//! Which era an install is in: session files with locks beside them, or SQLite.
//!
//! From what the databases hold, never from a file being there: from 2026.6 an `openclaw-agent.sqlite` holds
//! credentials while sessions still are files, and after a migration the old files stay.

use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

use super::agent_db::{self, Tables};
use super::cells::Section;
use super::survey::Survey;
use crate::peek::error::{ReadError, Result};
use crate::peek::place::Place;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Era {
    /// Sessions are `.jsonl` files, guarded by lock files.
    File,
    /// Sessions are in the agent databases: that no lock file is found means nothing.
    Sqlite,
    /// A sentence.
    Unknown(String),
}

/// How much younger a session file must be than the youngest row before it says that files are in use again.
const NOTABLY_YOUNGER: TimeDelta = TimeDelta::minutes(5);

/// What the databases tell of the OpenClaw that wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub era: Era,
    /// The version that migrated the shared database last; it is not on record before 2026.8.
    pub app_version: Option<String>,
}

/// Tells it from what `databases` held, and from how old the session files beside them are.
pub fn origin(state_dir: &Path, databases: &Survey) -> Origin {
    origin_of(state_dir, databases)
        .unwrap_or_else(|error| Origin { era: Era::Unknown(error.to_string()), app_version: None })
}

fn origin_of(state_dir: &Path, databases: &Survey) -> Result<Origin> {
    let place = Place::root(state_dir)?;
    let mut evidence = Evidence::default();
    for (_, database) in &databases.agents {
        match database.as_ref().map(|database| &database.tables) {
            Ok(Tables::Sessions { youngest }) => evidence.add(*youngest),
            Ok(Tables::NoSessions) => {}
            Ok(Tables::Unreadable(what)) => evidence.cannot_read(what),
            Err(error) => evidence.cannot_read(error),
        }
    }
    for agent in agent_db::agents(&place)? {
        evidence.add_files(&place, &agent);
    }
    let mut app_version = None;
    match &databases.state {
        Ok(db) => {
            app_version.clone_from(&db.migration.app_version);
            // From 2026.8.1 it lists who has an agent database open, before there is a session.
            evidence.lists_agent_databases = db.agent_database_leases != Section::Absent;
        }
        Err(ReadError::Missing { .. }) => {}
        Err(error) => evidence.cannot_read(error),
    }
    Ok(Origin { era: evidence.judge(), app_version })
}

#[derive(Debug, Default)]
struct Evidence {
    session_tables: bool,
    youngest_row: Option<DateTime<Utc>>,
    youngest_file: Option<DateTime<Utc>>,
    lists_agent_databases: bool,
    unreadable: Option<String>,
}

impl Evidence {
    fn add(&mut self, youngest: Option<DateTime<Utc>>) {
        self.session_tables = true;
        self.youngest_row = self.youngest_row.max(youngest);
    }

    fn cannot_read(&mut self, error: &impl ToString) {
        self.unreadable.get_or_insert_with(|| error.to_string());
    }

    /// `sessions.json` is rewritten at the start and end of every run of the file era.
    fn add_files(&mut self, place: &Place, agent: &str) {
        let sessions = place.below(&Path::new("agents").join(agent).join("sessions"));
        let store = sessions.and_then(|sessions| sessions.open("sessions.json"));
        let modified = store.ok().flatten().and_then(|file| file.metadata().ok()?.modified().ok());
        self.youngest_file = self.youngest_file.max(modified.map(|time: SystemTime| time.into()));
    }

    fn judge(self) -> Era {
        match (self.session_tables, self.youngest_row, self.youngest_file) {
            (true, Some(row), Some(file)) if file - row > NOTABLY_YOUNGER => Era::Unknown(format!(
                "sessions are in the database, last changed {row}, and in files, last changed {file}: two versions of \
                 OpenClaw may be in use"
            )),
            (true, ..) => Era::Sqlite,
            (false, ..) if self.unreadable.is_some() => Era::Unknown(self.unreadable.unwrap_or_default()),
            (false, _, Some(_)) => Era::File,
            (false, _, None) if self.lists_agent_databases => Era::Sqlite,
            (false, _, None) => Era::Unknown("no agent has a session yet".into()),
        }
    }
}
