//! The gateway process: its event loop, its start, its database.

use super::super::evidence::Line;
use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState, LeaseEffect, LeaseFact};
use crate::verdict::severity::Effect;
use std::fmt::Write as _;

use super::{View, count, human};
use crate::gatewaylog::SlowSqlite;
use chrono::TimeDelta;

/// So long after its start a busy gateway is loading modules.
const START_UP: TimeDelta = TimeDelta::seconds(180);
const BIG_STORE: u64 = 1 << 20;
const BIG_TRANSCRIPT: u64 = 16 << 20;

/// Everything synchronous in the one process stops every timer, every answer, every lock poll.
pub(super) fn event_loop(view: &View<'_>) -> Option<Finding> {
    let trouble = &view.model.event_loop;
    let busy: Vec<String> = view.facts.gateways.iter().filter_map(|gateway| busy(view, gateway)).collect();
    let silent = view
        .facts
        .gateways
        .iter()
        .any(|gateway| gateway.state == GatewayState::Running && gateway.answers == Some(false));
    let locks: u64 = view
        .model
        .transcripts
        .values()
        .chain(view.model.stores.values())
        .map(|lock| trouble.explained(&lock.times, lock.waited_ms))
        .sum();
    let rpcs = trouble.explained(&view.model.rpc_times, 10_000);
    if trouble.strong.count() == 0 && (busy.is_empty() || !silent) {
        return None;
    }
    let severity = if silent || locks + rpcs > 0 {
        Effect::MessagesFail
    } else if trouble.worst_ms >= 15_000
        || trouble.worst_ms >= 5_000 && trouble.strong.count() >= 2
        || !busy.is_empty()
    {
        Effect::Threatens
    } else {
        Effect::Untidy
    };
    let kinds: Vec<&str> = trouble.kinds.iter().copied().collect();
    let mut text = "The gateway's event loop was blocked".to_owned();
    if trouble.worst_ms > 0 {
        let _ = write!(text, ", for up to {} ({})", human(trouble.worst_ms), kinds.join(", "));
    }
    text.push('.');
    if silent {
        text.push_str(" It does not answer on its port now.");
    }
    match (locks, rpcs) {
        (0, 0) => {}
        (0, n) => {
            let _ = write!(text, " {} timed out because of it.", count(n, "request"));
        }
        (n, _) => {
            let _ = write!(
                text,
                " {} of those minutes are its consequence: a lock wait that wakes up late finds its deadline over.",
                count(n, "lock failure")
            );
        }
    }
    let mut finding = Finding::new(Code::EventLoopBlocked, severity, text).backed_by(&trouble.strong);
    finding.evidence.extend(busy.into_iter().chain(big(view)).map(Line::seen));
    if silent && trouble.strong.count() == 0 {
        finding = finding.seen(Some(view.now), Some(view.now), 1);
    }
    Some(
        finding
            .advise("Look for what is big: session store, transcripts, plugins; and for a slow or full disk.")
            .advise(format!("If it does not recover: `{}`.", view.restart())),
    )
}

/// Stores and transcripts that cost the loop a noticeable time whenever they are read or written whole.
fn big(view: &View<'_>) -> Vec<String> {
    let stores = view
        .facts
        .stores
        .iter()
        .filter(|store| store.bytes > BIG_STORE)
        .map(|store| (store.bytes, format!("{}: {:.1} MB", store.path, store.bytes as f64 / 1e6)));
    let transcripts = view.facts.sessions.iter().filter_map(|session| {
        let bytes = session.transcript_bytes.filter(|bytes| *bytes > BIG_TRANSCRIPT)?;
        Some((bytes, format!("transcript of sessionKey={}: {:.1} MB", session.key, bytes as f64 / 1e6)))
    });
    let beside = view.facts.locks.iter().filter_map(|lock| {
        let bytes = lock.transcript_bytes.filter(|bytes| *bytes > BIG_TRANSCRIPT)?;
        Some((bytes, format!("transcript beside {}: {:.1} MB", lock.path, bytes as f64 / 1e6)))
    });
    let mut big: Vec<(u64, String)> = stores.chain(transcripts).chain(beside).collect();
    big.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    big.into_iter().take(4).map(|(_, text)| text).collect()
}

/// The sentence on a gateway that is busy now, outside its start-up.
fn busy(view: &View<'_>, gateway: &GatewayFact) -> Option<String> {
    let load = gateway.load?;
    let loading = gateway.started_at.is_some_and(|started| view.now - started < START_UP);
    let blocked = load.cores >= 0.9 && load.state == 'R' || load.state == 'D';
    (blocked && !loading).then(|| {
        let pid = gateway.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        format!("gateway{pid}: {:.2} cores over {} ms, state {}", load.cores, load.over_ms, load.state)
    })
}

