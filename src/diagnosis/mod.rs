//! What holds a session up: one model of what happened, from log events and plain facts on locks, sessions and the
//! gateway; and the findings in it, with cause, evidence and what to do. Pure: no clock, no file, no process.
//!
//! ```text
//! let mut model = Model::default();
//! model.know_sessions(...);              // from the session stores
//! for (source, entry) in merged { model.push(source, &entry); }
//! let diagnosis = model.diagnose(&facts, now, Redactor::On);
//! ```

pub mod catalogue;
mod finding;
pub mod input;
mod model;
mod program;
mod refusal;
mod rules;
mod today;

pub use crate::verdict::severity::Severity;
pub use finding::{Certainty, Code, Finding, Remedy};
pub use model::Model;
pub use rules::TimedOut;

use crate::history::chat::Chat;
use crate::history::evidence;
use crate::history::lanes::LaneReport;
use crate::history::lives::Life;
use crate::history::story::dated;
use crate::history::timeline::Timeline;
use crate::redact::Redactor;
use crate::words::shell_word;
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use input::Facts;
use serde::Serialize;

/// The whole picture, redacted.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// Most serious first.
    pub findings: Vec<Finding>,
    pub lanes: Vec<LaneReport>,
    pub sessions: Vec<SessionReport>,
    pub lives: Vec<Life>,
    pub timeline: Timeline,
    /// First and last event.
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Diagnosis {
    /// Is there anything that calls for action?
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// One conversation, as the log tells it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionReport {
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent: Option<String>,
    /// Run starts seen; 0 where the log does not hold them.
    pub runs: u64,
    pub running_since: Option<DateTime<Utc>>,
    pub timeouts: u64,
    pub waits: u64,
    pub longest_wait_ms: u64,
    /// Lines of OpenClaw's watchdog about it.
    pub complaints: u64,
    pub lost_user_messages: u64,
}

impl Model {
    /// Judges what has been pushed so far together with the facts. `now` is the caller's clock.
    pub fn diagnose(&self, facts: &Facts, now: DateTime<Utc>, redactor: Redactor) -> Diagnosis {
        Diagnosis {
            findings: self.findings(facts, now, redactor),
            lanes: self.lane_reports(redactor),
            sessions: self.session_reports(redactor),
            lives: self.lives.all().to_vec(),
            from: self.first,
            to: self.last,
            timeline: self.draw(facts, now, redactor),
        }
    }

    /// The findings alone.
    pub fn findings(&self, facts: &Facts, now: DateTime<Utc>, redactor: Redactor) -> Vec<Finding> {
        let view = self.view(facts, now);
        let mut findings = self.counters.judge(&view);
        today::join(&mut findings, today::all(facts, now));
        finding::sort(&mut findings);
        program::spell(&mut findings, &view);
        show(&mut findings, facts, redactor);
        findings
    }

    /// What is said of the locks of the facts and of nothing else.
    pub fn findings_of_locks(&self, facts: &Facts, now: DateTime<Utc>, redactor: Redactor) -> Vec<Finding> {
        let view = self.view(facts, now);
        let mut findings = self.counters.judge_locks(&view);
        program::spell(&mut findings, &view);
        show(&mut findings, facts, redactor);
        findings
    }

    /// Lane statistics so far.
    pub fn lane_reports(&self, redactor: Redactor) -> Vec<LaneReport> {
        let mut lanes = self.lanes.report();
        for lane in &mut lanes {
            lane.lane = redactor.lane(&lane.lane).into_owned();
        }
        lanes
    }

    /// What only the end knows: lives and the locks that are there now.
    fn draw(&self, facts: &Facts, now: DateTime<Utc>, redactor: Redactor) -> Timeline {
        let mut timeline = self.timeline.clone();
        for life in self.lives.all() {
            timeline.life(life, self.last.unwrap_or(now));
        }
        for lock in &facts.locks {
            if let Some(created) = lock.created_at {
                let row = lock
                    .session_key
                    .as_ref()
                    .map_or_else(|| "gateway".to_owned(), |key| format!("session:{key}"));
                timeline.hold(&row, created, now);
            }
        }
        timeline.finish(redactor)
    }

    fn session_reports(&self, redactor: Redactor) -> Vec<SessionReport> {
        let report = |chat: &Chat| {
            let tally = self.counters.tally(chat.id);
            SessionReport {
                session_key: chat.key.as_deref().map(|key| redactor.key(key).into_owned()),
                session_id: chat.session_id.as_deref().map(|id| redactor.session(id).into_owned()),
                agent: chat.agent().map(|agent| redactor.agent(agent).into_owned()),
                runs: chat.runs,
                running_since: chat.open.as_ref().and_then(|open| dated(open.since)),
                timeouts: tally.timeouts,
                waits: tally.waits,
                longest_wait_ms: tally.longest_wait_ms,
                complaints: tally.complaints,
                lost_user_messages: chat.orphaned_messages,
            }
        };
        self.chats.all().map(report).collect()
    }
}

/// Makes findings ready to be shown.
fn show(findings: &mut [Finding], facts: &Facts, redactor: Redactor) {
    let locks = facts.locks.iter().map(|lock| lock.path.as_str());
    let deleted = facts.deleted.iter().map(|lock| lock.path.as_str());
    let here: HashSet<&str> = locks.chain(deleted).collect();
    for finding in findings {
        redact(finding, &here, redactor);
    }
}

/// `here`: the locks that were looked at.
fn redact(finding: &mut Finding, here: &HashSet<&str>, redactor: Redactor) {
    if let Some(key) = finding.session_key.take() {
        let shown = redactor.key(&key).into_owned();
        finding.respell(|text| text.contains(&key).then(|| text.replace(&key, &shown)));
        finding.session_key = Some(shown);
    }
    let lane = finding.lane.take();
    finding.lane = lane.map(|lane| redactor.lane(&lane).into_owned());
    // A path that only a log names may be another machine's: nobody types it here.
    if let Some(lock) = finding.lock.take_if(|lock| here.contains(lock.as_str())) {
        let shown = redactor.path(&lock);
        if shown == lock {
            let explain = format!("lockdoctor explain {}", shell_word(&lock));
            for action in finding.actions.iter_mut().filter(|action| action.text == rules::EXPLAIN_LOCK) {
                (action.text, action.command) = (explain.clone().into(), Some(explain.clone().into()));
            }
        }
        finding.lock = Some(shown.into_owned());
    } else if let Some(lock) = finding.lock.take() {
        finding.lock = Some(redactor.line(&lock).into_owned());
    }
    let agent = finding.agent.take();
    finding.agent = agent.map(|agent| redactor.agent(&agent).into_owned());
    let id = finding.session_id.take();
    finding.session_id = id.map(|id| redactor.session(&id).into_owned());
    finding.explanation = redactor.text(&finding.explanation).into_owned();
    for step in &mut finding.story {
        step.text = redactor.text(&step.text).into_owned();
    }
    rules::look_first(finding);
    finding.advice = finding.actions.iter().map(|action| action.text.clone()).collect();
    evidence::redact(&mut finding.evidence, redactor);
}
