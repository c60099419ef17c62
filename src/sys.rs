//! The few system calls that no crate offers safely, each with its reason. The only module with `unsafe`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks for a read lease on `fd` (fcntl(2), `F_SETLEASE` with `F_RDLCK`).
///
/// The kernel grants it only if no process on this kernel, in any PID namespace, has the inode open for
/// writing; otherwise it answers `EAGAIN`. `fd` must be open read-only.
pub(crate) fn take_read_lease(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_lease(fd, libc::F_RDLCK)
}

/// Gives the lease back. Closing the descriptor does the same.
pub(crate) fn drop_lease(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_lease(fd, libc::F_UNLCK)
}

fn set_lease(fd: BorrowedFd<'_>, kind: i32) -> io::Result<()> {
    // SAFETY: F_SETLEASE takes an integer argument and touches no memory of ours; `fd` is open for the call.
    let rc = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Does `what` with the file-system uid `uid`, if the kernel lets us take it on (setfsuid(2), CAP_SETUID). It is this
/// thread's own, and ours again afterwards.
pub(crate) fn with_fs_uid<T>(uid: u32, what: impl FnOnce() -> T) -> T {
    // SAFETY: setfsuid takes a number and touches no memory of ours. It reports no error: without the right to it
    // nothing changes.
    let before = unsafe { libc::setfsuid(uid) };
    let result = what();
    // SAFETY: as above.
    unsafe { libc::setfsuid(before as u32) };
    result
}

/// Ignores SIGIO for the life of the process.
///
/// If a process opens a lock for writing during the microsecond in which we hold a lease on it, the kernel sends
/// the lease holder SIGIO, whose default action is to kill.
pub fn ignore_lease_break_signal() {
    // SAFETY: SIG_IGN is a valid disposition for SIGIO and installs no handler that could run our code.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
}

/// Restores the default action of SIGPIPE, which Rust's runtime ignores, so that `lockdoctor scan | head`
/// ends quietly. The daemon does not call this: a client that hangs up must not end it.
pub fn die_quietly_on_broken_pipe() {
    // SAFETY: SIG_DFL is a valid disposition for SIGPIPE and installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Drops the pages of the program's own code: most of what a start runs is not run again, and what is comes back
/// from the file at once. Otherwise more than half of what a daemon keeps in memory is code that it does not run.
pub(crate) fn return_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, "r-xp", _, _, _, path] = fields[..] else { continue };
        let Some((start, end)) = range.split_once('-').filter(|_| path.starts_with('/')) else { continue };
        let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else {
            continue;
        };
        // SAFETY: the range is a private mapping of a file that nobody can write to through it, so that its pages are
        // those of the file and are read from there when they are needed next. A failure changes nothing.
        let _ = unsafe {
            rustix::mm::madvise(
                std::ptr::with_exposed_provenance_mut(start),
                end - start,
                rustix::mm::Advice::LinuxDontNeed,
            )
        };
    }
}

/// Gives memory back to the system as soon as 64 KiB of it are free at the end of the heap. By itself glibc keeps
/// twice of what the largest burst once took: good for speed, not for a daemon that is to be forgotten.
pub(crate) fn return_free_memory() {
    // SAFETY: mallopt changes how later calls of malloc and free behave, and touches no memory of ours.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
    }
}