/// Starts that a lock or a migration refused.
pub(super) fn refused_starts(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let refused = &view.model.refused;
    if refused.count() > 0 {
        let severity = if refused.count() >= 3 { Effect::MessagesFail } else { Effect::Threatens };
        let text = format!(
            "A gateway refused to start {}: another one runs, or its lock says so.",
            if refused.count() == 1 { "once".to_owned() } else { format!("{} times", refused.count()) }
        );
        let finding = Finding::new(Code::GatewayLock, severity, text).backed_by(refused);
        findings.push(
            finding
                .advise("Two services for one gateway? `systemctl --user list-units '*gateway*'`")
                .advise(format!("{} gateway status", view.program())),
        );
    }
    let migrations = &view.model.startup_refused;
    if migrations.count() > 0 {
        let text = "The gateway refused to start because its start-up migrations did not complete, or are at work in another process.";
        let finding = Finding::new(Code::LeaseStuck, Effect::MessagesFail, text).backed_by(migrations);
        findings.push(finding.advise(format!("{} doctor --fix", view.program())).advise(
            "Wait until the other process has finished, or its lease has expired; then start again.",
        ));
    }
    findings.extend(owner_lease(view));
    findings
}

/// Starts that the lease of an earlier gateway refused (openclaw#155644). Told by the lease itself while it is there.
fn owner_lease(view: &View<'_>) -> Option<Finding> {
    let lines = &view.model.owner_refused;
    let is_judged = view.facts.leases.iter().any(|lease| lease.effect == LeaseEffect::NoGateway);
    if lines.count() == 0 || is_judged {
        return None;
    }
    let times = if lines.count() == 1 { "once".to_owned() } else { format!("{} times", lines.count()) };
    let started = view.facts.gateways.iter().any(|gateway| gateway.state == GatewayState::Running)
        || view.model.lives.all().iter().any(|life| life.ready.is_some() && life.ready > lines.last());
    let (severity, now) = if started {
        (Effect::Untidy, "A gateway runs by now: it is over.")
    } else {
        let ends = "It ends by itself when the lease expires, five minutes after it was renewed last.";
        (Effect::MessagesFail, ends)
    };
    let text = format!(
        "A gateway refused to start {times}: the lease of an earlier one was still in the database, and under another host name OpenClaw cannot see that its owner is gone. {now}"
    );
    let finding = Finding::new(Code::LeaseStuck, severity, text).backed_by(lines);
    Some(finding.advise("lockdoctor scan").advise(
        "If it comes back after each re-creation of a container: give it a fixed host name (docker run --hostname, compose hostname:).",
    ))
}

/// The SQLite era: leases, writers that wait, and slow stores.
pub(super) fn sqlite(view: &View<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = view.facts.leases.iter().map(|lease| stuck_lease(view, lease)).collect();
    let busy = &view.model.database_busy;
    if busy.count() > 0 {
        let mut text = format!(
            "The session database was locked by another writer for longer than OpenClaw waits ({}).",
            count(busy.count(), "error")
        );
        if view.model.wal_mismatch {
            text.push_str(" Its `-wal` is not its own: files of two databases were mixed (a restored backup, a copy while it was open).");
        }
        let finding = Finding::new(Code::StoreLockContention, Effect::Threatens, text).backed_by(busy);
        findings.push(finding.advise("Find the other process: `lockdoctor scan`, a backup tool, a second gateway. Never delete `-wal` or `-shm` files."));
    }
    findings.extend(slow_sqlite(view));
    findings
}

/// Waiting for another writer is contention; being slow oneself is a slow disk or a busy machine.
fn slow_sqlite(view: &View<'_>) -> Option<Finding> {
    let slow = &view.model.slow_sqlite;
    let parts: Vec<String> = slow
        .iter()
        .map(|(what, slow)| format!("{what} up to {} ({})", human(slow.longest_ms), slow.lines.count()))
        .collect();
    let lines = slow.values().map(|slow| &slow.lines).max_by_key(|lines| lines.count())?;
    let contended = slow.iter().any(|(what, slow)| {
        let waits = matches!(what, SlowSqlite::LockWait | SlowSqlite::CoordinatorLockWait);
        waits && slow.lines.count() >= 10 && slow.longest_ms >= 5_000
    });
    let severity = if contended { Effect::Threatens } else { Effect::Untidy };
    let text = format!("SQLite was slow: {}.", parts.join(", "));
    let mut finding = Finding::new(Code::StoreLockContention, severity, text).backed_by(lines);
    finding.count = slow.values().map(|slow| slow.lines.count()).sum();
    Some(finding.advise("Harmless while it is rare. If it grows: a slow disk, a big database, or another process that writes to it."))
}

fn stuck_lease(view: &View<'_>, lease: &LeaseFact) -> Finding {
    let refused = &view.model.owner_refused;
    let severity = match lease.effect {
        LeaseEffect::NoGateway => Effect::MessagesFail,
        LeaseEffect::One => Effect::Threatens,
    };
    let mut finding = Finding::new(Code::LeaseStuck, severity, format!("{}.", lease.what));
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
        .advise(format!("{} gateway start", view.program()))
        .advise("The start settles it; nothing is to be removed, and lockdoctor never writes to OpenClaw's databases.")
}
