//! A look at one lock: gather the evidence anew, weigh it with what was seen before, say what has changed,
//! plan the next look.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use rustix::io::Errno;
use tracing::{debug, info, trace, warn};

use super::Daemon;
use super::reclaiming::Licence;
use crate::directories::root::Trigger;
use crate::evidence::lockfile::Presence;
use crate::evidence::process::may_run_openclaw;
use crate::evidence::view::SystemView;
use crate::evidence::{Evidence, Owner, PidDomain, RunTimedOut, StartTicks, Writer};
use crate::examination::facts::transcript_changed_since;
use crate::examination::run_timed_out;
use crate::install::gateway::GatewayState;
use crate::openclaw::lock_kind::LockKind;
use crate::reclaim::run::pin;
use crate::survey::standing::Belonging;
use crate::survey::{Guarded, Problem, SCAN_SETTLE, SurveyedLock};
use crate::verdict::{Judgement, Reason, Rule, Sighting, Verdict, judge};
use crate::wakeups::Due;
use crate::wakeups::ids::{LockId, RootId};
use crate::wakeups::poller::Poller;
use crate::wakeups::processes::{Processes, Watched};
use crate::watch::findings::of_locks::shown_key;
use crate::watch::locks::known::{Aged, Birth, KnownLock};
use crate::watch::locks::patience::{Suspicion, Weighed, weigh, weigh_abandoned};
use crate::watch::locks::release::Release;
use crate::words::millis;

/// A lock that lives this long gets its session's name; for shorter ones the store is not read.
const WORTH_A_NAME: Duration = Duration::from_secs(5);
/// How long news of what has happened may take to reach us.
const NEWS_DELAY: Duration = Duration::from_secs(1);
/// When a look fails for a reason that may pass (descriptors, a busy mount).
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// When the first look met a lock in the middle of something.
const NEXT_MOMENT: Duration = Duration::from_millis(10);

impl Daemon {
    pub(super) fn look(&mut self, id: LockId) {
        let Some(lock) = self.locks.table.get(id) else { return };
        let (name, kind) = (lock.name.clone(), lock.kind);
        let Some(watched) = self.directories.get(lock.directory) else { return };
        let (root, belonging) = (watched.root, watched.belonging);
        let may_be_anothers = belonging.is_shared() && lock.look().is_none();
        let to_be_watched = lock.content_watch.is_none() && kind != LockKind::Coordinator && !may_be_anothers;
        let Ok(directory) = self.directories.open(lock.directory) else {
            return self.schedule_root(root, Trigger::Change);
        };
        // Watched before it is asked about, so that a close in between is not missed.
        if to_be_watched {
            match self.directories.inotify.watch_content(&directory, &name) {
                Ok(wd) => self.locks.table.watch_content(id, wd),
                Err(Errno::NOENT) => return self.missed(id, belonging),
                Err(Errno::NOSPC) => self.notify.said.once(
                    &directory.path,
                    "the limit of inotify watches is reached (sysctl fs.inotify.max_user_watches); that a \
                     lock is closed without being removed is noticed by the safety scan only",
                ),
                Err(error) => debug!(name = %name.display(), %error, "its content cannot be watched"),
            }
        }
        let standing = self.directories.root(root).and_then(|root| root.standing.as_ref());
        let Some(standing) = standing else { return };
        match standing.look(&directory, &name, kind, belonging, &mut self.view) {
            Ok(None) => self.missed(id, belonging),
            Ok(Some(look)) => {
                let before = self.locks.table.get(id).and_then(|lock| Some(lock.look()?.evidence.writer));
                let writer = look.evidence.writer;
                self.seen(id, root, look);
                // A gateway keeps its lock open for as long as it runs, in whatever PID namespace.
                if kind == LockKind::Gateway && before != Some(writer) {
                    self.look_for_gateways();
                }
            }
            Err(error) => {
                self.notify.said.problem(&Problem::of(&directory.path.join(&*name), error));
                self.wakeups.deadlines.set(Due::Look(id), self.view.now.boot + LOOK_AGAIN);
            }
        }
    }

    /// It is not there. As a rule its deletion is on the way to us already, and tells how it went.
    fn missed(&mut self, id: LockId, belonging: Belonging) {
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        if lock.missed() || belonging.is_shared() {
            return self.released(id, Release::Unseen);
        }
        self.wakeups.deadlines.set(Due::Look(id), self.view.now.boot + NEWS_DELAY);
    }

