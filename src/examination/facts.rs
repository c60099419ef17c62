//! From judged locks and session stores to the plain facts that a diagnosis takes.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{deleted, forks, gateway};
use crate::diagnosis::input::{
    DeletedLock, Era, Facts, GatewayFact, LeaseEffect, LeaseFact, LockFact, LockKind, SessionFact, StoreFact,
};
use crate::evidence::transcript::{self, Transcript};
use crate::install::gateway::GatewayState;
use crate::install::sessions::{SessionStore, Wanted};
use crate::install::{Install, Sessions};
use crate::openclaw::lock_kind::{self, Management};
use crate::openclaw::names::STORE;
use crate::survey::claims::{RunningSession, SurveyedLease};
use crate::survey::{Problem, Survey, SurveyedLock, SurveyedRoot};
use crate::verdict::self_heal::{self, SelfHeal};
use crate::verdict::severity::{self, Effect};
use crate::verdict::{Reason, Verdict};
use crate::words::millis;

/// How closely a gateway is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Its port is asked, and its load is measured, which takes a quarter of a second.
    Take,
    /// Its port is asked: moments where it answers, seconds where it does not.
    Ask,
    /// Only the kernel is asked.
    Skip,
}

/// Locks, leases and gateways; no store or transcript is read, no gateway asked.
pub fn lock_facts(survey: &Survey) -> Facts {
    let install_of = |root: usize| survey.roots[root].install.as_ref();
    let installs = || survey.roots.iter().filter_map(|root| root.install.as_ref());
    let deleted = |root: &SurveyedRoot| {
        let pid = root.install.as_ref().and_then(|install| install.gateway.pid);
        deleted::held_by(pid, &root.path)
    };
    Facts {
        scanned: true,
        locks: survey.locks.iter().map(|lock| lock_fact(lock, install_of(lock.root))).collect(),
        leases: leases(survey.leases.iter(), survey.running.iter(), install_of),
        gateways: gateways(survey, Sample::Skip),
        deleted: {
            let mut found: Vec<DeletedLock> = survey.locks.iter().filter_map(deleted::replaced).collect();
            for lock in survey.roots.iter().flat_map(deleted) {
                if found.iter().all(|replaced| replaced.path != lock.path) {
                    found.push(lock);
                }
            }
            found
        },
        era: era(installs()),
        version: version(installs()),
        ..Facts::default()
    }
}

/// Everything outside the logs. A store that cannot be read is added to what the survey could not see.
pub fn facts(survey: &mut Survey, sample: Sample) -> Facts {
    let mut facts = lock_facts(survey);
    if sample == Sample::Take {
        facts.gateways = gateways(survey, sample);
    }
    let unread: Vec<Problem> = survey.roots.iter().flat_map(|root| add_stores(&mut facts, root)).collect();
    for problem in unread {
        if survey.problems.iter().all(|known| known.path != problem.path) {
            survey.problems.push(problem);
        }
    }
    facts.sessions.extend(survey.running.iter().map(|session| SessionFact {
        key: session.key.clone(),
        id: Some(session.session_id.clone()),
        status: Some("running".to_owned()),
        started_at: Some(session.updated_at),
        limit_ms: run_limit(&survey.roots[session.root]),
        ..SessionFact::default()
    }));
    let locks = std::mem::take(&mut facts.locks);
    facts.locks =
        locks.into_iter().zip(&survey.locks).map(|(fact, lock)| with_transcript(fact, lock)).collect();
    facts
}

/// The gateway of every install, and how that works.
pub fn gateways(survey: &Survey, sample: Sample) -> Vec<GatewayFact> {
    let of = |(at, root): (usize, &SurveyedRoot)| {
        let install = root.install.as_ref()?;
        let workings = survey.workings.iter().find(|(of, _)| *of == at).map(|(_, workings)| workings);
        Some(gateway::fact(&install.gateway, &install.config, workings, &install.root, sample))
    };
    survey.roots.iter().enumerate().filter_map(of).collect()
}

