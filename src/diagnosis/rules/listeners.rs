//! Discord's listener that took longer than 30 s.

use super::super::finding::{Code, Finding};
use super::remedy;
use super::view::lasting;
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged};
use crate::history::trouble::{ByName, entry};
use crate::redact::foreign;
use crate::verdict::severity::Effect;

#[derive(Debug, Default)]
pub(super) struct Listeners {
    slow: ByName<Slow>,
}

#[derive(Debug, Default)]
struct Slow {
    lines: Evidence,
    longest_ms: u64,
}

impl Listeners {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Event::SlowListener { listener, duration_ms, .. } = &logged.entry.event else { return };
        if let Some(slow) = entry(&mut self.slow, listener.as_deref().unwrap_or("listener")) {
            slow.lines.add(logged);
            slow.longest_ms = slow.longest_ms.max(duration_ms.unwrap_or(0));
        }
    }
}

pub(super) fn judge(listeners: &Listeners) -> Vec<Finding> {
    let finding = |(name, slow): (&String, &Slow)| {
        let text = format!(
            "`{}` took up to {}. Up to 2026.3.2 it waits for the whole run, so this says only how long the run was.",
            foreign(name),
            lasting(slow.longest_ms)
        );
        Finding::new(Code::SlowListener, Effect::Slow, text)
            .backed_by(&slow.lines)
            .helps(Some(false))
            .act(remedy::say("From 2026.3.8 on events of other chats do not wait for it."))
    };
    listeners.slow.iter().map(finding).collect()
}
