//! Evidence in, verdict out. Pure: no I/O, no clock, no allocation beyond the list of reasons.
//!
//! Three facts carry every verdict. A *writer* on the file (the lease probe) is a veto: the holder of a lock
//! keeps it open for writing. A *dead identity* is monotone: a process that is gone never comes back, so only
//! the name can change its meaning, and the pinned file guards against that. A *finished release* is what a live
//! owner shows that has let go: it has no file of the lock open, and was idle since. Age carries nothing: nobody
//! refreshes these locks, so an old lock is a long run until something else speaks against it.

pub mod self_heal;
pub mod severity;
mod words;

use std::time::Duration;

use chrono::TimeDelta;

use crate::evidence::lockfile::Refusal;
use crate::evidence::process::Process;
use crate::evidence::{
    Birth, Content, Evidence, FileId, FsClass, LeaseUnknown, Owner, PidDomain, Release, Relevance,
    RunTimedOut, Shape, StartTicks, Succession, Writer,
};
use crate::openclaw::lock_kind::{HolderFd, LockKind, Management};
use crate::openclaw::payload::{Layout, Origin};

pub use words::{Action, Reason, Rule, Verdict};

/// An unfinished lock younger than this is being created (the longest grace that OpenClaw itself uses, 6.1+).
pub const CREATION_GRACE: Duration = Duration::from_secs(30);
/// A reclaim guard lives for microseconds; one that is older than this is an orphan.
pub const GUARD_GRACE: Duration = Duration::from_secs(10);
const BOOT_SLACK: TimeDelta = TimeDelta::seconds(60);
/// proper-lockfile touches its directory every 15 s and counts it as stale after 30 s.
const DIRECTORY_HEARTBEAT: Duration = Duration::from_secs(30);

/// How long a lock must have looked the same before a verdict that leads to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// The owner is dead and its number counts here: a fact that cannot change any more.
    pub dead: Duration,
    /// No process has the file open, and its creator cannot come back to it.
    pub stale: Duration,
    /// The owner lives, and was seen to have finished with it.
    pub leaked: Duration,
    /// Who took it cannot be looked at: it may be between its close and its unlink for as long as its event loop is
    /// blocked.
    pub unseen: Duration,
}

impl Settle {
    /// Longer than any event loop was reported to be blocked (32 to 741 s).
    pub const UNSEEN: Duration = Duration::from_secs(15 * 60);

    fn all(self) -> [Duration; 4] {
        [self.dead, self.stale, self.leaked, self.unseen]
    }

    /// The times at which a judgement may change, shortest first.
    pub fn steps(self) -> impl Iterator<Item = Duration> {
        let mut steps = self.all();
        steps.sort_unstable();
        steps.into_iter()
    }
}

/// Whether this lock was seen in this state before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    First,
    /// The same pinned file, unchanged, seen this long before.
    Again {
        apart: Duration,
    },
}

/// The verdict on one lock, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    pub action: Action,
    pub rule: Rule,
    /// What is missing or refused, and how to get it.
    pub note: Option<&'static str>,
    /// What it will be called once it has settled; only while it is settling.
    pub suspected: Option<Verdict>,
    proof: Option<StaleProof>,
}

impl Judgement {
    /// The licence to reclaim; only a managed lock that is proven stale or leaked has one.
    pub fn proof(&self) -> Option<&StaleProof> {
        self.proof.as_ref()
    }

    /// Hands the licence over: it is good for one act.
    pub fn take_proof(&mut self) -> Option<StaleProof> {
        self.proof.take()
    }

    /// The rule that decided, as a sentence about this lock.
    pub fn sentence(&self) -> &'static str {
        match self.rule {
            Rule::NoWriterDeadOwner if self.reasons.contains(&Reason::RecycledPid) => {
                "Nobody on this kernel has the file open for writing, and the number it names belongs to another process now."
            }
            Rule::OwnerDead if self.reasons.contains(&Reason::RecycledPid) => {
                "The number it names counts in this PID namespace, and belongs to another process now."
            }
            rule => rule.sentence(),
        }
    }

    /// Somebody has to know of it: the scan's exit code is 1.
    pub fn needs_attention(&self) -> bool {
        matches!(self.action, Action::Report | Action::Reclaim)
    }
}