/// Returns what could not be read.
fn add_stores(facts: &mut Facts, root: &SurveyedRoot) -> Vec<Problem> {
    let mut unread = Vec::new();
    let from = facts.sessions.len();
    // A survey reads of a store what a lock asks for; lines of the log name sessions that have none.
    for Sessions { store, opened, .. } in sessions_directories(root) {
        let Ok(directory) = opened else { continue };
        let path = directory.path.join(&store);
        match SessionStore::read(&directory, &store, &Wanted::Every) {
            Ok(Some(store)) => {
                unread.extend(store.gap().map(|gap| Problem::unseen(&path, gap)));
                add_store(facts, &directory.path, &store);
            }
            Ok(None) => {}
            // A survey that met a lock there has said it of the directory.
            Err(_) if facts.locks.iter().any(|lock| lock_lies_in(&lock.path, &directory.path)) => {}
            Err(what) => unread.push(Problem::unseen(&path, format!("{what}; sessions are not known"))),
        }
    }
    for session in &mut facts.sessions[from..] {
        session.limit_ms = run_limit(root);
    }
    unread
}

fn lock_lies_in(lock: &str, directory: &Path) -> bool {
    Path::new(lock).parent() == Some(directory)
}

fn run_limit(root: &SurveyedRoot) -> Option<u64> {
    let install = root.install.as_ref()?;
    Some(millis(install.config.timeouts.run(install.version.as_ref()).value))
}

fn sessions_directories(root: &SurveyedRoot) -> Vec<Sessions> {
    let Some(install) = &root.install else { return Vec::new() };
    install.sessions(&install.agents().unwrap_or_default())
}

fn add_store(facts: &mut Facts, directory: &Path, store: &SessionStore) {
    facts.stores.push(StoreFact { path: directory.join(STORE).display().to_string(), bytes: store.bytes });
    let time = |ms: Option<i64>| ms.and_then(DateTime::from_timestamp_millis);
    // Transcripts may be long: one is read through only where a lock was deleted.
    let deleted = |id: &str| facts.deleted.iter().any(|lock| lock.session_id.as_deref() == Some(id));
    let sessions = store.entries.iter().map(|(key, entry)| SessionFact {
        key: key.clone(),
        id: entry.session_id.clone(),
        status: entry.status.clone(),
        started_at: time(entry.started_at),
        limit_ms: None,
        transcript_bytes: None,
        forked: entry.session_id.as_deref().is_some_and(|id| deleted(id) && forks::has_fork(directory, id)),
    });
    let sessions: Vec<SessionFact> = sessions.collect();
    facts.sessions.extend(sessions);
}

/// What claims something in a database and cannot be in use: leases of dead owners that keep others out, and
/// sessions that run although no gateway does.
pub fn leases<'a, 's>(
    leases: impl Iterator<Item = &'s SurveyedLease>,
    running: impl Iterator<Item = &'s RunningSession>,
    install_of: impl Fn(usize) -> Option<&'a Install>,
) -> Vec<LeaseFact> {
    let down = |root: usize| {
        let state = install_of(root).map(|install| install.gateway.state);
        matches!(state, Some(GatewayState::Down | GatewayState::Starting))
    };
    let stuck = leases.filter(|lease| lease.needs_attention()).map(|lease| LeaseFact {
        agent: lease.agent.clone(),
        owner_pid: lease.owner.pid,
        owner_alive: lease.process.is_alive(),
        since: lease.since,
        what: lease.explanation.trouble.clone().unwrap_or_else(|| lease.explanation.state.clone()),
        effect: if lease.keeps_gateways_out() && down(lease.root) {
            LeaseEffect::NoGateway
        } else {
            LeaseEffect::One
        },
        evidence: [lease.path.clone()].into_iter().chain(lease.explanation.because.iter().cloned()).collect(),
        advice: lease.explanation.advice.clone(),
        removable: lease.is_removable(),
        ..LeaseFact::default()
    });
    let orphaned = running.filter(|session| down(session.root)).map(|session| LeaseFact {
        agent: Some(session.agent.clone()),
        session_id: Some(session.session_id.clone()),
        session_key: Some(session.key.clone()),
        owner_alive: Some(false),
        since: Some(session.updated_at),
        what: "The run of this session was cut off: its database still says `running`, and no gateway runs"
            .to_owned(),
        evidence: vec![format!("session_nodes: status=running sessionKey={}", session.key)],
        ..LeaseFact::default()
    });
    stuck.chain(orphaned).collect()
}

