//! The ground that is watched: roots, the directories below them that may hold locks, and the inotify watches
//! on them. Turns what the kernel reports into changes of locks; knows nothing of verdicts.
//!
//! A directory is watched first and listed then, so that nothing which appears in between is missed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::io::Errno;
use tracing::{debug, warn};

use super::inotify::{Inotify, NameEvent, Notice, Wd};
use super::polling::Polling;
use super::root::Root;
use super::spot::{Cover, Position, Spot, open_at};
use super::table::SpotId;
use crate::evidence::directory::Directory;
use crate::openclaw::lock_kind::LockKind;
use crate::survey::standing::{Belonging, Role, locks_in};
use crate::survey::{Problem, ProblemSeverity};

/// What a notice, or a listing, means.
#[derive(Debug)]
pub(super) enum Change {
    Appeared {
        spot: SpotId,
        name: OsString,
        kind: LockKind,
    },
    /// Unlinked: what has this name afterwards was made later, and says so itself.
    Deleted {
        spot: SpotId,
        name: OsString,
    },
    /// Renamed away, or exchanged with another file that has its name now.
    Displaced {
        spot: SpotId,
        name: OsString,
    },
    /// Every lock that lies in a directory.
    Listed {
        spot: SpotId,
        locks: Vec<(OsString, LockKind)>,
    },
    /// A directory is not there any more, and its locks with it.
    Lost(SpotId),
    /// A watched lock was closed by one who could write to it, or written to.
    Content {
        wd: Wd,
        closed: bool,
    },
    ContentIgnored(Wd),
    /// The configuration of a root may have changed.
    Configuration(usize),
    /// A root may have come or gone.
    Root(usize),
    Overflow,
    Trouble(Problem),
}

/// What a watch descriptor stands for; one directory may serve several ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Spot(SpotId),
    /// The directory in which the path of a root is awaited, or its end noticed.
    Path(usize),
}

#[derive(Debug)]
pub(super) struct Ground {
    pub(super) inotify: Inotify,
    pub(super) roots: Vec<Root>,
    pub(super) polling: Polling,
    /// Boxed: half of a hash table is room to grow.
    spots: HashMap<SpotId, Box<Spot>>,
    places: HashMap<(usize, Position), SpotId>,
    purposes: HashMap<Wd, Vec<Purpose>>,
    next_spot: u32,
}

impl Ground {
    pub(super) fn new(roots: Vec<Root>, polling: Polling) -> Result<Self, Errno> {
        Ok(Self {
            inotify: Inotify::new()?,
            roots,
            polling,
            spots: HashMap::new(),
            places: HashMap::new(),
            purposes: HashMap::new(),
            next_spot: 0,
        })
    }

    pub(super) fn spot(&self, id: SpotId) -> Option<&Spot> {
        self.spots.get(&id).map(Box::as_ref)
    }

    /// Opens a watched directory.
    pub(super) fn open(&mut self, id: SpotId) -> Result<Rc<Directory>, Errno> {
        let spot = self.spots.get_mut(&id).ok_or(Errno::STALE)?;
        let standing = self.roots[spot.root].standing.as_ref().ok_or(Errno::STALE)?;
        spot.open(standing)
    }

    /// Watched directories: by inotify alone, and polled.
    pub(super) fn counts(&self) -> (usize, usize) {
        let polled = self.spots.values().filter(|spot| matches!(spot.cover, Cover::Polled(_))).count();
        (self.spots.len() - polled, polled)
    }

    /// Makes changes out of what the kernel reports.
    pub(super) fn digest(&mut self, notice: Notice, changes: &mut Vec<Change>) {
        match notice {
            Notice::Overflow => changes.push(Change::Overflow),
            Notice::Closed { wd } => changes.push(Change::Content { wd, closed: true }),
            Notice::Written { wd } => changes.push(Change::Content { wd, closed: false }),
            Notice::Departed { wd } => self.departed(wd, changes),
            Notice::Ignored { wd } => {
                self.departed(wd, changes);
                self.purposes.remove(&wd);
                changes.push(Change::ContentIgnored(wd));
            }
            Notice::Name { wd, name, what, directory } => {
                for purpose in self.purposes.get(&wd).cloned().unwrap_or_default() {
                    match purpose {
                        Purpose::Path(root) if self.roots[root].concerns(&name) => {
                            changes.push(Change::Root(root));
                        }
                        Purpose::Path(_) => {}
                        Purpose::Spot(spot) => self.in_spot(spot, &name, what, directory, changes),
                    }
                }
            }
        }
    }

