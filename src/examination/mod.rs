//! Gathers what a diagnosis needs, from the outside: judged locks, session stores, the gateway's load, the logs.
//! Impure; what it all means is for [`crate::diagnosis`].

pub mod consult;
pub mod deleted;
pub mod facts;
pub mod forks;
pub mod gateway;
pub mod logs;

use chrono::{DateTime, Local, TimeDelta, Utc};

use crate::answer::{Answer, BlindSpot, LogContent, Seen};
use crate::diagnosis::input::{Facts, LockFact};
use crate::diagnosis::{Diagnosis, Finding, Model};
use crate::evidence::RunTimedOut;
use crate::gatewaylog::{Merged, Reading, Source, SourceSummary, Stream};
use crate::install::gateway::GatewayState;
use crate::redact::Redactor;
use crate::survey::{ProblemSeverity, Survey, SurveyedLock};
use crate::verdict::severity::Effect;
use crate::words::{count, path, shell_word};

/// What was read, and what it says.
#[derive(Debug)]
pub struct Examination {
    pub diagnosis: Diagnosis,
    pub answer: Answer,
    /// As of when it was judged.
    pub now: DateTime<Utc>,
    pub sources: Vec<SourceSummary>,
    /// What was seen outside the logs.
    pub facts: Facts,
    /// What each of its locks does to people, messages that failed on it included.
    pub effects: Vec<Effect>,
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

/// Diagnoses what the logs and the facts tell together. `blind_spots`: what could not be seen; `scope`: the options
/// with which a command of lockdoctor means the same installs.
pub fn examine(
    log: LogModel,
    facts: Facts,
    now: DateTime<Utc>,
    redactor: Redactor,
    blind_spots: Vec<BlindSpot>,
    scope: &str,
) -> Examination {
    let effect = |lock: &LockFact| lock.effect.having_failed(log.model.failed_on(lock));
    let effects: Vec<Effect> = facts.locks.iter().map(effect).collect();
    let mut diagnosis = log.model.diagnose(&facts, now, redactor);
    type_commands(&mut diagnosis.findings, scope);
    let findings = &diagnosis.findings;
    let some = |number: fn(&SourceSummary) -> u64| log.sources.iter().any(|source| number(source) > 0);
    let content = match (some(|source| source.counters.lines), some(|source| source.counters.parsed)) {
        (false, _) => LogContent::NotRead,
        (true, false) => LogContent::Irrelevant,
        (true, true) => LogContent::Relevant,
    };
    let seen = Seen { findings, facts: &facts, effects: &effects, redactor, log: content };
    let mut answer = Answer::of(seen, blind_spots);
    for spot in &mut answer.blind_spots {
        spot.command = spot.command.take().map(|command| with_scope(&command, scope));
    }
    Examination { answer, diagnosis, now, sources: log.sources, facts, effects }
}

/// Makes each command one that can be typed here. `scope`: the options with which it means the same installs.
pub fn type_commands(findings: &mut [Finding], scope: &str) {
    for finding in findings {
        let lock = finding.lock.as_deref();
        for action in &mut finding.actions {
            let Some(command) = action.command.take() else { continue };
            let typed = as_typed(&command, lock, scope);
            if typed == command {
                action.command = Some(command);
                continue;
            }
            if action.text == command {
                action.text = typed.clone().into();
            }
            action.command = Some(typed.into());
        }
        finding.advice = finding.actions.iter().map(|action| action.text.clone()).collect();
    }
}

/// A command as it is typed here: about this lock, and for the installs that were looked at.
fn as_typed(command: &str, lock: Option<&str>, scope: &str) -> String {
    match (command, lock.filter(|lock| !lock.contains('…'))) {
        ("lockdoctor explain LOCK", Some(lock)) => format!("lockdoctor explain {}", shell_word(lock)),
        _ => with_scope(command, scope),
    }
}

/// A command of lockdoctor for the same installs as were looked at.
fn with_scope(command: &str, scope: &str) -> String {
    const SCOPED: [&str; 6] = ["scan", "reclaim", "diagnose", "doctor", "report", "status"];
    let words = command.strip_prefix("lockdoctor ").unwrap_or_default();
    let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
    if !SCOPED.contains(&name) || !rest.is_empty() && !rest.starts_with("--") {
        return command.to_owned();
    }
    let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
    format!("lockdoctor {name}{scope}{rest}")
}

/// A reading that begins at `since`, by the local clock (undated stamps are local).
pub fn reading(since: Option<DateTime<Utc>>) -> Reading {
    Reading::new(Local::now().fixed_offset(), since)
}

/// What of the survey was skipped, refused or replaced by a default, and which logs could not be read. `named`: the
/// logs were named, so that each had to be read.
fn blind_spots(survey: Option<&Survey>, logs: &LogModel, asked: Asked, redactor: Redactor) -> Vec<BlindSpot> {
    let mut spots: Vec<BlindSpot> = Vec::new();
    for problem in survey.iter().flat_map(|survey| &survey.problems) {
        let text = format!("{}: {}.", redactor.path(&path(&problem.path)), redactor.text(&problem.what));
        spots.push(match problem.severity {
            ProblemSeverity::Incomplete => BlindSpot::essential(text),
            ProblemSeverity::Detail => BlindSpot::detail(text),
        });
    }
    let unjudged = survey.iter().flat_map(|survey| &survey.locks).filter(|lock| lock.is_unjudged());
    spots.extend(BlindSpot::unjudged(unjudged.count()));
    spots.extend(survey.iter().flat_map(|survey| unseen_gateways(survey, redactor)));
    let unread: u64 = logs.sources.iter().map(|source| source.counters.skipped).sum();
    if unread > 0 {
        let lines = count(unread, "line");
        spots.push(BlindSpot::essential(format!(
            "{lines} of the log that may be about a chat could not be read."
        )));
    }
    for source in &logs.sources {
        let Some(error) = &source.error else { continue };
        let text =
            format!("The log {} could not be read: {}.", redactor.text(&source.label), redactor.text(error));
        // That a unit has no journal is the rule; a file that is there has something to tell.
        if asked == Asked::Named || source.label.starts_with('/') {
            spots.push(BlindSpot::essential(text));
        }
    }
    if asked == Asked::Searched && logs.sources.iter().all(|source| source.counters.lines == 0) {
        spots.push(BlindSpot::no_log());
    }
    spots
}

/// Gateways that left locks when they ended, and of which nothing here tells whether they run again: if they do not,
/// nobody is answered.
fn unseen_gateways(survey: &Survey, redactor: Redactor) -> impl Iterator<Item = BlindSpot> {
    survey.roots.iter().enumerate().filter_map(move |(at, root)| {
        let gateway = &root.install.as_ref()?.gateway;
        let left = survey.locks.iter().filter(|lock| lock.root == at && lock.is_left_by_the_dead()).count();
        (gateway.state == GatewayState::Unknown && left > 0).then(|| {
            let (path, left) = (path(&root.path), count(left, "lock"));
            let path = redactor.path(&path);
            let text = format!(
                "A process that is gone left {left} in {path}, and whether the gateway runs cannot be seen: {}.",
                gateway.how
            );
            BlindSpot::essential(text).see("lockdoctor doctor")
        })
    })
}

/// Which logs were to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Those that somebody named.
    Named,
    /// Those of the installs.
    Searched,
    /// None: the question was about locks.
    No,
}