/// Proof that one file, the lock that was judged, may be freed. Only [`judge`] and [`abandon`] can make one, so a
/// reclaim without it does not compile; and it is not good for another file.
#[derive(Debug, PartialEq, Eq)]
pub struct StaleProof {
    verdict: Verdict,
    file: FileId,
}

impl StaleProof {
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub fn is_about(&self, file: FileId) -> bool {
        self.file == file
    }
}

/// What the pid tells about the owner, with the payload's own claims about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// Not there any more; the reason says how that is known.
    Dead(Reason),
    /// Another process carries the number now, to judge by the wall clock alone.
    StartedLater,
    Same,
    Unknown(&'static str),
}

/// Judges one lock.
pub fn judge(evidence: &Evidence, sighting: Sighting, settle: Settle) -> Judgement {
    let judgement = decide(evidence, sighting, settle);
    cap(evidence, judgement)
}

fn decide(evidence: &Evidence, sighting: Sighting, settle: Settle) -> Judgement {
    if let Some(judgement) = by_shape(evidence) {
        return judgement;
    }
    // Whatever lies under the name, and whomever it names: somebody else has a file of that name open.
    if matches!(evidence.release, Release::OfAnotherFile { .. }) && writer(evidence) != Writer::Open {
        return replaced(evidence);
    }
    match &evidence.content {
        Content::Empty | Content::Malformed(_) => return unfinished(evidence, sighting, settle),
        Content::NotRead => return missing("the lock was not read"),
        Content::Parsed(_) => {}
    }
    let writer = writer(evidence);
    if writer == Writer::Open {
        return held(evidence, Rule::WriterOpen);
    }
    let identity = identity(evidence);
    match (holder_fd(evidence), writer) {
        (HolderFd::KeptOpen, Writer::NoneOpen) => without_writer(evidence, identity, sighting, settle),
        _ => by_owner(evidence, identity, sighting, settle),
    }
}

/// The kernel's answer, where it can be one: elsewhere another kernel may have the file open.
fn writer(evidence: &Evidence) -> Writer {
    match evidence.writer {
        Writer::NoneOpen if !evidence.filesystem.has_one_kernel() => {
            Writer::Unknown(LeaseUnknown::Filesystem)
        }
        answer => answer,
    }
}

fn by_shape(evidence: &Evidence) -> Option<Judgement> {
    match (evidence.shape, evidence.kind) {
        // Evidence that somebody else can get, not a thing that must not be touched.
        (Shape::Refused(Refusal::Unreadable), _) => Some(missing(Refusal::Unreadable.sentence())),
        (Shape::Refused(why), _) => Some(refused(why)),
        (_, LockKind::Guard) => Some(guard(evidence)),
        // Its holder has it open for as long as it holds it, and nobody else opens it but to take it.
        (Shape::Regular, LockKind::Coordinator) if writer(evidence) == Writer::Open => {
            Some(plain(Verdict::Held, Action::None, Rule::WriterOpen))
        }
        (_, LockKind::Coordinator) => {
            Some(Judgement { action: Action::None, ..missing_by(Rule::Coordinator, None) })
        }
        (Shape::Directory, LockKind::RuntimeDeps) if evidence.payload().is_some() => None,
        (Shape::Directory, LockKind::Session | LockKind::Store | LockKind::Gateway) => {
            Some(refused(Refusal::NotRegular))
        }
        (Shape::Directory, _) => Some(directory_lock(evidence)),
        (Shape::Regular, _) if is_tombstone(evidence) => {
            Some(plain(Verdict::Freed, Action::None, Rule::Tombstone))
        }
        (Shape::Regular, _) => None,
    }
}

/// Nobody writes to a tombstone: what somebody has open is a lock, whatever it says.
fn is_tombstone(evidence: &Evidence) -> bool {
    evidence.payload().is_some_and(|payload| payload.origin == Origin::Tombstone)
        && evidence.writer != Writer::Open
}

fn refused(why: Refusal) -> Judgement {
    Judgement { note: Some(why.sentence()), ..plain(Verdict::Refused, Action::None, Rule::Shape) }
}

