//! Whether a directory shows a trace of OpenClaw at all: a mistyped name must not pass for a healthy install.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a directory shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Something that only OpenClaw puts there.
    Found,
    /// Nothing yet: a volume that is filled later.
    Empty,
    /// Things, and none of them OpenClaw's.
    Foreign,
}

/// What OpenClaw makes in its state directory, the first of which is there before the first message; 1.24 to 9.6.
const OF_A_STATE_DIRECTORY: [&str; 10] = [
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
];

/// Of every name of the project; also what saving leaves (`openclaw.json.last-good`, `.bak`, `.lock`).
const CONFIGURATIONS: [&[u8]; 4] = [b"openclaw.json", b"clawdbot.json", b"moltbot.json", b"moldbot.json"];

/// Names that a volume has before anybody uses it, and lockdoctor's own.
const OF_A_VOLUME: [&str; 2] = ["lost+found", "lockdoctor"];

/// What `directory` shows as a state directory.
pub fn of_state_directory(directory: &Path) -> io::Result<Trace> {
    if OF_A_STATE_DIRECTORY.iter().any(|name| directory.join(name).exists()) || was_worked_in(directory) {
        return Ok(Trace::Found);
    }
    judged(directory, |name| CONFIGURATIONS.iter().any(|start| name.starts_with(start)))
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
        if !OF_A_VOLUME.iter().any(|usual| name == *usual) {
            trace = Trace::Foreign;
        }
    }
    Ok(trace)
}

/// A state directory below `directory`, as somebody meant who named the home directory.
pub fn state_directory_below(directory: &Path) -> Option<PathBuf> {
    let names = [".openclaw", ".clawdbot", ".moltbot", ".moldbot"];
    names.iter().map(|name| directory.join(name)).find(|path| path.is_dir())
}
