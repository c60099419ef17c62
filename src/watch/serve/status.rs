//! `/status.json`: what the daemon knows now (schema `lockdoctor/status/v1`). Keys are only ever added.

use std::cmp::Reverse;
use std::time::Duration;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::metrics::Metrics;
use super::outcome::{Cause, Outcome};
use super::picture::Picture;
use crate::answer::Name;
use crate::diagnosis::Finding;
use crate::directories::root::Root;
use crate::examination::facts;
use crate::history::lanes::LaneReport;
use crate::report::status::document::{self, Document, Parts};
use crate::report::{json, lock_words};
use crate::survey::SurveyedLock;
use crate::survey::claims::{RunningSession, SurveyedLease};
use crate::verdict::{Reason, Verdict};
use crate::wakeups::ids::RootId;
use crate::watch::findings::Act;
use crate::watch::findings::day::Strip;
use crate::watch::findings::of_locks::shown_key;
use crate::watch::locks::hold_times::Summary;
use crate::watch::locks::known::KnownLock;
use crate::watch::mandate::Mandate;
use crate::words::{millis, rfc3339};

/// The sick come first; of a great many healthy locks a count is enough.
const MOST_LOCKS: usize = 500;
const MOST_FINDINGS: usize = 200;
const MOST_CHATS: usize = 200;
const MOST_LANES: usize = 50;

/// What the daemon knows besides the answer.
#[derive(Debug, Serialize)]
pub(crate) struct More<'a> {
    causes: &'a [Cause],
    /// Whether everything that had to be looked at could be.
    whole: bool,
    up_ms: u64,
    mode: &'static str,
    watching: Watching,
    roots: Vec<RootStatus>,
    summary: Map<String, Value>,
    chats_omitted: usize,
    locks_omitted: usize,
    findings_omitted: usize,
    lanes_omitted: usize,
    acts: Vec<&'a Act>,
    /// Failures, waits and freed locks of the last 24 hours.
    day: Strip,
    holds: Summary,
    logs: LogStatus,
    leases: Vec<Lease<'a>>,
    running: Vec<Running<'a>>,
}

#[derive(Debug, Serialize)]
struct Watching {
    directories: usize,
    polled: usize,
    processes: usize,
    overflows: u64,
}

/// A place that is watched; its gateway is among `gateways`, once there is an install.
#[derive(Debug, Serialize)]
struct RootStatus {
    path: String,
    present: bool,
}

/// Written one by one: two thousand locks are never in memory as JSON at once, but for the bytes.
#[derive(Debug)]
pub(crate) struct Locks<'a> {
    picture: &'a Picture<'a>,
    shown: Vec<(&'a KnownLock, &'a SurveyedLock)>,
}

#[derive(Debug, Serialize)]
struct Lock<'a> {
    path: String,
    kind: &'static str,
    agent: Option<&'a str>,
    session_id: Option<&'a str>,
    session_key: Option<String>,
    /// Of its chat, without the agent.
    name: Option<String>,
    owner: Owner<'a>,
    created_at: Option<String>,
    age_ms: u64,
    limit_ms: Option<u64>,
    limit_source: Option<&'a str>,
    verdict: &'static str,
    /// What it does to people, in a few words.
    effect: &'static str,
    reasons: Vec<&'static str>,
    action: &'static str,
    rule: &'static str,
    note: Option<String>,
    writer: &'static str,
    fingerprint: &'a str,
    setback: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Owner<'a> {
    pid: Option<u32>,
    alive: Option<bool>,
    command: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct LogStatus {
    files: usize,
    lines: u64,
    parsed: u64,
    skipped: u64,
    /// How far back lanes and findings reach at least.
    window_ms: u64,
}

