//! How an install of 2026.8 or later works, beside its leases: its starts, its queues, and who holds what.

use std::path::PathBuf;

use super::boots::Boot;
use super::holders::{Holder, HolderProcess, Log, Thing};
use super::queues::Queues;

#[derive(Debug, Clone, Default)]
pub struct Workings {
    /// In the order of their starts.
    pub boots: Vec<Boot>,
    pub queues: Queues,
    pub holders: Vec<Holder>,
    pub logs: Vec<Log>,
    /// The host name that the owner's lease names.
    pub host: Option<String>,
}

/// One process, with everything of this install that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// `None`: some process where it cannot be seen from here.
    pub process: Option<HolderProcess>,
    pub things: Vec<(Thing, PathBuf)>,
    /// Databases that it has open.
    pub databases: Vec<PathBuf>,
}

impl Workings {
    /// Who holds what, gateways first.
    pub fn held(&self) -> Vec<Held> {
        let mut all: Vec<Held> = Vec::new();
        let mut of = |process: &Option<HolderProcess>| -> usize {
            let pid = |process: &Option<HolderProcess>| process.as_ref().map(|process| process.pid);
            let known = all.iter().position(|held| pid(&held.process) == pid(process));
            known.unwrap_or_else(|| {
                all.push(Held { process: process.clone(), things: Vec::new(), databases: Vec::new() });
                all.len() - 1
            })
        };
        let things: Vec<_> = self.holders.iter().map(|holder| (of(&holder.process), holder)).collect();
        let open =
            self.logs.iter().flat_map(|log| log.open.iter().flatten().map(move |process| (process, log)));
        let databases: Vec<_> = open.map(|(process, log)| (of(process), log)).collect();
        for (at, holder) in things {
            all[at].things.push((holder.thing, holder.file.clone()));
        }
        for (at, log) in databases {
            all[at].databases.push(log.database.clone());
        }
        all.sort_by_key(|held| !held.process.as_ref().is_some_and(HolderProcess::is_gateway));
        all
    }
}
