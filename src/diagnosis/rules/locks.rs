//! Locks that were looked at: what their verdicts mean for the chats behind them.

use super::super::finding::{Certainty, Code, Finding, Remedy};
use super::super::input::{LockFact, LockKind, Verdict};
use super::failures::Failures;
use super::remedy;
use super::run_limit::{SETTLE, TimedOut};
use super::view::{View, clock, count, lasting};
use crate::history::evidence::{Evidence, Line};
use crate::redact::local;
use crate::verdict::severity::Effect;
use crate::words::capitalised;
use std::fmt::Write as _;

/// One lock, and what the log tells of it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) lock: &'a LockFact,
    pub(super) failures: Option<&'a Failures>,
    /// The run that took it ended at its time limit.
    pub(super) timed_out: Option<TimedOut>,
    /// Lines on runs of its chat that did.
    pub(super) limits: Option<&'a Evidence>,
}

impl Case<'_> {
    /// Messages that failed on it since it stands.
    fn failed(&self) -> u64 {
        self.failures.map_or(0, |failures| failures.incidents.since(self.lock.created_at))
    }
}

/// One finding for each lock whose verdict calls for one. `refused`: a gateway refused to start because of its lock.
pub(super) fn judge(view: &View<'_>, cases: &[Case<'_>], refused: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in cases.iter().filter_map(|case| judged(view, case, refused)) {
        // From 2026.8.1 a gateway has two locks of its own, and leaves both.
        match findings.iter_mut().find(|told| is_the_same_gateway(told, &finding)) {
            Some(told) => {
                told.evidence.extend(finding.evidence);
                told.count += 1;
            }
            None => findings.push(finding),
        }
    }
    findings
}

fn is_the_same_gateway(one: &Finding, other: &Finding) -> bool {
    let directory = |finding: &Finding| {
        finding
            .lock
            .as_deref()
            .and_then(|path| path.rsplit_once('/'))
            .map(|(directory, _)| directory.to_owned())
    };
    one.code == Code::GatewayLock
        && (one.code, &one.explanation) == (other.code, &other.explanation)
        && directory(one) == directory(other)
}

fn judged(view: &View<'_>, case: &Case<'_>, refused: bool) -> Option<Finding> {
    let lock = case.lock;
    if lock.kind == LockKind::Gateway {
        return gateway_lock(view, case, refused);
    }
    if view.sqlite_era() && matches!(lock.kind, LockKind::Session | LockKind::Store) {
        return fossil(view, case);
    }
    let finding = match lock.verdict {
        Verdict::Stale | Verdict::Leaked if lock.kind == LockKind::Other => of_another_part(lock),
        Verdict::Stale => stale(view, case),
        Verdict::Leaked => leaked(view, case),
        Verdict::Overdue => overdue(case),
        Verdict::Held => held(view, case)?,
        Verdict::StuckGuard => stuck_guard(case),
        _ => return None,
    };
    Some(finding.about_lock(lock).with_lock_evidence(view, case))
}

/// No chat's, and nothing that lockdoctor acts on.
fn of_another_part(lock: &LockFact) -> Finding {
    let code = if lock.verdict == Verdict::Leaked { Code::LeakedLock } else { Code::StaleLock };
    let text = format!(
        "A lock of another part of OpenClaw was left behind ({}); lockdoctor only reports it.",
        reasons(lock)
    );
    Finding::new(code, lock.effect, text).helps(Some(false)).act(remedy::explain_lock())
}

/// The one judgement on locks, and what failed on this one.
fn effect(case: &Case<'_>) -> Effect {
    case.lock.effect.having_failed(case.failed())
}

fn stale(view: &View<'_>, case: &Case<'_>) -> Finding {
    let (lock, failed) = (case.lock, case.failed());
    let effect = effect(case);
    let told = match (failed, effect) {
        (_, Effect::HealsItself) => "OpenClaw frees it by itself at the next message: harmless.".to_owned(),
        (0, _) => format!("Every message to this {} will fail until it is gone.", whose(lock)),
        _ => format!("Messages to this {} fail until it is gone.", whose(lock)),
    };
    let text = format!("Nobody is using this lock{}. {told}", why_free(lock));
    let finding = Finding::new(Code::StaleLock, effect, text).helps(Some(true));
    // 4.24 to 7.35 find interrupted runs through the dead locks they meet at start.
    let resumes = view.at_least(4, 24) != Some(false) && lock.kind == LockKind::Session;
    let finding = if view.gateway_is_down() && resumes {
        finding.act(remedy::say(
            "Start the gateway first (`openclaw gateway start`): from 2026.4.24 on it resumes the interrupted run by this lock.",
        ))
    } else {
        finding
    };
    let finding = finding.act(remedy::reclaim());
    if failed > 0 { finding.act(remedy::send_again()) } else { finding }
}

