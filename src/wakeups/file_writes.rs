//! Files whose change is only a hint to look again: gateway logs and databases, which may be written a thousand
//! times a second. A file is watched for one write; each look first arms the watch again, so that
//! nothing is missed and a busy file costs one wake-up per look. Separate from the inotify of the locks, so that no
//! burst here can crowd out an event there.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tracing::debug;

use super::inotify::{Inotify, Notice, Wd};
use crate::wakeups::ids::RootId;

/// Whom a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Log,
    /// The databases of a root.
    Database(RootId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    Written(Topic, PathBuf),
    /// Names have come or gone in a directory.
    Names(Topic),
    /// Events were lost: anything may have changed.
    Anything,
}

#[derive(Debug)]
pub(crate) struct FileWrites {
    inotify: Inotify,
    files: BTreeMap<PathBuf, Wd>,
    directories: BTreeMap<PathBuf, Wd>,
    meaning: HashMap<Wd, (Topic, PathBuf)>,
}

impl FileWrites {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            inotify: Inotify::new()?,
            files: BTreeMap::new(),
            directories: BTreeMap::new(),
            meaning: HashMap::new(),
        })
    }

    /// The next write to `path` is a hint. A file that is not there is no error: its directory tells.
    pub(crate) fn arm(&mut self, topic: Topic, path: &Path) {
        if !self.files.contains_key(path) {
            match self.inotify.watch_one_write(path) {
                Ok(wd) => {
                    self.files.insert(path.to_owned(), wd);
                    self.meaning.insert(wd, (topic, path.to_owned()));
                }
                Err(Errno::NOENT) => {}
                Err(error) => debug!(path = %path.display(), %error, "not watched for writes"),
            }
        }
    }

    /// Names that come and go in `directory` are a hint.
    pub(crate) fn watch_names(&mut self, topic: Topic, directory: &Path) {
        if !self.directories.contains_key(directory) {
            match self.inotify.watch_names(directory) {
                Ok(wd) => {
                    self.directories.insert(directory.to_owned(), wd);
                    self.meaning.insert(wd, (topic, directory.to_owned()));
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => debug!(path = %directory.display(), %error, "not watched for names"),
            }
        }
    }

    pub(crate) fn forget(&mut self, topic: Topic) {
        let gone: Vec<Wd> =
            self.meaning.iter().filter(|(_, (of, _))| *of == topic).map(|(wd, _)| *wd).collect();
        for wd in gone {
            self.inotify.forget(wd);
            self.drop_watch(wd);
        }
    }

    /// What has happened since the last call, each thing once.
    pub(crate) fn read(&mut self) -> Result<Vec<Hint>, Errno> {
        let mut hints = Vec::new();
        for notice in self.inotify.read()? {
            let hint = match notice {
                Notice::Overflow => Some(Hint::Anything),
                Notice::Closed { wd } | Notice::Written { wd } => {
                    self.drop_watch(wd).map(|(topic, path)| Hint::Written(topic, path))
                }
                Notice::Name { wd, .. } => self.meaning.get(&wd).map(|(topic, _)| Hint::Names(*topic)),
                Notice::Departed { wd } | Notice::Ignored { wd } => {
                    self.drop_watch(wd).map(|(topic, _)| Hint::Names(topic))
                }
            };
            hints.extend(hint.filter(|hint| !hints.contains(hint)));
        }
        Ok(hints)
    }

    fn drop_watch(&mut self, wd: Wd) -> Option<(Topic, PathBuf)> {
        let (topic, path) = self.meaning.remove(&wd)?;
        for watched in [&mut self.files, &mut self.directories] {
            if watched.get(&path) == Some(&wd) {
                watched.remove(&path);
            }
        }
        Some((topic, path))
    }
}

impl AsFd for FileWrites {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_that_is_written_all_the_time_is_one_hint_until_it_is_armed_again() {
        let temp = tempfile::tempdir().expect("tempdir");
        let path = temp.path().join("log");
        let mut file = std::fs::File::create(&path).expect("file");
        let mut hints = FileWrites::new().expect("inotify");
        hints.arm(Topic::Log, &path);
        hints.watch_names(Topic::Log, temp.path());
        let mut write = || (0..100).for_each(|_| file.write_all(b"x").expect("write"));
        for _ in 0..2 {
            write();
            assert_eq!(hints.read(), Ok(vec![Hint::Written(Topic::Log, path.clone())]));
            write();
            assert_eq!(hints.read(), Ok(vec![]));
            hints.arm(Topic::Log, &path);
        }
        std::fs::rename(&path, temp.path().join("log.1")).expect("rename");
        assert_eq!(hints.read(), Ok(vec![Hint::Names(Topic::Log)]));
        hints.forget(Topic::Log);
        write();
        assert_eq!(hints.read(), Ok(vec![]));
    }
}
