//! The lease probe: does any process on this kernel have the lock open for writing?
//!
//! OpenClaw's owner keeps its lock file open for writing for as long as it holds the lock (every version from
//! 2026.1.24 to 2026.7.35 examined), so the kernel can tell a held lock from one that was left behind. It
//! answers across PID namespaces, in about a microsecond, and needs no privilege beyond the file's own uid.
//! fcntl(2), "Leases".

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use crate::sys;

/// Whether somebody has the file open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    Open,
    NoneOpen,
    Unknown(LeaseUnknown),
}

/// Why the kernel could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseUnknown {
    /// The file belongs to another uid and we lack CAP_LEASE.
    NotOwner,
    /// A file system on which another kernel may have the file open, or which knows no leases.
    Filesystem,
    /// The self-test on this file system gave a wrong answer, or leases are off (`fs.leases-enable`).
    SelfTestFailed,
    /// A directory, or the verdict did not need it.
    NotProbed,
}

impl LeaseUnknown {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotOwner => {
                "the kernel tells only the lock's own user, or CAP_LEASE, whether somebody has it open; run lockdoctor as the lock's owner"
            }
            Self::Filesystem => "this file system cannot say whether another machine has the file open",
            Self::SelfTestFailed => "leases do not work on this file system (see `lockdoctor doctor`)",
            Self::NotProbed => "not asked",
        }
    }
}

/// Asks the kernel once about a file of `uid`. `fd` must be open read-only.
pub fn probe(fd: BorrowedFd<'_>, uid: u32) -> Writer {
    let answer = ask(fd, uid);
    if answer == Writer::NoneOpen {
        // A failure here changes nothing: the lease ends with the descriptor at the latest.
        let _ = sys::drop_lease(fd);
    }
    answer
}

/// The kernel answers a file's own user, and CAP_LEASE, which root in a container rarely has.
fn ask(fd: BorrowedFd<'_>, uid: u32) -> Writer {
    match sys::take_read_lease(fd) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            sys::with_fs_uid(uid, || answer(sys::take_read_lease(fd)))
        }
        lease => answer(lease),
    }
}

fn answer(lease: std::io::Result<()>) -> Writer {
    match lease {
        Ok(()) => Writer::NoneOpen,
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN) => Writer::Open,
            Some(Errno::ACCESS | Errno::PERM) => Writer::Unknown(LeaseUnknown::NotOwner),
            _ => Writer::Unknown(LeaseUnknown::Filesystem),
        },
    }
}

/// Result of trying the probe on a scratch file of the same file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTest {
    Passed,
    Failed,
    /// No scratch file could be made (read-only, or another user's directory).
    NotPossible,
}

/// Remembers, for each file system, whether the probe can be believed there.
#[derive(Debug, Default, Clone)]
pub struct Leases {
    tested: HashMap<u64, SelfTest>,
}

impl Leases {
    /// Probes `fd`, which lies in `directory`, where the answer can be believed.
    pub fn probe(&mut self, directory: &Directory, fd: BorrowedFd<'_>, uid: u32) -> Writer {
        self.believed(directory, || probe(fd, uid))
    }

    /// The same for a descriptor that is not needed any more: closing it gives the lease back.
    pub fn probe_last(&mut self, directory: &Directory, fd: OwnedFd, uid: u32) -> Writer {
        self.believed(directory, move || ask(fd.as_fd(), uid))
    }

    fn believed(&mut self, directory: &Directory, probe: impl FnOnce() -> Writer) -> Writer {
        if !directory.filesystem.has_one_kernel() {
            return Writer::Unknown(LeaseUnknown::Filesystem);
        }
        match self.self_test(directory) {
            SelfTest::Passed => probe(),
            SelfTest::Failed => Writer::Unknown(LeaseUnknown::SelfTestFailed),
            // Believed where the behaviour was measured (ext4, xfs, btrfs, tmpfs, overlayfs). A writer that
            // the kernel reports is a veto in any case.
            SelfTest::NotPossible if directory.filesystem.was_measured() => probe(),
            SelfTest::NotPossible => match probe() {
                Writer::Open => Writer::Open,
                _ => Writer::Unknown(LeaseUnknown::SelfTestFailed),
            },
        }
    }

    pub(super) fn take_from(&mut self, other: Self) {
        self.tested.extend(other.tested);
    }

    pub fn self_test(&mut self, directory: &Directory) -> SelfTest {
        *self.tested.entry(directory.dev).or_insert_with(|| self_test(directory.fd.as_fd()))
    }
}

/// Opens a nameless scratch file (`O_TMPFILE`: no entry, no change of the directory) and expects the lease to
/// be refused while it is open for writing and granted afterwards.
fn self_test(directory: BorrowedFd<'_>) -> SelfTest {
    let scratch = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(writer) = rustix::fs::openat(directory, ".", scratch, Mode::RUSR | Mode::WUSR) else {
        return SelfTest::NotPossible;
    };
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    let Ok(reader) = rustix::fs::open(link, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return SelfTest::NotPossible;
    };
    let Ok(stat) = rustix::fs::fstat(&writer) else { return SelfTest::NotPossible };
    let while_open = probe(reader.as_fd(), stat.st_uid);
    drop(writer);
    let after_close = probe(reader.as_fd(), stat.st_uid);
    match (while_open, after_close) {
        (Writer::Open, Writer::NoneOpen) => SelfTest::Passed,
        _ => SelfTest::Failed,
    }
}
