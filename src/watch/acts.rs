//! The act, and what is told about it. When a lock may be reclaimed is decided in `looks`; how it is done, and
//! what keeps it from being done too often, is the business of [`crate::reclaim`].

use std::time::Duration;

use tracing::{info, warn};

use super::daemon::Daemon;
use super::findings::{Act, Finding, Raised, Remedy, code_of};
use super::options::Mandate;
use super::release::Release;
use super::table::{Birth, Due, LockId, Setback};
use super::tell::restart::Decision;
use super::tell::{Delivery, What};
use super::weigh::Suspicion;
use crate::evidence::{PinnedLock, RunTimedOut};
use crate::examination::facts::transcript_changed_since;
use crate::reclaim::breaker::Breaker;
use crate::reclaim::run::{created_at, home_of, subject};
use crate::reclaim::store::STORE;
use crate::reclaim::{Case, Failure, Outcome, Reclaimer, homes, recover};
use crate::survey::SurveyedLock;
use crate::verdict::{Reason, Settle, StaleProof, Verdict};
use crate::words::millis;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);

/// A proof, and since when the lock has looked that way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Licence {
    pub(super) proof: StaleProof,
    pub(super) suspicion: Option<Suspicion>,
}

impl Daemon {
    /// The settle times after which the daemon acts; `None` if it may not.
    pub(super) fn acting_settle(&self) -> Option<Settle> {
        match self.options.mandate {
            Mandate::Watch => None,
            Mandate::Reclaim(policy) => Some(policy.settle),
        }
    }

    /// The settle time after which this lock of a run that ended at its time limit is taken; `None` if it may not.
    pub(super) fn settle_of_abandoned(&self, lock: &SurveyedLock, shown: Verdict) -> Option<Duration> {
        let Mandate::Reclaim(policy) = self.options.mandate else { return None };
        let RunTimedOut::Yes { at } = lock.evidence.run_timed_out else { return None };
        let may = shown == Verdict::Overdue && policy.allows(shown) && !transcript_changed_since(lock, at);
        may.then_some(policy.settle.leaked)
    }

    /// Whether the daemon will reclaim this lock by itself.
    fn is_in_hand(&self, lock: &SurveyedLock) -> bool {
        match self.options.mandate {
            Mandate::Reclaim(policy) => {
                lock.kind.management() == crate::openclaw::lock_kind::Management::Managed
                    && policy.allows(lock.judgement.verdict)
                    && (lock.judgement.verdict != Verdict::Overdue
                        || self.settle_of_abandoned(lock, Verdict::Overdue).is_some())
            }
            Mandate::Watch => false,
        }
    }

    pub(super) fn act(&mut self, id: LockId, licence: Licence) {
        let now = self.view.now;
        let Mandate::Reclaim(policy) = self.options.mandate else { return };
        let Some(entry) = self.table.get_mut(id) else { return };
        if !policy.allows(licence.proof.verdict()) {
            return;
        }
        if let Some(setback) = &entry.setback
            && setback.retry_at > now.boot
        {
            let at = setback.retry_at;
            return self.table.look_at(id, Some(at));
        }
        let Some(mut lock) = entry.lock.take() else { return };
        let Some(pin) = lock.pin.take() else { return };
        let outcome = self.reclaim(&lock, *pin, licence.proof, policy.breaker);
        let since = licence.suspicion.map_or(now.boot, |suspicion| suspicion.since);
        let after = crate::clock::Now::read().boot.saturating_sub(since);
        self.metrics.reclaim(&lock.judgement.reasons, &outcome, after);
        let act = self.record(&lock, &outcome, after);
        if let Some(entry) = self.table.get_mut(id) {
            entry.lock = Some(lock);
        }
        self.conclude_act(id, outcome, &act);
        self.board.remember(act);
    }

    fn reclaim(
        &mut self,
        lock: &SurveyedLock,
        pin: PinnedLock,
        proof: StaleProof,
        breaker: Breaker,
    ) -> Outcome {
        let install = self.ground.roots[lock.root].standing.as_ref().and_then(|s| s.install());
        let home = home_of(install, &lock.directory);
        let case = Case { subject: subject(lock, install, &home.path), created_at: created_at(lock) };
        let leases = &mut self.view.leases;
        let reclaimer = self
            .reclaimers
            .entry((home.dev, home.ino))
            .or_insert_with(|| Reclaimer::open(&home, breaker, leases));
        match reclaimer {
            Ok(reclaimer) => reclaimer.reclaim(pin, proof, case, leases),
            Err(failure) => Outcome::Failed(failure.clone()),
        }
    }

    /// Finishes or undoes what a killed lockdoctor left half done under this root. It may have taken a live
    /// lock's name, and no event tells of that.
    pub(super) fn recover(&mut self, root: usize) {
        let Some(standing) = &self.ground.roots[root].standing else { return };
        if self.options.mandate == Mandate::Watch {
            return;
        }
        for home in homes::worked_in(standing.install(), &standing.path) {
            if let Err(failure) = recover(&home, &mut self.view.leases) {
                self.say_once(&home.path.join(STORE), &failure.to_string());
            }
        }
    }

