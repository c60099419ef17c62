//! Runs under way for long that no line of the log complains of. The store names them (5.x and later).

use super::super::finding::{Code, Finding};
use super::super::input::{SessionFact, Verdict};
use super::remedy;
use super::view::{View, clock, lasting};
use crate::history::chat::Chat;
use crate::history::evidence::Line;
use crate::history::names::agent_of_key;
use crate::verdict::severity::Effect;

/// As long as OpenClaw's own watchdog of the first releases waits, and the cron job that deletes locks.
const WORTH_A_WORD_MS: u64 = 120_000;
/// The abort (10 s), its settling (15 s), and the owner's watchdog, which looks once a minute.
const UNWINDING_MS: u64 = 90_000;

/// `is_told`: another rule has something to say of that chat's runs.
pub(super) fn judge(view: &View<'_>, is_told: impl Fn(&Chat) -> bool) -> Vec<Finding> {
    let Some(up) = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min() else {
        return Vec::new();
    };
    let at_work = |session: &SessionFact| {
        // The status survives a crash: a run of this gateway began after it did.
        let since = session.started_at.filter(|since| *since > up)?;
        let ms = u64::try_from((view.now - since).num_milliseconds()).ok()?;
        let told = view.chats.all().any(|chat| {
            let same = chat.key.as_deref() == Some(&session.key)
                || chat.session_id.is_some() && chat.session_id == session.id;
            same && is_told(chat)
        });
        let told = told
            || session
                .id
                .as_deref()
                .and_then(|id| view.lock_of(id))
                .is_some_and(|lock| !matches!(lock.verdict, Verdict::Held));
        if session.status.as_deref() != Some("running") || ms < WORTH_A_WORD_MS || told {
            return None;
        }
        let mut finding = match session.limit_ms.filter(|limit| ms > limit.saturating_add(UNWINDING_MS)) {
            Some(limit) => Finding::new(
                Code::StuckRun,
                Effect::WaitsPastLimit,
                format!(
                    "The session counts as running for {} without a change, and a run may take {}: it did not end.",
                    lasting(ms),
                    lasting(limit)
                ),
            )
            .helps(Some(false))
            .act(remedy::restart()),
            None => Finding::new(
                Code::SlowModelCall,
                Effect::Slow,
                format!("A run is at work for {}: a slow model or tool.", lasting(ms)),
            )
            .helps(Some(false))
            .act(remedy::stop()),
        };
        finding.session_key = Some(session.key.clone());
        finding.session_id.clone_from(&session.id);
        finding.agent = agent_of_key(&session.key).map(str::to_owned);
        finding.lane = Some(format!("session:{}", session.key));
        finding.evidence.push(Line::seen(format!(
            "status=running since {} sessionKey={}",
            clock(since),
            session.key
        )));
        Some(finding.seen(Some(since), Some(view.now), 1))
    };
    view.facts.sessions.iter().filter_map(at_work).collect()
}

/// The store says so (5.x and later), for this life of the gateway: the status survives a crash.
pub(super) fn is_running(view: &View<'_>, chat: &Chat) -> bool {
    let session =
        view.facts.sessions.iter().find(|session| chat.key.as_deref() == Some(session.key.as_str()));
    let started = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min();
    session.is_some_and(|session| {
        session.status.as_deref() == Some("running") && session.started_at > started && started.is_some()
    })
}
