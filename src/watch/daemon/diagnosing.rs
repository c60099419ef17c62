//! What the logs and the databases tell, made up anew when something was heard, at the safety scan, and when
//! somebody asks and the last time is a while ago: never by a clock alone.

use std::time::Duration;

use chrono::TimeDelta;
use tracing::{info, warn};

use super::Daemon;
use crate::answer::{Answer, LogContent, Seen};
use crate::diagnosis::input::{Era, Facts, LockFact};
use crate::diagnosis::{self, Model};
use crate::examination::facts::{Sample, era, leases, lock_fact, version};
use crate::examination::{gateway, type_commands};
use crate::install::Install;
use crate::install::gateway::GatewayState;
use crate::survey::SurveyedLock;
use crate::verdict::Verdict;
use crate::verdict::severity::Effect;
use crate::wakeups::Due;
use crate::wakeups::ids::RootId;
use crate::watch::findings::heard::{self, OF_LOCKS};
use crate::watch::findings::{Code, Finding, Remedy, Severity};
use crate::watch::notify::What;
use crate::watch::sources::ports::{Door, EVERY};

/// Locks in trouble that the answer names one by one.
const MOST_TOLD_OF: usize = 500;
/// What somebody who asks may be shown without another look.
const FRESH: Duration = Duration::from_secs(10);

impl Daemon {
    pub(super) fn plan_diagnosis(&mut self) {
        self.wakeups.deadlines.set_by(Due::Diagnosis, self.board.made_up.next(self.view.now.boot));
    }

    /// Before somebody is answered.
    pub(super) fn freshen(&mut self) {
        if !self.board.made_up.was_done(FRESH, self.view.now.boot) {
            self.diagnose();
        }
    }

