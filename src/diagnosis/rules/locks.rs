//! Locks: what the verdicts mean for the sessions behind them, and lock errors that the log tells.

use super::super::evidence::Line;
use super::super::finding::{Code, Finding};
use super::super::input::{GatewayState, LockFact, LockKind, Verdict};
use super::super::sessions::id_of_lock;
use super::super::trouble::LockTrouble;
use super::{View, clock, count, human};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write as _;

const SETTLE: TimeDelta = TimeDelta::seconds(30);

/// One finding for each lock whose verdict calls for one.
pub(super) fn judged(view: &View<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in view.facts.locks.iter().filter_map(|lock| judge(view, lock)) {
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

fn judge(view: &View<'_>, lock: &LockFact) -> Option<Finding> {
    if lock.kind == LockKind::Gateway {
        return gateway_lock(view, lock);
    }
    if view.sqlite_era() && matches!(lock.kind, LockKind::Session | LockKind::Store) {
        return fossil(view, lock);
    }
    let finding = match lock.verdict {
        Verdict::Stale | Verdict::Leaked if lock.kind == LockKind::Other => of_another_part(lock),
        Verdict::Stale => stale(view, lock),
        Verdict::Leaked => leaked(view, lock),
        Verdict::Overdue => overdue(view, lock),
        Verdict::Held => held(view, lock)?,
        Verdict::StuckGuard => stuck_guard(view, lock),
        _ => return None,
    };
    Some(finding.about_lock(lock).with_lock_evidence(view, lock))
}

/// No session's, and nothing that lockdoctor acts on.
fn of_another_part(lock: &LockFact) -> Finding {
    let code = if lock.verdict == Verdict::Leaked { Code::LeakedLock } else { Code::StaleLock };
    let text = format!(
        "A lock of another part of OpenClaw was left behind ({}); lockdoctor only reports it.",
        reasons(lock)
    );
    Finding::new(code, lock.effect, text).advise("lockdoctor explain LOCK")
}

fn stale(view: &View<'_>, lock: &LockFact) -> Finding {
    let failures = view.model.failed_on(lock);
    let why = reasons(lock);
    let effect = lock.effect.having_failed(failures);
    let text = match (effect, failures) {
        (Effect::HealsItself, _) => {
            "OpenClaw frees it by itself at the next message: untidy, not a blockage.".to_owned()
        }
        (_, 1..) => format!("It has already failed {}.", count(failures, "message")),
        _ => format!("Every message to this {} will fail until it is gone.", what(lock)),
    };
    let mut finding = Finding::new(Code::StaleLock, effect, format!("The lock has no owner ({why}). {text}"));
    finding.messages_failed = failures;
    finding.removing_lock_helps = Some(true);
    let down = view.facts.gateways.iter().all(|gateway| gateway.state == GatewayState::Down)
        && !view.facts.gateways.is_empty();
    // 4.24 to 7.35 find interrupted runs through the dead locks they meet at start.
    let resumes = view.at_least(4, 24) != Some(false) && lock.kind == LockKind::Session;
    if down && resumes {
        finding = finding.advise(format!("Start the gateway first (`{} gateway start`): from 2026.4.24 on it resumes the interrupted run by this lock.", view.program()));
    }
    finding.advise("lockdoctor reclaim --yes")
}

fn leaked(view: &View<'_>, lock: &LockFact) -> Finding {
    let cause = match timed_out(view, lock) {
        Some(text) => format!("{text}; its lock is still there, its owner lives and no longer has the file open: the lock was leaked."),
        // A container's gateway has the same pid in every life, and a lock of the first releases tells no more.
        None if lock.owner_pid == Some(1) && precedes_the_gateway(view, lock) => {
            "The lock is older than the gateway that runs: an earlier life of it, pid 1 as well, left it behind, and nobody has it open.".to_owned()
        }
        None => "Its owner lives and no longer has the file open: the lock was leaked.".to_owned(),
    };
    let failures = view.model.failed_on(lock);
    let mut finding = Finding::new(Code::LeakedLock, lock.effect.having_failed(failures), cause);
    finding.messages_failed = failures;
    finding.removing_lock_helps = Some(true);
    finding.advise("lockdoctor reclaim --yes").advise(format!(
        "If it comes back after each timed-out run: upgrade; until then `{}` clears it too.",
        view.restart()
    ))
}

fn precedes_the_gateway(view: &View<'_>, lock: &LockFact) -> bool {
    let start = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min();
    lock.created_at.zip(start).is_some_and(|(created, start)| created < start)
}

/// Past its limit, still open: a run that does not end.
fn overdue(view: &View<'_>, lock: &LockFact) -> Finding {
    if lock.reasons.iter().any(|reason| reason == "run-timed-out") || timed_out(view, lock).is_some() {
        return stuck_run(view, lock);
    }
    let age = lock
        .age_ms
        .map_or_else(|| "for longer than its limit".to_owned(), |age| format!("for {}", human(age)));
    let limit = lock.limit_ms.map(|limit| format!(", its limit is {}", human(limit))).unwrap_or_default();
    let finding = Finding::new(
        Code::OverdueLock,
        lock.effect.having_failed(view.model.failed_on(lock)),
        format!(
            "The lock is held {age}{limit}; its owner{} lives and has it open. Age is no evidence that it is free.",
            owner(lock)
        ),
    );
    finding
        .advise("lockdoctor explain LOCK")
        .advise(format!("If the run is stuck: `{}`; the transcript stays whole.", view.restart()))
}

fn stuck_run(view: &View<'_>, lock: &LockFact) -> Finding {
    let ended = timed_out(view, lock).unwrap_or_else(|| "The run ended at its time limit".to_owned());
    let finding = Finding::new(
        Code::StuckRun,
        Effect::MessagesFail,
        format!(
            "{ended}, but it did not unwind: its owner{} lives and still has the lock open, so the session waits for it.",
            owner(lock)
        ),
    );
    finding
        .advise(view.restart())
        .advise("Last resort, when a restart is impossible: `lockdoctor reclaim --abandoned --yes`; if the run wakes up after all, the transcript forks.")
}

/// Held, and somebody else waited in vain: only then worth a word.
fn held(view: &View<'_>, lock: &LockFact) -> Option<Finding> {
    if let Some(text) = timed_out(view, lock).filter(|_| settled(view, lock)) {
        let finding = Finding::new(
            Code::StuckRun,
            Effect::MessagesFail,
            format!(
                "{text}, but its lock is still held and open by its owner{}: the run did not unwind.",
                owner(lock)
            ),
        );
        return Some(finding.advise(view.restart()));
    }
    let trouble = trouble_of(view, &lock.path)?;
    let since = lock.created_at.is_none_or(|created| trouble.lines.last().is_none_or(|last| last >= created));
    if !since {
        return None;
    }
    let waited = human(trouble.waited_ms);
    let finding = Finding::new(
        Code::LockContention,
        Effect::Threatens,
        format!(
            "The lock is held by its live owner{}; {} gave up after waiting {waited} for it. The legitimate hold is longer than the wait limit.",
            owner(lock),
            count(trouble.incidents, "message")
        ),
    );
    Some(
        finding.advise("Wait for the run to end, or stop it in the chat (`/stop`).").advise(wait_limit(view)),
    )
}

fn stuck_guard(view: &View<'_>, lock: &LockFact) -> Finding {
    let effect = lock.effect.having_failed(view.model.failed_on(lock));
    Finding::new(Code::StuckGuard, effect, "A left-over `.reclaim` guard blocks everyone who wants this lock; whoever made it died in the middle of a clean-up.")
        .advise(view.restart())
        .advise("lockdoctor explain LOCK")
}

fn gateway_lock(view: &View<'_>, lock: &LockFact) -> Option<Finding> {
    let (severity, text) = match lock.verdict {
        Verdict::Stale | Verdict::Leaked if view.model.refused.count() > 0 => (
            Effect::MessagesFail,
            format!(
                "The gateway's own lock has no owner ({}), and a gateway has refused to start because of it.",
                reasons(lock)
            ),
        ),
        Verdict::Stale | Verdict::Leaked => (
            Effect::Untidy,
            format!("The gateway's own lock has no owner ({}); the next start takes it over.", reasons(lock)),
        ),
        Verdict::StuckGuard => {
            (Effect::MessagesFail, "A left-over guard blocks the gateway's own lock.".to_owned())
        }
        _ => return None,
    };
    let finding = Finding::new(Code::GatewayLock, severity, text).about_lock(lock);
    Some(finding.advise(format!("{} gateway status", view.program())).with_lock_evidence(view, lock))
}

/// 8.1 and later keep sessions in SQLite.
fn fossil(view: &View<'_>, lock: &LockFact) -> Option<Finding> {
    let old =
        matches!(lock.verdict, Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::Indeterminate);
    old.then(|| {
        Finding::new(Code::OrphanLock, Effect::Untidy, "This lock file is a fossil: since 2026.8.1 sessions are kept in SQLite, and nothing looks at it.")
            .about_lock(lock)
            .advise("Nothing to do. It blocks nobody.")
            .with_lock_evidence(view, lock)
    })
}

/// A live lock whose name was deleted: its owner goes on writing, the next one starts beside it.
pub(super) fn deleted(view: &View<'_>) -> Vec<Finding> {
    let finding = |lock: &super::super::input::DeletedLock| {
        let id = lock.session_id.clone().or_else(|| id_of_lock(&lock.path));
        let session = view.facts.sessions.iter().find(|session| session.id.is_some() && session.id == id);
        let forked = session.is_some_and(|session| session.forked);
        let effect = if forked {
            "The transcript has already forked: turns are off its active branch."
        } else {
            "The next writer gets in beside it, and the transcript forks without a word."
        };
        let text = format!("A lock was deleted while pid {} still holds it open. {effect}", lock.pid);
        let mut finding =
            Finding::new(Code::LockDeletedWhileHeld, Effect::MessagesFail, text).about_path(&lock.path, view);
        finding.session_key = finding.session_key.or_else(|| session.map(|session| session.key.clone()));
        finding.evidence.push(Line::seen(format!("/proc/{}/fd: {} (deleted)", lock.pid, lock.path)));
        finding.evidence.extend(view.facts.deleters.iter().map(Line::seen));
        if view.facts.deleters.is_empty() {
            finding = finding.advise("Find what deletes lock files by age and stop it: `crontab -l`, `systemctl list-timers`, backup tools.");
        } else {
            finding = finding.advise("Take out the job that deletes locks by age (`lockdoctor doctor cron` says how); `lockdoctor watch --reclaim` does what it was meant to do.");
        }
        finding.advise("Send nothing to this session until the run has ended.")
    };
    view.facts.deleted.iter().map(finding).collect()
}

/// Lock errors in the log whose lock no fact explains.
pub(super) fn failures(view: &View<'_>) -> Vec<Finding> {
    let model = view.model;
    let transcripts = model
        .transcripts
        .iter()
        .filter(|(path, _)| !explained(view, path))
        .map(|(path, trouble)| transcript(view, path, trouble));
    let stores = model
        .stores
        .iter()
        .filter(|(path, _)| !explained(view, path))
        .filter_map(|(path, trouble)| store(view, path, trouble));
    transcripts.chain(stores).collect()
}

fn explained(view: &View<'_>, path: &str) -> bool {
    view.facts.locks.iter().any(|lock| {
        lock.path == path
            && (matches!(
                lock.verdict,
                Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::StuckGuard
            ) || held(view, lock).is_some())
    })
}

fn transcript(view: &View<'_>, path: &str, trouble: &LockTrouble) -> Finding {
    let failed = format!(
        "{} to this session failed after waiting {} for its lock",
        count(trouble.incidents, "message"),
        human(trouble.waited_ms)
    );
    let own = view
        .facts
        .gateways
        .iter()
        .filter_map(|gateway| gateway.pid)
        .any(|pid| trouble.owners.contains_key(&pid));
    let own_pid =
        (trouble.own_pid > 0 || own) && trouble.waited_ms <= 10_000 && view.at_least(4, 21) != Some(true);
    let finding = if trouble.refused_stale {
        let text = format!(
            "OpenClaw judges the lock stale and does not remove it, because its owner{} lives: every message fails at once.",
            owners(trouble)
        );
        Finding::new(Code::OverdueLock, Effect::MessagesFail, text).advise(view.restart())
    } else if trouble.former_pid > 0 || (own_pid && trouble.owners.contains_key(&1)) {
        // Up to 4.20 the lock is re-entrant within one process: its own pid in a lock that it waits for is another
        // life's. Pid 1 is the same number in every life of a container.
        let whose = if trouble.former_pid > 0 {
            "belongs to an earlier gateway process"
        } else {
            "is the number that a container's gateway has in every life"
        };
        let text = format!(
            "{failed}: the owner's pid{} {whose}, so the lock is an orphan that a reused pid keeps alive.",
            owners(trouble)
        );
        let mut finding = Finding::new(Code::OrphanLock, Effect::MessagesFail, text)
            .advise("lockdoctor scan")
            .advise("lockdoctor reclaim --yes");
        finding.removing_lock_helps = Some(true);
        finding
    } else if own_pid {
        // These versions' CLI writes to the same log: the line may be a second process' that met the gateway at work.
        let text = format!(
            "{failed}: its owner{} is the gateway itself, which may enter its own locks in these versions. Either a second process (a CLI `agent --local`) wanted the session while the gateway was at work in it, or the lock was left behind.",
            owners(trouble)
        );
        Finding::new(Code::LockContention, Effect::Threatens, text)
            .advise(
                "`lockdoctor scan` tells which: `held` is a session in use, `leaked` is a lock left behind.",
            )
            .advise("Let one process use a session.")
    } else {
        let whose = match trouble.owners.len() {
            0 => "nobody could be named as its owner: its content was unreadable, or it was gone by the time the error was written".to_owned(),
            _ => format!("its owner{} was at work or dead, the log cannot tell", owners(trouble)),
        };
        Finding::new(Code::LockContention, Effect::Threatens, format!("{failed}; {whose}."))
            .advise("lockdoctor scan")
            .advise(wait_limit(view))
    };
    near_loop(view, finding.about_path(path, view).backed_by(&trouble.lines), trouble)
}

/// `None` where a blocked event loop explains every failure: that finding tells it.
fn store(view: &View<'_>, path: &str, trouble: &LockTrouble) -> Option<Finding> {
    let near = view.model.event_loop.explained(&trouble.times, trouble.waited_ms);
    if near > 0 && near == trouble.times.len() {
        return None;
    }
    let size = view.facts.stores.iter().find(|store| path.starts_with(&store.path)).map(|store| store.bytes);
    let big = size.filter(|bytes| *bytes > 1 << 20).map(|bytes| {
        format!(" The store is {:.1} MB, and every update reads and rewrites all of it.", bytes as f64 / 1e6)
    });
    let text = if trouble.in_process {
        format!(
            "{} gave up in the gateway's own queue for the session store; no lock file is involved.{}",
            count(trouble.incidents, "request"),
            big.unwrap_or_default()
        )
    } else {
        format!(
            "{} failed after waiting {} for the session store's lock{}. No caller holds it across a model call: it is churn, a left-over, another process, or an event loop that stood still.{}",
            count(trouble.incidents, "request"),
            human(trouble.waited_ms),
            owners(trouble),
            big.unwrap_or_default()
        )
    };
    let severity = if trouble.incidents >= 3 { Effect::MessagesFail } else { Effect::Threatens };
    let mut finding = Finding::new(Code::StoreLockContention, severity, text)
        .about_path(path, view)
        .backed_by(&trouble.lines);
    finding.count = trouble.incidents;
    finding =
        finding.advise("lockdoctor scan").advise("The message that failed is not retried: send it again.");
    if size.is_some_and(|bytes| bytes > 1 << 20) {
        finding = finding.advise(format!(
            "Shrink the store: `{} sessions cleanup`, fewer sessions kept (`session.maintenance`).",
            view.program()
        ));
    }
    Some(finding.advise("From 2026.5.3 on this lock does not exist any more: upgrade."))
}

/// The lock that the errors were about is not there any more, or it is another one.
fn gone(view: &View<'_>, trouble: &LockTrouble, path: Option<&str>) -> bool {
    let now = path.and_then(|path| view.facts.locks.iter().find(|lock| lock.path == path));
    match (now, trouble.lines.last()) {
        (None, _) => view.facts.scanned,
        (Some(lock), Some(last)) => {
            lock.verdict == Verdict::Freed || lock.created_at.is_some_and(|created| created > last)
        }
        (Some(_), None) => false,
    }
}

/// A lock error beside a blocked event loop is most likely its consequence: a late poll finds its deadline over.
fn near_loop(view: &View<'_>, mut finding: Finding, trouble: &LockTrouble) -> Finding {
    finding.count = trouble.incidents;
    if gone(view, trouble, finding.lock.as_deref()) {
        finding.explanation.push_str(" It is over: that lock is gone.");
        finding.severity = finding.severity.min(Effect::Threatens.severity());
        finding.removing_lock_helps = Some(false);
        finding.advice.retain(|advice| !advice.contains("reclaim"));
    }
    let near = view.model.event_loop.explained(&trouble.times, trouble.waited_ms);
    if near > 0 && finding.code == Code::LockContention {
        finding
            .explanation
            .push_str(" The event loop was blocked at the time, which alone makes lock waits fail.");
    }
    finding
}

/// What a start found and cleared.
pub(super) fn left_over(view: &View<'_>) -> Option<Finding> {
    let model = view.model;
    if model.removed.count() == 0 {
        return None;
    }
    let reasons: Vec<String> =
        model.removed_reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let mut text = format!(
        "The gateway found {} of an earlier process at its start and removed {} ({}).",
        count(model.removed.count(), "lock"),
        if model.removed.count() == 1 { "it" } else { "them" },
        reasons.join(", ")
    );
    if model.interrupted > 0 {
        let _ = write!(
            text,
            " {} had been interrupted, {} resumed.",
            count(model.interrupted, "run"),
            model.resumed
        );
    }
    let mut finding = Finding::new(Code::OrphanLock, Effect::Untidy, text).backed_by(&model.removed);
    finding.evidence.extend(model.restart_lines.lines());
    Some(finding.advise("Nothing to do: this is what the start is for."))
}

/// The sentence on the run that took this lock, if the log shows that it ended at its time limit.
fn timed_out(view: &View<'_>, lock: &LockFact) -> Option<String> {
    let timeout = view.model.run_timed_out(lock.session_id.as_deref()?, lock.created_at?)?;
    Some(format!("The run ended at its time limit of {} ({})", human(timeout.timeout_ms), clock(timeout.at)))
}

/// Longer ago than the abort (10 s) and its settling (15 s) may take, and nothing was written since.
fn settled(view: &View<'_>, lock: &LockFact) -> bool {
    let timeout = lock
        .session_id
        .as_deref()
        .zip(lock.created_at)
        .and_then(|(id, created)| view.model.run_timed_out(id, created));
    let written =
        |since: DateTime<Utc>| lock.transcript_changed.is_some_and(|changed| changed > since + SETTLE);
    timeout.is_some_and(|timeout| view.now - timeout.at > SETTLE && !written(timeout.at))
}

fn trouble_of<'a>(view: &View<'a>, path: &str) -> Option<&'a LockTrouble> {
    view.model.transcripts.get(path).or_else(|| view.model.stores.get(path))
}

