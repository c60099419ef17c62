//! What a process has open, as `/proc/PID/fd` shows it: its event loops, and files that may be locks.
//!
//! The lease speaks of the inode under a name. After a restored backup, a `sed -i`, a moved directory or beside an
//! overlay's layer the owner's file is another one: deleted, renamed, or under another directory. It is found here
//! by its name, or by what it says; the copy may be an edited one (`sed -i.bak`), or an older one.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::openclaw::payload::{self, Content, MAX_LOCK_BYTES, Payload};

const DELETED: &[u8] = b" (deleted)";
const EVENT_LOOP: &[u8] = b"anon_inode:[eventpoll]";

/// The descriptors of one process that matter here.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    files: Vec<OpenFile>,
    /// Epoll descriptors that watch something. Node's tracing loop watches nothing until it runs.
    pub(super) event_loops: Vec<u32>,
}

/// A small file that is open for writing.
#[derive(Debug)]
struct OpenFile {
    /// The last part of the path under which it was opened, or to which it was renamed since.
    name: OsString,
    dev: u64,
    ino: u64,
    /// `None`: it cannot be read, or is not a lock's.
    payload: Option<Payload>,
    /// It is the lock of another session, under that session's name: two that were taken in one millisecond say the
    /// same.
    of_another_session: bool,
}

/// Which file of a lock a process has open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The one under the lock's name.
    This,
    /// One of the same name, or with the same bytes, that is not under the lock's name.
    Another,
    None,
}

impl Descriptors {
    /// Reads them; needs the right to look into the process (ptrace(2), `PTRACE_MODE_READ`).
    pub(super) fn of(pid: u32) -> Result<Self, Errno> {
        let open = |path: String| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        };
        let directory = open(format!("/proc/{pid}/fd"))?;
        let info = open(format!("/proc/{pid}/fdinfo"))?;
        let mut found = Self::default();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Ok(number) = name.parse::<u32>() else { continue };
            match rustix::fs::readlinkat(&directory, name, Vec::new()) {
                Ok(target) if target.to_bytes() == EVENT_LOOP => {
                    if watches_something(&info, name) {
                        found.event_loops.push(number);
                    }
                }
                Ok(target) if target.to_bytes().starts_with(b"/") => {
                    let file = open_file(&directory, &info, name, target.to_bytes())?;
                    found.files.extend(file.map(|file| file.with_session(pid, target.to_bytes())));
                }
                // A socket, a pipe; or closed meanwhile.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Which file of the lock called `name`, with this payload, is open.
    pub(super) fn holds(&self, name: &OsStr, payload: Option<&Payload>, dev: u64, ino: u64) -> Holds {
        if self.files.iter().any(|file| (file.dev, file.ino) == (dev, ino)) {
            return Holds::This;
        }
        if self.files.iter().any(|file| file.may_be(name, payload)) { Holds::Another } else { Holds::None }
    }
}

impl OpenFile {
    /// Whether it may be the file of the lock called `name`, where another one lies under the name.
    fn may_be(&self, name: &OsStr, lock: Option<&Payload>) -> bool {
        if self.name == name {
            return true;
        }
        let (own, name) = (self.name.as_bytes(), name.as_bytes());
        // `NAME~`, `NAME.bak`, `.NAME.x7Fq2`
        let named_after = memchr::memmem::find(own, name).is_some();
        let made_with =
            |own: &Payload| lock.is_some_and(|lock| (own.pid, own.created_at) == (lock.pid, lock.created_at));
        // A lock that was renamed, as a backup is; which one it was is not known.
        let moved_away =
            |own: &Payload| !self.name.as_bytes().ends_with(b".lock") && own.created_at.is_some();
        let says = |told: &dyn Fn(&Payload) -> bool| self.payload.as_ref().is_some_and(told);
        !self.of_another_session && (named_after || says(&made_with) || says(&moved_away))
    }

