//! A write-ahead log that grows because somebody reads in one old transaction.

use super::super::finding::{Code, Finding};
use crate::leases::Workings;
use crate::leases::holders::{HolderProcess, Log};
use crate::redact::local;
use crate::verdict::severity::Effect;

/// OpenClaw writes it back at 4 MB.
const GROWN: u64 = 64 << 20;

pub(super) fn judge(workings: &Workings) -> Vec<Finding> {
    // A gateway at work reads all the time, and two of its reads look like one.
    let kept = |log: &&Log| {
        log.pinned_by.iter().any(|process| !process.is_gateway() || log.sizes.wal_bytes >= GROWN)
    };
    workings.logs.iter().filter(kept).map(pinned).collect()
}

fn pinned(log: &Log) -> Finding {
    let megabytes = log.sizes.wal_bytes as f64 / 1e6;
    let effect = if log.sizes.wal_bytes >= GROWN { Effect::Threatens } else { Effect::Slow };
    let readers: Vec<String> = log.pinned_by.iter().map(HolderProcess::described).collect();
    let name = log
        .agent
        .as_deref()
        .map_or_else(|| "the state database".to_owned(), |agent| format!("agent {}", local(agent)));
    let text = format!(
        "The log of {name} has grown to {megabytes:.0} MB: {} reads in a transaction that is kept open, so that it \
         cannot be started over. It grows with every message.",
        readers.join(" and ")
    );
    let mut finding = Finding::new(Code::DatabaseBusy, effect, text).proven();
    finding.agent.clone_from(&log.agent);
    if let Some(state) = log.state {
        finding = finding.saw(format!("{} of {} frames are written back", state.written_back, state.frames));
    }
    finding = finding.saw(format!("{}-wal: {megabytes:.1} MB", local(&log.database.to_string_lossy())));
    for process in &log.pinned_by {
        finding = if process.is_gateway() {
            finding.command("openclaw gateway restart", "ends the read")
        } else {
            finding.command(
                format!("kill {}", process.pid),
                "ends the read; the gateway then writes the log back by itself. Close it yourself if it is your shell or backup",
            )
        };
    }
    finding.hint("Never delete a -wal or -shm file.")
}