    fn in_spot(
        &mut self,
        id: SpotId,
        name: &OsStr,
        what: NameEvent,
        directory: bool,
        changes: &mut Vec<Change>,
    ) {
        let Some(spot) = self.spots.get(&id) else { return };
        let kind = spot.role.kind_of(name.as_bytes());
        let arrived = matches!(what, NameEvent::Created | NameEvent::MovedIn);
        if let Some(kind) = kind {
            let name = name.to_owned();
            changes.push(match what {
                NameEvent::Created | NameEvent::MovedIn => Change::Appeared { spot: id, name, kind },
                NameEvent::Deleted => Change::Deleted { spot: id, name },
                NameEvent::MovedOut => Change::Displaced { spot: id, name },
            });
            return;
        }
        let (root, position) = (spot.root, spot.position.clone());
        let Position::Below(relative) = position else { return };
        if directory && spot.role.leads_on {
            let below = relative.join(name);
            if arrived {
                self.enter(root, &below, Listing::IfNew, changes);
            } else {
                self.leave(root, &below, changes);
            }
        } else if arrived && relative.as_os_str().is_empty() && self.roots[root].is_configuration(name) {
            changes.push(Change::Configuration(root));
        }
    }

    fn departed(&mut self, wd: Wd, changes: &mut Vec<Change>) {
        for purpose in self.purposes.get(&wd).cloned().unwrap_or_default() {
            match purpose {
                Purpose::Path(root) => changes.push(Change::Root(root)),
                Purpose::Spot(id) => {
                    let Some(spot) = self.spots.get(&id) else { continue };
                    let (root, position) = (spot.root, spot.position.clone());
                    match position {
                        Position::Below(relative) if relative.as_os_str().is_empty() => {
                            changes.push(Change::Root(root));
                        }
                        Position::Below(relative) => self.leave(root, &relative, changes),
                        Position::Elsewhere(_) => self.drop_spot(id, changes),
                    }
                }
            }
        }
    }

    /// Watches and lists the directory at `relative` below a root, and those below it that have a role.
    pub(super) fn enter(
        &mut self,
        root: usize,
        relative: &Path,
        listing: Listing,
        changes: &mut Vec<Change>,
    ) {
        let Some(standing) = &self.roots[root].standing else { return };
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
    pub(super) fn enter_elsewhere(&mut self, root: usize, listing: Listing, changes: &mut Vec<Change>) {
        let Some(standing) = &self.roots[root].standing else { return };
        for (path, role, belonging) in standing.places_elsewhere() {
            self.take_up(root, Position::Elsewhere(path), role, belonging, listing, changes);
        }
    }

    /// Returns the directory if it was listed.
    fn take_up(
        &mut self,
        root: usize,
        position: Position,
        role: Role,
        belonging: Belonging,
        listing: Listing,
        changes: &mut Vec<Change>,
    ) -> Option<Rc<Directory>> {
        let standing = self.roots[root].standing.as_ref()?;
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
            Some(id) if self.spots.get(&id).is_some_and(|spot| spot.is_same(&directory)) => {
                if listing == Listing::IfNew {
                    return None;
                }
                id
            }
            Some(id) => {
                self.drop_spot(id, changes);
                self.new_spot_id()
            }
            None => self.new_spot_id(),
        };
        let cover = self.cover(&directory, changes);
        if let Some(wd) = cover.wd() {
            self.serve(wd, Purpose::Spot(id));
        }
        debug!(path = %directory.path.display(), "watching");
        let locks = locks_in(&directory, &role);
        self.spots
            .insert(id, Box::new(Spot::new(root, position.clone(), role, belonging, cover, &directory)));
        self.places.insert((root, position), id);
        match locks {
            Ok(mut locks) => {
                if belonging != Belonging::ByPlace {
                    locks.retain(|(_, kind)| *kind == LockKind::Gateway);
                }
                changes.push(Change::Listed { spot: id, locks });
            }
            Err(error) => changes.push(Change::Trouble(Problem::of(&directory.path, error))),
        }
        Some(directory)
    }

