//! The states of a lock and the patience with it, on made-up evidence.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use chrono::DateTime;

use super::known::{Birth, KnownLock, Reason, Stage};
use super::patience::{Suspicion, weigh, weigh_abandoned};
use super::table::Table;
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::Refusal;
use crate::evidence::{Birth as FileBirth, Release, Succession};
use crate::evidence::{
    Content, Evidence, FileId, FsClass, Owner, Payload, PidDomain, Process, Relevance, RunTimedOut, Shape,
    StartTicks, Writer,
};
use crate::openclaw::limits::Limit;
use crate::openclaw::lock_kind::LockKind;
use crate::survey::{Guarded, SCAN_SETTLE, SurveyedLock, TranscriptListed};
use crate::verdict::{Settle, Sighting, Verdict, judge};
use crate::wakeups::ids::DirectoryId;

const POLICY: Settle = Settle {
    dead: Duration::from_millis(500),
    stale: Duration::from_secs(2),
    leaked: Duration::from_secs(5),
    unseen: Settle::UNSEEN,
};
const START: Duration = Duration::from_secs(1000);

fn held() -> Evidence {
    let process =
        Process { pid: 42, comm: "node".to_owned(), state: 'S', start_ticks: 7, cpu_ticks: 0, threads: 1 };
    let made = DateTime::from_timestamp(1_770_000_000, 0);
    let payload = Payload { pid: 42, created_at: made, start_ticks: Some(7), ..Payload::default() };
    Evidence {
        kind: LockKind::Session,
        shape: Shape::Regular,
        file: Some(FileId::default()),
        birth: FileBirth::WithTheLock,
        succession: Succession::NotSeen,
        release: Release::NotBegun,
        content: Content::Parsed(payload),
        writer: Writer::Open,
        owner: Owner::Alive(process),
        domain: PidDomain::Shared("visible"),
        filesystem: FsClass::LocalMeasured,
        untouched_for: Duration::from_secs(60),
        age: Some(Duration::from_secs(60)),
        booted_at: DateTime::UNIX_EPOCH,
        start_ticks: StartTicks::Comparable,
        limit: Some(Limit { after: Duration::from_secs(780), source: "run timeout".into() }),
        run_timed_out: RunTimedOut::NotLookedAt,
        relevance: Relevance::Current,
    }
}

/// A lock whose holder was killed.
fn crashed() -> Evidence {
    Evidence { writer: Writer::NoneOpen, owner: Owner::Gone, ..held() }
}

/// As a look shows it.
fn surveyed(evidence: Evidence) -> SurveyedLock {
    let directory = Directory::open_root(Path::new("/")).expect("there is always one");
    SurveyedLock {
        root: 1,
        directory: std::sync::Arc::new(directory),
        name: OsString::from("a.jsonl.lock"),
        seen_at: Duration::ZERO,
        kind: evidence.kind,
        agent: None,
        session_id: None,
        session_key: None,
        transcript: TranscriptListed::NotApplicable,
        guarded: Guarded::No,
        facts: None,
        fingerprint: String::new(),
        judgement: judge(&evidence, Sighting::First, SCAN_SETTLE),
        evidence,
        pin: None,
    }
}

/// Looks when it was asked to, and never between, until nothing more is planned. Returns when each verdict
/// was first shown, and when the licence came.
fn follow(evidence: &Evidence, acting: Option<Settle>) -> (Vec<(Verdict, Duration)>, Option<Duration>) {
    let (mut shown, mut licensed) = (Vec::new(), None);
    let (mut suspicion, mut now) = (None, START);
    for _ in 0..20 {
        let weighed = weigh(evidence, suspicion, now, acting);
        if shown.last().is_none_or(|(verdict, _)| *verdict != weighed.shown.verdict) {
            shown.push((weighed.shown.verdict, now.saturating_sub(START)));
        }
        if weighed.licence.is_some() && licensed.is_none() {
            licensed = Some(now.saturating_sub(START));
        }
        suspicion = weighed.suspicion;
        match weighed.look_again {
            Some(at) => now = at,
            None => return (shown, licensed),
        }
    }
    panic!("it looks for ever: {shown:?}");
}

#[test]
fn a_dead_lock_is_shown_soon_and_taken_once_the_policy_allows() {
    let (shown, licensed) = follow(&crashed(), Some(POLICY));
    assert_eq!(shown.last().map(|(verdict, _)| *verdict), Some(Verdict::Stale));
    assert_eq!(licensed, Some(POLICY.dead));
    let (shown_without, licensed) = follow(&crashed(), None);
    assert_eq!((shown_without, licensed), (shown, None), "a mere watcher sees the same and may nothing");
}

#[test]
fn no_look_in_between_brings_the_licence_forward() {
    let mut suspicion = None;
    for ms in (0..2000).step_by(7) {
        let apart = Duration::from_millis(ms);
        let weighed = weigh(&crashed(), suspicion, START + apart, Some(POLICY));
        suspicion = weighed.suspicion;
        assert_eq!(weighed.licence.is_some(), apart >= POLICY.dead, "after {apart:?}");
    }
}

