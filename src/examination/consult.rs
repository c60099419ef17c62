//! One judgement for every outlet: a survey and the logs become an [`Examination`], from which come all locks,
//! findings and headlines that are shown.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{Sample, facts, gateways, lock_facts};
use super::logs::discovered;
use super::{
    Asked, Examination, JudgedAgain, LogModel, blind_spots, examine, mark_timed_out_runs, read_logs, reading,
};
use crate::diagnosis::input::Facts;
use crate::gatewaylog::{Reading, Source};
use crate::install::gateway::GatewayState;
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::survey::Survey;
use crate::verdict::severity::Effect;

/// How far back the logs tell of messages that failed on a lock.
const FAILURES_COUNT: TimeDelta = TimeDelta::hours(24);

/// When the logs are read for a look at locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// Where a lock fails messages, as whether it has failed one decides how serious it is; and where no gateway runs
    /// on sessions in SQLite, as its log tells why.
    IfTheyDecide,
    /// Of every install whose sessions are in SQLite as well: no lock tells of its messages.
    OfDatabases,
}

/// Locks, leases and gateways, quickly. `scope`: the options that select what was looked at, as they were typed.
pub fn locks(survey: &mut Survey, logs: Logs, redactor: Redactor, scope: &str) -> Examination {
    let now = Utc::now();
    let known = Facts { gateways: gateways(survey, Sample::Ask), ..lock_facts(survey) };
    let fails = known.locks.iter().filter(|lock| lock.effect == Effect::NextMessageFails);
    let since = fails.map(|lock| lock.created_at.unwrap_or(now)).min();
    let installs = || survey.roots.iter().filter_map(|root| root.install.as_ref());
    let told_by_log = installs()
        .filter(|install| install.era == Era::Sqlite)
        .any(|install| logs == Logs::OfDatabases || install.gateway.state != GatewayState::Running);
    let since = if told_by_log { Some(now - FAILURES_COUNT) } else { since };
    let Some(since) = since else {
        let log = LogModel::default();
        let spots = blind_spots(Some(survey), &log, Asked::No, redactor);
        return examine(log, known, now, redactor, spots, scope);
    };
    let sources = discovered(survey);
    let log = read_logs(&sources, &known, &reading(Some(since.max(now - FAILURES_COUNT))));
    let facts = match mark_timed_out_runs(survey, &log) {
        JudgedAgain::Changed => Facts { gateways: known.gateways, ..lock_facts(survey) },
        JudgedAgain::AsBefore => known,
    };
    let spots = blind_spots(Some(survey), &log, Asked::No, redactor);
    examine(log, facts, now, redactor, spots, scope)
}

/// How to come by what a whole examination takes.
#[derive(Debug)]
pub struct Request<'a, Read, Deleters> {
    pub sources: &'a [Source],
    pub asked: Asked,
    pub reading: &'a Reading,
    pub redactor: Redactor,
    /// The options that select what was looked at, as they were typed.
    pub scope: &'a str,
    /// Reads the logs, and may show how far it has come.
    pub read: Read,
    /// Finds what deletes lock files below these directories.
    pub deleters: Deleters,
}

/// Locks, logs, stores and the gateway's load.
pub fn everything(
    survey: &mut Survey,
    request: Request<
        '_,
        impl FnOnce(&[Source], &Facts, &Reading) -> LogModel,
        impl FnOnce(Vec<PathBuf>) -> Vec<String>,
    >,
) -> Examination {
    let now = Utc::now();
    let log = (request.read)(request.sources, &facts(survey, Sample::Skip), request.reading);
    mark_timed_out_runs(survey, &log);
    let mut facts = facts(survey, Sample::Take);
    // Crontabs are read only where a lock was deleted, or may have been.
    if !facts.deleted.is_empty() || log.model.saw_takeover() {
        facts.deleters = (request.deleters)(survey.roots.iter().map(|root| root.path.clone()).collect());
    }
    let spots = blind_spots(Some(survey), &log, request.asked, request.redactor);
    examine(log, facts, now, request.redactor, spots, request.scope)
}

/// Logs that are read for themselves, judged as of their end, whenever that was.
pub fn logs_alone(log: LogModel, redactor: Redactor, scope: &str) -> Examination {
    let ends = log.sources.iter().filter_map(|source| source.counters.last);
    let end: DateTime<Utc> = ends.max().unwrap_or_else(Utc::now);
    let spots = blind_spots(None, &log, Asked::Named, redactor);
    examine(log, Facts::default(), end, redactor, spots, scope)
}