    fn record(&self, lock: &SurveyedLock, outcome: &Outcome, after: Duration) -> Act {
        let (quarantine_id, why) = match outcome {
            Outcome::Reclaimed { quarantine_id } => (Some(quarantine_id.clone()), None),
            Outcome::Failed(failure) => (None, Some(failure.to_string())),
            Outcome::Vanished | Outcome::Changed => (None, None),
        };
        Act {
            at: self.view.now.wall,
            lock: lock.path(),
            agent: lock.agent.clone(),
            session_key: self.shown_key(lock),
            verdict: lock.judgement.verdict.as_str(),
            reasons: lock.judgement.reasons.iter().copied().map(Reason::as_str).collect(),
            result: outcome.as_str(),
            quarantine_id,
            why,
            after_ms: millis(after),
        }
    }

    fn conclude_act(&mut self, id: LockId, outcome: Outcome, act: &Act) {
        let now = self.view.now.boot;
        let path = act.lock.display();
        match outcome {
            Outcome::Reclaimed { quarantine_id } => {
                let reasons = act.reasons.join(",");
                info!(%path, verdict = act.verdict, reasons, quarantine_id, after_ms = act.after_ms, "reclaimed");
                self.tell_of_act(id, act);
                let Some(entry) = self.table.get(id) else { return };
                let (spot, name, kind) = (entry.spot, entry.name.clone(), entry.kind);
                self.released(id, Release::Reclaimed);
                // The tombstone has the name now.
                let tombstone = self.table.insert(spot, name, kind, Birth::Seen, now);
                self.table.look_at(tombstone, Some(now));
            }
            Outcome::Vanished | Outcome::Changed => {
                info!(%path, result = act.result, "not reclaimed: it is not the lock that was judged any more");
                if let Some(entry) = self.table.get_mut(id) {
                    entry.suspicion = None;
                }
                self.table.look_at(id, Some(now));
            }
            Outcome::Failed(failure) => self.set_back(id, &failure, act),
        }
    }

    fn set_back(&mut self, id: LockId, failure: &Failure, act: &Act) {
        let now = self.view.now.boot;
        let path = act.lock.display();
        let Some(entry) = self.table.get_mut(id) else { return };
        let attempts = entry.setback.as_ref().map_or(0, |setback| setback.attempts);
        let known = entry.setback.as_ref().is_some_and(|setback| setback.why == failure.to_string());
        let pause = FIRST_RETRY.saturating_mul(1 << attempts.min(10)).min(LAST_RETRY);
        let retry_at = now + pause;
        entry.setback =
            Some(Box::new(Setback { why: failure.to_string(), attempts: attempts + 1, retry_at }));
        self.table.look_at(id, Some(retry_at));
        if !known {
            warn!(%path, why = %failure, "cannot be reclaimed");
        }
        self.tell_of_act(id, act);
    }

    /// The finding that led to the act is told with what came of it.
    fn tell_of_act(&mut self, id: LockId, act: &Act) {
        let Some(lock) = self.table.get_mut(id).and_then(|entry| entry.lock.take()) else { return };
        if let Some(code) = code_of(lock.kind, lock.judgement.verdict) {
            let mut finding = self.finding(code, &lock);
            finding.evidence.extend(act.why.as_ref().map(|why| format!("could not be reclaimed: {why}")));
            let what = if act.why.is_some() { What::Finding } else { What::Reclaimed };
            let deliveries = self.tell.tell(what, &finding, Some(act), self.view.now, &self.poller);
            self.count(deliveries);
            if act.why.is_some() {
                self.board.raise(finding);
            }
        }
        if let Some(entry) = self.table.get_mut(id) {
            entry.lock = Some(lock);
        }
    }

    /// A finding stands. It is told when it is new, unless the daemon is about to deal with it.
    pub(super) fn raise(&mut self, finding: Finding, lock: Option<&SurveyedLock>) {
        let in_hand = lock.is_some_and(|lock| self.is_in_hand(lock));
        let (code, remedy) = (finding.code, finding.remedy);
        let news = self.board.raise(finding.clone()) == Raised::New;
        if news {
            self.metrics.raised(code);
            if !in_hand {
                let deliveries = self.tell.tell(What::Finding, &finding, None, self.view.now, &self.poller);
                self.count(deliveries);
            }
            if remedy == Remedy::GatewayRestart {
                self.consider_restart();
            }
        }
    }

    pub(super) fn count(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.metrics.deliveries.count(delivery);
        }
        if let Some(at) = self.tell.children.next_limit() {
            self.table.deadlines.set(at, Due::CommandLimit);
        }
    }

    /// Restarts the gateway if a finding stands that only a restart ends, and the policy permits it now.
    pub(super) fn consider_restart(&mut self) {
        let Some((command, policy)) = self.options.tell.restart.clone() else { return };
        let now = self.view.now.boot;
        let standing = self.board.open().filter(|finding| finding.remedy == Remedy::GatewayRestart);
        let Some(finding) = standing.min_by_key(|finding| finding.since).cloned() else { return };
        let up = self.gateway_uptime(finding.root);
        match self.restarts.decide(&policy, finding.since, up.unwrap_or_default(), now) {
            Decision::Now => {
                warn!(%command, about = finding.about, "restarting the gateway");
                self.restarts.restarted(now);
                let deliveries = self.tell.restart(&finding, self.view.now, &self.poller);
                self.count(deliveries);
            }
            Decision::At(at) if at < Duration::MAX => self.table.deadlines.set(at, Due::Restart),
            Decision::At(_) => {}
        }
    }

    fn gateway_uptime(&mut self, root: usize) -> Option<Duration> {
        let standing = self.ground.roots[root].standing.as_mut()?;
        standing.look_for_gateway(&mut self.view);
        standing.install()?.gateway.up
    }
}