/// The era of all of them; unknown if they differ.
pub fn era<'a>(installs: impl Iterator<Item = &'a Install>) -> Era {
    let mut eras = installs.map(|install| install.era);
    let first = eras.next().unwrap_or_default();
    if eras.all(|era| era == first) { first } else { Era::Unknown }
}

pub fn version<'a>(mut installs: impl Iterator<Item = &'a Install>) -> Option<String> {
    installs.find_map(|install| install.version.as_ref()).map(ToString::to_string)
}

/// A judged lock as the diagnosis takes it; its transcript is not looked at.
pub fn lock_fact(lock: &SurveyedLock, install: Option<&Install>) -> LockFact {
    let evidence = &lock.evidence;
    let payload = evidence.payload();
    let judgement = &lock.judgement;
    let version = install.and_then(|install| install.version.as_ref());
    let heal = self_heal::predict(evidence, judgement.verdict, &judgement.reasons, version);
    LockFact {
        path: lock.path().display().to_string(),
        kind: match lock.kind {
            lock_kind::LockKind::Session => LockKind::Session,
            lock_kind::LockKind::Store => LockKind::Store,
            lock_kind::LockKind::Gateway => LockKind::Gateway,
            _ => LockKind::Other,
        },
        agent: lock.agent.clone(),
        session_id: lock.session_id.clone(),
        session_key: lock.session_key.clone(),
        verdict: judgement.verdict,
        reasons: judgement.reasons.iter().copied().map(Reason::as_str).map(str::to_owned).collect(),
        owner_pid: payload.map(|payload| payload.pid),
        owner_alive: evidence.owner_alive(),
        owner_command: evidence.owner_process().map(|process| process.comm.clone()),
        created_at: payload.and_then(|payload| payload.created_at),
        age_ms: evidence.age.map(millis),
        limit_ms: evidence.limit.as_ref().map(|limit| millis(limit.after)),
        max_hold_ms: payload.and_then(|payload| payload.max_hold_ms),
        effect: effect(lock, install),
        frees_itself: match heal {
            SelfHeal::Frees(_) => Some(true),
            SelfHeal::Blocks(_) | SelfHeal::FreesAfter(..) => Some(false),
            SelfHeal::Ignored(_) | SelfHeal::Depends(_) => None,
        },
        ..LockFact::default()
    }
}

/// What a judged lock does to the people who write to its session, as long as no message failed on it.
pub fn effect(lock: &SurveyedLock, install: Option<&Install>) -> Effect {
    let judgement = &lock.judgement;
    match (lock.kind, judgement.verdict) {
        // The next start takes it over; that one was refused is known by its finding.
        (lock_kind::LockKind::Gateway, Verdict::Stale | Verdict::Leaked) => Effect::HealsItself,
        // Other parts of OpenClaw have rules of their own for what was left behind.
        (kind, Verdict::Stale | Verdict::Leaked) if kind.management() == Management::ReportOnly => {
            Effect::Threatens
        }
        _ => {
            let version = install.and_then(|install| install.version.as_ref());
            let heal = self_heal::predict(&lock.evidence, judgement.verdict, &judgement.reasons, version);
            severity::of_lock(judgement.verdict, &heal, 0)
        }
    }
}

fn with_transcript(fact: LockFact, lock: &SurveyedLock) -> LockFact {
    match transcript::look(&lock.directory, &lock.name) {
        Transcript::Present { bytes, changed_at, .. } => {
            LockFact { transcript_bytes: Some(bytes), transcript_changed: changed_at, ..fact }
        }
        _ => fact,
    }
}

/// Whether somebody may have written to the lock's transcript after `then`: unless it can be seen that nobody has.
pub fn transcript_changed_since(lock: &SurveyedLock, then: DateTime<Utc>) -> bool {
    match transcript::look(&lock.directory, &lock.name) {
        Transcript::Present { changed_at: Some(at), .. } => at > then,
        Transcript::Missing => false,
        _ => true,
    }
}
