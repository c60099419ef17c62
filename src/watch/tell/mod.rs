//! Telling somebody: a command, a web hook, the command that restarts the gateway. None of them can hold the
//! loop up: commands are children whose end wakes it, the web hook has a thread of its own.

pub mod command;
pub mod restart;
pub mod webhook;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tracing::{info, warn};

use super::findings::{Act, Finding, Key};
use super::options::Telling;
use super::poller::Poller;
use crate::words::rfc3339;
use command::{Children, CommandLine, Ended, Job, Started};
use webhook::Webhook;

const EVENT_SCHEMA: &str = "lockdoctor/event/v1";
/// Commands that run at the same time, and that wait for their turn.
const AT_ONCE: usize = 4;
const WAITING: usize = 64;

/// What came of telling, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Command(Told),
    Webhook(Told),
    Restart(Told),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Ok,
    Failed,
    TimedOut,
    /// Too many were waiting.
    Dropped,
}

impl Told {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Dropped => "dropped",
        }
    }
}

impl Delivery {
    /// Every pair of labels that can occur.
    pub(super) fn every() -> impl Iterator<Item = Self> {
        [Told::Ok, Told::Failed, Told::TimedOut, Told::Dropped]
            .into_iter()
            .flat_map(|told| [Self::Command(told), Self::Webhook(told), Self::Restart(told)])
    }

    /// Channel and result.
    pub(super) fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Command(told) => ("command", told.as_str()),
            Self::Webhook(told) => ("webhook", told.as_str()),
            Self::Restart(told) => ("restart", told.as_str()),
        }
    }
}

/// What a command reads on its standard input, and a web hook gets as its body.
#[derive(Debug, Serialize)]
struct Message<'a> {
    schema: &'static str,
    event: What,
    at: String,
    finding: &'a Finding,
    act: Option<&'a Act>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Finding,
    Reclaimed,
}

#[derive(Debug)]
pub(super) struct Tell {
    options: Telling,
    pub(super) children: Children,
    webhook: Option<Webhook>,
    /// When each finding was told last, on the boot clock.
    told: BTreeMap<Key, Duration>,
    waiting: VecDeque<(Job, CommandLine, Vec<u8>)>,
}

impl Tell {
    pub(super) fn new(options: Telling, deliveries: &super::metrics::Deliveries) -> Self {
        let webhook = options.webhook.as_ref().map(|url| Webhook::start(url.clone(), deliveries.clone()));
        Self {
            options,
            children: Children::default(),
            webhook,
            told: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether anybody listens at all.
    pub(super) fn is_silent(&self) -> bool {
        self.options.command.is_none() && self.webhook.is_none()
    }

    /// Tells of `finding`, unless it was told a short while ago or is being told right now.
    pub(super) fn tell(
        &mut self,
        what: What,
        finding: &Finding,
        act: Option<&Act>,
        now: crate::clock::Now,
        poller: &Poller,
    ) -> Vec<Delivery> {
        if self.is_silent() {
            return Vec::new();
        }
        let key = finding.key();
        let cool = self.told.get(&key).is_none_or(|at| now.boot >= *at + self.options.cool_down);
        if !cool || self.children.is_running(&Job::Finding(key.clone())) {
            return Vec::new();
        }
        self.told.retain(|_, at| now.boot < *at + self.options.cool_down);
        self.told.insert(key.clone(), now.boot);
        let message = Message { schema: EVENT_SCHEMA, event: what, at: rfc3339(now.wall), finding, act };
        let Ok(mut body) = serde_json::to_vec(&message) else { return Vec::new() };
        body.push(b'\n');
        let mut deliveries = Vec::new();
        if let Some(webhook) = &self.webhook
            && !webhook.send(body.clone())
        {
            warn!("the web hook cannot keep up; a message is dropped");
            deliveries.push(Delivery::Webhook(Told::Dropped));
        }
        if let Some(command) = self.options.command.clone() {
            if self.waiting.len() >= WAITING {
                warn!("commands cannot keep up; a message is dropped");
                deliveries.push(Delivery::Command(Told::Dropped));
            } else {
                self.waiting.push_back((Job::Finding(key), command, body));
            }
        }
        deliveries.extend(self.start_waiting(now.boot, poller));
        deliveries
    }

    /// Runs the command that restarts the gateway.
    pub(super) fn restart(
        &mut self,
        finding: &Finding,
        now: crate::clock::Now,
        poller: &Poller,
    ) -> Vec<Delivery> {
        let Some((command, _)) = self.options.restart.clone() else { return Vec::new() };
        let message =
            Message { schema: EVENT_SCHEMA, event: What::Finding, at: rfc3339(now.wall), finding, act: None };
        let body = serde_json::to_vec(&message).unwrap_or_default();
        self.waiting.push_front((Job::Restart, command, body));
        self.start_waiting(now.boot, poller)
    }

    fn start_waiting(&mut self, now: Duration, poller: &Poller) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while self.children.len() < AT_ONCE {
            let Some((job, command, body)) = self.waiting.pop_front() else { break };
            let until = now + self.options.time_limit;
            match self.children.start(job.clone(), &command, &body, until, poller) {
                Started::Yes => {}
                Started::No(error) => {
                    warn!(command = %command, %error, "the command could not be started");
                    deliveries.push(job.delivery(Told::Failed));
                }
            }
        }
        deliveries
    }

    /// A command has ended, or has to be ended; the next in line starts.
    pub(super) fn command_ended(
        &mut self,
        ended: Option<Ended>,
        now: Duration,
        poller: &Poller,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        if let Some(Ended { job, result, took }) = ended {
            if result == Told::Ok {
                info!(job = %job, took_ms = took.as_millis() as u64, "command ended");
            } else {
                warn!(job = %job, result = result.as_str(), "command failed");
            }
            deliveries.push(job.delivery(result));
        }
        deliveries.extend(self.start_waiting(now, poller));
        deliveries
    }
}
