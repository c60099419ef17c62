//! `lockdoctor/status/v1`: the same document from `lockdoctor status --json` and from the daemon's `/status.json`.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::answer::{self, BlindSpot, ChatState};
use crate::diagnosis::input::GatewayFact;
use crate::diagnosis::{Code, Finding};
use crate::history::lanes::{LaneReport, Spread};
use crate::install::Install;
use crate::install::gateway::GatewayState;
use crate::leases::Workings;
use crate::openclaw::version::Era;
use crate::report::holders::{self, Holder};
use crate::verdict::severity::Severity;
use crate::words::{millis, rfc3339};

pub const SCHEMA: &str = "lockdoctor/status/v1";

/// `L`: the locks; `M`: what else whoever answers knows, its keys beside the others.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a, L, M> {
    schema: &'static str,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    generated_at: String,
    version: &'static str,
    host: Option<String>,
    headline: &'a str,
    /// Of the worst that is known; null: nothing at all.
    severity: Option<Severity>,
    gateways: Vec<Gateway>,
    chats: Vec<Chat<'a>>,
    findings: Vec<&'a Finding>,
    locks: L,
    lanes: Vec<Lane<'a>>,
    blind_spots: &'a [BlindSpot],
    #[serde(flatten)]
    more: M,
}

/// Nothing besides the answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Nothing {}

/// What a document is made of.
#[derive(Debug)]
pub struct Parts<'a, L, M> {
    pub now: DateTime<Utc>,
    pub headline: &'a str,
    pub severity: Option<Severity>,
    pub gateways: Vec<Gateway>,
    pub chats: &'a [answer::Chat],
    pub findings: Vec<&'a Finding>,
    pub locks: L,
    pub lanes: Vec<&'a LaneReport>,
    pub blind_spots: &'a [BlindSpot],
    pub more: M,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gateway {
    /// The state directory.
    pub path: String,
    pub era: Era,
    pub openclaw_version: Option<String>,
    pub state: GatewayState,
    pub pid: Option<u32>,
    pub up_ms: Option<u64>,
    /// How its state is known.
    pub how: &'static str,
    /// Whether its port answered; null: not asked.
    pub answers: Option<bool>,
    /// Who holds OpenClaw's coordinators and databases (from 2026.8.1).
    pub holders: Vec<Holder>,
}

/// A chat of which something is to be said.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Chat<'a> {
    pub session_key: Option<&'a str>,
    pub session_id: Option<&'a str>,
    pub agent: Option<&'a str>,
    pub channel: Option<&'a str>,
    pub name: &'a str,
    pub state: ChatState,
    pub severity: Severity,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    pub since: Option<String>,
    pub messages_failed: u64,
    pub messages_waiting: u64,
    /// The code of the finding that decides.
    pub finding: Option<Code>,
}

/// A lane as `lockdoctor/diagnosis/v1` has it, without its hours.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lane<'a> {
    #[serde(rename = "lane")]
    name: &'a str,
    tasks: u64,
    errors: u64,
    run_ms: Option<Spread>,
    waits: u64,
    wait_ms: Option<Spread>,
    queue_max: u64,
}

/// What is the same whoever answers.
pub fn document<L, M>(parts: Parts<'_, L, M>) -> Document<'_, L, M> {
    Document {
        schema: SCHEMA,
        generated_at: rfc3339(parts.now),
        version: env!("CARGO_PKG_VERSION"),
        host: host(),
        headline: parts.headline,
        severity: parts.severity,
        gateways: parts.gateways,
        chats: parts.chats.iter().map(chat).collect(),
        findings: parts.findings,
        locks: parts.locks,
        lanes: parts.lanes.into_iter().map(lane).collect(),
        blind_spots: parts.blind_spots,
        more: parts.more,
    }
}

fn chat(chat: &answer::Chat) -> Chat<'_> {
    Chat {
        session_key: chat.session_key.as_deref(),
        session_id: chat.session_id.as_deref(),
        agent: chat.agent.as_deref(),
        channel: chat.channel.as_deref(),
        name: &chat.name,
        state: chat.state,
        severity: chat.severity,
        since: chat.since.map(rfc3339),
        messages_failed: chat.failed,
        messages_waiting: chat.waiting,
        finding: chat.cause,
    }
}

fn lane(lane: &LaneReport) -> Lane<'_> {
    Lane {
        name: &lane.lane,
        tasks: lane.tasks,
        errors: lane.errors,
        run_ms: lane.run_ms,
        waits: lane.waits,
        wait_ms: lane.wait_ms,
        queue_max: lane.queue_max,
    }
}

/// The gateway of one state directory; `fact`: what its load and its port told.
pub fn gateway(path: &Path, install: &Install, fact: Option<&GatewayFact>, now: DateTime<Utc>) -> Gateway {
    let gateway = &install.gateway;
    let held = fact.and_then(|fact| fact.workings.as_ref()).into_iter().flat_map(Workings::held);
    Gateway {
        path: path.to_string_lossy().into_owned(),
        era: install.era,
        openclaw_version: install.version.as_ref().map(ToString::to_string),
        state: gateway.state,
        pid: gateway.pid,
        // A daemon looked a while ago.
        up_ms: gateway.started_at.and_then(|at| (now - at).to_std().ok()).map(millis),
        how: gateway.how,
        answers: fact.and_then(|fact| fact.answers),
        holders: held.map(holders::json).collect(),
    }
}

/// This machine's name.
pub fn host() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}