    fn seen(&mut self, id: LockId, root: RootId, mut look: SurveyedLock) {
        let now = self.view.now.boot;
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        let change = change_since(lock.look(), &look);
        if change == Since::AnotherFile {
            return self.replaced(id);
        }
        let directory = lock.directory;
        if change == Since::Changed {
            lock.clear();
            let (age, untouched_for) = (look.evidence.age, look.evidence.untouched_for);
            lock.aged = Some(Aged { at: now, seen_at: look.seen_at, age, untouched_for });
        }
        if let Some(aged) = lock.aged {
            // Where the payload lies in the future, the time since it was first seen has to do.
            look.evidence.age = Some(lock.age(now));
            look.evidence.untouched_for = aged.untouched_for + now.saturating_sub(aged.at);
            look.seen_at = aged.seen_at;
        }
        let before = lock.look().filter(|_| change == Since::Unchanged);
        if let Some(named) = before.filter(|_| lock.session_named) {
            look.session_key.clone_from(&named.session_key);
            look.evidence.limit.clone_from(&named.evidence.limit);
        }
        // What looked closed at the last look as well is asked how far its owner is with the release.
        let ask_the_owner = lock.suspicion().is_some()
            || is_final_at_once(&look.evidence)
            || before.is_some_and(|before| before.judgement.rule == Rule::Replaced);
        // What a log that has been forgotten said of it still holds.
        let told = before.map(|before| before.evidence.run_timed_out);
        let was_seen_here = before.is_some_and(|before| showed_its_owner(&before.evidence));
        let to_be_named = worth_a_name(lock, &look, now);
        lock.session_named |= to_be_named;
        let guard = guard_name(&lock.name);
        let watched = self.directories.get(directory);
        look.agent = watched.and_then(|watched| watched.role.agent.clone());
        if self.locks.table.find(directory, &guard).is_some() {
            look.guarded = Guarded::Yes;
        }
        if to_be_named {
            let store = watched.and_then(|watched| watched.role.store.clone());
            self.name_session(&mut look, root, store.as_deref());
        }
        if let Some(answer) = run_timed_out(&look, self.sources.logs.memory.model(), self.view.now.wall) {
            look.evidence.run_timed_out = still_timed_out(&look, told, answer);
        }
        if ask_the_owner {
            self.look_at_owner(root, &mut look);
        }
        if was_seen_here && matches!(look.evidence.domain, PidDomain::Unknown(_)) {
            look.evidence.domain = PidDomain::Shared(OWNER_WAS_SEEN);
        }
        self.conclude(id, look);
    }

    fn look_at_owner(&mut self, root: RootId, look: &mut SurveyedLock) {
        let standing = self.directories.root_mut(root).and_then(|root| root.standing.as_mut());
        if let (Some(standing), Some(pin)) = (standing, look.pin.take()) {
            standing.see_owner(look, &pin, &mut self.view);
            look.pin = Some(pin);
        }
    }

    fn conclude(&mut self, id: LockId, mut look: SurveyedLock) {
        let now = self.view.now.boot;
        let mandate = self.mandate_in(RootId::of(&look));
        let Some(before) = self.locks.table.get(id).map(KnownLock::suspicion) else { return };
        let mut weighed = weigh(&look.evidence, before, now, mandate.settle());
        if let Some(settle) = mandate.settle_of_abandoned(&look, weighed.shown.verdict) {
            // Held locks are not kept open otherwise.
            if !pin(&mut look) {
                return self.keep(id, look, None, Some(now + NEXT_MOMENT));
            }
            weighed = weigh_abandoned(weighed, &look.evidence, before, now, settle);
        }
        if before != weighed.suspicion && !still_without_writer(&look, &mut self.view) {
            look.pin = None;
            return self.keep(id, look, None, Some(now + NEXT_MOMENT));
        }
        self.keep_open(id, &mut look, &mut weighed);
        look.judgement = weighed.shown;
        let watched =
            watch_owner(&look.evidence, &mut self.wakeups.processes, &mut self.view, &self.wakeups.poller);
        let mut look_again = weighed.look_again;
        if watched == Watching::Ended {
            look_again = Some(now + Duration::from_millis(1));
        }
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        lock.watched_process = watched.pid();
        if !lock.session_named && look.kind == LockKind::Session {
            let due = lock.appeared + WORTH_A_NAME;
            look_again = Some(look_again.map_or(due, |planned| planned.min(due)));
        }
        let before_verdict = lock.verdict();
        let changed = before_verdict != Some(look.judgement.verdict);
        if changed {
            log_verdict(&look, shown_key(&look, self.options.redaction).as_deref());
        }
        if changed
            && before_verdict
                .into_iter()
                .chain([look.judgement.verdict])
                .any(|verdict| verdict != Verdict::Held)
        {
            self.plan_diagnosis();
        }
        if changed && self.tells_of_gateway(&look) {
            self.expect_gateway(RootId::of(&look));
        }
        let licence = weighed.licence.zip(weighed.suspicion);
        self.update_findings(&look, changed);
        self.keep(id, look, weighed.suspicion, look_again);
        if let Some((proof, suspicion)) = licence {
            self.act(id, Licence { proof, suspicion });
        }
        if changed {
            self.say_status();
        }
    }