fn guard(evidence: &Evidence) -> Judgement {
    if evidence.untouched_for > GUARD_GRACE && evidence.writer != Writer::Open {
        plain(Verdict::StuckGuard, Action::Report, Rule::Guard)
    } else {
        plain(Verdict::Initialising, Action::Wait, Rule::Guard)
    }
}

fn directory_lock(evidence: &Evidence) -> Judgement {
    if evidence.untouched_for <= DIRECTORY_HEARTBEAT {
        return plain(Verdict::Held, Action::None, Rule::DirectoryLock);
    }
    missing_by(Rule::DirectoryLock, Some("its holder, if there is one, has not touched it for over 30 s"))
}

/// The creator of a lock has it open until the payload is whole. So this applies to every kind, whether or not the
/// holder keeps the file open later.
fn unfinished(evidence: &Evidence, sighting: Sighting, settle: Settle) -> Judgement {
    // A writer on a layer below an overlay is not seen.
    let nobody = writer(evidence) == Writer::NoneOpen && evidence.filesystem != FsClass::Overlay;
    match writer(evidence) {
        _ if evidence.untouched_for < CREATION_GRACE && !nobody => {
            plain(Verdict::Initialising, Action::Wait, Rule::Unfinished)
        }
        Writer::Open => held(evidence, Rule::WriterOpen),
        Writer::NoneOpen => {
            let reasons = vec![Reason::Malformed, Reason::NoWriter];
            let looks = Looks { sighting, settle: settle.stale };
            candidate(evidence, Verdict::Stale, reasons, Rule::Unfinished, looks)
        }
        Writer::Unknown(why) => unanswered(evidence, why),
    }
}

/// The looks so far, and how far apart they have to be.
#[derive(Debug, Clone, Copy)]
struct Looks {
    sighting: Sighting,
    settle: Duration,
}

/// The kernel says that nobody on it has the file open for writing.
fn without_writer(evidence: &Evidence, identity: Identity, sighting: Sighting, settle: Settle) -> Judgement {
    let numbers_count_here = matches!(evidence.domain, PidDomain::Shared(_) | PidDomain::Presumed);
    let owner_lives = match identity {
        // A process of another PID namespace that may have taken it.
        _ if matches!(evidence.domain, PidDomain::Foreign { .. }) => true,
        Identity::Same => numbers_count_here || start_is_recorded(evidence),
        // It exists, but hidepid or another user's rights hide when it started: taken as the same.
        Identity::Unknown(_) => numbers_count_here && evidence.owner == Owner::Hidden,
        Identity::Dead(_) | Identity::StartedLater => false,
    };
    if owner_lives {
        return closed_by_live_owner(evidence, sighting, settle);
    }
    let mut reasons = Vec::new();
    let mut proven = None;
    match identity {
        Identity::Dead(reason) if numbers_count_here => {
            reasons.push(reason);
            let final_at_once = matches!(evidence.domain, PidDomain::Shared(_));
            proven = Some((Rule::NoWriterDeadOwner, if final_at_once { settle.dead } else { settle.stale }));
        }
        Identity::StartedLater if numbers_count_here => {
            reasons.push(Reason::RecycledPid);
            proven = Some((Rule::NoWriterDeadOwner, settle.stale));
        }
        _ => {}
    }
    if is_from_previous_boot(evidence) {
        reasons.push(Reason::PreviousBoot);
        proven = proven.or(Some((Rule::NoWriterUnknownOwner, settle.stale)));
    }
    reasons.push(Reason::NoWriter);
    match proven {
        Some((rule, settle)) => {
            candidate(evidence, Verdict::Stale, reasons, rule, Looks { sighting, settle })
        }
        None if is_succeeded(evidence) => {
            reasons.insert(0, Reason::RecycledPid);
            let looks = Looks { sighting, settle: settle.stale };
            candidate(evidence, Verdict::Stale, reasons, Rule::NoWriterDeadOwner, looks)
        }
        None => closed_unseen(evidence, Verdict::Stale, Rule::NoWriterUnknownOwner, sighting, settle),
    }
}

