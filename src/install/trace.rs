//! Whether a directory shows a trace of OpenClaw at all: a mistyped name must not pass for a healthy install.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::openclaw::names::{CONFIGURATIONS, STATE_DIRECTORIES};

/// What a directory shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Something that only OpenClaw puts there.
    Found,
    /// Nothing yet: a volume, or what was prepared for OpenClaw's first start.
    Empty,
    /// Things with a name of their own, and none of them OpenClaw's.
    Foreign,
}

/// What OpenClaw makes in its state directory, the first of which is there before the first message; 1.24 to 9.6.
const OF_A_STATE_DIRECTORY: [&str; 12] = [
    "agents",
    "state/openclaw.sqlite",
    "identity",
    "devices",
    "cron",
    "credentials",
    "locks/oauth-refresh",
    "sandbox",
    "update-check.json",
    "exec-approvals.json",
    "config-journal-fingerprint.key",
    "tasks",
];

/// What says nothing, beside dot names: what a volume has before anybody uses it, what recipes and entry points make
/// before the first start, and lockdoctor's own.
const OF_ANYBODY: [&str; 7] = ["lost+found", "workspace", "logs", "tmp", "skills", "data", "lockdoctor"];

/// Whether it holds a configuration, under any name of the project.
pub fn has_configuration(directory: &Path) -> bool {
    CONFIGURATIONS.iter().any(|name| directory.join(name).exists())
}

/// Whether it is called as OpenClaw calls its state directory.
pub fn is_called_like_one(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default();
    STATE_DIRECTORIES.iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

/// What `directory` shows as a state directory.
pub fn of_state_directory(directory: &Path) -> io::Result<Trace> {
    if OF_A_STATE_DIRECTORY.iter().any(|name| directory.join(name).exists()) || was_worked_in(directory) {
        return Ok(Trace::Found);
    }
    // Also what saving leaves: `openclaw.json.last-good`, `.bak`, `.lock`.
    judged(directory, |name| CONFIGURATIONS.iter().any(|start| name.starts_with(start.as_bytes())))
}

/// What `directory` shows as a sessions directory.
pub fn of_sessions_directory(directory: &Path) -> io::Result<Trace> {
    if directory.file_name() == Some(OsStr::new("sessions")) || was_worked_in(directory) {
        return Ok(Trace::Found);
    }
    let is_session = |name: &[u8]| {
        let holds = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
        name.starts_with(b"sessions.json") || holds(b".jsonl") || name.ends_with(b".json.lock")
    };
    judged(directory, is_session)
}

/// lockdoctor has reclaimed there before.
fn was_worked_in(directory: &Path) -> bool {
    directory.join("lockdoctor/journal.jsonl").exists()
}

fn judged(directory: &Path, is_openclaws: impl Fn(&[u8]) -> bool) -> io::Result<Trace> {
    let mut trace = Trace::Empty;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if is_openclaws(name.as_bytes()) {
            return Ok(Trace::Found);
        }
        // In a home directory the state directory was meant, whatever else is there.
        let says_nothing = name.as_bytes().starts_with(b".") && !is_called_like_one(Path::new(&name))
            || OF_ANYBODY.iter().any(|usual| name == *usual);
        if !says_nothing {
            trace = Trace::Foreign;
        }
    }
    Ok(trace)
}

/// A state directory below `directory`, as somebody meant who named the home directory.
pub fn state_directory_below(directory: &Path) -> Option<PathBuf> {
    STATE_DIRECTORIES.iter().map(|name| directory.join(name)).find(|path| path.is_dir())
}
