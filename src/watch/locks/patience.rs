//! When patience with a lock ends: what a look at it means, whether the daemon may act, when it looks again. Pure:
//! the verdict's own rules do the judging.

use std::time::Duration;

use crate::evidence::{Evidence, RunTimedOut};
use crate::openclaw::lock_kind::LockKind;
use crate::survey::SCAN_SETTLE;
use crate::verdict::{
    CREATION_GRACE, GUARD_GRACE, Judgement, Settle, Sighting, StaleProof, Verdict, abandon, judge,
};

/// Since when the same file has looked stale, leaked, or abandoned (`Overdue`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) of: Verdict,
    /// On the boot clock.
    pub(crate) since: Duration,
}

/// The outcome of one look.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) shown: Judgement,
    pub(crate) suspicion: Option<Suspicion>,
    /// The licence to reclaim, once the lock has looked the same for the policy's settle time.
    pub(crate) licence: Option<StaleProof>,
    /// When to look again if nothing happens before, on the boot clock.
    pub(crate) look_again: Option<Duration>,
}

/// Weighs `evidence` gathered at `now` (boot clock). `before`: what the last look at this very file, unchanged,
/// made of it. `acting`: the settle times of the policy, if the daemon may act.
pub(crate) fn weigh(
    evidence: &Evidence,
    before: Option<Suspicion>,
    now: Duration,
    acting: Option<Settle>,
) -> Weighed {
    let suspected = judge(evidence, Sighting::First, SCAN_SETTLE).suspected;
    let suspicion = suspected.map(|of| match before {
        Some(before) if before.of == of => before,
        _ => Suspicion { of, since: now },
    });
    let Some(Suspicion { since, .. }) = suspicion else {
        let shown = judge(evidence, Sighting::First, SCAN_SETTLE);
        let look_again = quiet_deadline(evidence, &shown, now);
        return Weighed { shown, suspicion, licence: None, look_again };
    };
    let after = |apart: Duration| {
        let shown = judge(evidence, Sighting::Again { apart }, SCAN_SETTLE);
        let acting = acting.map(|settle| judge(evidence, Sighting::Again { apart }, settle));
        (shown, acting.and_then(|judgement| judgement.proof()))
    };
    let apart = now.saturating_sub(since);
    let (shown, licence) = after(apart);
    let changes_at = |later: &Duration| {
        let (then, licence_then) = after(*later);
        *later > apart && (then.verdict != shown.verdict || licence_then != licence)
    };
    let look_again = thresholds(acting).filter(changes_at).min().map(|later| since.saturating_add(later));
    Weighed { shown, suspicion, licence, look_again }
}

/// The same for a held lock whose run has ended at its time limit, where such locks may be taken as well.
pub(crate) fn weigh_abandoned(
    weighed: Weighed,
    evidence: &Evidence,
    before: Option<Suspicion>,
    now: Duration,
    settle: Duration,
) -> Weighed {
    let since = before.filter(|before| before.of == Verdict::Overdue).map_or(now, |before| before.since);
    let licence = abandon(evidence, Sighting::Again { apart: now.saturating_sub(since) }, settle);
    let settled_at = Some(since.saturating_add(settle)).filter(|at| *at > now);
    Weighed {
        suspicion: Some(Suspicion { of: Verdict::Overdue, since }),
        look_again: settled_at.into_iter().chain(weighed.look_again).min(),
        licence,
        ..weighed
    }
}

fn thresholds(acting: Option<Settle>) -> impl Iterator<Item = Duration> {
    std::iter::once(SCAN_SETTLE).chain(acting).flat_map(|settle| [settle.dead, settle.stale, settle.leaked])
}

/// When time alone changes the verdict on a lock that nothing speaks against.
fn quiet_deadline(evidence: &Evidence, shown: &Judgement, now: Duration) -> Option<Duration> {
    // One millisecond past the limit, so that the comparison has turned.
    let past =
        |limit: Duration, elapsed: Duration| now + limit.saturating_sub(elapsed) + Duration::from_millis(1);
    match shown.verdict {
        Verdict::Initialising if evidence.kind == LockKind::Guard => {
            Some(past(GUARD_GRACE, evidence.untouched_for))
        }
        Verdict::Initialising => Some(past(CREATION_GRACE, evidence.untouched_for)),
        Verdict::Held if !matches!(evidence.run_timed_out, RunTimedOut::Yes { .. }) => {
            let limit = evidence.limit.as_ref()?;
            Some(past(limit.after, evidence.age.unwrap_or_default()))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(in crate::watch) mod tests {
    use std::ffi::OsString;
    use std::path::Path;
    use std::rc::Rc;

    use chrono::DateTime;

    use super::*;
    use crate::evidence::directory::Directory;
    use crate::evidence::{
        Content, FsClass, Owner, Payload, PidDomain, Process, Relevance, Shape, StartTicks, Writer,
    };
    use crate::openclaw::limits::Limit;
    use crate::survey::{Guarded, SurveyedLock, TranscriptListed};

    const POLICY: Settle = Settle {
        dead: Duration::from_millis(500),
        stale: Duration::from_secs(2),
        leaked: Duration::from_secs(5),
    };
    const START: Duration = Duration::from_secs(1000);

    fn held() -> Evidence {
        let process = Process {
            pid: 42,
            comm: "node".to_owned(),
            state: 'S',
            start_ticks: 7,
            cpu_ticks: 0,
            threads: 1,
        };
        let made = DateTime::from_timestamp(1_770_000_000, 0);
        let payload = Payload { pid: 42, created_at: made, start_ticks: Some(7), ..Payload::default() };
        Evidence {
            kind: LockKind::Session,
            shape: Shape::Regular,
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
    pub(in crate::watch) fn crashed() -> Evidence {
        Evidence { writer: Writer::NoneOpen, owner: Owner::Gone, ..held() }
    }

    /// As a look shows it.
    pub(in crate::watch) fn surveyed(evidence: Evidence) -> SurveyedLock {
        let directory = Directory::open_root(Path::new("/")).expect("there is always one");
        SurveyedLock {
            root: 1,
            directory: Rc::new(directory),
            name: OsString::from("a.jsonl.lock"),
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
                shown.push((weighed.shown.verdict, now - START));
            }
            if weighed.licence.is_some() && licensed.is_none() {
                licensed = Some(now - START);
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
        let later = Evidence { age: Some(Duration::from_secs(60) + (at - START)), ..held() };
        let weighed = weigh(&later, None, at, Some(POLICY));
        assert_eq!(weighed.shown.verdict, Verdict::Overdue);
        assert!(weighed.look_again.is_none() && weighed.licence.is_none(), "age is no proof");
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
}
