//! `/status.json`: what the daemon knows now (schema `lockdoctor/status/v1`). Keys are only ever added.

use std::cmp::Reverse;
use std::time::Duration;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::metrics::Metrics;
use super::outcome::{self, Outcome, Surroundings};
use super::picture::Picture;
use crate::answer::{self, Answer, BlindSpot, ChatState};
use crate::diagnosis::{LaneReport, Spread};
use crate::report::json;
use crate::survey::SurveyedLock;
use crate::survey::claims::{RunningSession, SurveyedLease};
use crate::verdict::severity::Severity;
use crate::verdict::{Reason, Verdict};
use crate::watch::directories::root::Root;
use crate::watch::findings::of_locks::shown_key;
use crate::watch::findings::{Act, Finding};
use crate::watch::locks::hold_times::Summary;
use crate::watch::locks::known::KnownLock;
use crate::watch::options::Mandate;
use crate::words::{millis, rfc3339};

const SCHEMA: &str = "lockdoctor/status/v1";
/// The sick come first; of a great many healthy locks a count is enough.
const MOST_LOCKS: usize = 500;
const MOST_FINDINGS: usize = 200;
const MOST_CHATS: usize = 200;
const MOST_LANES: usize = 50;

#[derive(Serialize)]
pub(crate) struct Status<'a> {
    schema: &'static str,
    generated_at: String,
    version: &'static str,
    host: String,
    #[serde(flatten)]
    outcome: Outcome,
    /// Whether everything that had to be looked at could be.
    whole: bool,
    chats: Vec<Chat<'a>>,
    blind_spots: &'a [BlindSpot],
    up_ms: u64,
    mode: &'static str,
    watching: Watching,
    roots: Vec<RootStatus>,
    summary: Map<String, Value>,
    locks: Locks<'a>,
    locks_omitted: usize,
    findings: Vec<&'a Finding>,
    findings_omitted: usize,
    acts: Vec<&'a Act>,
    holds: Summary,
    lanes: Vec<Lane<'a>>,
    lanes_omitted: usize,
    logs: LogStatus,
    leases: Vec<Lease<'a>>,
    running: Vec<Running<'a>>,
}

#[derive(Serialize)]
struct Watching {
    directories: usize,
    polled: usize,
    processes: usize,
    overflows: u64,
}

#[derive(Serialize)]
struct RootStatus {
    path: String,
    present: bool,
    era: Option<&'static str>,
    openclaw_version: Option<String>,
    gateway: Option<Gateway>,
}

#[derive(Serialize)]
struct Gateway {
    state: &'static str,
    pid: Option<u32>,
    up_ms: Option<u64>,
    how: &'static str,
}

/// Written one by one: two thousand locks are never in memory as JSON at once, but for the bytes.
struct Locks<'a> {
    picture: &'a Picture<'a>,
    shown: Vec<(&'a KnownLock, &'a SurveyedLock)>,
}

#[derive(Serialize)]
struct Lock<'a> {
    path: String,
    kind: &'static str,
    agent: Option<&'a str>,
    session_id: Option<&'a str>,
    session_key: Option<String>,
    owner: Owner<'a>,
    created_at: Option<String>,
    age_ms: u64,
    limit_ms: Option<u64>,
    limit_source: Option<&'a str>,
    verdict: &'static str,
    reasons: Vec<&'static str>,
    action: &'static str,
    rule: &'static str,
    note: Option<String>,
    writer: &'static str,
    fingerprint: &'a str,
    setback: Option<&'a str>,
}

#[derive(Serialize)]
struct Owner<'a> {
    pid: Option<u32>,
    alive: Option<bool>,
    command: Option<&'a str>,
}

#[derive(Serialize)]
struct LogStatus {
    files: usize,
    lines: u64,
    parsed: u64,
    skipped: u64,
    /// How far back lanes and findings reach at least.
    window_ms: u64,
}

/// The keys of `lockdoctor/diagnosis/v1`, without the hours.
#[derive(Serialize)]
struct Lane<'a> {
    #[serde(rename = "lane")]
    name: &'a str,
    tasks: u64,
    errors: u64,
    run_ms: Option<Spread>,
    waits: u64,
    wait_ms: Option<Spread>,
    queue_max: u64,
}

/// A row of a database of 2026.6 and later.
#[derive(Serialize)]
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

