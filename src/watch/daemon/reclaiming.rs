//! The act, and what is told about it. When a lock may be reclaimed is decided in `observing`; how it is done, and
//! what keeps it from being done too often, is the business of [`crate::reclaim`].

use std::time::Duration;

use tracing::{info, warn};

use super::Daemon;
use crate::history::evidence::Line;
use crate::reclaim::{Failure, Outcome};
use crate::survey::SurveyedLock;
use crate::verdict::{Reason, StaleProof, Verdict};
use crate::wakeups::Due;
use crate::wakeups::ids::{LockId, RootId};
use crate::watch::findings::of_locks::{self, Context, shown_key};
use crate::watch::findings::{Act, Code, Finding, Raised, Remedy, is_told};
use crate::watch::locks::known::{self, Birth};
use crate::watch::locks::patience::Suspicion;
use crate::watch::locks::release::Release;
use crate::watch::mandate::Mandate;
use crate::watch::notify::What;
use crate::words::millis;

/// So many deaths within ten minutes.
const CRASH_LOOP: usize = 3;
/// Another lockdoctor is at work: its turn takes milliseconds.
const BUSY: Duration = Duration::from_millis(100);
/// So many attempts later it is not at work but in the way.
const PATIENT: u32 = 5;

/// A proof, and since when the lock has looked that way.
#[derive(Debug)]
pub(super) struct Licence {
    pub(super) proof: StaleProof,
    pub(super) suspicion: Suspicion,
}

impl Daemon {
    pub(super) fn act(&mut self, id: LockId, licence: Licence) {
        let now = self.view.now;
        let Mandate::Reclaim(policy) = self.options.mandate else { return };
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        if !policy.allows(licence.proof.verdict()) {
            return lock.let_go();
        }
        if let Some(retry_at) = lock.setback().map(|setback| setback.retry_at).filter(|at| *at > now.boot) {
            return self.wakeups.deadlines.set(Due::Look(id), retry_at);
        }
        let Some(look) = lock.look_mut() else { return };
        let Some(pin) = look.pin.take() else { return };
        let install = self.directories.install(RootId::of(look));
        let leases = &mut self.view.leases;
        let outcome = self.reclaimers.reclaim(look, (*pin, licence.proof), install, policy.breaker, leases);
        let after = crate::clock::Now::read().boot.saturating_sub(licence.suspicion.since);
        self.serving.metrics.reclaim(&look.judgement.reasons, &outcome, after);
        let act = Act {
            at: now.wall,
            lock: look.path(),
            agent: look.agent.clone(),
            session_key: shown_key(look, self.options.redaction),
            verdict: look.judgement.verdict.as_str(),
            reasons: look.judgement.reasons.iter().copied().map(Reason::as_str).collect(),
            result: outcome.as_str(),
            quarantine_id: match &outcome {
                Outcome::Reclaimed { quarantine_id } => Some(quarantine_id.clone()),
                _ => None,
            },
            why: match &outcome {
                Outcome::Failed(failure) => Some(failure.to_string()),
                _ => None,
            },
            after_ms: millis(after),
        };
        self.conclude_act(id, outcome, &act, licence.suspicion);
        self.board.remember(act);
    }

    fn conclude_act(&mut self, id: LockId, outcome: Outcome, act: &Act, suspicion: Suspicion) {
        let now = self.view.now.boot;
        let path = act.lock.display();
        match outcome {
            Outcome::Reclaimed { quarantine_id } => {
                let reasons = act.reasons.join(",");
                info!(%path, verdict = act.verdict, reasons, quarantine_id, after_ms = act.after_ms, "reclaimed");
                self.tell_of_act(id, act);
                self.tell_of_crash_loop(id);
                let Some(lock) = self.locks.table.get(id) else { return };
                let (directory, name, kind) = (lock.directory, lock.name.clone(), lock.kind);
                self.released(id, Release::Reclaimed);
                // The tombstone has the name now.
                let tombstone = self.locks.table.insert(directory, name, kind, Birth::Seen, now);
                self.wakeups.deadlines.set(Due::Look(tombstone), now);
            }
            Outcome::Vanished | Outcome::Changed => {
                info!(%path, result = act.result, "not reclaimed: it is not the lock that was judged any more");
                if let Some(lock) = self.locks.table.get_mut(id) {
                    lock.clear();
                }
                self.wakeups.deadlines.set(Due::Look(id), now);
            }
            Outcome::Failed(failure) => self.set_back(id, &failure, act, suspicion.of),
        }
    }

