//! A lock in a few words: who it names, and the rule that decided.

use crate::evidence::{Evidence, Owner, Writer};
use crate::verdict::Rule;
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
        (Some(pid), Owner::Alive(process)) if evidence.names_another() => {
            format!("pid {pid}, now {}", printable(&process.comm))
        }
        (Some(pid), Owner::Alive(process)) => format!("pid {pid} ({})", printable(&process.comm)),
        (Some(pid), Owner::Hidden) => format!("pid {pid}, hidden"),
        (Some(pid), Owner::Lockdoctor | Owner::None | Owner::Unknown(_)) => format!("pid {pid}"),
    }
}

/// The rule that decided, in a few words.
pub fn in_short(rule: Rule) -> &'static str {
    match rule {
        Rule::Shape => "not an ordinary file",
        Rule::Tombstone => "lockdoctor's own tombstone",
        Rule::Guard => "a reclaim guard",
        Rule::Coordinator => "lies there for ever",
        Rule::DirectoryLock => "a directory that its holder touches",
        Rule::WriterOpen => "open for writing",
        Rule::Unfinished => "being written",
        Rule::NoWriterDeadOwner | Rule::OwnerDead => "its owner is gone",
        Rule::NoWriterLiveOwner => "closed by its owner, who lives",
        Rule::NoWriterUnknownOwner => "open in no process",
        Rule::OwnerAlive => "its owner lives",
        Rule::OtherKernel => "another machine may have it",
        Rule::OtherPidNamespace => "its owner is in another container",
        Rule::EvidenceMissing => "evidence is missing",
    }
}
