//! What a person is told: which chat gets no answer, why, since when, and what to type. Findings, locks and gateways
//! go in, one judgement comes out, and every outlet takes its headline, its order and its exit status from it.
//! Pure: no clock, no file, no process.

mod blind;
mod chat;
mod headline;
mod locks;
mod name;
mod seen;
mod title;

pub use blind::{BlindSpot, Weight};
pub use chat::{Chat, ChatState};
pub use headline::is_of_gateway;
pub use name::{Name, called};
pub use seen::{LogContent, Seen};
pub use title::title;

use crate::diagnosis::input::{LockFact, Verdict};
use crate::verdict::severity::Severity;

/// The one judgement.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The worst that is known; `None`: nothing at all.
    pub severity: Option<Severity>,
    pub headline: String,
    /// Those that somebody has to know of first; a chat of which nothing is known is not here.
    pub chats: Vec<Chat>,
    /// Findings about no chat, by their place among the findings: the gateway, lanes that all share, databases.
    pub others: Vec<usize>,
    pub leftovers: Leftovers,
    pub blind_spots: Vec<BlindSpot>,
    /// How serious each lock of the facts is, in their order; `None`: in good order.
    pub locks: Vec<Option<Severity>>,
    /// Of the locks at `warning` or above that no finding names.
    pub unnamed_locks: Vec<Severity>,
}

/// Locks that nobody holds and nobody feels: OpenClaw removes them itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    pub locks: usize,
    /// Whose, in their order.
    pub agents: Vec<String>,
}

impl Answer {
    pub fn of(seen: Seen<'_>, blind_spots: Vec<BlindSpot>) -> Self {
        let locks = locks::severities(&seen);
        let (chats, others) = chat::grouped(&seen);
        let leftovers = Leftovers::of(&seen, &locks);
        let findings = seen.findings.iter().map(|finding| finding.severity);
        let severity = findings.chain(locks.iter().copied().flatten()).max();
        let unnamed_locks = locks::unnamed(&seen, &locks);
        let headline = headline::Parts {
            seen,
            chats: &chats,
            others: &others,
            unnamed: &unnamed_locks,
            leftovers: leftovers.locks,
            is_blind: is_blind(&blind_spots),
        };
        let headline = headline.sentence();
        Self { severity, headline, chats, others, leftovers, blind_spots, locks, unnamed_locks }
    }

    /// Whether something that had to be looked at could not be.
    pub fn is_blind(&self) -> bool {
        is_blind(&self.blind_spots)
    }

    /// Whether somebody has to know of it.
    pub fn needs_attention(&self) -> bool {
        self.severity > Some(Severity::Info)
    }
}

fn is_blind(spots: &[BlindSpot]) -> bool {
    spots.iter().any(|spot| spot.weight == Weight::Essential)
}

impl Leftovers {
    fn of(seen: &Seen<'_>, severities: &[Option<Severity>]) -> Self {
        let left_over = |(lock, severity): &(&LockFact, &Option<Severity>)| {
            matches!(lock.verdict, Verdict::Stale | Verdict::Leaked | Verdict::Refused)
                && **severity <= Some(Severity::Info)
        };
        let judged = seen.facts.locks.iter().zip(severities);
        let locks: Vec<&LockFact> = judged.filter(left_over).map(|(lock, _)| lock).collect();
        let mut agents: Vec<String> = locks.iter().filter_map(|lock| lock.agent.clone()).collect();
        agents.sort_unstable();
        agents.dedup();
        Self { locks: locks.len(), agents }
    }
}

#[cfg(test)]
mod tests;
