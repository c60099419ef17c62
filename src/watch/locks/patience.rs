//! When patience with a lock ends: what a look at it means, whether the daemon may act, when it looks again. Pure:
//! the verdict's own rules do the judging.

use std::time::Duration;

use crate::evidence::{Evidence, Release, RunTimedOut};
use crate::openclaw::lock_kind::LockKind;
use crate::survey::SCAN_SETTLE;
use crate::verdict::{
    CREATION_GRACE, GUARD_GRACE, Judgement, Rule, Settle, Sighting, StaleProof, Verdict, abandon, judge,
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
        (shown, acting.and_then(|mut judgement| judgement.take_proof()))
    };
    let apart = now.saturating_sub(since);
    let (shown, licence) = after(apart);
    let changes_at = |later: &Duration| {
        let (then, licence_then) = after(*later);
        *later > apart && (then.verdict != shown.verdict || licence_then != licence)
    };
    let planned = thresholds(acting).filter(changes_at).min().map(|later| since.saturating_add(later));
    // What the owner does makes no sound.
    let owner = match evidence.release {
        // It is asked at the second look.
        Release::NotLookedAt if apart < SCAN_SETTLE.leaked => Some(since + SCAN_SETTLE.leaked),
        Release::UnderWay => Some(now + between_looks_at_owner(apart)),
        // What hides it may be of the moment: a gateway that is coming up.
        Release::Unseen | Release::NotLookedAt
            if !matches!(shown.verdict, Verdict::Stale | Verdict::Leaked) =>
        {
            Some(now + between_looks_for_owner(apart))
        }
        _ => None,
    };
    Weighed { shown, suspicion, licence, look_again: planned.into_iter().chain(owner).min() }
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
    std::iter::once(SCAN_SETTLE).chain(acting).flat_map(Settle::steps)
}

/// Often at first, when the release may end at any moment; at last every few seconds.
fn between_looks_at_owner(apart: Duration) -> Duration {
    (apart / 16).clamp(Duration::from_millis(250), REPLACED_LOOK)
}

/// Seldom soon: what cannot be looked at for long is freed after a time, by thousands.
fn between_looks_for_owner(apart: Duration) -> Duration {
    (apart / 4).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// How often the owner of a replaced lock is looked at: when it lets go of its own file, this one is not touched.
const REPLACED_LOOK: Duration = Duration::from_secs(5);

/// How often a refused lock is looked at: no event tells of a change of its owner or its mode.
const REFUSED_LOOK: Duration = Duration::from_secs(10);

/// When time alone changes the verdict on a lock that nothing speaks against.
fn quiet_deadline(evidence: &Evidence, shown: &Judgement, now: Duration) -> Option<Duration> {
    // One millisecond past the limit, so that the comparison has turned.
    let past =
        |limit: Duration, elapsed: Duration| now + limit.saturating_sub(elapsed) + Duration::from_millis(1);
    match shown.verdict {
        _ if shown.rule == Rule::Replaced => Some(now + REPLACED_LOOK),
        Verdict::Refused => Some(now + REFUSED_LOOK),
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