/// The owner lives and the file under the name has no writer: it is free if that is the owner's file, and its release
/// has come to its end.
fn closed_by_live_owner(evidence: &Evidence, sighting: Sighting, settle: Settle) -> Judgement {
    let rule = Rule::NoWriterLiveOwner;
    let looks = Looks { sighting, settle: settle.leaked };
    match &evidence.release {
        Release::NotBegun => held(evidence, Rule::WriterOpen),
        Release::OfAnotherFile { .. } => replaced(evidence),
        Release::Finished(let_go) if evidence.file.is_some_and(|file| let_go.is_about(file)) => {
            candidate(evidence, Verdict::Leaked, vec![Reason::NoWriter], rule, looks)
        }
        Release::UnderWay => Judgement {
            note: Some(
                "its owner has not been seen idle since it closed the file, so its release may still be under way",
            ),
            ..settling(Verdict::Leaked, vec![Reason::NoWriter], rule)
        },
        Release::NotLookedAt | Release::Finished(_) => {
            settling(Verdict::Leaked, vec![Reason::NoWriter], rule)
        }
        Release::Unseen => closed_unseen(evidence, Verdict::Leaked, rule, sighting, settle),
    }
}

/// The gateway's next life has the owner's number, and the file is no copy of one that somebody else may have open.
fn is_succeeded(evidence: &Evidence) -> bool {
    evidence.succession == Succession::Gateway
        && evidence.birth == Birth::WithTheLock
        && evidence.filesystem != FsClass::Overlay
}

/// No process has the file open, and the one that took it cannot be looked at: it may have another file open, or may
/// be in the middle of its release.
fn closed_unseen(
    evidence: &Evidence,
    verdict: Verdict,
    rule: Rule,
    sighting: Sighting,
    settle: Settle,
) -> Judgement {
    let reasons = vec![Reason::NoWriter];
    match evidence.birth {
        _ if evidence.filesystem == FsClass::Overlay => missing(
            "its owner cannot be looked at from here, and may have the file of a layer below this overlay open",
        ),
        Birth::Later => missing(
            "the file was made after the lock that it holds, so it is a copy; whether its owner has the original open \
             cannot be seen from here",
        ),
        Birth::Unknown => {
            missing("its owner cannot be looked at from here, and when the file was made is not recorded")
        }
        Birth::NotAsked => settling(verdict, reasons, rule),
        Birth::WithTheLock => {
            let looks = Looks { sighting, settle: settle.unseen };
            let judgement = candidate(evidence, verdict, reasons, rule, looks);
            Judgement { note: judgement.suspected.map(|_| UNSEEN), ..judgement }
        }
    }
}

const UNSEEN: &str = "its owner cannot be looked at from here and may be in the middle of its release, so it is freed \
                      only after 15 minutes without a change (watch --reclaim, or reclaim --settle 15m); where \
                      lockdoctor sees the gateway's processes it takes seconds";

fn replaced(evidence: &Evidence) -> Judgement {
    // What an older copy says of its age is not said of the lock that is held.
    let judgement = match evidence.owner_alive() {
        Some(true) => held(evidence, Rule::Replaced),
        _ => plain(Verdict::Held, Action::None, Rule::Replaced),
    };
    Judgement { note: Some("replaced: a copy lies under the name"), ..judgement }
}

/// The kernel cannot be asked, or its answer proves nothing for this kind: the pid has to carry it.
fn by_owner(evidence: &Evidence, identity: Identity, sighting: Sighting, settle: Settle) -> Judgement {
    let shared = matches!(evidence.domain, PidDomain::Shared(_));
    match identity {
        // An identical live process is proof wherever it is seen: numbers that match by accident would have
        // to match in the start tick too.
        Identity::Same if shared || start_is_recorded(evidence) => return of_live_owner(evidence),
        _ if !evidence.filesystem.has_one_kernel() => return unanswered(evidence, LeaseUnknown::Filesystem),
        _ => {}
    }
    match (&evidence.domain, identity) {
        // The only thing that speaks against a live process is a number that its own clock may count differently.
        (PidDomain::Shared(_), Identity::Dead(Reason::RecycledPid))
            if matches!(writer(evidence), Writer::Unknown(_)) =>
        {
            missing(
                "the process started at another time than the lock says, but it may count in another time \
                 namespace, and the kernel was not asked whether the lock is open; run as the lock's owner",
            )
        }
        (PidDomain::Shared(_), Identity::Dead(reason)) => {
            let looks = Looks { sighting, settle: settle.stale };
            candidate(evidence, Verdict::Stale, vec![reason], Rule::OwnerDead, looks)
        }
        (PidDomain::Shared(_), Identity::StartedLater) => missing(
            "the process started after the lock was made, to judge by the wall clock, which may have been set",
        ),
        (PidDomain::Shared(_), Identity::Same) => of_live_owner(evidence),
        (PidDomain::Shared(_), Identity::Unknown(why)) => missing(why),
        (PidDomain::Foreign { .. }, _) => plain(Verdict::Foreign, Action::None, Rule::OtherPidNamespace),
        (PidDomain::Unknown(why), _) => {
            Judgement { note: Some(why), ..plain(Verdict::Foreign, Action::None, Rule::OtherPidNamespace) }
        }
        (PidDomain::Presumed, _) => match writer(evidence) {
            Writer::Unknown(why) => unanswered(evidence, why),
            _ => missing("whether this pid counts in our PID namespace was not established"),
        },
    }
}