/// A chat of which something is to be said.
#[derive(Serialize)]
struct Chat<'a> {
    session_key: Option<&'a str>,
    agent: Option<&'a str>,
    channel: Option<&'a str>,
    name: &'a str,
    state: ChatState,
    severity: Severity,
    since: Option<String>,
    messages_failed: u64,
    messages_waiting: u64,
}

/// A session that its database calls running.
#[derive(Serialize)]
struct Running<'a> {
    agent: &'a str,
    session_key: String,
    session_id: &'a str,
    updated_at: String,
}

/// The status at one moment.
pub(super) fn of<'a>(picture: &'a Picture<'a>, up: Duration, metrics: &Metrics) -> Status<'a> {
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
    let mut findings: Vec<&Finding> = picture.board.open().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let findings_omitted = findings.len().saturating_sub(MOST_FINDINGS);
    findings.truncate(MOST_FINDINGS);
    let is =
        |wanted: &[Verdict]| judged().filter(|(_, lock)| wanted.contains(&lock.judgement.verdict)).count();
    let surroundings = Surroundings {
        at_work: is(&[Verdict::Held]),
        unclear: is(&[Verdict::Foreign, Verdict::Indeterminate]),
        awaited: picture.directories.roots().all(|root| root.standing.is_none()),
    };
    let answer = picture.board.answer.as_ref().filter(|_| !surroundings.awaited);
    let outcome = outcome::of(picture.board.open(), surroundings, picture.options.redaction).or_as(answer);
    Status {
        schema: SCHEMA,
        generated_at: rfc3339(now.wall),
        version: env!("CARGO_PKG_VERSION"),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        outcome,
        whole: surroundings.unclear == 0 && !surroundings.awaited && !answer.is_some_and(Answer::is_blind),
        chats: answer
            .map(|answer| answer.chats.iter().take(MOST_CHATS).map(chat).collect())
            .unwrap_or_default(),
        blind_spots: answer.map_or(&[], |answer| &answer.blind_spots),
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
        locks: Locks { picture, shown },
        locks_omitted,
        findings,
        findings_omitted,
        acts: picture.board.acts().collect(),
        holds: picture.locks.hold_times.summary(),
        lanes,
        lanes_omitted,
        logs: LogStatus {
            files: reach.files,
            lines: reach.counters.lines,
            parsed: reach.counters.parsed,
            skipped: reach.counters.skipped,
            window_ms: millis(logs.memory.window()),
        },
        leases: databases.leases().map(lease).collect(),
        running: databases.running().map(|session| running(session, picture)).collect(),
    }
}

fn chat(chat: &answer::Chat) -> Chat<'_> {
    Chat {
        session_key: chat.session_key.as_deref(),
        agent: chat.agent.as_deref(),
        channel: chat.channel.as_deref(),
        name: &chat.name,
        state: chat.state,
        severity: chat.severity,
        since: chat.since.map(rfc3339),
        messages_failed: chat.failed,
        messages_waiting: chat.waiting,
    }
}

/// Those with most waiting and work first, and how many are left out.
fn lanes<'a>(picture: &Picture<'a>) -> (Vec<Lane<'a>>, usize) {
    let mut reports: Vec<&LaneReport> = picture.sources.logs.lanes.iter().collect();
    let weight = |lane: &LaneReport| (lane.waits, lane.tasks, lane.queue_max);
    reports.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.lane.cmp(&b.lane)));
    let omitted = reports.len().saturating_sub(MOST_LANES);
    let shown = reports.into_iter().take(MOST_LANES).map(|report| Lane {
        name: &report.lane,
        tasks: report.tasks,
        errors: report.errors,
        run_ms: report.run_ms,
        waits: report.waits,
        wait_ms: report.wait_ms,
        queue_max: report.queue_max,
    });
    (shown.collect(), omitted)
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
    let install = root.install();
    RootStatus {
        path: root.wish.path().to_string_lossy().into_owned(),
        present: root.standing.is_some(),
        era: install.map(|install| install.era.as_str()),
        openclaw_version: install.and_then(|install| install.version.as_ref()).map(ToString::to_string),
        gateway: install.map(|install| Gateway {
            state: install.gateway.state.as_str(),
            pid: install.gateway.pid,
            up_ms: install.gateway.up.map(millis),
            how: install.gateway.how,
        }),
    }
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
        Lock {
            path: lock.path().to_string_lossy().into_owned(),
            kind: lock.kind.as_str(),
            agent: lock.agent.as_deref(),
            session_id: lock.session_id.as_deref(),
            session_key: shown_key(lock, self.picture.options.redaction),
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
