//! The stable JSON of `scan` and `reclaim` (`schemas/`). Keys are only ever added.

use std::borrow::Cow;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::holders::{self, Holder};
use crate::evidence::lockfile::Shape;
use crate::evidence::{Content, Evidence, LeaseUnknown, Owner, PidDomain, Writer};
use crate::install::gateway::GatewayState;
use crate::leases;
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::survey::claims::SurveyedLease;
use crate::survey::{
    Guarded, Problem, ProblemSeverity, Survey, SurveyedLock, SurveyedRoot, TranscriptListed,
};
use crate::verdict::self_heal;
use crate::verdict::{Action, Reason, Rule, Verdict};
use crate::words::{millis, rfc3339};

pub const SCAN_SCHEMA: &str = "lockdoctor/scan/v1";

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scan<'a> {
    schema: &'static str,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    generated_at: String,
    roots: Vec<Root>,
    #[cfg_attr(test, schemars(with = "Vec<Lock>"))]
    locks: Locks<'a>,
    problems: Vec<ProblemRow>,
    summary: Map<String, Value>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Root {
    path: String,
    era: Era,
    openclaw_version: Option<String>,
    gateway: Gateway,
    /// Who holds OpenClaw's coordinators and databases.
    holders: Vec<Holder>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Gateway {
    state: GatewayState,
    pid: Option<u32>,
    up_ms: Option<u64>,
    how: &'static str,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProblemRow {
    path: String,
    what: String,
    incomplete: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lock {
    path: String,
    kind: LockKind,
    agent: Option<String>,
    session_id: Option<String>,
    session_key: Option<String>,
    owner: OwnerRow,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    created_at: Option<String>,
    age_ms: Option<u64>,
    limit_ms: Option<u64>,
    limit_source: Option<String>,
    verdict: Verdict,
    reasons: Vec<Why>,
    action: Action,
    /// Names exactly this file with these bytes (`reclaim --id`); empty for a row of a database.
    fingerprint: String,
    evidence: Basis,
}

/// What a verdict rests on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "one at a time, made while it is written")]
enum Basis {
    File {
        rule: Rule,
        note: Option<Cow<'static, str>>,
        suspected: Option<Verdict>,
        shape: &'static str,
        content: &'static str,
        content_note: Option<&'static str>,
        start_ticks: Option<u64>,
        max_hold_ms: Option<u64>,
        writer: &'static str,
        writer_note: Option<&'static str>,
        owner: &'static str,
        owner_start_ticks: Option<u64>,
        /// Whose the number is, where it is not the owner's.
        number_now: Option<String>,
        pid_domain: &'static str,
        pid_domain_note: Option<String>,
        filesystem: &'static str,
        untouched_ms: u64,
        size: Option<u64>,
        uid: Option<u32>,
        inode: Option<u64>,
        transcript: &'static str,
        guard: &'static str,
        openclaw_would: &'static str,
        openclaw_would_note: String,
    },
    /// A row of a database.
    Lease {
        state: String,
        because: Vec<String>,
        openclaw_would_note: String,
        advice: Vec<String>,
        host: Option<String>,
        owner_start_ticks: Option<u64>,
    },
}

/// A fact that makes a lock, or a lease, stale or overdue.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Why {
    Lock(Reason),
    Lease(leases::Reason),
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OwnerRow {
    pid: Option<u32>,
    alive: Option<bool>,
    command: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    started_at: Option<String>,
}

/// Made one by one while they are written: thousands of locks need no second copy in memory.
#[derive(Debug)]
struct Locks<'a> {
    survey: &'a Survey,
    redaction: Redactor,
}

impl Serialize for Locks<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(locks(self.survey, self.redaction))
    }
}

pub fn scan(survey: &Survey, redaction: Redactor) -> Scan<'_> {
    Scan {
        schema: SCAN_SCHEMA,
        generated_at: rfc3339(survey.now.wall),
        roots: survey.roots.iter().enumerate().map(|(at, each)| root(each, holders_of(survey, at))).collect(),
        locks: Locks { survey, redaction },
        problems: survey.problems.iter().map(problem).collect(),
        summary: summary(
            survey
                .locks
                .iter()
                .map(|lock| lock.judgement.verdict.as_str())
                .chain(survey.leases.iter().map(|lease| lease.verdict.verdict.as_str())),
        ),
    }
}

