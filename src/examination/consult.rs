//! One judgement for every outlet: a survey and the logs become an [`Examination`], and whoever shows locks,
//! findings or a headline takes it from there.

use std::path::PathBuf;

use chrono::{TimeDelta, Utc};

use super::facts::{Sample, facts, lock_facts};
use super::{Examination, LogModel, Looked, examine, logs, mark_timed_out_runs, read_logs, reading};
use crate::diagnosis::input::Facts;
use crate::gatewaylog::{Reading, Source};
use crate::redact::Redactor;
use crate::survey::{ProblemSeverity, Survey};
use crate::verdict::severity::Effect;

/// How far back the logs tell of messages that failed on a lock.
const FAILURES_COUNT: TimeDelta = TimeDelta::hours(24);

/// The locks alone, quickly. Logs are read only where a lock fails messages: whether it has failed one decides how
/// serious it is.
pub fn locks(survey: &mut Survey, redactor: Redactor) -> Examination {
    let now = Utc::now();
    let known = lock_facts(survey);
    let fails = known.locks.iter().filter(|lock| lock.effect == Effect::NextMessageFails);
    let since = fails.map(|lock| lock.created_at.unwrap_or(now)).min();
    let Some(since) = since else {
        return whole(examine(LogModel::default(), known, now, redactor), survey);
    };
    let sources = logs::discovered(survey);
    let log = read_logs(&sources, &known, &reading(Some(since.max(now - FAILURES_COUNT))));
    mark_timed_out_runs(survey, &log);
    whole(examine(log, lock_facts(survey), now, redactor), survey)
}

/// Locks, logs, stores and the gateway's load. `read`: reads the logs, and may show how far it has come; `deleters`:
/// finds what deletes lock files below these directories.
pub fn everything(
    survey: &mut Survey,
    sources: &[Source],
    reading: &Reading,
    redactor: Redactor,
    read: impl FnOnce(&[Source], &Facts, &Reading) -> LogModel,
    deleters: impl FnOnce(Vec<PathBuf>) -> Vec<String>,
) -> Examination {
    let now = Utc::now();
    let log = read(sources, &facts(survey, Sample::Skip), reading);
    mark_timed_out_runs(survey, &log);
    let mut facts = facts(survey, Sample::Take);
    // Crontabs are read only where a lock was deleted, or may have been.
    if !facts.deleted.is_empty() || log.model.saw_takeover() {
        facts.deleters = deleters(survey.roots.iter().map(|root| root.path.clone()).collect());
    }
    whole(examine(log, facts, now, redactor), survey)
}

fn whole(examination: Examination, survey: &Survey) -> Examination {
    let missed = survey.problems.iter().any(|problem| problem.severity == ProblemSeverity::Incomplete);
    let looked = if missed { Looked::Partly } else { examination.looked };
    Examination { looked, ..examination }
}
