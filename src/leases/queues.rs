//! What waits, and what was given up: the queues of inbound messages and of answers, and the runs. Who, how many, since
//! when and why; never what was written.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::cells::{Section, integer, section, text, time};
use super::owner::LeaseOwner;
use crate::peek::error::Result;
use crate::peek::record::Value;
use crate::peek::snapshot::Snapshot;
use crate::peek::table::Schema;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queues {
    /// `channel_ingress_events`: messages that came in and are not done with.
    pub inbound: Section<Inbound>,
    /// `delivery_queue_entries`: answers that are not delivered.
    pub outbound: Section<Outbound>,
    /// `task_runs` of the last week.
    pub tasks: Section<Task>,
    /// `subagent_runs` whose result has not reached its requester.
    pub subagents: Section<Subagent>,
    /// `flow_runs` that have not ended.
    pub flows: Section<Flow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    pub channel: String,
    pub state: InboundState,
    pub received_at: DateTime<Utc>,
    pub attempts: u32,
    /// Messages of one lane are worked on one after another.
    pub lane: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundState {
    Pending,
    Claimed {
        owner: LeaseOwner,
        at: Option<DateTime<Utc>>,
    },
    /// It will not be tried again.
    Failed {
        at: DateTime<Utc>,
        reason: Reason,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    pub channel: Option<String>,
    pub session_key: Option<String>,
    pub failed_at: Option<DateTime<Utc>>,
    pub enqueued_at: DateTime<Utc>,
    pub attempts: u32,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub session_key: Option<String>,
    pub agent: Option<String>,
    pub runtime: String,
    pub run_id: Option<String>,
    pub status: TaskStatus,
    pub reason: Reason,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub owner: LeaseOwner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStatus {
    Queued,
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subagent {
    pub requester: String,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// `pending`, `in_progress`, `suspended`: the word of OpenClaw.
    pub delivery: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub owner: String,
    /// `queued`, `running`, `waiting`, `blocked`.
    pub status: String,
    pub updated_at: DateTime<Utc>,
}

/// Why something failed, as far as it is a word of OpenClaw's own and not a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason(Option<String>);

/// A run that a restart took up holds the chat.
pub(crate) const START_CHANGED: &str = "SESSION_WORK_START_CHANGED";

impl Reason {
    /// `handler-timeout`, or the code at the end of `… | SESSION_WORK_START_CHANGED`.
    pub(crate) fn of(text: Option<String>) -> Self {
        let Some(text) = text else { return Self(None) };
        // 2026.8 writes the sentence without its code.
        if text.ends_with("changed while starting work. Retry.") {
            return Self(Some(START_CHANGED.to_owned()));
        }
        let code = text.rsplit(" | ").next().unwrap_or_default();
        let is = |word: &str, of_code: fn(char) -> bool| {
            (3..=60).contains(&word.len())
                && word.starts_with(|c: char| c.is_ascii_alphabetic())
                && word.chars().all(of_code)
        };
        let screaming =
            is(code, |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') && code.contains('_');
        let kebab =
            is(&text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
        Self(if screaming {
            Some(code.to_owned())
        } else if kebab {
            Some(text)
        } else {
            None
        })
    }

    pub fn word(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

pub(super) fn read(snapshot: &mut Snapshot, schema: &Schema) -> Result<Queues> {
    Ok(Queues {
        inbound: section(inbound(snapshot, schema))?,
        outbound: section(outbound(snapshot, schema))?,
        tasks: section(tasks(snapshot, schema))?,
        subagents: section(subagents(snapshot, schema))?,
        flows: section(flows(snapshot, schema))?,
    })
}

fn inbound(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Inbound>>> {
    let Some(table) = schema.table(snapshot, "channel_ingress_events")? else { return Ok(None) };
    let required =
        ["channel_id", "status", "received_at", "claim_owner", "claimed_at", "attempts", "failed_at"];
    let rows = table.rows(snapshot, &[], &required, &["lane_key", "failed_reason"])?;
    let row = |row: &Vec<Value>| {
        let received_at = time(&row[2])?;
        let state = match text(&row[1])?.as_str() {
            "pending" => InboundState::Pending,
            "claimed" => InboundState::Claimed {
                owner: LeaseOwner::of_claim(&text(&row[3]).unwrap_or_default()),
                at: time(&row[4]),
            },
            "failed" => InboundState::Failed {
                at: time(&row[6]).unwrap_or(received_at),
                reason: Reason::of(text(&row[8])),
            },
            _ => return None,
        };
        let attempts = number(&row[5]);
        Some(Inbound { channel: text(&row[0])?, state, received_at, attempts, lane: text(&row[7]) })
    };
    Ok(Some(rows.iter().filter_map(row).collect()))
}

fn outbound(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Outbound>>> {
    let Some(table) = schema.table(snapshot, "delivery_queue_entries")? else { return Ok(None) };
    let required = ["status", "enqueued_at", "retry_count"];
    let optional = ["channel", "session_key", "failed_at", "last_error"];
    let rows = table.rows(snapshot, &[], &required, &optional)?;
    let row = |row: &Vec<Value>| {
        let enqueued_at = time(&row[1])?;
        let failed_at = match text(&row[0])?.as_str() {
            "pending" => None,
            "failed" => Some(time(&row[5]).unwrap_or(enqueued_at)),
            _ => return None,
        };
        Some(Outbound {
            channel: text(&row[3]),
            session_key: text(&row[4]),
            failed_at,
            enqueued_at,
            attempts: number(&row[2]),
            reason: Reason::of(text(&row[6])),
        })
    };
    Ok(Some(rows.iter().filter_map(row).collect()))
}

fn tasks(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Task>>> {
    let Some(table) = schema.table(snapshot, "task_runs")? else { return Ok(None) };
    let required = ["runtime", "status", "created_at", "ended_at"];
    let optional = [
        "requester_session_key",
        "child_session_key",
        "agent_id",
        "run_id",
        "error",
        "execution_owner_pid",
        "execution_owner_start_identity",
    ];
    let rows = table.rows(snapshot, &[], &required, &optional)?;
    let row = |row: &Vec<Value>| {
        Some(Task {
            runtime: text(&row[0])?,
            status: TaskStatus::parse(&text(&row[1])?),
            created_at: time(&row[2])?,
            ended_at: time(&row[3]),
            session_key: text(&row[5]).or_else(|| text(&row[4])),
            agent: text(&row[6]),
            run_id: text(&row[7]),
            reason: Reason::of(text(&row[8])),
            owner: LeaseOwner::of_process(integer(&row[9]).unwrap_or_default(), integer(&row[10])),
        })
    };
    let mut tasks: Vec<Task> = rows.iter().filter_map(row).collect();
    tasks.sort_by_key(|task| task.created_at);
    Ok(Some(tasks))
}

impl TaskStatus {
    fn parse(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "timed_out" => Self::TimedOut,
            "cancelled" => Self::Cancelled,
            "lost" => Self::Lost,
            _ => Self::Other,
        }
    }
}

fn subagents(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Subagent>>> {
    let Some(table) = schema.table(snapshot, "subagent_runs")? else { return Ok(None) };
    let required = ["requester_session_key", "created_at", "payload_json"];
    let rows = table.rows(snapshot, &[], &required, &[])?;
    let row = |row: &Vec<Value>| {
        let payload: Json =
            text(&row[2]).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let ended =
            payload.pointer("/execution/endedAt").or_else(|| payload.get("endedAt")).and_then(Json::as_i64);
        let delivery = payload.pointer("/delivery/status").and_then(Json::as_str).map(str::to_owned);
        Some(Subagent {
            requester: text(&row[0])?,
            created_at: time(&row[1])?,
            ended_at: ended.and_then(DateTime::from_timestamp_millis),
            delivery,
        })
    };
    let undelivered = |run: &Subagent| !matches!(run.delivery.as_deref(), Some("delivered" | "not_required"));
    Ok(Some(rows.iter().filter_map(row).filter(undelivered).collect()))
}

fn flows(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Flow>>> {
    let Some(table) = schema.table(snapshot, "flow_runs")? else { return Ok(None) };
    let rows = table.rows(snapshot, &[], &["owner_key", "status", "updated_at", "ended_at"], &[])?;
    let row = |row: &Vec<Value>| {
        let open = time(&row[3]).is_none();
        open.then_some(())?;
        // A word of OpenClaw's, or nothing to repeat.
        let status = text(&row[1])
            .filter(|word| ["queued", "running", "waiting", "blocked"].contains(&word.as_str()))?;
        Some(Flow { owner: text(&row[0])?, status, updated_at: time(&row[2])? })
    };
    Ok(Some(rows.iter().filter_map(row).collect()))
}

fn number(value: &Value) -> u32 {
    integer(value).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_word_and_never_a_sentence() {
        let word = |text: &str| Reason::of(Some(text.to_owned())).0;
        assert_eq!(word("handler-timeout").as_deref(), Some("handler-timeout"));
        let coded = "Session \"agent:main:+4912345\" changed while starting work. Retry. | SESSION_WORK_START_CHANGED";
        assert_eq!(word(coded).as_deref(), Some("SESSION_WORK_START_CHANGED"));
        assert_eq!(
            word("Session \"agent:main:+4912345\" changed while starting work. Retry.").as_deref(),
            Some(START_CHANGED)
        );
        for sentence in ["call me at 0123456789", "Hello", "no such user: bob@example.org", "a | B C", ""] {
            assert_eq!(word(sentence), None, "{sentence}");
        }
    }
}