pub fn locks(survey: &Survey, redaction: Redactor) -> impl Iterator<Item = Lock> + '_ {
    let files = survey.locks.iter().map(move |each| lock(each, &survey.roots[each.root], redaction));
    files.chain(survey.leases.iter().map(|each| lease(each, survey)))
}

/// A row of a database in the form of a lock. Its verdict is never one that leads to an action.
pub fn lease(lease: &SurveyedLease, survey: &Survey) -> Lock {
    let process = lease.process.process();
    let booted_at = survey.now.booted_at();
    let since = |at: Option<DateTime<Utc>>| at.and_then(|at| survey.now.since(at)).map(millis);
    Lock {
        path: lease.path.clone(),
        kind: LockKind::Lease,
        agent: lease.agent.clone(),
        session_id: None,
        session_key: None,
        owner: OwnerRow {
            pid: lease.owner.pid,
            alive: lease.process.is_alive(),
            command: process.map(|process| process.comm.clone()),
            started_at: process.map(|process| rfc3339(process.started_at(booted_at))),
        },
        created_at: lease.since.map(rfc3339),
        age_ms: since(lease.since),
        limit_ms: lease
            .expires_at
            .zip(lease.since)
            .and_then(|(end, start)| (end - start).to_std().ok())
            .map(millis),
        limit_source: lease.expires_at.map(|_| "the lease's own expiry".to_owned()),
        verdict: lease.verdict.verdict.into(),
        reasons: lease.verdict.reasons.iter().copied().map(Why::Lease).collect(),
        action: lease.verdict.action.into(),
        fingerprint: String::new(),
        evidence: Basis::Lease {
            state: lease.explanation.state.clone(),
            because: lease.explanation.because.clone(),
            openclaw_would_note: lease.explanation.openclaw.clone(),
            advice: lease.explanation.advice.clone(),
            host: lease.owner.host.clone(),
            owner_start_ticks: lease.owner.started_at,
        },
    }
}

/// `total`, and one count for each verdict, present even when zero.
pub fn summary<'a>(verdicts: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let mut counts: Vec<(&str, u64)> = Verdict::ALL.iter().map(|verdict| (verdict.as_str(), 0)).collect();
    for verdict in verdicts {
        if let Some((_, count)) = counts.iter_mut().find(|(each, _)| *each == verdict) {
            *count += 1;
        }
    }
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut map = Map::from_iter([("total".to_owned(), json!(total))]);
    map.extend(counts.into_iter().map(|(verdict, count)| (verdict.to_owned(), json!(count))));
    map
}

fn holders_of(survey: &Survey, root: usize) -> Vec<Holder> {
    let workings = survey.workings.iter().filter(|(of, _)| *of == root);
    workings.flat_map(|(_, workings)| workings.held()).map(holders::json).collect()
}

fn root(root: &SurveyedRoot, holders: Vec<Holder>) -> Root {
    let install = root.install.as_ref();
    Root {
        path: text(&root.path),
        era: install.map_or(Era::Unknown, |install| install.era),
        openclaw_version: install.and_then(|install| install.version.as_ref()).map(ToString::to_string),
        gateway: match install.map(|install| &install.gateway) {
            Some(gateway) => Gateway {
                state: gateway.state,
                pid: gateway.pid,
                up_ms: gateway.up.map(millis),
                how: gateway.how,
            },
            None => Gateway {
                state: GatewayState::Unknown,
                pid: None,
                up_ms: None,
                how: "no state directory was named",
            },
        },
        holders,
    }
}