    fn set_back(&mut self, id: LockId, failure: &Failure, act: &Act, of: Verdict) {
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        let now = self.view.now;
        let pause = match failure {
            // It says itself when it lets the next one through.
            Failure::Breaker { tripped, .. } => (tripped.retry_at() - now.wall).to_std().ok(),
            _ => failure.is_busy().then_some(BUSY),
        };
        let reason = lock.set_back(failure.to_string(), of, now.boot, pause);
        let attempts = lock.setback().map_or(0, |setback| setback.attempts);
        if let Some(setback) = lock.setback() {
            self.wakeups.deadlines.set(Due::Look(id), setback.retry_at);
        }
        // That another lockdoctor is at work is worth a word once it goes on and on.
        let reason = match attempts {
            PATIENT if failure.is_busy() => known::Reason::New,
            _ if failure.is_busy() => return,
            _ => reason,
        };
        if reason == known::Reason::New {
            warn!(path = %act.lock.display(), why = %failure, "cannot be reclaimed");
        }
        self.tell_of_act(id, act);
    }

    /// The finding that led to the act is told with what came of it.
    fn tell_of_act(&mut self, id: LockId, act: &Act) {
        let Some(look) = self.locks.table.get(id).and_then(known::KnownLock::look) else { return };
        let Some(mut finding) = of_locks::finding(look, &self.context(Some(RootId::of(look)))) else {
            return;
        };
        let failure = act.why.as_ref().map(|why| Line::seen(format!("could not be freed: {why}")));
        finding.found.evidence.extend(failure);
        let what = if act.why.is_some() { What::Finding } else { What::Reclaimed };
        self.notify.tell(what, &finding, Some(act), self.view.now, &mut self.wakeups);
        if act.why.is_some() {
            self.board.raise(finding);
        }
    }

    fn tell_of_crash_loop(&mut self, id: LockId) {
        let Some(look) = self.locks.table.get(id).and_then(known::KnownLock::look) else { return };
        let context = self.context(Some(RootId::of(look)));
        let deaths = self.reclaimers.deaths_lately(look, context.install);
        if look.judgement.verdict == Verdict::Stale && deaths >= CRASH_LOOP {
            let finding = of_locks::crash_loop(look, deaths, &context);
            let (code, about) = (finding.code.as_str(), finding.about.clone());
            let explanation = finding.explanation.clone();
            if self.raise(finding) == Raised::New {
                warn!(code, about, "{explanation}");
            }
        }
    }

    /// Brings the findings about a lock up to its verdict.
    pub(super) fn update_findings(&mut self, look: &SurveyedLock, changed: bool) {
        let path = look.path();
        let judgement = &look.judgement;
        let finding = (judgement.needs_attention() && is_told(judgement.verdict))
            .then(|| of_locks::finding(look, &self.context(Some(RootId::of(look)))))
            .flatten();
        let code = finding.as_ref().map(|finding| finding.code);
        // A run that hit its limit makes a stuck run of what was overdue, and the verdict stays.
        if changed || code == Some(Code::StuckRun) {
            for finding in self.board.resolve_lock(&path, code) {
                info!(path = %path.display(), code = finding.code.as_str(), "resolved");
                self.notify.resolved(&finding, self.view.now, &mut self.wakeups);
            }
        }
        if let Some(finding) = finding {
            self.raise(finding);
        }
    }

    /// A finding stands. It is told when it is new or more serious than before.
    pub(super) fn raise(&mut self, finding: Finding) -> Raised {
        let (code, remedy) = (finding.code, finding.remedy);
        let raised = self.board.raise(finding.clone());
        match raised {
            Raised::Known => return raised,
            Raised::Worse => {}
            Raised::New => self.serving.metrics.raised(code),
        }
        self.tell(&finding);
        if remedy == Remedy::GatewayRestart {
            self.consider_restart();
        }
        raised
    }

    /// Tells people of a finding, unless the daemon is about to deal with it.
    pub(super) fn tell(&mut self, finding: &Finding) {
        if !finding.in_hand {
            self.notify.tell(What::Finding, finding, None, self.view.now, &mut self.wakeups);
        }
    }

    /// What may be done in a root.
    pub(super) fn mandate_in(&self, root: RootId) -> Mandate {
        match self.directories.root(root) {
            Some(root) if root.is_anothers => Mandate::Watch,
            _ => self.options.mandate,
        }
    }

    pub(super) fn context(&self, root: Option<RootId>) -> Context<'_> {
        Context {
            install: root.and_then(|root| self.directories.install(root)),
            heard: self.sources.logs.memory.model(),
            mandate: root.map_or(self.options.mandate, |root| self.mandate_in(root)),
            scope: &self.options.scope,
            redaction: self.options.redaction,
            now: self.view.now,
        }
    }

    /// Restarts the gateway if the oldest finding that only a restart ends has stood for long enough.
    pub(super) fn consider_restart(&mut self) {
        let standing = self.board.open().filter(|finding| finding.remedy == Remedy::GatewayRestart);
        let Some(finding) = standing.min_by_key(|finding| finding.since).cloned() else { return };
        let up = finding.root.and_then(|root| self.gateway_uptime(root));
        self.notify.consider_restart(&finding, up, self.view.now, &mut self.wakeups);
    }

    fn gateway_uptime(&mut self, root: RootId) -> Option<Duration> {
        let standing = self.directories.root_mut(root)?.standing.as_mut()?;
        standing.look_for_gateway(&mut self.view);
        standing.install()?.gateway.up
    }
}