/// A row of a database of 2026.6 and later.
#[derive(Debug, Serialize)]
struct Lease<'a> {
    path: &'a str,
    kind: &'static str,
    agent: Option<&'a str>,
    owner: Owner<'a>,
    created_at: Option<String>,
    expires_at: Option<String>,
    verdict: &'static str,
    reasons: Vec<&'static str>,
    action: &'static str,
    state: &'a str,
    because: &'a [String],
    openclaw_would: &'a str,
    advice: &'a [String],
}

/// A session that its database calls running.
#[derive(Debug, Serialize)]
struct Running<'a> {
    agent: &'a str,
    session_key: String,
    session_id: &'a str,
    updated_at: String,
}

/// The status at one moment, and what makes it up.
pub(super) fn of<'a>(
    picture: &'a Picture<'a>,
    outcome: &'a Outcome,
    up: Duration,
    metrics: &Metrics,
) -> Document<'a, Locks<'a>, More<'a>> {
    let now = picture.now;
    let judged = || picture.locks.table.iter().filter_map(|(_, lock)| Some((lock, lock.look()?)));
    let mut shown: Vec<(&KnownLock, &SurveyedLock)> = judged().collect();
    shown.sort_by_cached_key(|(known, lock)| {
        (Reverse(lock.judgement.verdict), Reverse(known.age(now.boot)), lock.path())
    });
    let locks_omitted = shown.len().saturating_sub(MOST_LOCKS);
    shown.truncate(MOST_LOCKS);
    let (watched, polled) = picture.directories.counts();
    let (lanes, lanes_omitted) = lanes(picture);
    let logs = &picture.sources.logs;
    let databases = &picture.sources.databases;
    let reach = logs.reach();
    let mut findings: Vec<&Finding> = picture.board.open().map(|finding| &finding.found).collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let findings_omitted = findings.len().saturating_sub(MOST_FINDINGS);
    findings.truncate(MOST_FINDINGS);
    let answer = picture.answer();
    let chats = answer.map_or(&[][..], |answer| &answer.chats);
    let chats_shown = chats.get(..MOST_CHATS).unwrap_or(chats);
    let installs = picture.directories.roots().filter_map(|root| Some((root.wish.path(), root.install()?)));
    document::document(Parts {
        now: now.wall,
        headline: &outcome.headline,
        severity: outcome.severity,
        gateways: installs.map(|(path, install)| document::gateway(path, install, None, now.wall)).collect(),
        chats: chats_shown,
        findings,
        locks: Locks { picture, shown },
        lanes,
        blind_spots: answer.map_or(&[], |answer| &answer.blind_spots),
        more: More {
            causes: &outcome.causes,
            whole: outcome.whole,
            up_ms: millis(up),
            mode: match picture.options.mandate {
                Mandate::Watch => "watch",
                Mandate::Reclaim(_) => "reclaim",
            },
            watching: Watching {
                directories: watched + polled,
                polled,
                processes: picture.processes,
                overflows: metrics.overflows.get(),
            },
            roots: picture.directories.roots().map(root).collect(),
            summary: json::summary(judged().map(|(_, lock)| lock.judgement.verdict.as_str())),
            chats_omitted: chats.len() - chats_shown.len(),
            locks_omitted,
            findings_omitted,
            lanes_omitted,
            acts: picture.board.acts().collect(),
            day: picture.board.day.strip(now.wall),
            holds: picture.locks.hold_times.summary(),
            logs: LogStatus {
                files: reach.files,
                lines: reach.counters.lines,
                parsed: reach.counters.parsed,
                skipped: reach.counters.skipped,
                window_ms: millis(logs.memory.window()),
            },
            leases: databases.leases().map(lease).collect(),
            running: databases.running().map(|session| running(session, picture)).collect(),
        },
    })
}

/// Those with most waiting and work first, and how many are left out.
fn lanes<'a>(picture: &Picture<'a>) -> (Vec<&'a LaneReport>, usize) {
    let mut reports: Vec<&LaneReport> = picture.sources.logs.lanes.iter().collect();
    let weight = |lane: &LaneReport| (lane.waits, lane.tasks, lane.queue_max);
    reports.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.lane.cmp(&b.lane)));
    let omitted = reports.len().saturating_sub(MOST_LANES);
    reports.truncate(MOST_LANES);
    (reports, omitted)
}