/// Adds to each held lock whether the log shows that its own run ended at its time limit.
pub fn mark_timed_out_runs(survey: &mut Survey, log: &LogModel) -> JudgedAgain {
    let mut changed = JudgedAgain::AsBefore;
    for lock in &mut survey.locks {
        if let Some(answer) = run_timed_out(lock, &log.model, survey.now.wall) {
            lock.evidence.run_timed_out = answer;
            if lock.judge_held_again() {
                changed = JudgedAgain::Changed;
            }
        }
    }
    changed
}

/// Whether what a log says has changed a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedAgain {
    Changed,
    AsBefore,
}

/// Clean-up that a run may still do after its limit: 10 s until `abort still streaming`, 15 s to settle.
pub const RUN_GRACE: TimeDelta = TimeDelta::seconds(30);

/// Whether the log shows that the run which took this lock ended at its time limit, and nothing speaks against
/// that it still has the lock. `None`: it is the lock of no run.
pub fn run_timed_out(lock: &SurveyedLock, log: &Model, now: DateTime<Utc>) -> Option<RunTimedOut> {
    let created_at = lock.evidence.payload()?.created_at?;
    let ended = log.run_timed_out(lock.session_id.as_ref()?, created_at).filter(|timed_out| {
        // A run that returned let go of its lock: what holds the lock now is another attempt.
        timed_out.witnessed
            && !timed_out.unwound
            && now - timed_out.at > RUN_GRACE
            && !facts::transcript_changed_since(lock, timed_out.at)
    });
    Some(ended.map_or(RunTimedOut::No, |timed_out| RunTimedOut::Yes { at: timed_out.at }))
}
