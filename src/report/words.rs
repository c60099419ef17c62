//! Small things said the same way everywhere: durations, times, owners.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::evidence::{Evidence, Owner};

/// RFC 3339, UTC, milliseconds: the form of every time in JSON.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// At most two units: `4m 12s`, `3h 5m`, `2days 1h`, `850ms`.
pub fn duration(duration: Duration) -> String {
    let whole = match duration.as_secs() {
        0 => Duration::from_millis(duration.as_millis() as u64),
        1..3600 => Duration::from_secs(duration.as_secs()),
        3600..86_400 => Duration::from_secs(duration.as_secs() / 60 * 60),
        _ => Duration::from_secs(duration.as_secs() / 3600 * 3600),
    };
    humantime::format_duration(whole).to_string()
}

/// Milliseconds as JSON carries them.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Who the lock names, in a few words.
pub fn owner(evidence: &Evidence) -> String {
    let pid = evidence.payload().map(|payload| payload.pid);
    match (pid, &evidence.owner) {
        (None, _) => "no pid".to_owned(),
        (Some(pid), Owner::Gone) => format!("pid {pid}, gone"),
        (Some(pid), Owner::Zombie(_)) => format!("pid {pid}, a zombie"),
        (Some(pid), Owner::Thread { leader }) => format!("pid {pid}, a thread of {leader}"),
        (Some(pid), Owner::Alive(process)) => format!("pid {pid} ({})", process.comm),
        (Some(pid), Owner::Hidden) => format!("pid {pid}, hidden"),
        (Some(pid), Owner::Lockdoctor | Owner::None | Owner::Unknown(_)) => format!("pid {pid}"),
    }
}

/// Whether the named process is there: yes, no, or not known.
pub fn alive(owner: &Owner) -> Option<bool> {
    match owner {
        Owner::Alive(_) | Owner::Hidden => Some(true),
        Owner::Gone | Owner::Zombie(_) | Owner::Thread { .. } => Some(false),
        Owner::None | Owner::Lockdoctor | Owner::Unknown(_) => None,
    }
}

/// `1 lock`, `2 locks`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
