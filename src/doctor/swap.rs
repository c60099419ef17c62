//! Can two names be exchanged where the locks are? Tried on two files of a scratch directory in the home of
//! the journal, because a kernel answers EINVAL only once both names exist.

use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::filesystem::type_of;
use super::surroundings::Place;
use super::{Finding, Surroundings};
use crate::evidence::directory::Directory;

pub(super) fn possible(around: &mut Surroundings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for place in &around.places {
        let Some(home) = place.home() else { continue };
        findings.push(in_home(home));
        findings.extend(other_mounts(place, home));
    }
    findings
}

fn in_home(home: &Directory) -> Finding {
    let path = home.path.display();
    match try_exchange(home) {
        Ok(()) => Finding::good(format!("{path}: two names were exchanged at once")),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            let kind = type_of(home).unwrap_or_else(|| "this file system".to_owned());
            Finding::failure(format!(
                "{path}: {kind} cannot exchange two names, so reclaim does not act there"
            ))
            .with_remedy("restart the gateway to free its locks, or keep its state on a local disk", [])
        }
        Err(Errno::ROFS) => {
            Finding::note(format!("{path}: could not be tried, it is read-only (see writable)"))
        }
        Err(error) => Finding::note(format!("{path}: could not be tried: {error} (see uid, writable)")),
    }
}

fn try_exchange(home: &Directory) -> Result<(), Errno> {
    let name = format!(".lockdoctor-selftest-{}", std::process::id());
    rustix::fs::mkdirat(home, &name, Mode::RWXU)?;
    let tried = home.open_beneath(Path::new(&name)).and_then(|scratch| {
        let result = exchange_in(&scratch);
        for file in ["a", "b"] {
            // Not there if making it failed.
            let _ = rustix::fs::unlinkat(&scratch, file, AtFlags::empty());
        }
        result
    });
    rustix::fs::unlinkat(home, &name, AtFlags::REMOVEDIR)?;
    tried
}

fn exchange_in(scratch: &Directory) -> Result<(), Errno> {
    let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    for file in ["a", "b"] {
        rustix::fs::openat(scratch, file, new, Mode::RUSR | Mode::WUSR)?;
    }
    rustix::fs::renameat_with(scratch, "a", scratch, "b", RenameFlags::EXCHANGE)
}

/// A rename does not cross mounts, not even two mounts of one file system.
fn other_mounts(place: &Place, home: &Directory) -> Option<Finding> {
    let there = mount_of(home)?;
    let elsewhere: Vec<String> = place
        .open_sessions()
        .filter(|directory| directory.path.starts_with(&home.path))
        .filter(|directory| mount_of(directory).is_some_and(|mount| mount != there))
        .map(|directory| directory.path.display().to_string())
        .collect();
    let first = elsewhere.first()?.clone();
    let text = "on a mount of their own, to which nothing can be swapped from the state directory's journal";
    Some(
        Finding::failure(text)
            .with_details(elsewhere)
            .with_remedy("name the directory itself", [format!("lockdoctor reclaim {first}")]),
    )
}

fn mount_of(directory: &Directory) -> Option<u64> {
    use rustix::fs::{StatxFlags, statx};
    let facts = statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (facts.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(facts.stx_mnt_id)
}