    /// Its transcript lies beside it, as the process sees it.
    fn with_session(self, pid: u32, target: &[u8]) -> Self {
        let transcript = target.strip_suffix(b".lock").filter(|path| path.ends_with(b".jsonl"));
        let beside = transcript.map(|path| [format!("/proc/{pid}/root").as_bytes(), path].concat());
        let lies_there = |path: Vec<u8>| rustix::fs::access(path, Access::EXISTS).is_ok();
        Self { of_another_session: beside.is_some_and(lies_there), ..self }
    }
}

fn watches_something(info: &OwnedFd, name: &str) -> bool {
    // What cannot be read may watch something.
    read(info, name).is_none_or(|text| text.windows(4).any(|word| word == b"tfd:"))
}

/// The file behind one descriptor, if it is open for writing and small enough for a lock.
fn open_file(
    directory: &OwnedFd,
    info: &OwnedFd,
    number: &str,
    target: &[u8],
) -> Result<Option<OpenFile>, Errno> {
    let stat = match rustix::fs::statat(directory, number, AtFlags::empty()) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || stat.st_size as u64 > MAX_LOCK_BYTES || !is_open_for_writing(info, number) {
        return Ok(None);
    }
    let path = target.strip_suffix(DELETED).unwrap_or(target);
    let name = Path::new(OsStr::from_bytes(path)).file_name().unwrap_or_default().to_owned();
    let payload = read(directory, number).and_then(|bytes| match payload::parse(&bytes) {
        Content::Parsed(payload) => Some(payload),
        _ => None,
    });
    Ok(Some(OpenFile { name, dev: stat.st_dev, ino: stat.st_ino, payload, of_another_session: false }))
}

fn is_open_for_writing(info: &OwnedFd, number: &str) -> bool {
    let Some(text) = read(info, number) else { return true };
    let text = String::from_utf8_lossy(&text);
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    flags.is_none_or(|flags| flags & 3 != 0)
}

fn read(directory: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    // NONBLOCK: should it have become a FIFO since it was looked at, opening it must not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
    let mut bytes = vec![0; MAX_LOCK_BYTES as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::io::read(&fd, &mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(filled);
    bytes.shrink_to_fit();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn holds(name: &str, bytes: &[u8], file: &std::fs::Metadata) -> Holds {
        let ours = Descriptors::of(std::process::id()).expect("our own descriptors");
        let Content::Parsed(payload) = payload::parse(bytes) else { panic!("a payload") };
        ours.holds(OsStr::new(name), Some(&payload), file.dev(), file.ino())
    }

    /// Each way in which another file can come to lie under the name of a lock that is held.
    #[test]
    fn the_owners_own_file_is_found_wherever_it_has_gone() {
        let root = tempfile::tempdir().expect("temporary directory");
        let lock = root.path().join("a.jsonl.lock");
        let body = br#"{"pid": 4242, "createdAt": "2026-05-26T07:22:46.211Z"}"#;
        let edited = b"{\"pid\":4242,\"createdAt\":\"2026-05-26T07:22:46.211Z\"}\n";
        let older = br#"{"pid": 4242, "createdAt": "2026-05-26T07:11:00.001Z"}"#;
        let held = || {
            let mut file = std::fs::File::create(&lock).expect("lock");
            file.write_all(body).expect("payload");
            file
        };
        let copied = || {
            std::fs::write(root.path().join("copy"), body).expect("copy");
            std::fs::rename(root.path().join("copy"), &lock).expect("put under the name");
            std::fs::metadata(&lock).expect("there")
        };
        {
            let file = held();
            assert_eq!(holds("a.jsonl.lock", body, &file.metadata().expect("open")), Holds::This);
            // tar, rsync, git checkout
            assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::Another);
        }
        {
            let _file = held();
            // sed -i.bak, rsync --backup: under another name
            std::fs::rename(&lock, root.path().join("a.jsonl.lock~")).expect("rename");
            assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::Another);
        }
        {
            let _file = held();
            // An older backup: other bytes
            std::fs::remove_file(&lock).expect("delete");
            assert_eq!(holds("a.jsonl.lock", older, &copied()), Holds::Another);
        }
        for aside in ["a.jsonl.lock.bak", ".a.jsonl.lock.x7Fq2", "aside"] {
            let _file = held();
            // sed -i.bak, an editor, a roll-back: renamed, and other bytes under the name
            std::fs::rename(&lock, root.path().join(aside)).expect("rename");
            for under_the_name in [&edited[..], older] {
                assert_eq!(holds("a.jsonl.lock", under_the_name, &copied()), Holds::Another, "{aside}");
            }
        }
        assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::None);
        {
            // The gateway's own lock, which it keeps open while it runs.
            let mut gateway = std::fs::File::create(root.path().join("gateway.0f3a.lock")).expect("lock");
            gateway.write_all(older).expect("payload");
            assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::None);
        }
        {
            // Another session's, taken in the same millisecond.
            std::fs::write(root.path().join("b.jsonl"), "").expect("transcript");
            let mut file = std::fs::File::create(root.path().join("b.jsonl.lock")).expect("lock");
            file.write_all(body).expect("payload");
            assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::None);
        }
        let _reader = std::fs::File::open(&lock).expect("read");
        assert_eq!(holds("a.jsonl.lock", body, &copied()), Holds::None, "whoever reads it does not hold it");
    }
}
