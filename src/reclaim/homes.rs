//! Where journal and quarantine live: in the state directory, or in a sessions directory that lies elsewhere,
//! because a swap needs both names on one mount and one owner for both.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, StatxFlags};

use super::store::Store;
use crate::evidence::directory::{Directory, Reach};
use crate::install::Install;

/// The home for locks in `directory`.
pub fn home_for(install: Option<&Install>, directory: &Arc<Directory>) -> Arc<Directory> {
    let state = install.map(|install| &install.root).filter(|root| {
        root.dev == directory.dev
            && root.uid == directory.uid
            && !on_different_mounts(root, directory)
            && directory.path.starts_with(&root.path)
    });
    Arc::clone(state.unwrap_or(directory))
}

fn on_different_mounts(one: &Directory, other: &Directory) -> bool {
    matches!((mount_of(one), mount_of(other)), (Some(one), Some(other)) if one != other)
}

/// A bind mount has the device number of what it shows; only the mount's own number tells them apart. `None`:
/// this kernel does not say (before 5.8), and a failing swap will.
fn mount_of(directory: &Directory) -> Option<u64> {
    let stat = rustix::fs::statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
}

/// Every home in which a lockdoctor has worked: of an install, or of a sessions directory that was named alone.
pub fn worked_in(install: Option<&Install>, path: &Path) -> Vec<Arc<Directory>> {
    match install {
        Some(install) => of_install(install),
        None => of_directory(path).into_iter().collect(),
    }
}

/// Every home of an install in which a lockdoctor has worked.
pub fn of_install(install: &Install) -> Vec<Arc<Directory>> {
    let mut homes = vec![Arc::clone(&install.root)];
    let sessions = install.sessions(&install.agents().unwrap_or_default());
    let opened = sessions.into_iter().filter_map(|seen| seen.opened.ok());
    homes.extend(opened.filter(|directory| directory.reach != Reach::Linked));
    let mut seen = HashSet::new();
    homes.retain(|home| Store::exists(home) && seen.insert((home.dev, home.ino)));
    homes
}

/// The home of a sessions directory that was named alone, if a lockdoctor has worked in it.
pub fn of_directory(path: &Path) -> Option<Arc<Directory>> {
    let home = Arc::new(Directory::open_root(path).ok()?);
    Store::exists(&home).then_some(home)
}
