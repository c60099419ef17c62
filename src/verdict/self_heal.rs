//! What OpenClaw itself would do with a lock at the next message to that session: its own judge, version by
//! version, on the evidence that it can see. Answers "is this untidy, or a blockage?".

use std::time::Duration;

use super::{Reason, Verdict};
use crate::evidence::lockfile::Refusal;
use crate::evidence::{Content, Evidence, Owner, Shape};
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::{Version, versions_writing};

/// What the next acquirer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelfHeal {
    /// Removes the lock at once.
    Frees(String),
    /// Removes it after this much more waiting.
    FreesAfter(Duration, String),
    /// Fails the message after its time limit, each time.
    Blocks(String),
    /// No version of that era takes such a lock.
    Ignored(&'static str),
    /// The rules of the versions that come into question differ.
    Depends(&'static str),
}

impl SelfHeal {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Frees(_) => "frees",
            Self::FreesAfter(..) => "frees-later",
            Self::Blocks(_) => "blocks",
            Self::Ignored(_) => "ignored",
            Self::Depends(_) => "depends",
        }
    }

    pub fn sentence(&self) -> String {
        match self {
            Self::Frees(why) => format!("OpenClaw frees it by itself at the next message ({why})."),
            Self::FreesAfter(wait, why) => {
                format!(
                    "OpenClaw frees it by itself in {} ({why}).",
                    humantime::format_duration(rounded(*wait))
                )
            }
            Self::Blocks(why) => format!("OpenClaw does not free it: {why}."),
            Self::Ignored(why) | Self::Depends(why) => (*why).to_owned(),
        }
    }
}

fn rounded(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().max(1))
}

const MINUTE: Duration = Duration::from_secs(60);

/// Asks OpenClaw's rules of `version`; where that is unknown, of the versions that write such bytes.
pub fn predict(
    evidence: &Evidence,
    verdict: Verdict,
    reasons: &[Reason],
    version: Option<&Version>,
) -> SelfHeal {
    let written_by = evidence.payload().and_then(|payload| versions_writing(evidence.kind, payload));
    let guess = written_by.map(|(oldest, _)| oldest);
    let Some(version) = version.cloned().or(guess) else {
        return SelfHeal::Depends("The version of OpenClaw is not known, and its versions differ here.");
    };
    match evidence.kind {
        _ if matches!(evidence.shape, Shape::Refused(Refusal::UnexpectedUid | Refusal::Unreadable)) => {
            SelfHeal::Depends("Whether OpenClaw may read and remove it hangs on whose file it is.")
        }
        LockKind::Session | LockKind::Store | LockKind::Gateway if evidence.shape == Shape::Directory => {
            SelfHeal::Depends("No version of OpenClaw puts such a thing here.")
        }
        _ if matches!(evidence.shape, Shape::Refused(_)) => {
            SelfHeal::Depends("No version of OpenClaw puts such a thing here.")
        }
        _ if verdict == Verdict::Freed => SelfHeal::Frees("its pid can belong to no process".to_owned()),
        LockKind::Session if version.at_least(8, 1) => {
            SelfHeal::Ignored("OpenClaw 2026.8.1 and later ignore this file: sessions live in SQLite.")
        }
        LockKind::Store if version.at_least(5, 2) => {
            SelfHeal::Ignored("OpenClaw 2026.5.2 and later ignore this file.")
        }
        LockKind::Store if !version.at_least(2, 17) => by_mtime(evidence),
        LockKind::Session | LockKind::Store => by_session_rules(evidence, verdict, reasons, &version),
        _ => SelfHeal::Depends("lockdoctor only reports locks of this kind."),
    }
}