/// What would have to be different for a verdict.
fn unclear(lock: &SurveyedLock) -> Option<String> {
    let unclear = matches!(lock.judgement.verdict, Verdict::Foreign | Verdict::Indeterminate);
    unclear.then(|| json::domain_note(&lock.evidence.domain)).flatten()
}

fn lease(lease: &SurveyedLease) -> Lease<'_> {
    let process = lease.process.process();
    Lease {
        path: &lease.path,
        kind: lease.kind.as_str(),
        agent: lease.agent.as_deref(),
        owner: Owner {
            pid: lease.owner.pid,
            alive: lease.process.is_alive(),
            command: process.map(|process| process.comm.as_str()),
        },
        created_at: lease.since.map(rfc3339),
        expires_at: lease.expires_at.map(rfc3339),
        verdict: lease.verdict.verdict.as_str(),
        reasons: lease.verdict.reasons.iter().map(|reason| reason.as_str()).collect(),
        action: lease.verdict.action.as_str(),
        state: &lease.explanation.state,
        because: &lease.explanation.because,
        openclaw_would: &lease.explanation.openclaw,
        advice: &lease.explanation.advice,
    }
}

fn running<'a>(session: &'a RunningSession, picture: &Picture<'_>) -> Running<'a> {
    Running {
        agent: &session.agent,
        session_key: picture.options.redaction.key(&session.key).into_owned(),
        session_id: &session.session_id,
        updated_at: rfc3339(session.updated_at),
    }
}

fn root(root: &Root) -> RootStatus {
    RootStatus { path: root.wish.path().to_string_lossy().into_owned(), present: root.standing.is_some() }
}

impl Serialize for Locks<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut seq = out.serialize_seq(Some(self.shown.len()))?;
        for (known, lock) in &self.shown {
            seq.serialize_element(&self.lock(known, lock))?;
        }
        seq.end()
    }
}

impl Locks<'_> {
    fn lock<'a>(&self, known: &'a KnownLock, lock: &'a SurveyedLock) -> Lock<'a> {
        let evidence = &lock.evidence;
        let payload = evidence.payload();
        let session_key = shown_key(lock, self.picture.options.redaction);
        let install = self.picture.directories.install(RootId::of(lock));
        Lock {
            path: lock.path().to_string_lossy().into_owned(),
            kind: lock.kind.as_str(),
            agent: lock.agent.as_deref(),
            session_id: lock.session_id.as_deref(),
            name: session_key.as_deref().map(|key| Name::of_key(key).text),
            session_key,
            owner: Owner {
                pid: payload.map(|payload| payload.pid),
                alive: evidence.owner_alive(),
                command: evidence.owner_process().map(|process| process.comm.as_str()),
            },
            created_at: payload.and_then(|payload| payload.created_at).map(rfc3339),
            age_ms: millis(known.age(self.picture.now.boot)),
            limit_ms: evidence.limit.as_ref().map(|limit| millis(limit.after)),
            limit_source: evidence.limit.as_ref().map(|limit| &*limit.source),
            verdict: lock.judgement.verdict.as_str(),
            effect: lock_words::effect(lock.judgement.verdict, facts::effect(lock, install)),
            reasons: lock.judgement.reasons.iter().copied().map(Reason::as_str).collect(),
            action: lock.judgement.action.as_str(),
            rule: lock.judgement.sentence(),
            note: lock.note().map(std::borrow::Cow::into_owned).or_else(|| unclear(lock)),
            writer: json::writer_word(evidence.writer),
            fingerprint: &lock.fingerprint,
            setback: known.setback().map(|setback| setback.why.as_str()),
        }
    }
}