fn leaked(view: &View<'_>, case: &Case<'_>) -> Finding {
    let (lock, failed) = (case.lock, case.failed());
    let text = match timed_out(case) {
        Some(text) => format!(
            "{text}, and {} has forgotten its lock; messages to this {} fail until it is freed.",
            holder(view, lock),
            whose(lock)
        ),
        // A container's gateway has the same pid in every life, and a lock of the first releases tells no more.
        None if lock.owner_pid == Some(1) && precedes_the_gateway(view, lock) => {
            "The lock is older than the gateway that runs: an earlier life of it, pid 1 as well, left it behind, and nobody has it open.".to_owned()
        }
        None => format!(
            "{} still runs but has forgotten this lock; messages to this {} fail until it is freed.",
            capitalised(&holder(view, lock)),
            whose(lock)
        ),
    };
    let finding = Finding::new(Code::LeakedLock, effect(case), text).helps(Some(true));
    let finding = finding.act(remedy::reclaim());
    let finding = if failed > 0 { finding.act(remedy::send_again()) } else { finding };
    finding.act(remedy::say(
        "If it comes back after each timed-out run: upgrade; until then `openclaw gateway restart` clears it too.",
    ))
}

fn precedes_the_gateway(view: &View<'_>, lock: &LockFact) -> bool {
    let start = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min();
    lock.created_at.zip(start).is_some_and(|(created, start)| created < start)
}

/// Past its limit, still open: a run that does not end.
fn overdue(case: &Case<'_>) -> Finding {
    let lock = case.lock;
    if lock.reasons.iter().any(|reason| reason == "run-timed-out") || case.timed_out.is_some() {
        return stuck_run(case);
    }
    let age = lock
        .age_ms
        .map_or_else(|| "for longer than its limit".to_owned(), |age| format!("for {}", lasting(age)));
    let limit = lock.limit_ms.map(|limit| format!(" (limit {})", lasting(limit))).unwrap_or_default();
    let text = format!(
        "A live run{} has held this lock {age}{limit}. Being old does not make it safe to delete.",
        owner(lock)
    );
    Finding::new(Code::OverdueLock, effect(case), text)
        .helps(Some(false))
        .act(remedy::explain_lock())
        .act(remedy::restart())
}

fn stuck_run(case: &Case<'_>) -> Finding {
    let ended = timed_out(case).unwrap_or_else(|| "The run ended at its time limit".to_owned());
    let text = format!(
        "{ended}, but it did not stop: its owner{} lives and still has the lock open, so the chat waits for it.",
        owner(case.lock)
    );
    let effect = if case.failed() > 0 { Effect::RunCannotEnd } else { Effect::WaitsPastLimit };
    Finding::new(Code::StuckRun, effect, text).helps(Some(false)).act(remedy::restart()).act(Remedy {
        command: Some("lockdoctor reclaim --abandoned --yes".into()),
        text: "Last resort, when a restart is impossible: lockdoctor reclaim --abandoned --yes".into(),
        effect: Some("If the run wakes up after all, two writers corrupt the chat history.".into()),
    })
}

/// Held, and somebody else waited in vain: only then worth a word.
fn held(view: &View<'_>, case: &Case<'_>) -> Option<Finding> {
    let lock = case.lock;
    if settled(view, case) {
        return Some(stuck_run(case));
    }
    let failures = case.failures?;
    let since =
        lock.created_at.is_none_or(|created| failures.lines.last().is_none_or(|last| last >= created));
    if !since {
        return None;
    }
    let text = format!(
        "The lock is held by its live owner{}; {} gave up after waiting {} for it. The legitimate hold is longer than the wait limit.",
        owner(lock),
        count(failures.incidents.count, "message"),
        lasting(failures.waited_ms)
    );
    let finding = Finding::new(Code::LockContention, Effect::MessagesFailed, text)
        .helps(Some(false))
        .act(remedy::stop());
    Some(match view.at_least(5, 2) {
        Some(false) => finding
            .act(remedy::say("From 2026.5.2 on messages wait 60 s for the lock instead of 10: upgrade.")),
        _ => finding
            .act(remedy::say("If such long runs are usual, raise `session.writeLock.acquireTimeoutMs`.")),
    })
}

fn stuck_guard(case: &Case<'_>) -> Finding {
    let text = "A left-over `.reclaim` guard blocks everyone who wants this lock; whoever made it died in the middle of a clean-up.";
    Finding::new(Code::StuckGuard, effect(case), text)
        .helps(Some(false))
        .act(remedy::restart())
        .act(remedy::explain_lock())
}

fn gateway_lock(view: &View<'_>, case: &Case<'_>, refused: bool) -> Option<Finding> {
    let lock = case.lock;
    let (effect, text) = match lock.verdict {
        Verdict::Stale | Verdict::Leaked if refused => (
            Effect::NobodyIsAnswered,
            format!(
                "Nobody is using the gateway's own lock{}, and a gateway has refused to start because of it.",
                why_free(lock)
            ),
        ),
        Verdict::Stale | Verdict::Leaked => (
            Effect::HealsItself,
            format!(
                "Nobody is using the gateway's own lock{}; the next start takes it over.",
                why_free(lock)
            ),
        ),
        Verdict::StuckGuard => {
            (Effect::NobodyIsAnswered, "A left-over guard blocks the gateway's own lock.".to_owned())
        }
        _ => return None,
    };
    let finding = Finding::new(Code::GatewayLock, effect, text).about_lock(lock).helps(Some(false));
    Some(finding.act(remedy::gateway_status()).with_lock_evidence(view, case))
}