/// Its owner lives. Where it keeps the file open and the kernel cannot be asked for a writer, the owner's descriptors
/// tell whether it holds the lock; where they cannot be read either, nothing does.
fn of_live_owner(evidence: &Evidence) -> Judgement {
    match (holder_fd(evidence), writer(evidence), &evidence.release) {
        (HolderFd::Closed, ..) | (_, _, Release::NotBegun) => held(evidence, Rule::OwnerAlive),
        (_, _, Release::OfAnotherFile { .. }) => replaced(evidence),
        (_, Writer::Unknown(why), _) => unanswered(evidence, why),
        _ => {
            missing("its owner has closed it, but the kernel was not asked whether somebody else has it open")
        }
    }
}

fn unanswered(evidence: &Evidence, why: LeaseUnknown) -> Judgement {
    match evidence.filesystem {
        FsClass::Network => Judgement {
            note: Some(why.sentence()),
            ..plain(Verdict::Foreign, Action::None, Rule::OtherKernel)
        },
        _ => missing(why.sentence()),
    }
}

fn held(evidence: &Evidence, rule: Rule) -> Judgement {
    let timed_out = matches!(evidence.run_timed_out, RunTimedOut::Yes { .. });
    let past_limit = match (&evidence.limit, evidence.age) {
        (Some(limit), Some(age)) => age > limit.after,
        _ => false,
    };
    if !timed_out && !past_limit {
        return plain(Verdict::Held, Action::None, rule);
    }
    let reasons = if timed_out { vec![Reason::RunTimedOut] } else { Vec::new() };
    Judgement { reasons, ..plain(Verdict::Overdue, Action::Report, rule) }
}

fn candidate(
    evidence: &Evidence,
    verdict: Verdict,
    reasons: Vec<Reason>,
    rule: Rule,
    looks: Looks,
) -> Judgement {
    match looks.sighting {
        Sighting::Again { apart } if apart >= looks.settle => Judgement {
            reasons,
            // What is no file (a directory lock) is never acted upon.
            proof: evidence.file.map(|file| StaleProof { verdict, file }),
            ..plain(verdict, Action::Reclaim, rule)
        },
        _ => settling(verdict, reasons, rule),
    }
}

fn settling(verdict: Verdict, reasons: Vec<Reason>, rule: Rule) -> Judgement {
    Judgement { reasons, suspected: Some(verdict), ..plain(Verdict::Settling, Action::Wait, rule) }
}

fn missing(note: &'static str) -> Judgement {
    missing_by(Rule::EvidenceMissing, Some(note))
}

fn missing_by(rule: Rule, note: Option<&'static str>) -> Judgement {
    Judgement { note, ..plain(Verdict::Indeterminate, Action::None, rule) }
}

fn plain(verdict: Verdict, action: Action, rule: Rule) -> Judgement {
    Judgement { verdict, reasons: Vec::new(), action, rule, note: None, suspected: None, proof: None }
}

