//! Leases of the SQLite era, as the databases have them; and the one that only the log tells of, the memory search's.

use super::super::finding::{Certainty, Code, Finding, Remedy};
use super::super::input::{LeaseEffect, LeaseFact};
use super::remedy;
use super::starts::Starts;
use super::view::{View, count};
use crate::gatewaylog::Cause;
use crate::history::evidence::{Evidence, Line, Logged};
use crate::history::story::Incidents;
use crate::verdict::severity::Effect;

/// So many waits in vain are no busy moment.
const IN_VAIN: u64 = 3;

/// Waits for the lock of the memory search.
#[derive(Debug, Default)]
pub(super) struct MemoryWaits {
    lines: Evidence,
    incidents: Incidents,
}

impl MemoryWaits {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        if logged.entry.event.cause() == Some(&Cause::MemoryLocked) {
            self.lines.add(logged);
            self.incidents.note(logged.at, "");
        }
    }
}

pub(super) fn judge(view: &View<'_>, waits: &MemoryWaits, starts: &Starts) -> Vec<Finding> {
    let leases = &view.facts.leases;
    // A row that was looked at tells it better.
    let memory = memory(waits).filter(|_| leases.is_empty());
    leases.iter().map(|lease| stuck(view, lease, starts.refused_by_owner())).chain(memory).collect()
}

/// openclaw#134999.
fn memory(waits: &MemoryWaits) -> Option<Finding> {
    let n = waits.incidents.count;
    if n == 0 {
        return None;
    }
    let text = format!(
        "The memory search waited in vain for its workspace's lock, {}: before 2026.9 a row whose owner is gone is not taken back in a container. Chats are answered; what is remembered is not brought up to date.",
        count(n, "time")
    );
    let effect = if n >= IN_VAIN { Effect::Threatens } else { Effect::HealsItself };
    let mut finding = Finding::new(Code::LeaseStuck, effect, text).backed_by(&waits.lines).helps(Some(false));
    finding.count = n;
    Some(
        finding
            .act(remedy::look())
            .act(remedy::say("Update OpenClaw to 2026.9 or later, and restart the gateway.")),
    )
}

/// What `leases` says to do: a command of OpenClaw's, or a sentence.
fn remedy_of(said: &str) -> Remedy {
    let said = said.to_owned();
    if said.starts_with("openclaw ") { Remedy::bare_command(said) } else { Remedy::hint(said) }
}

fn stuck(view: &View<'_>, lease: &LeaseFact, refused: &Evidence) -> Finding {
    let effect = match lease.effect {
        LeaseEffect::NoGateway => Effect::NobodyIsAnswered,
        LeaseEffect::One => Effect::NextMessageFails,
    };
    let mut finding = Finding::new(Code::LeaseStuck, effect, format!("{}.", lease.what)).helps(Some(false));
    finding.certainty = Certainty::Proven;
    finding.agent.clone_from(&lease.agent);
    finding.session_id.clone_from(&lease.session_id);
    finding.session_key.clone_from(&lease.session_key);
    finding.first_seen = lease.since;
    finding.last_seen = Some(view.now);
    finding.evidence.extend(lease.evidence.iter().map(Line::seen));
    if finding.evidence.is_empty() {
        finding.evidence.push(Line::seen(lease.what.clone()));
    }
    if lease.effect == LeaseEffect::NoGateway {
        finding.evidence.extend(refused.lines());
        finding.count = refused.count().max(1);
    }
    if !lease.advice.is_empty() {
        // What ends it at once comes before what waits for its end.
        let finding = if lease.removable { finding.act(remedy::reclaim_lease()) } else { finding };
        return lease.advice.iter().fold(finding, |finding, said| finding.act(remedy_of(said)));
    }
    finding.act(remedy::start()).act(remedy::say("The start settles it; nothing is to be removed."))
}
