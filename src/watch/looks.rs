//! A look at one lock: gather the evidence anew, weigh it with what was seen before, say what has changed,
//! plan the next look.

use std::time::Duration;

use rustix::io::Errno;
use tracing::{debug, info, trace, warn};

use super::acts::Licence;
use super::daemon::Daemon;
use super::metrics::Trigger;
use super::release::Release;
use super::table::{Aged, Birth, Entry, LockId};
use super::weigh::{Suspicion, weigh, weigh_abandoned};
use crate::evidence::lockfile::Presence;
use crate::evidence::{Evidence, Owner, PidDomain, RunTimedOut, Writer};
use crate::examination::facts::transcript_changed_since;
use crate::examination::run_timed_out;
use crate::openclaw::lock_kind::LockKind;
use crate::reclaim::run::pin;
use crate::survey::standing::Belonging;
use crate::survey::{Guarded, SurveyedLock};
use crate::verdict::{Judgement, Reason, Verdict};
use crate::words::millis;

/// A lock that lives this long gets its session's name; for shorter ones the store is not read.
const WORTH_A_NAME: Duration = Duration::from_secs(5);
/// How long news of what has happened may take to reach us.
const NEWS_DELAY: Duration = Duration::from_secs(1);
/// When a look fails for a reason that may pass (descriptors, a busy mount).
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Daemon {
    pub(super) fn look(&mut self, id: LockId) {
        self.table.looking(id);
        let Some(entry) = self.table.get(id) else { return };
        let (spot_id, name, kind) = (entry.spot, entry.name.clone(), entry.kind);
        let Some(spot) = self.ground.spot(spot_id) else { return };
        let (root, belonging) = (spot.root, spot.belonging);
        let Ok(directory) = self.ground.open(spot_id) else {
            return self.schedule_root(root, Trigger::Change);
        };
        // Watched before it is asked about, so that a close in between is not missed.
        let may_be_anothers = belonging != Belonging::ByPlace && entry.lock.is_none();
        if entry.content_watch.is_none() && kind != LockKind::Coordinator && !may_be_anothers {
            match self.ground.inotify.watch_content(&directory, &name) {
                Ok(wd) => self.table.watch_content(id, wd),
                Err(Errno::NOENT) => return self.vanished(id, belonging),
                Err(Errno::NOSPC) => self.say_once(
                    &directory.path,
                    "the limit of inotify watches is reached (sysctl fs.inotify.max_user_watches); that a \
                     lock is closed without being removed is noticed by the safety scan only",
                ),
                Err(error) => debug!(name = %name.display(), %error, "its content cannot be watched"),
            }
        }
        let Some(standing) = &self.ground.roots[root].standing else { return };
        match standing.look(&directory, &name, kind, belonging, &mut self.view) {
            Ok(None) => self.vanished(id, belonging),
            Ok(Some(lock)) => self.seen(id, lock),
            Err(error) => {
                let problem = crate::survey::Problem::of(&directory.path.join(&*name), error);
                self.say_once(&problem.path, &problem.what);
                self.table.look_at(id, Some(self.view.now.boot + LOOK_AGAIN));
            }
        }
    }

    /// It is not there. As a rule its deletion is on the way to us already, and tells how it went.
    fn vanished(&mut self, id: LockId, belonging: Belonging) {
        let Some(entry) = self.table.get_mut(id) else { return };
        if entry.vanished || belonging != Belonging::ByPlace {
            return self.released(id, Release::Unseen);
        }
        entry.vanished = true;
        self.table.look_at(id, Some(self.view.now.boot + NEWS_DELAY));
    }

    fn seen(&mut self, id: LockId, mut lock: SurveyedLock) {
        let now = self.view.now.boot;
        let Some(entry) = self.table.get(id) else { return };
        let before = entry.lock.as_ref().and_then(|before| Some((before.facts?, lock.facts?)));
        let unchanged = before.is_some_and(|(before, after)| before.same_file(&after));
        let replaced =
            before.is_some_and(|(before, after)| (before.dev, before.ino) != (after.dev, after.ino));
        if replaced {
            return self.replaced(id);
        }
        let spot = entry.spot;
        let guard = guard_name(entry);
        lock.agent = self.ground.spot(spot).and_then(|spot| spot.role.agent.clone());
        if self.table.find(spot, &guard).is_some() {
            lock.guarded = Guarded::Yes;
        }
        let Some(entry) = self.table.get_mut(id) else { return };
        entry.vanished = false;
        if !unchanged {
            entry.suspicion = None;
            entry.setback = None;
            let (age, untouched_for) = (lock.evidence.age, lock.evidence.untouched_for);
            entry.aged = Some(Aged { at: now, age, untouched_for });
        }
        if let Some(aged) = entry.aged {
            // Where the payload lies in the future, the time since it was first seen has to do.
            lock.evidence.age = Some(entry.age(now));
            lock.evidence.untouched_for = aged.untouched_for + now.saturating_sub(aged.at);
        }
        let carried = entry.lock.as_ref().filter(|_| unchanged && entry.session_named);
        if let Some(carried) = carried {
            lock.session_key.clone_from(&carried.session_key);
            lock.evidence.limit.clone_from(&carried.evidence.limit);
        } else if worth_a_name(entry, &lock, now) {
            entry.session_named = true;
            let store = self.ground.spot(spot).and_then(|spot| spot.role.store.clone());
            self.name_session(&mut lock, store);
        }
        self.ask_the_log(id, &mut lock, unchanged);
        self.conclude(id, lock);
    }

    /// Whether its run ended at its time limit. What a log that has been forgotten said still holds.
    fn ask_the_log(&self, id: LockId, lock: &mut SurveyedLock, unchanged: bool) {
        let before = self.table.get(id).and_then(|entry| entry.lock.as_deref()).filter(|_| unchanged);
        let told = before.map(|before| before.evidence.run_timed_out);
        let now = run_timed_out(lock, self.logs.memory.model(), self.view.now.wall);
        if let Some(answer) = now {
            let known = told.filter(
                |told| matches!(told, RunTimedOut::Yes { at } if !transcript_changed_since(lock, *at)),
            );
            lock.evidence.run_timed_out = match answer {
                RunTimedOut::Yes { .. } => answer,
                _ => known.unwrap_or(answer),
            };
        }
    }

    fn conclude(&mut self, id: LockId, mut lock: SurveyedLock) {
        let now = self.view.now.boot;
        let Some(before) = self.table.get(id).map(|entry| entry.suspicion) else { return };
        let mut weighed = weigh(&lock.evidence, before, now, self.acting_settle());
        if let Some(settle) = self.settle_of_abandoned(&lock, weighed.shown.verdict) {
            // Held locks are not kept open otherwise.
            if !pin(&mut lock) {
                return self.keep(id, lock, None, Some(now + Duration::from_millis(10)));
            }
            weighed = weigh_abandoned(weighed, &lock.evidence, before, now, settle);
        }
        if before != weighed.suspicion && !self.still_without_writer(&mut lock) {
            // The first look met it in the middle of something.
            lock.pin = None;
            self.keep(id, lock, None, Some(now + Duration::from_millis(10)));
            return;
        }
        lock.judgement = weighed.shown;
        let watched = self.watch_owner(&lock.evidence);
        let mut look_again = weighed.look_again;
        if watched == Watching::Ended {
            look_again = Some(now + Duration::from_millis(1));
        }
        let Some(entry) = self.table.get_mut(id) else { return };
        entry.watched_process = watched.pid();
        if !entry.session_named && lock.kind == LockKind::Session {
            let due = entry.appeared + WORTH_A_NAME;
            look_again = Some(look_again.map_or(due, |planned| planned.min(due)));
        }
        let changed = entry.verdict() != Some(lock.judgement.verdict);
        if changed {
            self.log_verdict(&lock);
        }
        let licence = weighed.licence.map(|proof| Licence { proof, suspicion: weighed.suspicion });
        self.update_findings(&lock, changed);
        self.keep(id, lock, weighed.suspicion, look_again);
        if let Some(licence) = licence {
            self.act(id, licence);
        }
        if changed {
            self.say_status();
        }
    }

    fn keep(
        &mut self,
        id: LockId,
        lock: SurveyedLock,
        suspicion: Option<Suspicion>,
        look_again: Option<Duration>,
    ) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.suspicion = suspicion;
            entry.lock = Some(Box::new(lock));
            self.table.look_at(id, look_again);
        }
    }

    /// Another file has the name: one lock has ended and another begun.
    fn replaced(&mut self, id: LockId) {
        let now = self.view.now.boot;
        let Some(entry) = self.table.get(id) else { return };
        let (spot, name, kind) = (entry.spot, entry.name.clone(), entry.kind);
        self.released(id, Release::Replaced);
        let new = self.table.insert(spot, name, kind, Birth::Seen, now);
        self.table.look_at(new, Some(now));
    }

    /// The second half of a first look: the name still leads to the same file, and still nobody writes to it.
    fn still_without_writer(&mut self, lock: &mut SurveyedLock) -> bool {
        let Some(pin) = &lock.pin else { return true };
        if pin.presence() != Ok(Presence::Same) {
            return false;
        }
        lock.evidence.writer != Writer::NoneOpen
            || pin.probe_writer(&mut self.view.leases) == Writer::NoneOpen
    }

    fn name_session(&mut self, lock: &mut SurveyedLock, store: Option<String>) {
        let Some(standing) = &self.ground.roots[lock.root].standing else { return };
        let directory = std::rc::Rc::clone(&lock.directory);
        // In the middle of a rewrite the store is not whole; the lock then goes without a name.
        if let Err(problem) = standing.name_sessions(&directory, store.as_deref(), std::iter::once(lock)) {
            trace!(path = %problem.path.display(), "{}", problem.what);
        }
    }

    /// Waits for the end of the process that can end this lock, if it can be seen.
    fn watch_owner(&mut self, evidence: &Evidence) -> Watching {
        let process = match (&evidence.owner, &evidence.domain) {
            (_, PidDomain::Foreign { visible_as }) => match self.view.processes.owner(*visible_as) {
                Owner::Alive(process) => process,
                _ => return Watching::Nobody,
            },
            (Owner::Alive(process), PidDomain::Shared(_) | PidDomain::Presumed) => process.clone(),
            _ => return Watching::Nobody,
        };
        match self.owners.watch(process.pid, process.start_ticks, &self.poller) {
            super::owners::Watched::Yes => Watching::Process(process.pid),
            super::owners::Watched::Ended => Watching::Ended,
            super::owners::Watched::No => Watching::Nobody,
        }
    }

    /// Every process that somebody still waits for.
    pub(super) fn named_processes(&self) -> std::collections::HashSet<u32> {
        let owners = self.table.iter().filter_map(|(_, entry)| entry.watched_process);
        let gateways = self.ground.roots.iter().filter_map(super::root::Root::gateway_pid);
        owners.chain(gateways).chain(self.databases.owners()).collect()
    }

    fn log_verdict(&self, lock: &SurveyedLock) {
        let path = lock.path();
        let path = path.display();
        let Judgement { verdict, reasons, .. } = &lock.judgement;
        let reasons: Vec<&str> = reasons.iter().copied().map(Reason::as_str).collect();
        let reasons = Some(reasons.join(",")).filter(|reasons| !reasons.is_empty());
        let pid = lock.evidence.payload().map(|payload| payload.pid);
        let age_ms = lock.evidence.age.map(millis);
        let verdict = verdict.as_str();
        let session = self.shown_key(lock);
        match lock.judgement.verdict {
            Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::StuckGuard => {
                warn!(%path, verdict, reasons, pid, age_ms, session, "verdict");
            }
            Verdict::Foreign | Verdict::Indeterminate | Verdict::Refused | Verdict::Freed => {
                info!(%path, verdict, reasons, pid, age_ms, session, "verdict");
            }
            Verdict::Held | Verdict::Initialising | Verdict::Settling => {
                debug!(%path, verdict, reasons, pid, age_ms, session, "verdict");
            }
        }
    }
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

fn guard_name(entry: &Entry) -> std::ffi::OsString {
    let mut name = entry.name.to_os_string();
    name.push(".reclaim");
    name
}

fn worth_a_name(entry: &Entry, lock: &SurveyedLock, now: Duration) -> bool {
    let quiet = matches!(lock.judgement.verdict, Verdict::Held | Verdict::Initialising);
    lock.kind == LockKind::Session
        && !entry.session_named
        && (!quiet || entry.birth == Birth::Found || now >= entry.appeared + WORTH_A_NAME)
}
