//! The transcript beside a lock, looked at only for `explain` and `diagnose`: it is read, never opened for
//! writing, and its times are never touched (the gateway fingerprints its ctime).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use chrono::{DateTime, Utc};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

use super::directory::Directory;

/// How much of the end is read to see whether the last line is whole.
const TAIL: u64 = 256 * 1024;

/// What lies beside the lock under the name without `.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Transcript {
    Missing,
    Present {
        bytes: u64,
        changed_at: Option<DateTime<Utc>>,
        last_line: LastLine,
    },
    #[serde(untagged)]
    Unknown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastLine {
    Whole,
    /// The writer died in the middle of a line.
    Torn,
    /// Longer than what is read.
    Unknown,
}

/// Looks at the transcript of the lock called `lock_name` in `directory`.
pub fn look(directory: &Directory, lock_name: &OsStr) -> Transcript {
    let Some(name) = lock_name.as_bytes().strip_suffix(b".lock") else { return Transcript::Missing };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOATIME | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty());
    // O_NOATIME needs the file's own uid; without it the kernel's relatime decides.
    let fd = match open(flags) {
        Err(Errno::PERM) => open(flags - OFlags::NOATIME),
        other => other,
    };
    let fd = match fd {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Transcript::Missing,
        Err(error) => return Transcript::Unknown(format!("cannot be read: {error}")),
    };
    let stat = match rustix::fs::fstat(&fd) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
        Ok(_) => return Transcript::Unknown("not a regular file".to_owned()),
        Err(error) => return Transcript::Unknown(format!("cannot be read: {error}")),
    };
    let bytes = stat.st_size as u64;
    let mut tail = vec![0; TAIL.min(bytes) as usize];
    let last_line = match rustix::io::pread(&fd, &mut tail, bytes.saturating_sub(TAIL)) {
        Ok(read) => last_line(&tail[..read], bytes <= TAIL),
        Err(_) => LastLine::Unknown,
    };
    let changed_at = DateTime::from_timestamp(stat.st_mtime, stat.st_mtime_nsec as u32);
    Transcript::Present { bytes, changed_at, last_line }
}

fn last_line(tail: &[u8], from_start: bool) -> LastLine {
    let body = tail.strip_suffix(b"\n").unwrap_or(tail);
    let line = match memchr::memrchr(b'\n', body) {
        Some(at) => &body[at + 1..],
        None if from_start => body,
        None => return LastLine::Unknown,
    };
    if line.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() {
        LastLine::Whole
    } else {
        LastLine::Torn
    }
}
