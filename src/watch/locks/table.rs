//! The locks that are known, by directory and name, and by the watch on their content.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::rc::Rc;
use std::time::Duration;

use super::known::{Birth, KnownLock};
use crate::openclaw::lock_kind::LockKind;
use crate::wakeups::ids::{DirectoryId, LockId, Numbering};
use crate::wakeups::inotify::Wd;

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Boxed: half of a hash table is room to grow.
    locks: HashMap<LockId, Box<KnownLock>>,
    names: HashMap<DirectoryId, HashMap<Rc<OsStr>, LockId>>,
    contents: HashMap<Wd, LockId>,
    ids: Numbering<LockId>,
}

impl Table {
    pub(crate) fn insert(
        &mut self,
        directory: DirectoryId,
        name: impl Into<Rc<OsStr>>,
        kind: LockKind,
        birth: Birth,
        now: Duration,
    ) -> LockId {
        let (id, name) = (self.ids.next(), name.into());
        self.names.entry(directory).or_default().insert(Rc::clone(&name), id);
        self.locks.insert(id, Box::new(KnownLock::new(directory, name, kind, birth, now)));
        id
    }

    pub(crate) fn find(&self, directory: DirectoryId, name: &OsStr) -> Option<LockId> {
        self.names.get(&directory)?.get(name).copied()
    }

    pub(crate) fn get(&self, id: LockId) -> Option<&KnownLock> {
        self.locks.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: LockId) -> Option<&mut KnownLock> {
        self.locks.get_mut(&id).map(Box::as_mut)
    }

    pub(crate) fn remove(&mut self, id: LockId) -> Option<KnownLock> {
        let lock = self.locks.remove(&id)?;
        if let Some(names) = self.names.get_mut(&lock.directory) {
            names.remove(&lock.name);
        }
        if let Some(wd) = lock.content_watch {
            self.contents.remove(&wd);
        }
        Some(*lock)
    }

    /// Every lock of a directory.
    pub(crate) fn in_directory(&self, directory: DirectoryId) -> Vec<LockId> {
        self.names.get(&directory).map(|names| names.values().copied().collect()).unwrap_or_default()
    }

    /// Forgets a directory, which has no locks any more.
    pub(crate) fn forget_directory(&mut self, directory: DirectoryId) {
        self.names.remove(&directory);
    }

    pub(crate) fn watch_content(&mut self, id: LockId, wd: Wd) {
        if let Some(lock) = self.locks.get_mut(&id) {
            lock.content_watch = Some(wd);
            self.contents.insert(wd, id);
        }
    }

    pub(crate) fn by_content(&self, wd: Wd) -> Option<LockId> {
        self.contents.get(&wd).copied()
    }

    /// The kernel has dropped the watch on a lock's content.
    pub(crate) fn content_ignored(&mut self, wd: Wd) {
        if let Some(id) = self.contents.remove(&wd)
            && let Some(lock) = self.locks.get_mut(&id)
        {
            lock.content_watch = None;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LockId, &KnownLock)> {
        self.locks.iter().map(|(id, lock)| (*id, lock.as_ref()))
    }

    pub(crate) fn ids(&self) -> Vec<LockId> {
        self.locks.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.locks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_name_and_by_content_until_it_is_removed() {
        let mut table = Table::default();
        let (here, there) = (DirectoryId::from(1), DirectoryId::from(2));
        let name = |name: &str| -> Rc<OsStr> { OsStr::new(name).into() };
        let mut insert =
            |directory, name| table.insert(directory, name, LockKind::Session, Birth::Found, Duration::ZERO);
        let (first, second) = (insert(here, name("a")), insert(there, name("a")));
        table.watch_content(first, 7);
        assert_eq!(table.find(here, OsStr::new("a")), Some(first));
        assert_eq!(table.by_content(7), Some(first));
        assert_eq!(table.in_directory(there), [second]);

        table.content_ignored(7);
        assert_eq!(table.get(first).and_then(|lock| lock.content_watch), None);
        table.watch_content(first, 8);
        assert!(table.remove(first).is_some() && table.remove(first).is_none());
        assert_eq!((table.find(here, OsStr::new("a")), table.by_content(8)), (None, None));
        let again = table.insert(here, name("a"), LockKind::Session, Birth::Found, Duration::ZERO);
        assert_ne!(again, first, "a number is not given out twice");
        assert_eq!(table.len(), 2);
    }
}
