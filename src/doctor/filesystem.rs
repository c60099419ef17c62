//! What the file systems can do: who can have files open on them, and whether the kernel tells.

use std::sync::Arc;

use super::{Finding, Surroundings};
use crate::evidence::directory::Directory;
use crate::evidence::filesystem::FsClass;
use crate::evidence::lease::SelfTest;
use crate::evidence::mounts;

const LEASES_ENABLED: &str = "/proc/sys/fs/leases-enable";

pub(super) fn class(around: &mut Surroundings) -> Vec<Finding> {
    around.file_systems().iter().map(class_of).collect()
}

fn class_of(directory: &Arc<Directory>) -> Finding {
    let path = directory.path.display();
    let name = type_of(directory).unwrap_or_else(|| "unknown type".to_owned());
    match directory.filesystem {
        FsClass::LocalMeasured | FsClass::Overlay | FsClass::Local => {
            Finding::good(format!("{path}: {name}, local"))
        }
        FsClass::Network => Finding::warning(format!(
            "{path}: {name}, shared with other machines, so this kernel cannot say who holds a lock there"
        ))
        .with_remedy(
            "keep OpenClaw's state on a local disk, or run lockdoctor on the machine that serves it; here it \
             reports and never acts",
            [],
        ),
        FsClass::Fuse => Finding::warning(format!(
            "{path}: {name} (FUSE), where the kernel sees only what comes through this mount"
        ))
        .with_remedy("run lockdoctor on the directory behind the mount; here it reports and never acts", []),
        FsClass::Unknown => Finding::warning(format!(
            "{path}: {name}, which lockdoctor does not know; here it reports and never acts"
        )),
    }
}

/// The type of the mount that a directory lies on.
pub(super) fn type_of(directory: &Directory) -> Option<String> {
    let path = directory.path.canonicalize().ok()?;
    mounts::around(&path, &mounts::of("self")?).map(|mount| mount.kind.clone())
}

pub(super) fn lease(around: &mut Surroundings) -> Vec<Finding> {
    let directories = around.file_systems();
    directories.iter().map(|directory| lease_on(directory, around)).collect()
}

fn lease_on(directory: &Arc<Directory>, around: &mut Surroundings) -> Finding {
    let path = directory.path.display();
    if !directory.filesystem.has_one_kernel() {
        return Finding::note(format!("{path}: not asked there (see filesystem)"));
    }
    match around.view.leases.self_test(directory) {
        SelfTest::Passed => {
            Finding::good(format!("{path}: refused while a file is open for writing, granted after"))
        }
        SelfTest::NotPossible if directory.filesystem.was_measured() => Finding::note(format!(
            "{path}: could not be tried there (no file can be made); relied upon, as measured on this type"
        )),
        SelfTest::NotPossible => Finding::warning(format!(
            "{path}: could not be tried there (no file can be made), and is not relied upon"
        ))
        .with_remedy("give lockdoctor a user who may write there (see uid, writable)", []),
        SelfTest::Failed => {
            let finding = Finding::failure(format!(
                "{path}: leases do not work there, so the kernel cannot say who holds a lock"
            ));
            if std::fs::read_to_string(LEASES_ENABLED).is_ok_and(|value| value.trim() == "0") {
                finding.with_remedy("they are switched off", ["sudo sysctl fs.leases-enable=1".to_owned()])
            } else {
                finding.with_remedy("keep OpenClaw's state on ext4, xfs, btrfs, tmpfs or overlayfs", [])
            }
        }
    }
}
