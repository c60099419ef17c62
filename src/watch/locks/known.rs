//! One lock that is known, and what it is going through:
//!
//! ```text
//!  Awaited ──look──► Seen ◄──────► Settling ──act failed──► SetBack
//!     └──────────────┴── not there ──┴──► Vanishing ──► released
//! ```
//!
//! A lock whose content changes is [`Stage::Seen`] anew; one whose file is another is another lock.

use std::ffi::OsStr;
use std::rc::Rc;
use std::time::Duration;

use super::patience::Suspicion;
use super::pins::Place;
use crate::evidence::Writer;
use crate::openclaw::lock_kind::LockKind;
use crate::survey::SurveyedLock;
use crate::verdict::Verdict;
use crate::wakeups::ids::DirectoryId;
use crate::wakeups::inotify::Wd;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);

/// How a lock came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    /// Its creation was seen.
    Seen,
    /// A listing showed it.
    Found,
}

#[derive(Debug)]
pub(crate) struct KnownLock {
    pub(crate) directory: DirectoryId,
    pub(crate) name: Rc<OsStr>,
    pub(crate) kind: LockKind,
    pub(crate) birth: Birth,
    /// When it was first seen, on the boot clock.
    pub(crate) appeared: Duration,
    /// Its age when it was first looked at, by the wall clock; from there the boot clock counts.
    pub(crate) aged: Option<Aged>,
    pub(crate) content_watch: Option<Wd>,
    pub(crate) session_named: bool,
    /// It was closed by one who could write to it, since its content last changed.
    pub(crate) closed: bool,
    /// The process whose end is waited for on its behalf.
    pub(crate) watched_process: Option<u32>,
    /// Its place among the files that are held open.
    pub(crate) pinned: Option<Place>,
    stage: Stage,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// Known by name; nobody has looked yet.
    Awaited,
    /// Nothing is suspected, or all there is to do is to tell.
    Seen(Box<SurveyedLock>),
    /// The same file has looked free since a moment, and is looked at again before that counts.
    Settling { look: Box<SurveyedLock>, suspicion: Suspicion },
    /// An attempt to reclaim it came to nothing. Before the next it settles anew, as nothing holds it open.
    SetBack { look: Box<SurveyedLock>, suspicion: Option<Suspicion>, setback: Box<Setback> },
    /// The last look did not find it; the news of how it went is on its way.
    Vanishing(Option<Box<SurveyedLock>>),
}

/// Wall-clock ages at one moment of the boot clock: setting the wall clock later changes nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aged {
    pub(crate) at: Duration,
    /// [`SurveyedLock::seen_at`] of the first look.
    pub(crate) seen_at: Duration,
    pub(crate) age: Option<Duration>,
    pub(crate) untouched_for: Duration,
}

/// Why the last attempt came to nothing, and when the next is due.
#[derive(Debug, Clone)]
pub(crate) struct Setback {
    pub(crate) why: String,
    /// What it looked like.
    of: Verdict,
    pub(crate) attempts: u32,
    pub(crate) retry_at: Duration,
}

/// Whether the reason of a setback is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    New,
    Known,
}

impl KnownLock {
    pub(super) fn new(
        directory: DirectoryId,
        name: Rc<OsStr>,
        kind: LockKind,
        birth: Birth,
        now: Duration,
    ) -> Self {
        Self {
            directory,
            name,
            kind,
            birth,
            appeared: now,
            aged: None,
            content_watch: None,
            session_named: false,
            closed: false,
            watched_process: None,
            pinned: None,
            stage: Stage::Awaited,
        }
    }

    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The last look at it.
    pub(crate) fn look(&self) -> Option<&SurveyedLock> {
        match &self.stage {
            Stage::Awaited => None,
            Stage::Seen(look) | Stage::Settling { look, .. } | Stage::SetBack { look, .. } => Some(look),
            Stage::Vanishing(look) => look.as_deref(),
        }
    }

    pub(crate) fn look_mut(&mut self) -> Option<&mut SurveyedLock> {
        match &mut self.stage {
            Stage::Awaited => None,
            Stage::Seen(look) | Stage::Settling { look, .. } | Stage::SetBack { look, .. } => Some(look),
            Stage::Vanishing(look) => look.as_deref_mut(),
        }
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.look().map(|look| look.judgement.verdict)
    }