    /// Whether a lock is news of a gateway: its own, or that of a process that is not known where none is known to run.
    fn tells_of_gateway(&self, look: &SurveyedLock) -> bool {
        let Some(install) = self.directories.install(RootId::of(look)) else { return false };
        let owner = look.evidence.owner.process().map(|process| process.pid);
        let unknown = owner.is_some() && owner != install.gateway.pid;
        unknown && (look.kind == LockKind::Gateway || install.gateway.state != GatewayState::Running)
    }

    /// Holds on to the file for as long as another look depends on its being the same one; without a place it waits
    /// for its turn.
    fn keep_open(&mut self, id: LockId, look: &mut SurveyedLock, weighed: &mut Weighed) {
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        if weighed.look_again.is_none() && weighed.licence.is_none() {
            look.pin = None;
        }
        if look.pin.is_none() || lock.pinned.is_some() {
            return;
        }
        let root = RootId::of(look);
        lock.pinned = self.locks.pins.take(root, self.directories.roots().count());
        if lock.pinned.is_none() {
            look.pin = None;
            (weighed.suspicion, weighed.licence, weighed.look_again) = (None, None, None);
            self.locks.pins.wait(root, id);
        }
    }

    /// Looks at the locks whose turn it is to be held open.
    pub(super) fn admit_waiting(&mut self) {
        for id in self.locks.pins.admit(self.directories.roots().count()) {
            self.wakeups.deadlines.set_by(Due::Look(id), self.view.now.boot);
        }
    }

    fn keep(
        &mut self,
        id: LockId,
        look: SurveyedLock,
        suspicion: Option<Suspicion>,
        look_again: Option<Duration>,
    ) {
        let Some(lock) = self.locks.table.get_mut(id) else { return };
        lock.seen(Box::new(look), suspicion);
        match look_again {
            Some(at) => self.wakeups.deadlines.set(Due::Look(id), at),
            None => self.wakeups.deadlines.cancel(Due::Look(id)),
        }
    }

    /// Another file has the name: one lock has ended and another begun.
    fn replaced(&mut self, id: LockId) {
        let now = self.view.now.boot;
        let Some(lock) = self.locks.table.get(id) else { return };
        let (directory, name, kind) = (lock.directory, lock.name.clone(), lock.kind);
        self.released(id, Release::Replaced);
        let new = self.locks.table.insert(directory, name, kind, Birth::Seen, now);
        self.wakeups.deadlines.set(Due::Look(new), now);
    }

    fn name_session(&self, look: &mut SurveyedLock, root: RootId, store: Option<&str>) {
        let standing = self.directories.root(root).and_then(|root| root.standing.as_ref());
        let Some(standing) = standing else { return };
        let directory = std::sync::Arc::clone(&look.directory);
        // In the middle of a rewrite the store is not whole; the lock then goes without a name.
        if let Err(problem) = standing.name_sessions(&directory, store, std::iter::once(look)) {
            trace!(path = %problem.path.display(), "{}", problem.what);
        }
    }
}

/// What became of a lock between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Unchanged,
    /// Its content is another, or this is the first look.
    Changed,
    AnotherFile,
}

fn change_since(before: Option<&SurveyedLock>, now: &SurveyedLock) -> Since {
    match before.and_then(|before| before.facts).zip(now.facts) {
        Some((before, now)) if (before.dev, before.ino) != (now.dev, now.ino) => Since::AnotherFile,
        Some((before, now)) if before.same_file(&now) => Since::Unchanged,
        _ => Since::Changed,
    }
}

const OWNER_WAS_SEEN: &str = "its owner was seen here while it held the lock";