/// Store lock up to 2.12: only its mtime counts (1.24 `config/sessions/store.js:207-263`).
fn by_mtime(evidence: &Evidence) -> SelfHeal {
    let limit = Duration::from_secs(30);
    match limit.checked_sub(evidence.untouched_for) {
        None => SelfHeal::Frees("its mtime is older than 30 s".to_owned()),
        Some(rest) => SelfHeal::FreesAfter(
            rest,
            "once its mtime is 30 s old; until then every request fails after 10 s".to_owned(),
        ),
    }
}

/// `inspectLockPayload` and `shouldReclaim…` (4.15 `session-write-lock-CcI4KSH8.js:181-224`,
/// 7.1 `session-write-lock-BZ_4P1vk.js:282-411`).
fn by_session_rules(
    evidence: &Evidence,
    verdict: Verdict,
    reasons: &[Reason],
    version: &Version,
) -> SelfHeal {
    let stale_after = if evidence.kind == LockKind::Store { MINUTE / 2 } else { 30 * MINUTE };
    if matches!(evidence.content, Content::Empty | Content::Malformed(_)) {
        return unfinished(evidence, version, stale_after);
    }
    if let Some(reason) = reasons.iter().find(|reason| is_visible_to_openclaw(**reason, evidence, version)) {
        return SelfHeal::Frees(reason.as_str().to_owned());
    }
    let age = evidence.age.unwrap_or_default();
    let report_only = version.at_least(6, 1);
    if !report_only && age > stale_after {
        return SelfHeal::Frees(format!(
            "too-old: it takes any lock older than {}, live or not",
            humantime::format_duration(stale_after)
        ));
    }
    if version.at_least(5, 12) && is_stranger(evidence) {
        return SelfHeal::Frees("non-openclaw-owner: the process is not called like OpenClaw".to_owned());
    }
    if version.at_least(5, 2) && verdict == Verdict::Leaked {
        return SelfHeal::Depends(
            "OpenClaw frees it if the gateway that leaked it is the one that wants it (orphan-self-pid); for any other process each message fails.",
        );
    }
    let wait = if version.at_least(5, 2) { "60 s" } else { "10 s" };
    if report_only {
        return SelfHeal::Blocks(format!(
            "each message to this session fails after {wait} while the process lives"
        ));
    }
    SelfHeal::FreesAfter(
        stale_after.saturating_sub(age),
        format!("too-old; until then each message to this session fails after {wait}"),
    )
}

fn unfinished(evidence: &Evidence, version: &Version, stale_after: Duration) -> SelfHeal {
    if !version.at_least(2, 22) {
        return SelfHeal::Frees("an unreadable payload counts as stale at once".to_owned());
    }
    let grace = if !version.at_least(4, 26) {
        stale_after
    } else if version.at_least(6, 1) {
        Duration::from_secs(30)
    } else {
        Duration::from_secs(5)
    };
    let why = format!(
        "an unreadable payload counts as stale {} after its mtime",
        humantime::format_duration(grace)
    );
    match grace.checked_sub(evidence.untouched_for) {
        None => SelfHeal::Frees(why),
        Some(rest) => SelfHeal::FreesAfter(rest, why),
    }
}

fn is_visible_to_openclaw(reason: Reason, evidence: &Evidence, version: &Version) -> bool {
    let start_recorded = evidence.payload().is_some_and(|payload| payload.start_ticks.is_some());
    match reason {
        Reason::DeadPid => true,
        Reason::ZombiePid => version.at_least(2, 17),
        Reason::RecycledPid => start_recorded && version.at_least(3, 2),
        // `kill(tid, 0)` succeeds for a thread, and nothing else is looked at.
        Reason::ThreadId
        | Reason::PreviousBoot
        | Reason::Malformed
        | Reason::NoWriter
        | Reason::RunTimedOut => false,
    }
}

/// 5.12+ look at the owner's command line; a live OpenClaw process has a title of its own.
fn is_stranger(evidence: &Evidence) -> bool {
    matches!(&evidence.owner, Owner::Alive(process)
        if !process.is_named_like_openclaw() && !matches!(process.comm.as_str(), "node" | "MainThread"))
}
