//! The lock of the session store (to 4.29): churn, a left-over, another process, or an event loop that stood still.

use super::super::finding::{Certainty, Code, Finding};
use super::event_loop::LoopTrouble;
use super::failures::Failures;
use super::remedy;
use super::view::{View, count, lasting};
use crate::gatewaylog::{Cause, Event};
use crate::history::evidence::Logged;
use crate::history::trouble::{ByName, entry};
use crate::verdict::severity::Effect;

#[derive(Debug, Default)]
pub(super) struct Stores {
    by_path: ByName<Store>,
}

#[derive(Debug, Default)]
struct Store {
    failures: Failures,
    in_process: bool,
    crashed: u64,
}

/// OpenClaw evicts a left-over of these versions by itself.
const WAIT_MS: u64 = 10_000;

impl Stores {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let event = &logged.entry.event;
        let (path, waited, owner, in_process) = match event.cause() {
            Some(Cause::StoreLocked { lock, timeout_ms, owner }) => (lock, *timeout_ms, owner.pid, false),
            Some(Cause::StoreLockTimeout { lock }) => (lock, WAIT_MS, None, false),
            Some(Cause::StoreQueueTimeout { store }) => (store, WAIT_MS, None, true),
            _ => return,
        };
        let Some(store) = entry(&mut self.by_path, path) else { return };
        store.in_process |= in_process;
        store.crashed += u64::from(matches!(event, Event::Crashed { .. }));
        store.failures.add(logged, waited, owner);
    }

    pub(super) fn knows(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// How many failures a blocked loop explains.
    pub(super) fn explained(&self, event_loop: &LoopTrouble) -> u64 {
        self.by_path.values().map(|store| store.failures.explained(event_loop)).sum()
    }

    pub(super) fn failures(&self, path: &str) -> Option<&Failures> {
        self.by_path.get(path).map(|store| &store.failures)
    }
}

/// `is_told`: the lock of that path was looked at, and explains its errors.
pub(super) fn judge(
    view: &View<'_>,
    stores: &Stores,
    event_loop: &LoopTrouble,
    is_told: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let open = stores.by_path.iter().filter(|(path, _)| !is_told(path));
    open.filter_map(|(path, store)| of_store(view, path, store, event_loop)).collect()
}

/// `None` where a blocked event loop explains every failure: that finding tells it.
fn of_store(view: &View<'_>, path: &str, store: &Store, event_loop: &LoopTrouble) -> Option<Finding> {
    let Failures { lines, incidents, waited_ms, .. } = &store.failures;
    let near = store.failures.explained(event_loop);
    if near > 0 && near == incidents.times.len() {
        return None;
    }
    let n = incidents.count;
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
            lasting(*waited_ms),
            store.failures.owners()
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
        .backed_by(lines)
        .helps(helps);
    finding.certainty = Certainty::Likely;
    (finding.count, finding.messages_failed) = (n, n);
    let finding = if helps.is_none() { finding.act(remedy::look()) } else { finding };
    let finding = finding.act(remedy::send_again());
    let finding = if big.is_some() {
        finding.act(remedy::say(
            "Shrink the store: `openclaw sessions cleanup`, fewer sessions kept (`session.maintenance`).",
        ))
    } else {
        finding.act(remedy::say("Look at the size of sessions.json: each update reads and writes all of it."))
    };
    Some(finding.act(remedy::say("From 2026.5.3 on this lock does not exist any more: upgrade.")))
}