/// A death that no second look can undo; but whether a copy lies under the name is asked in any case.
fn is_final_at_once(evidence: &Evidence) -> bool {
    judge(evidence, Sighting::Again { apart: Duration::ZERO }, SCAN_SETTLE).verdict == Verdict::Stale
}

/// A process of OpenClaw had the lock's number here and its start tick: its numbers count here, also once it is gone.
fn showed_its_owner(evidence: &Evidence) -> bool {
    if evidence.domain == PidDomain::Shared(OWNER_WAS_SEEN) {
        return true;
    }
    let recorded = evidence.payload().and_then(|payload| payload.start_ticks);
    matches!(evidence.domain, PidDomain::Unknown(_))
        && evidence.start_ticks == StartTicks::Comparable
        && matches!(&evidence.owner, Owner::Alive(process)
            if recorded == Some(process.start_ticks) && may_run_openclaw(process.pid, &process.comm))
}

/// Whether its run ended at its time limit, by the logs now and by what they told before.
fn still_timed_out(look: &SurveyedLock, told: Option<RunTimedOut>, answer: RunTimedOut) -> RunTimedOut {
    let stands =
        |told: &RunTimedOut| matches!(told, RunTimedOut::Yes { at } if !transcript_changed_since(look, *at));
    match answer {
        RunTimedOut::Yes { .. } => answer,
        RunTimedOut::No | RunTimedOut::NotLookedAt => told.filter(stands).unwrap_or(answer),
    }
}

/// The second half of a first look: the name still leads to the same file, and it still has no writer.
fn still_without_writer(look: &SurveyedLock, view: &mut SystemView) -> bool {
    let Some(pin) = &look.pin else { return true };
    pin.presence() == Ok(Presence::Same)
        && (look.evidence.writer != Writer::NoneOpen
            || pin.probe_writer(&mut view.leases) == Writer::NoneOpen)
}

/// Which process the daemon waits for on behalf of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watching {
    Process(u32),
    Ended,
    Nobody,
}

impl Watching {
    fn pid(self) -> Option<u32> {
        match self {
            Self::Process(pid) => Some(pid),
            Self::Ended | Self::Nobody => None,
        }
    }
}

/// Waits for the end of the process that can end this lock, if it can be seen.
fn watch_owner(
    evidence: &Evidence,
    processes: &mut Processes,
    view: &mut SystemView,
    poller: &Poller,
) -> Watching {
    let process = match (&evidence.owner, &evidence.domain) {
        (_, PidDomain::Foreign { visible_as }) => match view.processes.owner(*visible_as) {
            Owner::Alive(process) => process,
            _ => return Watching::Nobody,
        },
        (Owner::Alive(process), PidDomain::Shared(_) | PidDomain::Presumed) => process.clone(),
        _ => return Watching::Nobody,
    };
    match processes.watch(process.pid, process.start_ticks, poller) {
        Watched::Yes => Watching::Process(process.pid),
        Watched::Ended => Watching::Ended,
        Watched::No => Watching::Nobody,
    }
}

fn log_verdict(look: &SurveyedLock, session: Option<&str>) {
    let path = look.path();
    let path = path.display();
    let Judgement { verdict, reasons, .. } = &look.judgement;
    let reasons: Vec<&str> = reasons.iter().copied().map(Reason::as_str).collect();
    let reasons = Some(reasons.join(",")).filter(|reasons| !reasons.is_empty());
    let pid = look.evidence.payload().map(|payload| payload.pid);
    let age_ms = look.evidence.age.map(millis);
    let word = verdict.as_str();
    match verdict {
        Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::StuckGuard => {
            warn!(%path, verdict = word, reasons, pid, age_ms, session, "verdict");
        }
        Verdict::Foreign | Verdict::Indeterminate | Verdict::Refused | Verdict::Freed => {
            info!(%path, verdict = word, reasons, pid, age_ms, session, "verdict");
        }
        Verdict::Held | Verdict::Initialising | Verdict::Settling => {
            debug!(%path, verdict = word, reasons, pid, age_ms, session, "verdict");
        }
    }
}

fn guard_name(name: &OsStr) -> OsString {
    let mut name = name.to_os_string();
    name.push(".reclaim");
    name
}

fn worth_a_name(lock: &KnownLock, look: &SurveyedLock, now: Duration) -> bool {
    let quiet = matches!(look.judgement.verdict, Verdict::Held | Verdict::Initialising);
    look.kind == LockKind::Session
        && !lock.session_named
        && (!quiet || lock.birth == Birth::Found || now >= lock.appeared + WORTH_A_NAME)
}