/// Locks that lockdoctor does not manage are judged and shown, never acted upon; those that nothing looks at any
/// more need no attention either.
fn cap(evidence: &Evidence, judgement: Judgement) -> Judgement {
    match (evidence.kind.management(), evidence.relevance, judgement.action) {
        (_, Relevance::Fossil, Action::Reclaim | Action::Report) => {
            Judgement { action: Action::None, proof: None, note: Some(FOSSIL), ..judgement }
        }
        (Management::ReportOnly, _, Action::Reclaim) => {
            Judgement { action: Action::Report, proof: None, ..judgement }
        }
        (_, Relevance::BehindLink, Action::Reclaim) => {
            Judgement { action: Action::Report, proof: None, note: Some(BEHIND_LINK), ..judgement }
        }
        // Whatever lies there, OpenClaw meets it when it next wants the lock.
        (Management::Managed, _, Action::None) if judgement.verdict == Verdict::Refused => {
            Judgement { action: Action::Report, ..judgement }
        }
        _ => judgement,
    }
}

const BEHIND_LINK: &str = "reached through a symbolic link, and nothing is done behind one; name the directory it leads to as a PATH";
const FOSSIL: &str =
    "left over from the file era: OpenClaw 2026.8.1 and later ignore it, and it blocks nobody";

/// The licence of `--abandoned`: a held lock whose own run ended at its time limit, twice seen so. Its owner lives
/// and has the file open; the user has been told what that risks.
pub fn abandon(evidence: &Evidence, sighting: Sighting, settle: Duration) -> Option<StaleProof> {
    let settles = Settle { dead: settle, stale: settle, leaked: settle, unseen: settle };
    let judgement = judge(evidence, sighting, settles);
    let timed_out = judgement.reasons.contains(&Reason::RunTimedOut);
    let settled = matches!(sighting, Sighting::Again { apart } if apart >= settle);
    let managed =
        evidence.kind.management() == Management::Managed && evidence.relevance == Relevance::Current;
    let abandoned = judgement.verdict == Verdict::Overdue && timed_out && settled && managed;
    let file = evidence.file.filter(|_| abandoned)?;
    Some(StaleProof { verdict: Verdict::Overdue, file })
}

fn holder_fd(evidence: &Evidence) -> HolderFd {
    let compact = evidence.payload().is_some_and(|payload| payload.format.layout == Layout::Compact);
    evidence.kind.holder_fd(compact)
}

fn start_is_recorded(evidence: &Evidence) -> bool {
    evidence.start_ticks == StartTicks::Comparable
        && evidence.payload().is_some_and(|payload| payload.start_ticks.is_some())
}

fn identity(evidence: &Evidence) -> Identity {
    match &evidence.owner {
        Owner::Gone => Identity::Dead(Reason::DeadPid),
        Owner::Zombie(_) if evidence.number_is_anothers() => Identity::Dead(Reason::RecycledPid),
        Owner::Zombie(_) => Identity::Dead(Reason::ZombiePid),
        Owner::Thread { .. } => Identity::Dead(Reason::ThreadId),
        Owner::Stranger(_) => Identity::Dead(Reason::RecycledPid),
        Owner::Alive(process) => compare(evidence, process),
        Owner::Hidden => Identity::Unknown("the process exists, but /proc hides it (hidepid)"),
        Owner::Lockdoctor => Identity::Unknown("the pid is lockdoctor's own, so it was counted elsewhere"),
        Owner::Unknown(_) => Identity::Unknown("the kernel would not say whether the process exists"),
        Owner::None => Identity::Unknown("the lock names no process"),
    }
}

fn compare(evidence: &Evidence, process: &Process) -> Identity {
    let Some(payload) = evidence.payload() else { return Identity::Unknown("the lock names no process") };
    if payload.start_ticks == Some(process.start_ticks) {
        return Identity::Same;
    }
    if evidence.number_is_anothers() {
        return Identity::Dead(Reason::RecycledPid);
    }
    match payload.created_at {
        Some(_) if evidence.owner_started_later() => Identity::StartedLater,
        // A process that was there before the lock and still is was there when the lock was made.
        Some(_) => Identity::Same,
        None => Identity::Unknown("the lock records neither when it was made nor when its owner started"),
    }
}

fn is_from_previous_boot(evidence: &Evidence) -> bool {
    let created_at = evidence.payload().and_then(|payload| payload.created_at);
    created_at.is_some_and(|created_at| created_at + BOOT_SLACK < evidence.booted_at)
}

#[cfg(test)]
mod tests;