    fn cover(&mut self, directory: &Directory, changes: &mut Vec<Change>) -> Cover {
        let wd = match self.inotify.watch_directory(directory) {
            Ok(wd) if directory.filesystem.has_one_kernel() => return Cover::Inotify(wd),
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
        Cover::Polled(wd)
    }

    /// A directory has gone, with everything below it.
    fn leave(&mut self, root: usize, relative: &Path, changes: &mut Vec<Change>) {
        let below: Vec<SpotId> = self
            .spots
            .iter()
            .filter(|(_, spot)| {
                spot.root == root
                    && matches!(&spot.position, Position::Below(path) if path.starts_with(relative))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in below {
            self.drop_spot(id, changes);
        }
    }

    fn leave_position(&mut self, root: usize, position: &Position, changes: &mut Vec<Change>) {
        match position {
            Position::Below(relative) => self.leave(root, relative, changes),
            Position::Elsewhere(_) => {
                if let Some(id) = self.places.get(&(root, position.clone())) {
                    self.drop_spot(*id, changes);
                }
            }
        }
    }

    /// Watches other roots from now on.
    pub(super) fn replace_roots(&mut self, roots: Vec<Root>, changes: &mut Vec<Change>) {
        for index in 0..self.roots.len() {
            self.leave_root(index, changes);
            if let Some(wd) = self.roots[index].path_watch.take() {
                self.end(wd, Purpose::Path(index));
            }
        }
        self.roots = roots;
    }

    /// Lets go of every directory of a root.
    pub(super) fn leave_root(&mut self, root: usize, changes: &mut Vec<Change>) {
        let all: Vec<SpotId> =
            self.spots.iter().filter(|(_, spot)| spot.root == root).map(|(id, _)| *id).collect();
        for id in all {
            self.drop_spot(id, changes);
        }
    }

    fn drop_spot(&mut self, id: SpotId, changes: &mut Vec<Change>) {
        let Some(spot) = self.spots.remove(&id) else { return };
        self.places.remove(&(spot.root, spot.position));
        if let Cover::Polled(_) = spot.cover {
            self.polling.remove(&spot.path);
        }
        if let Some(wd) = spot.cover.wd() {
            self.end(wd, Purpose::Spot(id));
        }
        changes.push(Change::Lost(id));
    }

    /// Lists what the poller says has changed.
    pub(super) fn polled(&mut self, changes: &mut Vec<Change>) {
        for path in self.polling.take_changed() {
            let found = self.spots.values().find(|spot| spot.path == path);
            if let Some((root, position)) = found.map(|spot| (spot.root, spot.position.clone())) {
                match position {
                    Position::Below(relative) => self.enter(root, &relative, Listing::Always, changes),
                    Position::Elsewhere(_) => self.enter_elsewhere(root, Listing::Always, changes),
                }
            }
        }
    }

    /// Watches `directory` for the path of `root`, in place of what was watched for it before.
    pub(super) fn watch_for_path(&mut self, root: usize, directory: &Directory) {
        let before = self.roots[root].path_watch.take();
        match self.inotify.watch_directory(directory) {
            Ok(wd) => {
                self.serve(wd, Purpose::Path(root));
                self.roots[root].path_watch = Some(wd);
                if let Some(before) = before.filter(|before| *before != wd) {
                    self.end(before, Purpose::Path(root));
                }
            }
            Err(error) => {
                warn!(path = %directory.path.display(), %error, "cannot be watched; the safety scan has to do");
            }
        }
    }

    fn serve(&mut self, wd: Wd, purpose: Purpose) {
        let purposes = self.purposes.entry(wd).or_default();
        if !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
    }

    fn end(&mut self, wd: Wd, purpose: Purpose) {
        let Some(purposes) = self.purposes.get_mut(&wd) else { return };
        purposes.retain(|each| *each != purpose);
        if purposes.is_empty() {
            self.purposes.remove(&wd);
            self.inotify.forget(wd);
        }
    }

    fn new_spot_id(&mut self) -> SpotId {
        self.next_spot += 1;
        SpotId(self.next_spot)
    }

    /// Paths of the roots, and of what lies below them, that somebody may want to see.
    pub(super) fn path_of(&self, id: SpotId, name: &OsStr) -> PathBuf {
        self.spots.get(&id).map_or_else(|| PathBuf::from(name), |spot| spot.path.join(name))
    }
}

impl AsFd for Ground {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Whether a directory that is watched already is listed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    IfNew,
    Always,
}
