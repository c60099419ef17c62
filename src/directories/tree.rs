//! The directories below a root, and those beside it that its configuration names: taken up as they come, let go as
//! they leave.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use tracing::{debug, warn};

use super::watched::{Coverage, Position, WatchedDirectory, open_at};
use super::{Change, Directories, Purpose};
use crate::evidence::directory::Directory;
use crate::openclaw::lock_kind::LockKind;
use crate::survey::standing::{Belonging, Role, locks_in};
use crate::survey::{Problem, ProblemSeverity};
use crate::wakeups::ids::{DirectoryId, RootId};

/// Whether a directory that is watched already is listed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    IfNew,
    Always,
}

impl Directories {
    /// Watches and lists the directory at `relative` below a root, and those below it that have a role.
    pub(crate) fn enter(
        &mut self,
        root: RootId,
        relative: &Path,
        listing: Listing,
        changes: &mut Vec<Change>,
    ) {
        let Some(standing) = self.root(root).and_then(|root| root.standing.as_ref()) else { return };
        let Some(role) = standing.role_of(relative) else { return };
        let position = Position::Below(relative.to_owned());
        if let Some(directory) =
            self.take_up(root, position, role.clone(), Belonging::ByPlace, listing, changes)
            && role.leads_on
        {
            for name in directory.subdirectories().unwrap_or_default() {
                if role.kind_of(name.as_bytes()).is_none() {
                    self.enter(root, &relative.join(name), listing, changes);
                }
            }
        }
    }

    /// Watches and lists the directories of a root that lie outside it.
    pub(crate) fn enter_elsewhere(&mut self, root: RootId, listing: Listing, changes: &mut Vec<Change>) {
        let Some(standing) = self.root(root).and_then(|root| root.standing.as_ref()) else { return };
        for (path, role, belonging) in standing.places_elsewhere() {
            self.take_up(root, Position::Elsewhere(path), role, belonging, listing, changes);
        }
    }

    /// Returns the directory if it was listed.
    fn take_up(
        &mut self,
        root: RootId,
        position: Position,
        role: Role,
        belonging: Belonging,
        listing: Listing,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Directory>> {
        let standing = self.root(root)?.standing.as_ref()?;
        let directory = match open_at(standing, &position, belonging) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.leave_position(root, &position, changes);
                return None;
            }
            Err(error) => {
                let path = match &position {
                    Position::Below(relative) => standing.path.join(relative),
                    Position::Elsewhere(path) => path.clone(),
                };
                changes.push(Change::Trouble(Problem::of(&path, error)));
                return None;
            }
        };
        let known = self.places.get(&(root, position.clone())).copied();
        let id = match known {
            Some(id) if self.get(id).is_some_and(|watched| watched.is_same(&directory)) => {
                if listing == Listing::IfNew {
                    return None;
                }
                id
            }
            Some(id) => {
                self.drop_directory(id, changes);
                self.directory_ids.next()
            }
            None => self.directory_ids.next(),
        };
        let coverage = self.cover(&directory, changes);
        if let Some(wd) = coverage.wd() {
            self.serve(wd, Purpose::Directory(id));
        }
        debug!(path = %directory.path.display(), "watching");
        let locks = locks_in(&directory, &role);
        let watched = WatchedDirectory::new(root, position.clone(), role, belonging, coverage, &directory);
        self.watched.insert(id, Box::new(watched));
        self.places.insert((root, position), id);
        match locks {
            Ok(mut locks) => {
                if belonging.is_shared() {
                    locks.retain(|(_, kind)| *kind == LockKind::Gateway);
                }
                changes.push(Change::Listed { directory: id, locks });
            }
            Err(error) => changes.push(Change::Trouble(Problem::of(&directory.path, error))),
        }
        Some(directory)
    }

    fn cover(&mut self, directory: &Directory, changes: &mut Vec<Change>) -> Coverage {
        let wd = match self.inotify.watch_directory(directory) {
            Ok(wd) if directory.filesystem.has_one_kernel() => return Coverage::Inotify(wd),
            Ok(wd) => Some(wd),
            Err(Errno::NOSPC) => {
                changes.push(Change::Trouble(Problem {
                    path: directory.path.clone(),
                    what: "the limit of inotify watches is reached (sysctl fs.inotify.max_user_watches); \
                           directories beyond it are listed at intervals"
                        .to_owned(),
                    severity: ProblemSeverity::Detail,
                }));
                None
            }
            Err(error) => {
                warn!(path = %directory.path.display(), %error, "cannot be watched; listed at intervals");
                None
            }
        };
        self.polling.add(&directory.path);
        Coverage::Polled(wd)
    }

    /// A directory has gone, with everything below it.
    pub(super) fn leave(&mut self, root: RootId, relative: &Path, changes: &mut Vec<Change>) {
        self.drop_where(changes, |watched| {
            watched.root == root
                && matches!(&watched.position, Position::Below(path) if path.starts_with(relative))
        });
    }

    fn leave_position(&mut self, root: RootId, position: &Position, changes: &mut Vec<Change>) {
        match position {
            Position::Below(relative) => self.leave(root, relative, changes),
            Position::Elsewhere(_) => {
                if let Some(id) = self.places.get(&(root, position.clone())) {
                    self.drop_directory(*id, changes);
                }
            }
        }
    }

    /// Lets go of every directory of a root.
    pub(crate) fn leave_root(&mut self, root: RootId, changes: &mut Vec<Change>) {
        self.drop_where(changes, |watched| watched.root == root);
    }

    fn drop_where(&mut self, changes: &mut Vec<Change>, gone: impl Fn(&WatchedDirectory) -> bool) {
        let all: Vec<DirectoryId> =
            self.watched.iter().filter(|(_, watched)| gone(watched)).map(|(id, _)| *id).collect();
        for id in all {
            self.drop_directory(id, changes);
        }
    }

    pub(super) fn drop_directory(&mut self, id: DirectoryId, changes: &mut Vec<Change>) {
        let Some(watched) = self.watched.remove(&id) else { return };
        self.places.remove(&(watched.root, watched.position));
        if let Coverage::Polled(_) = watched.coverage {
            self.polling.remove(&watched.path);
        }
        if let Some(wd) = watched.coverage.wd() {
            self.end(wd, Purpose::Directory(id));
        }
        changes.push(Change::Lost(id));
    }
}
