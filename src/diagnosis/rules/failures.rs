//! What failed on one lock: a chat's, or a session store's.

use super::event_loop::LoopTrouble;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::Incidents;
use std::collections::BTreeSet;

const OWNERS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) lines: Evidence,
    pub(super) incidents: Incidents,
    /// For how long they waited for the lock, at most.
    pub(super) waited_ms: u64,
    /// Whose the lock was, by its pid.
    pub(super) owners: BTreeSet<u32>,
}

impl Failures {
    pub(super) fn add(&mut self, logged: Logged<'_>, waited_ms: u64, owner: Option<u32>) {
        self.waited_ms = self.waited_ms.max(waited_ms);
        if self.owners.len() < OWNERS {
            self.owners.extend(owner);
        }
        self.incidents.note(logged.at, logged.entry.event.lane().unwrap_or(""));
        self.lines.add(logged);
    }

    /// How many of them a blocked loop explains.
    pub(super) fn explained(&self, event_loop: &LoopTrouble) -> u64 {
        event_loop.explained(&self.incidents.times, self.waited_ms)
    }

    /// ` (pid 24031)`.
    pub(super) fn owners(&self) -> String {
        let pids: Vec<String> = self.owners.iter().take(3).map(u32::to_string).collect();
        if pids.is_empty() { String::new() } else { format!(" (pid {})", pids.join(", ")) }
    }
}
