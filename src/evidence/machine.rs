//! Whether our PID namespace is that of a whole machine: an LXC guest, a container with an init of its own, a VPS.
//!
//! A nested PID namespace does not see the processes beside it, so a pid that is free here may be taken there. But a
//! state directory on the machine's own root file system is no volume that another container shares. And a pid that
//! this namespace, older than the lock, handed out at the time the lock names is that of the process that took it.
//! Then its death is seen here like any other.

use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::mounts::{self, Mount};
use super::pid_domain::{Census, Named, all_pids};
use super::process::{Owner, Process, look_up, read_proc};
use super::{START_SLACK, StartTicks};

/// The first process of the namespace, and what lies on its root file system.
#[derive(Debug)]
pub(super) struct Machine {
    init: Process,
    /// In init's mount table.
    root: Mount,
    /// Where anything else is mounted there.
    mounted_on: Vec<PathBuf>,
    ours: Vec<Mount>,
    /// Ourselves and our ancestors.
    descent: Vec<u32>,
    /// There are processes besides init and these.
    lived_in: bool,
}

impl Machine {
    /// `None`: its parts cannot be seen.
    pub(super) fn look() -> Option<Self> {
        let Owner::Alive(init) = look_up(1) else { return None };
        let theirs = mounts::of(1)?;
        let (root, others): (Vec<_>, Vec<_>) =
            theirs.into_iter().partition(|mount| mount.at == Path::new("/"));
        let mounted_on = others.into_iter().map(|mount| mount.at).collect();
        let ours = mounts::of("self")?;
        let descent = line_of_descent();
        let lived_in = all_pids().into_iter().any(|pid| pid != 1 && !descent.contains(&pid));
        Some(Self { init, root: root.into_iter().next_back()?, mounted_on, ours, descent, lived_in })
    }

    /// Whether `directory` lies on init's root file system itself, under the name that it has here: no volume.
    pub(super) fn contains(&self, directory: &Directory) -> bool {
        let Some(path) = directory.real_path() else { return false };
        let Some(mount) = mounts::around(&path, &self.ours) else { return false };
        let Ok(below) = path.strip_prefix(&mount.at) else { return false };
        let here = mount.root.join(below);
        let Ok(there) = here.strip_prefix(&self.root.root) else { return false };
        let there = Path::new("/").join(there);
        self.lived_in
            && there == path
            && mount.device == self.root.device
            && !self.mounted_on.iter().any(|at| there.starts_with(at))
    }

    /// Whether the number was handed out here, to the process that is named, as far as the order of numbers and start
    /// times can show. The namespace is a lived-in one: processes that are not our own were there before the lock.
    pub(super) fn handed_out(&self, named: Named, census: &Census, ticks: StartTicks) -> bool {
        let Some(made) = named.created_at else { return false };
        let is_older = |process: &Process| process.started_at(named.booted_at) <= made + START_SLACK;
        let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let last = loads.split_whitespace().last().and_then(|last| last.parse().ok());
        if !is_older(&self.init) || last.is_none_or(|last: u32| named.pid > last) {
            return false;
        }
        let alive = |pid: &u32| match look_up(*pid) {
            Owner::Alive(process) => Some(process),
            _ => None,
        };
        // Of many processes few are looked at: this is asked for each lock.
        let mut pids: Vec<u32> = census.processes.iter().map(|resident| resident.pid).collect();
        pids.sort_unstable();
        let (lower, rest) = pids.split_at(pids.partition_point(|pid| *pid < named.pid));
        let before = lower.iter().rev().find_map(alive);
        let after = rest.iter().filter(|pid| **pid != named.pid).find_map(alive);
        let in_order = match named.start_ticks.filter(|_| ticks == StartTicks::Comparable) {
            Some(ticks) => {
                before.is_none_or(|process| process.start_ticks <= ticks)
                    && after.is_none_or(|process| process.start_ticks >= ticks)
            }
            None => before.as_ref().is_none_or(is_older),
        };
        let is_company = |pid: &u32| *pid != 1 && !self.descent.contains(pid);
        in_order
            && pids.iter().filter(|pid| is_company(pid)).filter_map(alive).any(|process| is_older(&process))
    }
}

/// Ourselves and our ancestors: they would be here in any case.
fn line_of_descent() -> Vec<u32> {
    let mut line = vec![std::process::id()];
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = read_proc(pid, "stat")?;
        stat.get(stat.rfind(')')? + 1..)?.split_whitespace().nth(1)?.parse().ok()
    };
    while let Some(parent) = line.last().and_then(|pid| parent_of(*pid)).filter(|parent| *parent > 1) {
        line.push(parent);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(root: &str, mounted_on: &[&str], ours: &str) -> Machine {
        let init = super::super::process::parse_stat(
            "1 (systemd) S 0 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 100 23 15",
        );
        Machine {
            init: init.expect("well formed"),
            root: mounts::parse(root).remove(0),
            mounted_on: mounted_on.iter().map(PathBuf::from).collect(),
            ours: mounts::parse(ours),
            descent: Vec::new(),
            lived_in: true,
        }
    }

    /// What the name that lockdoctor has for it amounts to, by the rule of `contains`.
    fn contains(machine: &Machine, path: &Path) -> bool {
        std::fs::create_dir_all(path).expect("directory");
        machine.contains(&Directory::open_root(path).expect("open"))
    }

    #[test]
    fn a_volume_is_not_the_machines_own() {
        let temporary = tempfile::tempdir().expect("tempdir");
        let path = temporary.path().canonicalize().expect("path");
        let guest = "30 20 8:1 /var/lib/lxc/vps/rootfs / rw - ext4 /dev/sda rw";
        assert!(contains(&machine(guest, &[], guest), &path));
        let parent = path.parent().expect("a parent").to_string_lossy().into_owned();
        assert!(!contains(&machine(guest, &[&parent], guest), &path), "init sees a mount there");
        // A sidecar: its own root, and the volume of another container.
        let sidecar = format!(
            "40 20 0:50 / / rw - overlay overlay rw\n41 40 8:1 /volumes/x {parent} rw - ext4 /dev/sda rw"
        );
        let pause = "50 20 0:60 / / rw - overlay overlay rw";
        assert!(!contains(&machine(pause, &[], &sidecar), &path));
        // A unit that may write to the state directory alone: the same place, mounted once more.
        let unit =
            format!("{guest}\n42 30 8:1 /var/lib/lxc/vps/rootfs{parent} {parent} rw - ext4 /dev/sda rw");
        assert!(contains(&machine(guest, &[], &unit), &path));
    }
}
