//! Leases of the SQLite era, as the databases have them.

use super::super::evidence::Line;
use super::super::finding::{Certainty, Code, Finding};
use super::super::input::{LeaseEffect, LeaseFact};
use super::{View, remedy};
use crate::verdict::severity::Effect;

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    view.facts.leases.iter().map(|lease| stuck(view, lease)).collect()
}

fn stuck(view: &View<'_>, lease: &LeaseFact) -> Finding {
    let refused = view.model.counters.starts.refused_by_owner();
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
        return lease.advice.iter().fold(finding, |finding, advice| finding.advise(advice.clone()));
    }
    finding
        .act(remedy::start(view))
        .act(remedy::say("The start settles it; nothing is to be removed, and lockdoctor never writes to OpenClaw's databases."))
}
