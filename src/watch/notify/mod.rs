//! Telling somebody: a command, a web hook, the command that restarts the gateway. None of them can hold the
//! loop up: commands are children whose end wakes it, the web hook has a thread of its own.

pub mod command;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod ping;
pub mod restart;
mod said;
mod webhook;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tracing::{info, warn};

use super::findings::{Act, Finding, Key};
use super::options::Telling;
use crate::clock::Now;
use crate::reclaim::leases::child;
use crate::verdict::severity::Severity;
use crate::wakeups::ids::RootId;
use crate::wakeups::{Due, Wakeups};
use command::{Children, CommandLine, Ended, Job};
use delivery::{Channel, Deliveries, Delivery, Sent};
pub(crate) use event::What;
use event::body;
use ping::Ping;
use restart::{Decision, History};
use said::Said;
use webhook::Webhook;

/// Commands that run at the same time, and that wait for their turn.
const AT_ONCE: usize = 4;
const WAITING: usize = 64;

#[derive(Debug)]
pub(crate) struct Notify {
    options: Telling,
    pub(crate) children: Children,
    pub(crate) restarts: History,
    pub(crate) said: Said,
    pub(crate) deliveries: Deliveries,
    webhook: Option<Webhook>,
    ping: Option<Ping>,
    /// When each finding was told last, on the boot clock, and how serious it was.
    told: BTreeMap<Key, (Duration, Severity)>,
    /// What was told and stands: its end is told too.
    standing: BTreeSet<Key>,
    waiting: VecDeque<(Job, CommandLine, Vec<u8>)>,
}

