//! A lock in a few words: who it names, and the rule that decided.

use crate::evidence::{Evidence, Owner, Writer};
use crate::verdict::severity::Effect;
use crate::verdict::{Judgement, Reason, Rule, Verdict};
use crate::words::printable;

/// Who the lock names, in a few words.
pub fn owner(evidence: &Evidence) -> String {
    let pid = evidence.payload().map(|payload| payload.pid);
    match (pid, &evidence.owner) {
        (None, _) => "no pid".to_owned(),
        (Some(pid), Owner::Gone) => format!("pid {pid}, gone"),
        (Some(pid), Owner::Zombie(_)) => format!("pid {pid}, a zombie"),
        (Some(pid), Owner::Thread { leader }) => format!("pid {pid}, a thread of {leader}"),
        (Some(pid), _) if evidence.number_is_anothers() && evidence.writer == Writer::Open => {
            format!("pid {pid}, not of this namespace")
        }
        (Some(pid), Owner::Alive(process) | Owner::Stranger(process)) if evidence.names_another() => {
            format!("pid {pid}, now {}", printable(&process.comm))
        }
        (Some(pid), Owner::Alive(process) | Owner::Stranger(process)) => {
            format!("pid {pid} ({})", printable(&process.comm))
        }
        (Some(pid), Owner::Hidden) => format!("pid {pid}, hidden"),
        (Some(pid), Owner::Lockdoctor | Owner::None | Owner::Unknown(_)) => format!("pid {pid}"),
    }
}

/// What a lock does to the people who write to its chat, in a few words.
pub fn effect(verdict: Verdict, effect: Effect) -> &'static str {
    match (effect, verdict) {
        (Effect::NobodyIsAnswered, _) => "nobody is answered",
        (Effect::MessagesFail | Effect::MessagesFailed, _) => "messages fail",
        (Effect::NextMessageFails, _) => "next message fails",
        (Effect::RunCannotEnd, _) => "its run cannot end",
        (Effect::WaitsPastLimit, _) => "past its limit",
        (Effect::Threatens, _) => "to look at",
        (Effect::Slow, _) => "slow",
        (Effect::HealsItself, _) => "harmless",
        (Effect::Untidy, Verdict::Held) => "in use",
        (Effect::Untidy, Verdict::Freed) => "freed",
        (Effect::Untidy, Verdict::Initialising) => "being written",
        (Effect::Untidy, Verdict::Settling) => "checking twice",
        (Effect::Untidy, Verdict::Foreign | Verdict::Indeterminate) => "cannot tell",
        (Effect::Untidy, _) => "harmless",
    }
}

/// Why, in a few words; the codes are for programs and `-v`.
pub fn why(judgement: &Judgement) -> &'static str {
    let is = |reason: Reason| judgement.reasons.contains(&reason);
    match (judgement.verdict, judgement.rule) {
        (Verdict::Overdue, _) if is(Reason::RunTimedOut) => "its run hit its time limit and goes on",
        (Verdict::Overdue, _) => "a live run holds it",
        (Verdict::Leaked, _) => "forgotten by the running gateway",
        (Verdict::Stale, _) if is(Reason::Malformed) => "half-written, and nobody is using it",
        (Verdict::Stale, _) if is(Reason::ThreadId) => "nobody is using it; its pid is a thread",
        (Verdict::Stale, _) if is(Reason::RecycledPid) => {
            "nobody is using it; its pid is another program now"
        }
        (Verdict::Stale, _) if is(Reason::ZombiePid) => "nobody is using it; its owner has ended",
        (Verdict::Stale, _) if is(Reason::DeadPid) => "nobody is using it; its owner is gone",
        (Verdict::Stale, _) => "nobody is using it",
        (_, rule) => in_short(rule),
    }
}

/// The rule that decided, in a few words.
fn in_short(rule: Rule) -> &'static str {
    match rule {
        Rule::Shape => "not an ordinary file",
        Rule::Tombstone => "marked for OpenClaw to delete",
        Rule::Guard => "a left-over guard file blocks everybody",
        Rule::Coordinator => "always there; says nothing",
        Rule::DirectoryLock => "a directory that its owner touches",
        Rule::WriterOpen => "open for writing",
        Rule::Replaced => "replaced while it was held",
        Rule::Unfinished => "being written",
        Rule::NoWriterDeadOwner | Rule::OwnerDead => "its owner is gone",
        Rule::NoWriterLiveOwner => "closed by its owner, who lives",
        Rule::NoWriterUnknownOwner => "nobody is using it",
        Rule::OwnerAlive => "its owner lives",
        Rule::OtherKernel => "another machine may have it",
        Rule::OtherPidNamespace => "its owner is in another container",
        Rule::EvidenceMissing => "cannot tell",
    }
}