    pub(super) fn diagnose(&mut self) {
        let now = self.view.now;
        let redaction = self.options.redaction;
        self.board.made_up.done(now.boot);
        self.sources.logs.memory.forget(now.boot);
        let model = self.sources.logs.memory.model();
        let few = self.are_few_in_trouble();
        let facts = self.facts(|model, lock| few && is_told_of(lock) || is_mentioned(model, lock));
        let mut found = model.findings(&facts, now.wall, redaction);
        type_commands(&mut found, &self.options.scope);
        let answer = few.then(|| self.answer(&found, &facts));
        self.sources.logs.lanes = model.lane_reports(redaction);
        let window = TimeDelta::from_std(self.sources.logs.memory.window()).unwrap_or(TimeDelta::MAX);
        let recent =
            |finding: &diagnosis::Finding| finding.last_seen.is_none_or(|at| now.wall - at <= window);
        let (of_locks, heard): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|finding| OF_LOCKS.contains(&finding.code) || self.board.is_told_by_a_look(finding));
        let findings: Vec<Finding> = heard
            .into_iter()
            .filter(|finding| recent(finding) && !is_deduced_from_locks(finding, facts.era))
            .map(|finding| {
                let lock = finding.session_id.as_deref().and_then(|id| self.lock_of(id));
                heard::finding(
                    finding,
                    lock.map(|lock| (lock, self.install(RootId::of(lock)))),
                    redaction,
                    now,
                )
            })
            .collect();
        let worse = self.board.tell_more(of_locks);
        self.board.answer = answer;
        let change = self.board.heard(findings);
        for finding in worse.iter().chain(&change.worse) {
            self.has_become_worse(finding);
        }
        for finding in change.gone {
            info!(code = finding.code.as_str(), about = finding.about, "resolved");
            self.notify.resolved(&finding, self.view.now, &mut self.wakeups);
        }
        for finding in change.new {
            self.newly_heard(&finding);
        }
        self.say_status();
    }

    /// Asks every gateway whether it answers; what comes of it is news some other time. Where none runs and one could,
    /// who keeps it out is asked: a process that takes a coordinator, stops or ends changes no file.
    pub(super) fn ask_ports(&mut self) {
        let roots = self.directories.root_ids();
        let doors: Vec<_> =
            roots.iter().filter_map(|root| Some((*root, door(self.install(*root)?)?))).collect();
        let is_awaited = |root: &RootId| {
            let gateway = self.install(*root).map(|install| install.gateway.state);
            gateway.is_some_and(|state| state != GatewayState::Running)
                && self.sources.databases.workings(*root).is_some()
        };
        let awaited: Vec<RootId> = roots.into_iter().filter(is_awaited).collect();
        if !doors.is_empty() || !awaited.is_empty() {
            self.wakeups.deadlines.set(Due::Ports, self.view.now.boot + EVERY);
        }
        for root in awaited {
            self.ask_for_gateway(root);
        }
        for (root, door) in doors {
            self.sources.ports.ask(root, door);
        }
    }

    pub(super) fn ports_have_answered(&mut self) {
        if self.sources.ports.take(self.view.now.boot) {
            self.plan_diagnosis();
        }
    }

    /// Of thousands of locks in trouble a count says as much as an answer, and costs less: the loop does not wait
    /// for it.
    fn are_few_in_trouble(&self) -> bool {
        let looks = self.locks.table.iter().filter_map(|(_, lock)| lock.look());
        looks.filter(|lock| is_told_of(lock)).nth(MOST_TOLD_OF).is_none()
    }

    /// What `lockdoctor status` would say.
    fn answer(&self, findings: &[diagnosis::Finding], facts: &Facts) -> Answer {
        let (redactor, model) = (self.options.redaction, self.sources.logs.memory.model());
        let effect = |lock: &LockFact| lock.effect.having_failed(model.failed_on(lock));
        let effects: Vec<Effect> = facts.locks.iter().map(effect).collect();
        let followed = self.sources.logs.reach().files > 0;
        let log = if followed { LogContent::Relevant } else { LogContent::NotRead };
        Answer::of(Seen { findings, facts, effects: &effects, redactor, log }, Vec::new())
    }

    fn has_become_worse(&mut self, finding: &Finding) {
        warn!(
            code = finding.code.as_str(),
            about = finding.about,
            "more serious now: {}",
            finding.explanation
        );
        self.tell(finding);
    }

    fn newly_heard(&mut self, finding: &Finding) {
        self.serving.metrics.raised(finding.code);
        if finding.severity == Severity::Info {
            return;
        }
        warn!(code = finding.code.as_str(), about = finding.about, "{}", finding.explanation);
        // What happened before the start was told, or missed, then.
        if finding.last_seen.is_none_or(|at| at >= self.sources.logs.started) {
            self.notify.tell(What::Finding, finding, None, self.view.now, &mut self.wakeups);
        }
        if finding.remedy == Remedy::GatewayRestart {
            self.consider_restart();
        }
    }

    /// Of thousands of locks a few are of interest, and no more are copied.
    fn facts(&self, matters: impl Fn(&Model, &SurveyedLock) -> bool) -> Facts {
        let roots = || self.directories.roots().filter_map(|root| root.install());
        let model = self.sources.logs.memory.model();
        let looks = self.locks.table.iter().filter_map(|(_, lock)| lock.look());
        let locks = looks.filter(|lock| matters(model, lock));
        let databases = &self.sources.databases;
        let gateways = self.directories.root_ids().into_iter().filter_map(|root| {
            let install = self.install(root)?;
            let workings = databases.workings(root);
            let fact =
                gateway::fact(&install.gateway, &install.config, workings, &install.root, Sample::Skip);
            let heard =
                door(install).and_then(|door| self.sources.ports.heard(root, door, self.view.now.boot));
            Some(match heard {
                Some(heard) => fact.having(heard.clone()),
                None => fact,
            })
        });
        let install_of = |number: usize| {
            let root = self.directories.root_ids().into_iter().find(|root| root.number() == number);
            root.and_then(|root| self.install(root))
        };
        Facts {
            locks: locks.map(|lock| lock_fact(lock, self.install(RootId::of(lock)))).collect(),
            scanned: true,
            gateways: gateways.collect(),
            leases: leases(databases.leases(), databases.running(), install_of),
            version: version(roots()),
            era: era(roots()),
            ..Facts::default()
        }
    }

    fn lock_of(&self, session_id: &str) -> Option<&SurveyedLock> {
        let mut locks = self.locks.table.iter().filter_map(|(_, lock)| lock.look());
        locks.find(|lock| lock.session_id.as_deref() == Some(session_id))
    }
}

/// Where the gateway of an install whose sessions are in its database can be asked; a stopped one answers nobody.
fn door(install: &Install) -> Option<Door> {
    let gateway = Some(&install.gateway).filter(|gateway| gateway.state == GatewayState::Running)?;
    let port = gateway::port(gateway, install.config.gateway_port)?;
    Some(Door { pid: gateway.pid?, port })
}

/// That a gateway ended is told by its log or its database; locks that are left say no more than their own findings.
fn is_deduced_from_locks(finding: &diagnosis::Finding, era: Era) -> bool {
    finding.code == Code::GatewayDown
        && era != Era::Sqlite
        && finding.evidence.iter().all(|line| line.source.is_none())
}

/// A log line tells of it.
fn is_mentioned(model: &Model, lock: &SurveyedLock) -> bool {
    model.mentions(lock.session_id.as_deref(), &lock.path().to_string_lossy())
}

/// It is not simply in use.
fn is_told_of(lock: &SurveyedLock) -> bool {
    let verdict = lock.judgement.verdict;
    !matches!(verdict, Verdict::Held | Verdict::Initialising | Verdict::Settling | Verdict::Freed)
}
