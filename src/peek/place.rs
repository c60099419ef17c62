//! Opening files below a state directory: read-only, without following a link, only regular files.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::error::{ReadError, Result};

/// A directory that was reached from the state directory without following a link.
#[derive(Debug)]
pub(crate) struct Place {
    fd: rustix::fd::OwnedFd,
    path: PathBuf,
}

/// What makes a file the same file: it cannot be replaced without one of them changing while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    dev: u64,
    ino: u64,
}

/// What is different after a write, but for one within the same tick of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    is: Identity,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Place {
    /// The state directory itself may be named through links (`~/.clawdbot` is one after a migration).
    pub(crate) fn root(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|errno| refused(path, errno))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Walks `relative` one component at a time, because `openat2` is not there in every container.
    pub(crate) fn below(&self, relative: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut here =
            Self { fd: self.fd.try_clone().map_err(|e| io_error(&self.path, e))?, path: self.path.clone() };
        for component in relative.components() {
            let Component::Normal(name) = component else {
                return Err(ReadError::NotAFile {
                    path: self.path.join(relative),
                    what: "a path that leaves its root",
                });
            };
            let path = here.path.join(name);
            let fd =
                openat(&here.fd, name, flags, Mode::empty()).map_err(|errno| here.explain(&path, errno))?;
            here = Self { fd, path };
        }
        Ok(here)
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names in this directory, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let dir = rustix::fs::Dir::read_from(&self.fd).map_err(|errno| refused(&self.path, errno))?;
        let mut names = Vec::new();
        for entry in dir {
            let entry = entry.map_err(|errno| refused(&self.path, errno))?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// `Ok(None)` when there is no such file.
    pub(crate) fn open(&self, name: &str) -> Result<Option<File>> {
        let path = self.path_of(name);
        // NONBLOCK: a FIFO under this name must not hang us. NOATIME: looking should leave no trace at all, but
        // the kernel grants it only to the file's owner.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => openat(&self.fd, name, flags, Mode::empty()),
            other => other,
        };
        let file = match fd {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.explain(&path, errno)),
        };
        let kind = file.metadata().map_err(|e| io_error(&path, e))?.file_type();
        if kind.is_file() {
            return Ok(Some(file));
        }
        let what = if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a named pipe"
        } else {
            "a special file"
        };
        Err(ReadError::NotAFile { path, what })
    }

    /// Who has this name now; `None` when nobody has it.
    pub(crate) fn identity(&self, name: &str) -> Result<Option<Identity>> {
        Ok(self.stamp(name)?.map(|stamp| stamp.is))
    }

    pub(crate) fn stamp(&self, name: &str) -> Result<Option<Stamp>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp {
                is: Identity { dev: stat.st_dev, ino: stat.st_ino },
                size: stat.st_size.unsigned_abs(),
                modified: (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
                changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(&self.path_of(name), errno)),
        }
    }

    /// `O_DIRECTORY | O_NOFOLLOW` says ENOTDIR for a link, and a special file can say anything: look again.
    fn explain(&self, path: &Path, errno: Errno) -> ReadError {
        let link = path.file_name().and_then(|name| statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok());
        match link.map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode)) {
            Some(rustix::fs::FileType::Symlink) => ReadError::Symlink { path: path.to_owned() },
            Some(rustix::fs::FileType::Socket) => {
                ReadError::NotAFile { path: path.to_owned(), what: "a socket" }
            }
            _ => refused(path, errno),
        }
    }
}

impl Stamp {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The last change of content or of anything else.
    pub(crate) fn changed(&self) -> SystemTime {
        let (seconds, nanos) = self.changed.max(self.modified);
        UNIX_EPOCH + Duration::new(seconds.max(0).unsigned_abs(), u32::try_from(nanos).unwrap_or(0))
    }
}

impl Identity {
    pub(crate) fn of(file: &File, path: &Path) -> Result<Self> {
        let meta = file.metadata().map_err(|e| io_error(path, e))?;
        Ok(Self { dev: meta.dev(), ino: meta.ino() })
    }
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), source }
}

fn refused(path: &Path, errno: Errno) -> ReadError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => ReadError::Missing { path },
        Errno::LOOP => ReadError::Symlink { path },
        Errno::ACCESS | Errno::PERM => ReadError::Permission { path },
        _ => ReadError::Io { path, source: errno.into() },
    }
}
