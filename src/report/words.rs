//! Small things said the same way everywhere: durations, times, owners.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::evidence::{Evidence, Owner};

/// Text from outside (a file's name, a process's) as it may stand in a terminal: control characters, which
/// could move the cursor or forge a line, and those that turn the writing direction are spelt out.
pub fn printable(text: &str) -> Cow<'_, str> {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let unsafe_here = |c: char| c.is_control() || turns(c);
    if !text.contains(unsafe_here) {
        return Cow::Borrowed(text);
    }
    let spelt = |c: char| if unsafe_here(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spelt).collect())
}

/// A path as it may stand in a terminal.
pub fn path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

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
        (Some(pid), Owner::Alive(process)) => format!("pid {pid} ({})", printable(&process.comm)),
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