/// 8.1 and later keep sessions in SQLite.
fn fossil(view: &View<'_>, case: &Case<'_>) -> Option<Finding> {
    let lock = case.lock;
    let old =
        matches!(lock.verdict, Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::Indeterminate);
    old.then(|| {
        Finding::new(Code::OrphanLock, Effect::Untidy, "This lock file is a fossil: since 2026.8.1 sessions are kept in SQLite, and nothing looks at it.")
            .about_lock(lock)
            .helps(Some(false))
            .act(remedy::say("Nothing to do. It blocks nobody."))
            .with_lock_evidence(view, case)
    })
}

/// Whether a lock that was looked at explains the errors that name it.
pub(super) fn explains(view: &View<'_>, cases: &[Case<'_>], path: &str) -> bool {
    let explains = |case: &Case<'_>| {
        let blocks = matches!(
            case.lock.verdict,
            Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::StuckGuard
        );
        blocks || held(view, case).is_some()
    };
    cases.iter().any(|case| case.lock.path == path && explains(case))
}

/// The sentence on the run that took this lock, if the log shows that it ended at its time limit.
fn timed_out(case: &Case<'_>) -> Option<String> {
    let timeout = case.timed_out.as_ref()?;
    Some(format!(
        "The run ended at its time limit of {} ({})",
        lasting(timeout.timeout_ms),
        clock(timeout.at)
    ))
}

/// Its run reached its limit longer ago than the abort (10 s) and its settling (15 s) may take, and nothing was
/// written since.
fn settled(view: &View<'_>, case: &Case<'_>) -> bool {
    case.timed_out.as_ref().is_some_and(|timeout| {
        let written = case.lock.transcript_changed.is_some_and(|changed| changed > timeout.at + SETTLE);
        view.now - timeout.at > SETTLE && !written
    })
}

fn reasons(lock: &LockFact) -> String {
    if lock.reasons.is_empty() { "no evidence of one".to_owned() } else { lock.reasons.join(", ") }
}

/// `: its owner is gone`
fn why_free(lock: &LockFact) -> &'static str {
    let is = |reason: &str| lock.reasons.iter().any(|each| each == reason);
    let whys = [
        ("malformed", ": it was left half-written"),
        ("thread-id", ": its pid is a thread of another process"),
        ("recycled-pid", ": its pid belongs to another program now"),
        ("zombie-pid", ": its owner has ended"),
        ("previous-boot", ": it is from before the last boot"),
        ("dead-pid", ": its owner is gone"),
    ];
    whys.into_iter().find(|(reason, _)| is(reason)).map_or("", |(_, why)| why)
}

/// Who has forgotten it: `the gateway (pid 24031)`.
fn holder(view: &View<'_>, lock: &LockFact) -> String {
    let is_gateway = |pid: u32| view.facts.gateways.iter().any(|gateway| gateway.pid == Some(pid));
    match lock.owner_pid {
        Some(pid) if is_gateway(pid) => format!("the gateway (pid {pid})"),
        _ => format!("its owner{}", owner(lock)),
    }
}

fn whose(lock: &LockFact) -> &'static str {
    if lock.kind == LockKind::Store { "agent" } else { "chat" }
}

fn owner(lock: &LockFact) -> String {
    let command =
        lock.owner_command.as_deref().map(|command| format!(", {}", local(command))).unwrap_or_default();
    lock.owner_pid.map(|pid| format!(" (pid {pid}{command})")).unwrap_or_default()
}

impl Finding {
    /// What was seen of the lock itself, and the log lines on it.
    fn with_lock_evidence(mut self, view: &View<'_>, case: &Case<'_>) -> Self {
        let lock = case.lock;
        let mut seen = format!("{}: {}", local(&lock.path), verdict(lock.verdict));
        if !lock.reasons.is_empty() {
            let _ = write!(seen, " ({})", lock.reasons.join(", "));
        }
        if let Some(age) = lock.age_ms {
            let _ = write!(seen, ", {} old", lasting(age));
        }
        self.evidence.insert(0, Line::seen(seen));
        self.first_seen = lock.created_at.or(self.first_seen);
        self.last_seen = Some(view.now);
        self.certainty = Certainty::Proven;
        if let Some(failures) = case.failures {
            self.evidence.extend(failures.lines.lines());
            self.count = self.count.max(failures.incidents.count);
        }
        self.messages_failed = case.failed();
        if matches!(self.code, Code::LeakedLock | Code::StuckRun) {
            self.evidence.extend(case.limits.into_iter().flat_map(Evidence::lines));
        }
        self
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "held",
        Verdict::Overdue => "overdue",
        Verdict::Initialising => "initialising",
        Verdict::Settling => "settling",
        Verdict::Stale => "stale",
        Verdict::Leaked => "leaked",
        Verdict::Foreign => "foreign",
        Verdict::Indeterminate => "indeterminate",
        Verdict::Refused => "refused",
        Verdict::Freed => "freed",
        Verdict::StuckGuard => "stuck-guard",
    }
}