fn what(lock: &LockFact) -> &'static str {
    if lock.kind == LockKind::Store { "agent" } else { "session" }
}

fn reasons(lock: &LockFact) -> String {
    if lock.reasons.is_empty() { "no evidence of one".to_owned() } else { lock.reasons.join(", ") }
}

fn owner(lock: &LockFact) -> String {
    let command = lock.owner_command.as_deref().map(|command| format!(", {command}")).unwrap_or_default();
    lock.owner_pid.map(|pid| format!(" (pid {pid}{command})")).unwrap_or_default()
}

fn owners(trouble: &LockTrouble) -> String {
    let pids: Vec<String> = trouble.owners.keys().take(3).map(u32::to_string).collect();
    if pids.is_empty() { String::new() } else { format!(" (pid {})", pids.join(", ")) }
}

fn wait_limit(view: &View<'_>) -> String {
    match view.at_least(5, 2) {
        Some(false) => {
            "From 2026.5.2 on OpenClaw waits 60 s instead of 10: upgrade, or send one message at a time."
                .to_owned()
        }
        _ => "If such long runs are usual, raise `session.writeLock.acquireTimeoutMs`.".to_owned(),
    }
}

impl Finding {
    /// What was seen of the lock itself, and the log lines on it.
    fn with_lock_evidence(mut self, view: &View<'_>, lock: &LockFact) -> Self {
        let mut seen = format!("{}: {}", lock.path, verdict(lock.verdict));
        if !lock.reasons.is_empty() {
            let _ = write!(seen, " ({})", lock.reasons.join(", "));
        }
        if let Some(age) = lock.age_ms {
            let _ = write!(seen, ", {} old", human(age));
        }
        self.evidence.insert(0, Line::seen(seen));
        self.first_seen = lock.created_at.or(self.first_seen);
        self.last_seen = Some(view.now);
        if let Some(trouble) = trouble_of(view, &lock.path) {
            self.evidence.extend(trouble.lines.lines());
            self.count = self.count.max(trouble.incidents);
        }
        let track = lock.session_id.as_deref().and_then(|id| view.model.sessions.by_id(id));
        if let (Some(track), Code::LeakedLock | Code::StuckRun) = (track, self.code) {
            self.evidence.extend(track.timeout_lines.lines());
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