#[test]
fn another_suspicion_begins_its_time_anew() {
    let of_another = Suspicion { of: Verdict::Leaked, since: START };
    let now = START + Duration::from_secs(60);
    let weighed = weigh(&crashed(), Some(of_another), now, Some(POLICY));
    assert_eq!(weighed.suspicion, Some(Suspicion { of: Verdict::Stale, since: now }));
    assert!(weighed.licence.is_none());
    let cleared = weigh(&held(), weighed.suspicion, now, Some(POLICY));
    assert!(cleared.suspicion.is_none() && cleared.licence.is_none());
}

#[test]
fn a_held_lock_is_looked_at_again_when_it_passes_its_limit() {
    let weighed = weigh(&held(), None, START, Some(POLICY));
    let at = weighed.look_again.expect("its limit is known");
    assert_eq!(at, START + Duration::from_secs(720) + Duration::from_millis(1));
    let later = Evidence { age: Some(Duration::from_secs(60) + at.saturating_sub(START)), ..held() };
    let weighed = weigh(&later, None, at, Some(POLICY));
    assert_eq!(weighed.shown.verdict, Verdict::Overdue);
    assert!(weighed.look_again.is_none() && weighed.licence.is_none(), "age is no proof");
}

#[test]
fn a_refused_lock_is_looked_at_again_though_nothing_happens_to_its_name() {
    let refused = Evidence { shape: Shape::Refused(Refusal::UnexpectedUid), ..held() };
    let weighed = weigh(&refused, None, START, Some(POLICY));
    assert_eq!((weighed.shown.verdict, weighed.licence.is_none()), (Verdict::Refused, true));
    assert!(weighed.look_again.is_some_and(|at| at <= START + second(10)), "somebody may mend its owner");
}

#[test]
fn an_abandoned_lock_settles_from_the_look_that_showed_it() {
    let at = DateTime::from_timestamp(1_770_000_100, 0).expect("in range");
    let evidence = Evidence { run_timed_out: RunTimedOut::Yes { at }, ..held() };
    let first = weigh(&evidence, None, START, Some(POLICY));
    let first = weigh_abandoned(first, &evidence, None, START, POLICY.leaked);
    assert!(first.licence.is_none());
    assert_eq!(first.look_again, Some(START + POLICY.leaked));
    let now = START + POLICY.leaked;
    let second = weigh(&evidence, first.suspicion, now, Some(POLICY));
    let second = weigh_abandoned(second, &evidence, first.suspicion, now, POLICY.leaked);
    assert!(second.licence.is_some() && second.look_again.is_none());
}

const fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn lock() -> KnownLock {
    let mut table = Table::default();
    let name: Rc<OsStr> = OsStr::new("a.jsonl.lock").into();
    let id = table.insert(DirectoryId::from(1), name, LockKind::Session, Birth::Seen, second(0));
    table.remove(id).expect("it was put in")
}

fn suspicion(since: u64) -> Suspicion {
    Suspicion { of: Verdict::Stale, since: second(since) }
}

fn look() -> Box<SurveyedLock> {
    Box::new(surveyed(crashed()))
}

#[test]
fn from_its_name_to_a_look_and_to_a_suspicion() {
    let mut lock = lock();
    assert!(matches!(lock.stage(), Stage::Awaited) && lock.look().is_none());
    lock.seen(look(), Some(suspicion(1)));
    assert_eq!(lock.suspicion(), Some(suspicion(1)));
    lock.seen(look(), None);
    assert!(matches!(lock.stage(), Stage::Seen(_)));
}

#[test]
fn attempts_come_less_and_less_often_until_something_changes() {
    let mut lock = lock();
    lock.seen(look(), Some(suspicion(1)));
    let mut retries = Vec::new();
    for attempt in 0..9 {
        let reason = lock.set_back("disk full".to_owned(), Verdict::Stale, second(0), None);
        assert_eq!(reason == Reason::New, attempt == 0);
        lock.seen(look(), Some(suspicion(1)));
        retries.extend(lock.setback().map(|setback| setback.retry_at.as_secs()));
    }
    assert_eq!(retries, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(lock.set_back("no space".to_owned(), Verdict::Stale, second(0), None), Reason::New);
    lock.clear();
    lock.seen(look(), Some(suspicion(2)));
    assert!(lock.setback().is_none(), "its content has changed");
}

#[test]
fn what_is_missed_twice_is_gone() {
    let mut lock = lock();
    assert!(!lock.missed());
    assert!(lock.missed());
    lock.seen(look(), None);
    assert!(!lock.missed(), "it was there in between");
    assert!(lock.look().is_some(), "the last look is kept for whoever asks what it was");
    assert!(lock.suspicion().is_none());
}
