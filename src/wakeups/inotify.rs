//! inotify(7) with a mask that costs nothing while transcripts grow.
//!
//! Directories are watched for names that come and go, never for OPEN, MODIFY or CLOSE_WRITE: a gateway
//! appends to its transcripts by open, write, close, and each of them would wake the loop. The close that
//! matters, that of a lock by its holder, is watched for on the lock file itself.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::evidence::directory::Directory;

const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// A lock file is written once, right after its creation.
const CONTENT: WatchFlags = WatchFlags::CLOSE_WRITE.union(WatchFlags::MODIFY);

/// More than one look at a time would take too long for the rest of the loop.
const BATCH: usize = 4096;

/// A watch descriptor.
pub(crate) type Wd = i32;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A name in a watched directory.
    Name {
        wd: Wd,
        name: OsString,
        what: NameEvent,
        directory: bool,
    },
    /// A watched file was closed by one who could write to it.
    Closed {
        wd: Wd,
    },
    Written {
        wd: Wd,
    },
    /// The watched directory itself was deleted or moved away, or its file system unmounted.
    Departed {
        wd: Wd,
    },
    /// The kernel has dropped the watch.
    Ignored {
        wd: Wd,
    },
    /// Events were lost.
    Overflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameEvent {
    Created,
    MovedIn,
    MovedOut,
    Deleted,
}

#[derive(Debug)]
pub(crate) struct Inotify {
    fd: OwnedFd,
    buffer: Vec<MaybeUninit<u8>>,
}

impl Inotify {
    pub(crate) fn new() -> Result<Self, Errno> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { fd, buffer: vec![MaybeUninit::uninit(); 64 * 1024] })
    }

    /// Watches the very directory that is open, whatever its path leads to by now.
    pub(crate) fn watch_directory(&self, directory: &Directory) -> Result<Wd, Errno> {
        let opened = format!("/proc/self/fd/{}", directory.fd.as_raw_fd());
        match inotify::add_watch(&self.fd, opened, NAMES) {
            // No /proc here.
            Err(Errno::NOENT) => {
                inotify::add_watch(&self.fd, &directory.path, NAMES | WatchFlags::DONT_FOLLOW)
            }
            other => other,
        }
    }

    /// Watches the file called `name`, links not followed.
    pub(crate) fn watch_content(&self, directory: &Directory, name: &OsStr) -> Result<Wd, Errno> {
        let flags = CONTENT | WatchFlags::DONT_FOLLOW;
        let mut path = OsString::from(format!("/proc/self/fd/{}/", directory.fd.as_raw_fd()));
        path.push(name);
        match inotify::add_watch(&self.fd, path, flags) {
            Err(Errno::NOENT) => inotify::add_watch(&self.fd, directory.path.join(name), flags),
            other => other,
        }
    }

    /// Reports the next write to the file at `path`, and no other.
    pub(crate) fn watch_one_write(&self, path: &Path) -> Result<Wd, Errno> {
        inotify::add_watch(&self.fd, path, WatchFlags::MODIFY | WatchFlags::ONESHOT)
    }

    /// Reports the names that come and go in the directory at `path`.
    pub(crate) fn watch_names(&self, path: &Path) -> Result<Wd, Errno> {
        inotify::add_watch(&self.fd, path, NAMES)
    }

    /// Ends a watch. That it has ended already is no error: the kernel drops those of deleted files.
    pub(crate) fn forget(&self, wd: Wd) {
        let _ = inotify::remove_watch(&self.fd, wd);
    }

    /// What has happened since the last call.
    pub(crate) fn read(&mut self) -> Result<Vec<Notice>, Errno> {
        let mut notices = Vec::new();
        let mut reader = Reader::new(self.fd.as_fd(), &mut self.buffer);
        loop {
            // Ends between two buffers only, so that nothing read is dropped; the rest wakes the loop again.
            if notices.len() >= BATCH && reader.is_buffer_empty() {
                return Ok(notices);
            }
            match reader.next() {
                Ok(event) => notices.extend(notice(
                    event.wd(),
                    event.events(),
                    event.file_name().map(|name| OsStr::from_bytes(name.to_bytes())),
                )),
                Err(Errno::AGAIN) => return Ok(notices),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn notice(wd: Wd, flags: ReadFlags, name: Option<&OsStr>) -> Option<Notice> {
    let any = |wanted: ReadFlags| flags.intersects(wanted);
    if any(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Notice::Overflow);
    }
    if any(ReadFlags::IGNORED) {
        return Some(Notice::Ignored { wd });
    }
    if any(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) {
        return Some(Notice::Departed { wd });
    }
    let what = match name {
        // Content events reach us through the watch on the file, which carries no name.
        None if any(ReadFlags::CLOSE_WRITE) => return Some(Notice::Closed { wd }),
        None if any(ReadFlags::MODIFY) => return Some(Notice::Written { wd }),
        Some(_) if any(ReadFlags::CREATE) => NameEvent::Created,
        Some(_) if any(ReadFlags::MOVED_TO) => NameEvent::MovedIn,
        Some(_) if any(ReadFlags::MOVED_FROM) => NameEvent::MovedOut,
        Some(_) if any(ReadFlags::DELETE) => NameEvent::Deleted,
        _ => return None,
    };
    Some(Notice::Name { wd, name: name?.to_owned(), what, directory: any(ReadFlags::ISDIR) })
}