    pub(crate) fn suspicion(&self) -> Option<Suspicion> {
        match &self.stage {
            Stage::Settling { suspicion, .. } => Some(*suspicion),
            Stage::SetBack { suspicion, .. } => *suspicion,
            Stage::Awaited | Stage::Seen(_) | Stage::Vanishing(_) => None,
        }
    }

    pub(crate) fn setback(&self) -> Option<&Setback> {
        match &self.stage {
            Stage::SetBack { setback, .. } => Some(setback),
            _ => None,
        }
    }

    /// A look has been taken. A setback stands for as long as the same is suspected.
    pub(crate) fn seen(&mut self, look: Box<SurveyedLock>, suspicion: Option<Suspicion>) {
        if look.pin.is_none() {
            self.pinned = None;
        }
        let before = std::mem::replace(&mut self.stage, Stage::Awaited);
        self.stage = match (suspicion, before) {
            (None, _) => Stage::Seen(look),
            (Some(suspicion), Stage::SetBack { setback, .. }) if setback.of == suspicion.of => {
                Stage::SetBack { look, suspicion: Some(suspicion), setback }
            }
            (Some(suspicion), _) => Stage::Settling { look, suspicion },
        };
    }

    /// Nothing depends on its staying the same file.
    pub(crate) fn let_go(&mut self) {
        self.pinned = None;
        if let Some(look) = self.look_mut() {
            look.pin = None;
        }
    }

    /// What was suspected does not hold any more, or was of other content.
    pub(crate) fn clear(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Awaited) {
            Stage::Settling { look, .. } | Stage::SetBack { look, .. } | Stage::Vanishing(Some(look)) => {
                Stage::Seen(look)
            }
            Stage::Vanishing(None) => Stage::Awaited,
            stage @ (Stage::Awaited | Stage::Seen(_)) => stage,
        };
    }

    /// A look did not find it. `true`: nor did the one before.
    pub(crate) fn missed(&mut self) -> bool {
        let before = std::mem::replace(&mut self.stage, Stage::Awaited);
        let again = matches!(before, Stage::Vanishing(_));
        self.stage = Stage::Vanishing(match before {
            Stage::Awaited => None,
            Stage::Seen(look) | Stage::Settling { look, .. } | Stage::SetBack { look, .. } => Some(look),
            Stage::Vanishing(look) => look,
        });
        again
    }

    /// An attempt came to nothing. Unless the `pause` is known, each is twice as long as the last, up to five minutes.
    pub(crate) fn set_back(
        &mut self,
        why: String,
        of: Verdict,
        now: Duration,
        pause: Option<Duration>,
    ) -> Reason {
        self.pinned = None;
        let before = self.setback();
        let attempts = before.map_or(0, |setback| setback.attempts);
        let reason =
            if before.is_some_and(|setback| setback.why == why) { Reason::Known } else { Reason::New };
        let doubled = || FIRST_RETRY.saturating_mul(1 << attempts.min(10)).min(LAST_RETRY);
        let pause = pause.unwrap_or_else(doubled);
        let setback = Box::new(Setback { why, of, attempts: attempts + 1, retry_at: now + pause });
        self.stage = match std::mem::replace(&mut self.stage, Stage::Awaited) {
            Stage::Seen(look) | Stage::Settling { look, .. } | Stage::SetBack { look, .. } => {
                Stage::SetBack { look, suspicion: None, setback }
            }
            stage @ (Stage::Awaited | Stage::Vanishing(_)) => stage,
        };
        reason
    }

    /// Age at `now` (boot clock): since its creation as its payload tells it, or since it was first seen.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        match self.aged {
            Some(Aged { at, age: Some(age), .. }) => age + now.saturating_sub(at),
            _ => now.saturating_sub(self.appeared),
        }
    }

    pub(crate) fn owner_pid(&self) -> Option<u32> {
        self.look()?.evidence.payload().map(|payload| payload.pid)
    }

    /// At the last look its owner had the file open, and has not closed it since.
    pub(crate) fn is_held_open(&self) -> bool {
        !self.closed && self.look().is_some_and(|look| look.evidence.writer == Writer::Open)
    }

    /// Its messages fail until somebody does something: held past the limit, or not to be freed.
    pub(crate) fn is_stuck(&self) -> bool {
        self.kind.management() == crate::openclaw::lock_kind::Management::Managed
            && match self.verdict() {
                Some(Verdict::Overdue) => true,
                Some(Verdict::Stale | Verdict::Leaked) => self.setback().is_some(),
                _ => false,
            }
    }
}