fn problem(problem: &Problem) -> ProblemRow {
    ProblemRow {
        path: text(&problem.path),
        what: problem.what.clone(),
        incomplete: problem.severity == ProblemSeverity::Incomplete,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub fn lock(lock: &SurveyedLock, root: &SurveyedRoot, redaction: Redactor) -> Lock {
    let evidence = &lock.evidence;
    let payload = evidence.payload();
    let process = evidence.owner_process();
    Lock {
        path: text(&lock.path()),
        kind: lock.kind,
        agent: lock.agent.clone(),
        session_id: lock.session_id.clone(),
        session_key: lock.session_key.as_deref().map(|key| redaction.key(key).into_owned()),
        owner: OwnerRow {
            pid: payload.map(|payload| payload.pid),
            alive: evidence.owner_alive(),
            command: process.map(|process| process.comm.clone()),
            started_at: process.map(|process| rfc3339(process.started_at(evidence.booted_at))),
        },
        created_at: payload.and_then(|payload| payload.created_at).map(rfc3339),
        age_ms: evidence.age.map(millis),
        limit_ms: evidence.limit.as_ref().map(|limit| millis(limit.after)),
        limit_source: evidence.limit.as_ref().map(|limit| limit.source.to_string()),
        verdict: lock.judgement.verdict,
        reasons: lock.judgement.reasons.iter().copied().map(Why::Lock).collect(),
        action: lock.judgement.action,
        fingerprint: lock.fingerprint.clone(),
        evidence: evidence_of(lock, root),
    }
}

fn evidence_of(lock: &SurveyedLock, root: &SurveyedRoot) -> Basis {
    let Evidence { content, writer, owner, domain, filesystem, .. } = &lock.evidence;
    let payload = lock.evidence.payload();
    let judgement = &lock.judgement;
    let version = root.install.as_ref().and_then(|install| install.version.as_ref());
    let heal = self_heal::predict(&lock.evidence, judgement.verdict, &judgement.reasons, version);
    Basis::File {
        rule: judgement.rule,
        note: lock.note(),
        suspected: judgement.suspected,
        shape: shape(lock.evidence.shape),
        content: match content {
            Content::Empty => "empty",
            Content::Malformed(_) => "malformed",
            Content::Parsed(_) => "parsed",
            Content::NotRead => "not-read",
        },
        content_note: match content {
            Content::Malformed(why) => Some(*why),
            _ => None,
        },
        start_ticks: payload.and_then(|payload| payload.start_ticks),
        max_hold_ms: payload.and_then(|payload| payload.max_hold_ms),
        writer: writer_word(*writer),
        writer_note: match writer {
            Writer::Unknown(why) => Some(why.sentence()),
            _ => None,
        },
        owner: owner_word(owner),
        owner_start_ticks: owner.process().map(|process| process.start_ticks),
        number_now: owner.process().filter(|_| lock.evidence.names_another()).map(|now| now.comm.clone()),
        pid_domain: domain_word(domain),
        pid_domain_note: domain_note(domain),
        filesystem: filesystem.as_str(),
        untouched_ms: millis(lock.evidence.untouched_for),
        size: lock.facts.map(|facts| facts.size),
        uid: lock.facts.map(|facts| facts.uid),
        inode: lock.facts.map(|facts| facts.ino),
        transcript: match lock.transcript {
            TranscriptListed::Yes => "present",
            TranscriptListed::No => "missing",
            TranscriptListed::NotApplicable => "not-applicable",
        },
        guard: if lock.guarded == Guarded::Yes { "present" } else { "absent" },
        openclaw_would: heal.as_str(),
        openclaw_would_note: heal.sentence(),
    }
}

pub fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Regular => "regular",
        Shape::Directory => "directory",
        Shape::Refused(_) => "refused",
    }
}

pub fn writer_word(writer: Writer) -> &'static str {
    match writer {
        Writer::Open => "open",
        Writer::NoneOpen => "none",
        Writer::Unknown(LeaseUnknown::NotProbed) => "not-asked",
        Writer::Unknown(_) => "unknown",
    }
}

pub fn owner_word(owner: &Owner) -> &'static str {
    match owner {
        Owner::None => "none",
        Owner::Gone => "gone",
        Owner::Zombie(_) => "zombie",
        Owner::Thread { .. } => "thread",
        Owner::Alive(_) | Owner::Stranger(_) => "alive",
        Owner::Hidden => "hidden",
        Owner::Lockdoctor => "lockdoctor",
        Owner::Unknown(_) => "unknown",
    }
}

pub fn domain_word(domain: &PidDomain) -> &'static str {
    match domain {
        PidDomain::Shared(_) => "shared",
        PidDomain::Presumed => "presumed",
        PidDomain::Foreign { .. } => "foreign",
        PidDomain::Unknown(_) => "unknown",
    }
}

pub fn domain_note(domain: &PidDomain) -> Option<String> {
    match domain {
        PidDomain::Shared(how) | PidDomain::Unknown(how) => Some((*how).to_owned()),
        PidDomain::Foreign { visible_as } => Some(format!("it is pid {visible_as} here")),
        PidDomain::Presumed => None,
    }
}
