//! Gathers what a diagnosis needs, from the outside: judged locks, session stores, the gateway's load, the logs.
//! Impure; what it all means is for [`crate::diagnosis`].

pub mod consult;
pub mod deleted;
pub mod facts;
pub mod forks;
pub mod gateway;
pub mod logs;

use std::collections::HashMap;

use chrono::{DateTime, Local, TimeDelta, Utc};

use crate::diagnosis::input::{Facts, GatewayState, LockFact};
use crate::diagnosis::{Diagnosis, Model};
use crate::evidence::RunTimedOut;
use crate::gatewaylog::{Merged, Reading, Source, SourceSummary, Stream};
use crate::redact::Redactor;
use crate::survey::{Survey, SurveyedLock};
use crate::verdict::severity::{Effect, Severity};

/// What was read, and what it says.
#[derive(Debug)]
pub struct Examination {
    pub diagnosis: Diagnosis,
    pub sources: Vec<SourceSummary>,
    /// `Down` only if every gateway is known to be.
    pub gateway: GatewayState,
    pub looked: Looked,
    /// What was seen outside the logs.
    pub facts: Facts,
    /// What each of its locks does to people, messages that failed on it included.
    pub effects: Vec<Effect>,
}

impl Examination {
    /// How serious each lock of the facts is, in their order; `None`: in good order. What is known of its session
    /// counts as well: a lock that is held may keep messages waiting. `redactor`: as the findings were redacted.
    pub fn severities(&self, redactor: Redactor) -> Vec<Option<Severity>> {
        let mut told: HashMap<&str, Severity> = HashMap::new();
        for finding in &self.diagnosis.findings {
            for name in [&finding.lock, &finding.session_id].into_iter().flatten() {
                let severity = told.entry(name).or_insert(finding.severity);
                *severity = finding.severity.max(*severity);
            }
        }
        let of_lock = |(lock, effect): (&LockFact, &Effect)| {
            use crate::diagnosis::input::Verdict::{Freed, Held, Initialising, Settling};
            let sound = matches!(lock.verdict, Held | Freed | Initialising | Settling);
            let by_path = told.get(&*redactor.path(&lock.path)).copied();
            // What a run does to its session is no fault of a lock that is in use.
            let by_session = lock.session_id.as_deref().and_then(|id| told.get(id)).copied();
            let by_session = by_session.filter(|severity| !sound || *severity > Severity::Info);
            by_path.max(by_session).max((!sound).then(|| effect.severity()))
        };
        self.facts.locks.iter().zip(&self.effects).map(of_lock).collect()
    }
}

impl Examination {
    /// Findings of this severity, and locks of it that no finding names.
    pub fn things_at(&self, severity: Severity, redactor: Redactor) -> u64 {
        let findings = &self.diagnosis.findings;
        let unnamed = |lock: &LockFact| {
            let path = redactor.path(&lock.path);
            !findings.iter().any(|finding| finding.lock.as_deref() == Some(&*path))
        };
        let locks = self.facts.locks.iter().zip(self.severities(redactor));
        let locks = locks.filter(|(lock, of_lock)| *of_lock == Some(severity) && unnamed(lock)).count();
        let findings = findings.iter().filter(|finding| finding.severity == severity).count();
        (findings + locks) as u64
    }

    /// The worst that is known.
    pub fn worst(&self, redactor: Redactor) -> Option<Severity> {
        self.diagnosis.worst().max(self.severities(redactor).into_iter().flatten().max())
    }

    /// Locks of sessions and stores of which nothing here can tell whether they are in use.
    pub fn unjudged(&self) -> usize {
        use crate::diagnosis::input::{
            Era,
            LockKind::{Session, Store},
            Verdict::{Foreign, Indeterminate},
        };
        let open = |lock: &&LockFact| {
            matches!(lock.kind, Session | Store) && matches!(lock.verdict, Foreign | Indeterminate)
        };
        if self.facts.era == Era::Sqlite { 0 } else { self.facts.locks.iter().filter(open).count() }
    }
}

/// How much of the installs was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    Whole,
    /// Something could not be read.
    Partly,
    /// Logs were named, and no install.
    LogsAlone,
}

/// The log of some sources, read into a model.
#[derive(Debug, Default)]
pub struct LogModel {
    pub model: Model,
    pub sources: Vec<SourceSummary>,
}

/// Reads the sources from `since` on. `facts` name the sessions that lines mention by id.
pub fn read_logs(sources: &[Source], facts: &Facts, reading: &Reading) -> LogModel {
    let mut model = Model::default();
    model.know_sessions(facts.sessions.iter().map(|session| (session.key.as_str(), session.id.as_deref())));
    let mut streams = Vec::new();
    let mut unread = Vec::new();
    for source in sources {
        match Stream::open(source, reading) {
            Ok(stream) => streams.push(stream),
            Err(error) => unread.push(SourceSummary {
                label: source.label(),
                counters: crate::gatewaylog::Counters::default(),
                error: Some(error.to_string()),
            }),
        }
    }
    let mut merged = Merged::new(streams);
    for (source, entry) in merged.by_ref() {
        model.push(source, &entry);
    }
    let mut sources = merged.summaries();
    sources.extend(unread);
    LogModel { model, sources }
}

/// Diagnoses what the logs and the facts tell together.
pub fn examine(log: LogModel, facts: Facts, now: DateTime<Utc>, redactor: Redactor) -> Examination {
    let mut states: Vec<GatewayState> = facts.gateways.iter().map(|gateway| gateway.state).collect();
    states.dedup();
    let gateway = if let [state] = states[..] { state } else { GatewayState::Unknown };
    let looked = if facts.scanned { Looked::Whole } else { Looked::LogsAlone };
    let effect = |lock: &LockFact| lock.effect.having_failed(log.model.failed_on(lock));
    Examination {
        diagnosis: log.model.diagnose(&facts, now, redactor),
        effects: facts.locks.iter().map(effect).collect(),
        sources: log.sources,
        gateway,
        looked,
        facts,
    }
}

/// A reading that begins at `since`, by the local clock (undated stamps are local).
pub fn reading(since: Option<DateTime<Utc>>) -> Reading {
    Reading::new(Local::now().fixed_offset(), since)
}

/// Adds to each held lock whether the log shows that its own run ended at its time limit.
pub fn mark_timed_out_runs(survey: &mut Survey, log: &LogModel) {
    for lock in &mut survey.locks {
        if let Some(answer) = run_timed_out(lock, &log.model, survey.now.wall) {
            lock.evidence.run_timed_out = answer;
            lock.judge_held_again();
        }
    }
}

/// Clean-up that a run may still do after its limit: 10 s until `abort still streaming`, 15 s to settle.
pub const RUN_GRACE: TimeDelta = TimeDelta::seconds(30);

/// Whether the log shows that the run which took this lock ended at its time limit, and nothing speaks against
/// that it still has the lock. `None`: it is the lock of no run.
pub fn run_timed_out(lock: &SurveyedLock, log: &Model, now: DateTime<Utc>) -> Option<RunTimedOut> {
    let created_at = lock.evidence.payload()?.created_at?;
    let ended = log.run_timed_out(lock.session_id.as_ref()?, created_at).filter(|timed_out| {
        // A run that returned let go of its lock: what holds the lock now is another attempt.
        !timed_out.unwound
            && now - timed_out.at > RUN_GRACE
            && !facts::transcript_changed_since(lock, timed_out.at)
    });
    Some(ended.map_or(RunTimedOut::No, |timed_out| RunTimedOut::Yes { at: timed_out.at }))
}
