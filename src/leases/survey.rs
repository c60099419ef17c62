//! One look at everything that a state directory keeps in SQLite.

use std::path::Path;

use super::agent_db::{self, AgentDb, Sessions};
use super::state_db::{self, StateDb};
use crate::peek::error::ReadError;
use crate::peek::place::Place;

#[derive(Debug)]
pub struct Survey {
    /// `Err(Missing)` where this OpenClaw is older than 2026.6, or has not run yet.
    pub state: Result<StateDb, ReadError>,
    /// Every agent that has a database, by name.
    pub agents: Vec<(String, Result<AgentDb, ReadError>)>,
}

/// Reads the shared database and those of all agents. A database that cannot be read does not hide the others.
pub fn survey(state_dir: &Path, sessions: Sessions) -> Survey {
    let place = match Place::root(state_dir) {
        Ok(place) => place,
        Err(error) => return Survey { state: Err(error), agents: Vec::new() },
    };
    let names = agent_db::agents(&place).unwrap_or_default();
    let read = |name: String| match agent_db::read(&place, &name, sessions) {
        Err(ReadError::Missing { .. }) => None,
        other => Some((name, other)),
    };
    Survey { state: state_db::read(&place), agents: names.into_iter().filter_map(read).collect() }
}
