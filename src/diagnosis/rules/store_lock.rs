//! The lock of the session store (to 4.29): churn, a left-over, another process, or an event loop that stood still.

use super::super::evidence::Evidence;
use super::super::finding::{Certainty, Code, Finding};
use super::super::story::Incidents;
use super::super::trouble::{ByName, entry};
use super::event_loop::LoopTrouble;
use super::{View, count, lasting, remedy};
use crate::gatewaylog::{Cause, Entry, Event};
use crate::verdict::severity::Effect;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(in super::super) struct Stores {
    by_path: ByName<Store>,
}

#[derive(Debug, Default)]
struct Store {
    lines: Evidence,
    incidents: Incidents,
    waited_ms: u64,
    owners: BTreeSet<u32>,
    in_process: bool,
    crashed: u64,
    last: Option<DateTime<Utc>>,
}

/// OpenClaw evicts a left-over of these versions by itself.
const WAIT_MS: u64 = 10_000;

impl Stores {
    pub(in super::super) fn push(&mut self, at: DateTime<Utc>, source: usize, entry_: &Entry) {
        let (path, waited, owner, in_process) = match entry_.event.cause() {
            Some(Cause::StoreLocked { lock, timeout_ms, owner }) => (lock, *timeout_ms, owner.pid, false),
            Some(Cause::StoreLockTimeout { lock }) => (lock, WAIT_MS, None, false),
            Some(Cause::StoreQueueTimeout { store }) => (store, WAIT_MS, None, true),
            _ => return,
        };
        let Some(store) = entry(&mut self.by_path, path) else { return };
        store.waited_ms = store.waited_ms.max(waited);
        if store.owners.len() < 8 {
            store.owners.extend(owner);
        }
        store.in_process |= in_process;
        store.crashed += u64::from(matches!(entry_.event, Event::Crashed { .. }));
        store.incidents.note(at, entry_.event.lane().unwrap_or(""));
        store.lines.add(source, entry_);
        store.last = Some(at);
    }

    pub(in super::super) fn knows(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// How many failures a blocked loop explains.
    pub(super) fn explained(&self, event_loop: &LoopTrouble) -> u64 {
        self.by_path.values().map(|store| event_loop.explained(&store.incidents.times, store.waited_ms)).sum()
    }

    pub(in super::super) fn incidents(&self, path: &str) -> Option<&Incidents> {
        self.by_path.get(path).map(|store| &store.incidents)
    }

    pub(super) fn failures(&self, path: &str) -> Option<(&Evidence, u64)> {
        self.by_path.get(path).map(|store| (&store.lines, store.incidents.count))
    }
}

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let stores = view.model.counters.stores.by_path.iter();
    let open = stores.filter(|(path, _)| !super::locks::explains(view, path));
    open.filter_map(|(path, store)| of_store(view, path, store)).collect()
}

/// `None` where a blocked event loop explains every failure: that finding tells it.
fn of_store(view: &View<'_>, path: &str, store: &Store) -> Option<Finding> {
    let near = view.model.counters.event_loop.explained(&store.incidents.times, store.waited_ms);
    if near > 0 && near == store.incidents.times.len() {
        return None;
    }
    let n = store.incidents.count;
    let bytes = view.facts.stores.iter().find(|known| path.starts_with(&known.path)).map(|known| known.bytes);
    let big = bytes.filter(|bytes| *bytes > 1 << 20);
    let mut text = if store.in_process {
        format!(
            "{} gave up in the gateway's own queue for the session store; no lock file is involved.",
            count(n, "message")
        )
    } else {
        format!(
            "{} failed after waiting {} for the session store's lock{}. No run holds it across a model call: it is churn, a left-over that OpenClaw itself evicts after 30 s, another process, or an event loop that stood still.",
            count(n, "message"),
            lasting(store.waited_ms),
            owners(store)
        )
    };
    if store.crashed > 0 {
        text.push_str(" Nobody caught one of these errors, and the gateway ended on it.");
    }
    if let Some(bytes) = big {
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!(
                " The store is {:.1} MB, and every update reads and rewrites all of it.",
                bytes as f64 / 1e6
            ),
        );
    }
    let effect = if n >= 3 { Effect::MessagesFail } else { Effect::MessagesFailed };
    // In these versions it is evicted by its age, or there is none.
    let helps =
        (store.in_process || view.at_least(2, 13) == Some(false) || view.facts.scanned).then_some(false);
    let mut finding = Finding::new(Code::StoreLockContention, effect, text)
        .about_path(path, view)
        .backed_by(&store.lines)
        .helps(helps);
    finding.certainty = Certainty::Likely;
    (finding.count, finding.messages_failed) = (n, n);
    let finding = if helps.is_none() { finding.act(remedy::look()) } else { finding };
    let finding = finding.act(remedy::send_again());
    let finding = if big.is_some() {
        finding.act(remedy::say(format!(
            "Shrink the store: `{} sessions cleanup`, fewer sessions kept (`session.maintenance`).",
            view.program()
        )))
    } else {
        finding.act(remedy::say("Look at the size of sessions.json: each update reads and writes all of it."))
    };
    Some(finding.act(remedy::say("From 2026.5.3 on this lock does not exist any more: upgrade.")))
}

fn owners(store: &Store) -> String {
    let pids: Vec<String> = store.owners.iter().take(3).map(u32::to_string).collect();
    if pids.is_empty() { String::new() } else { format!(" (pid {})", pids.join(", ")) }
}
