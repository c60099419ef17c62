//! What an owner that has closed its lock's file shows of the rest of its release.
//!
//! *Has closed it* is not *has finished with it*: between the close and the unlink a release waits for the event loop
//! and for a thread of the pool, and a blocked loop makes that minutes. Freeing the lock meanwhile lets the next
//! owner in, whose live lock the late unlink may then remove.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::descriptors::{Descriptors, Holds};
use super::idle::{self, Idle};
use super::lockfile::{FileId, PinnedLock};
use crate::openclaw::payload::Content;

/// How far the release of one lock has come, by the process that may have taken it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Release {
    #[default]
    NotLookedAt,
    /// It has this very file open for writing.
    NotBegun,
    /// It has another file of this lock open for writing: a copy lies under the name.
    OfAnotherFile { holder: u32 },
    /// It was not seen idle since it closed the file.
    UnderWay,
    /// It was seen idle since it closed the file.
    Finished(LetGo),
    /// Its descriptors or threads cannot be read.
    Unseen,
}

/// Proof that the owner has let go of one file: it has no file of that lock open, and was idle after the close.
///
/// Nothing but a look at the process makes one. It is bound to the file that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetGo {
    file: FileId,
}

impl LetGo {
    pub fn is_about(&self, file: FileId) -> bool {
        self.file == file
    }

    #[cfg(test)]
    pub(crate) fn of_file(file: FileId) -> Self {
        Self { file }
    }
}

impl Release {
    /// Of several processes that may have taken it, the one that is least far decides.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.rank() <= other.rank() { self } else { other }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NotBegun => 0,
            Self::OfAnotherFile { .. } => 1,
            Self::UnderWay => 2,
            Self::Unseen => 3,
            Self::NotLookedAt => 4,
            Self::Finished(_) => 5,
        }
    }
}

/// Looks at each owner once, however many locks name it.
///
/// What is looked at here must have looked closed *before*: the look at the owner has to come after the close.
#[derive(Debug, Default)]
pub struct Owners {
    seen: HashMap<u32, Arc<Look>>,
    residents: HashMap<PathBuf, Arc<[u32]>>,
}

#[derive(Debug)]
struct Look {
    descriptors: Result<Descriptors, Errno>,
    idle: Idle,
}

impl Owners {
    /// How far `pid` has come with the release of `lock`.
    pub fn release(&mut self, pid: u32, lock: &PinnedLock) -> Release {
        let look = Arc::clone(self.seen.entry(pid).or_insert_with(|| Arc::new(Look::at(pid))));
        let Ok(descriptors) = &look.descriptors else { return Release::Unseen };
        let file = lock.facts();
        let payload = match lock.content() {
            Content::Parsed(payload) => Some(payload),
            _ => None,
        };
        match (descriptors.holds(lock.name(), payload.as_ref(), file.dev, file.ino), look.idle) {
            (Holds::This, _) => Release::NotBegun,
            (Holds::Another, _) => Release::OfAnotherFile { holder: pid },
            (Holds::None, Idle::Seen) => Release::Finished(LetGo { file: file.id() }),
            (Holds::None, Idle::NotSeen) => Release::UnderWay,
            (Holds::None, Idle::Unreadable) => Release::Unseen,
        }
    }

    /// The processes that may hold locks of this state directory, once they have been looked for.
    pub fn residents(&self, home: &Path) -> Option<Arc<[u32]>> {
        self.residents.get(home).cloned()
    }

    /// Keeps what was found, for the other locks of this state directory.
    pub fn note_residents(&mut self, home: &Path, residents: Vec<u32>) -> Arc<[u32]> {
        Arc::clone(self.residents.entry(home.to_owned()).insert_entry(residents.into()).get())
    }

    pub fn forget(&mut self) {
        self.seen.clear();
        self.residents.clear();
    }
}

impl Look {
    fn at(pid: u32) -> Self {
        let descriptors = Descriptors::of(pid);
        let idle = descriptors
            .as_ref()
            .map_or(Idle::Unreadable, |descriptors| idle::look(pid, &descriptors.event_loops));
        Self { descriptors, idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_that_is_not_done_decides() {
        let finished = || Release::Finished(LetGo::of_file(FileId::default()));
        assert_eq!(finished().and(Release::UnderWay), Release::UnderWay);
        let of_another = Release::OfAnotherFile { holder: 7 };
        assert_eq!(of_another.clone().and(finished()), of_another);
        assert_eq!(Release::Unseen.and(finished()), Release::Unseen);
        assert_eq!(finished().and(finished()), finished());
    }
}