impl Notify {
    pub(crate) fn new(options: Telling) -> Self {
        let deliveries = Deliveries::new();
        Self {
            webhook: start_webhook(&options, &deliveries),
            ping: start_ping(&options, &deliveries),
            options,
            children: Children::default(),
            restarts: History::default(),
            said: Said::default(),
            deliveries,
            told: BTreeMap::new(),
            standing: BTreeSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Goes on with other options; what is under way ends as it began.
    pub(crate) fn adopt(&mut self, options: Telling) {
        if options != self.options {
            self.webhook = start_webhook(&options, &self.deliveries);
            self.ping = start_ping(&options, &self.deliveries);
            self.options = options;
            self.told.clear();
        }
    }

    /// Tells of `finding`, unless it was told a short while ago, no less serious, or is being told right now.
    pub(crate) fn tell(
        &mut self,
        what: What,
        finding: &Finding,
        act: Option<&Act>,
        now: Now,
        wakeups: &mut Wakeups,
    ) {
        if self.options.command.is_none() && self.webhook.is_none() {
            return;
        }
        let key = finding.key();
        let cool_down = self.options.cool_down;
        self.told.retain(|_, (at, _)| now.boot < *at + cool_down);
        let told = self.told.get(&key).map(|(_, severity)| *severity);
        let is_worse = told.is_some_and(|told| told < finding.severity);
        if !is_worse && (told.is_some() || self.children.is_running(&Job::Finding(key.clone()))) {
            return;
        }
        self.told.insert(key.clone(), (now.boot, finding.severity));
        if what == What::Finding {
            self.standing.insert(key.clone());
        } else {
            self.standing.remove(&key);
        }
        if let Some(body) = body(what, finding, act, self.options.redaction, now) {
            self.send(key, body, now.boot, wakeups);
        }
    }

    /// What was told does not stand any more.
    pub(crate) fn resolved(&mut self, finding: &Finding, now: Now, wakeups: &mut Wakeups) {
        let key = finding.key();
        if self.standing.remove(&key)
            && let Some(body) = body(What::Resolved, finding, None, self.options.redaction, now)
        {
            self.send(key, body, now.boot, wakeups);
        }
    }

    fn send(&mut self, key: Key, body: Vec<u8>, now: Duration, wakeups: &mut Wakeups) {
        if let Some(webhook) = &self.webhook
            && !webhook.send(body.clone())
        {
            warn!("the web hook cannot keep up; a message is dropped");
            self.deliveries.count(Delivery { channel: Channel::Webhook, result: Sent::Dropped });
        }
        if let Some(command) = self.options.command.clone() {
            if self.waiting.len() >= WAITING {
                warn!("commands cannot keep up; a message is dropped");
                self.deliveries.count(Delivery { channel: Channel::Command, result: Sent::Dropped });
            } else {
                self.waiting.push_back((Job::Finding(key), command, body));
            }
        }
        self.start_waiting(now, wakeups);
    }

    /// A sign of life, and when the next is due.
    pub(crate) fn ping(&self, now: Duration, wakeups: &mut Wakeups) {
        if let Some(ping) = &self.ping {
            ping.ask();
            wakeups.deadlines.set(Due::Ping, now + ping::EVERY);
        }
    }

    /// Restarts the gateway if a finding stands that only a restart ends, and the policy permits it now. `up`: how
    /// long the gateway of that finding's root has run.
    pub(crate) fn consider_restart(
        &mut self,
        finding: &Finding,
        up: Option<Duration>,
        now: Now,
        wakeups: &mut Wakeups,
    ) {
        let Some((command, policy)) = self.options.restart.clone() else { return };
        match self.restarts.decide(&policy, finding.since, up.unwrap_or_default(), now.boot) {
            Decision::Now => {
                warn!(%command, about = finding.about, "restarting the gateway");
                self.restarts.restarted(now.boot);
                let body =
                    body(What::Finding, finding, None, self.options.redaction, now).unwrap_or_default();
                self.waiting.push_front((Job::Restart, command, body));
                self.start_waiting(now.boot, wakeups);
            }
            Decision::At(at) if at < Duration::MAX => wakeups.deadlines.set(Due::Restart, at),
            Decision::At(_) => {}
        }
    }

    fn start_waiting(&mut self, now: Duration, wakeups: &mut Wakeups) {
        while self.children.len() < AT_ONCE {
            let Some((job, command, body)) = self.waiting.pop_front() else { break };
            let until = now + self.options.time_limit;
            if let Err(error) = self.children.start(job.clone(), &command, &body, until, &wakeups.poller) {
                warn!(command = %command, %error, "the command could not be started");
                self.count(&job, Sent::Failed);
            }
        }
        if let Some(at) = self.children.next_limit() {
            wakeups.deadlines.set(Due::CommandLimit, at);
        }
    }

    /// A command has ended, or was ended; the next in line starts.
    /// Returns what a job for a lease has said.
    pub(crate) fn command_ended(
        &mut self,
        id: u32,
        now: Duration,
        wakeups: &mut Wakeups,
    ) -> Option<(RootId, Vec<u8>)> {
        let mut answer = None;
        if let Some(Ended { job, result, took, said }) = self.children.ended(id) {
            if let Job::Lease(root) = job {
                answer = Some((root, said));
            } else if result == Sent::Ok {
                info!(job = %job, took_ms = took.as_millis() as u64, "command ended");
            } else {
                warn!(job = %job, result = result.as_str(), "command failed");
            }
            self.count(&job, result);
        }
        self.start_waiting(now, wakeups);
        answer
    }

    fn count(&self, job: &Job, result: Sent) {
        if let Some(delivery) = job.delivery(result) {
            self.deliveries.count(delivery);
        }
    }

    pub(crate) fn has_lease_job(&self, root: RootId) -> bool {
        self.children.is_running(&Job::Lease(root))
    }

    /// Starts this program again, with a row to remove. It does not queue: it is short, and a gateway may start at any
    /// moment.
    pub(crate) fn start_lease_job(
        &mut self,
        root: RootId,
        order: &[u8],
        now: Duration,
        wakeups: &mut Wakeups,
    ) {
        let command = CommandLine::Words([child::PROGRAM, child::COMMAND].map(str::to_owned).to_vec());
        let until = now + self.options.time_limit;
        let started = self.children.start(Job::Lease(root), &command, order, until, &wakeups.poller);
        if let Err(error) = started {
            warn!(%error, "a process of our own could not be started");
        }
        if let Some(at) = self.children.next_limit() {
            wakeups.deadlines.set(Due::CommandLimit, at);
        }
    }

    /// Ends commands that have run too long.
    pub(crate) fn enforce_limits(&mut self, now: Duration, wakeups: &mut Wakeups) {
        self.children.enforce_limits(now);
        if let Some(at) = self.children.next_limit() {
            wakeups.deadlines.set(Due::CommandLimit, at);
        }
    }
}

fn start_webhook(options: &Telling, deliveries: &Deliveries) -> Option<Webhook> {
    options.webhook.as_ref().map(|url| Webhook::start(url.clone(), deliveries.clone()))
}

fn start_ping(options: &Telling, deliveries: &Deliveries) -> Option<Ping> {
    options.ping.as_ref().map(|url| Ping::start(url.clone(), deliveries.clone()))
}
