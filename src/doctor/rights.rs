//! May lockdoctor look, and may it act? Wrong users are the most common trouble of all: container images run
//! as 1000, 0, 99 or 568, and the host's user is another one again.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use super::identity::{uid_for_sudo, uid_with_name};
use super::namespaces::container_marker;
use super::surroundings::Place;
use super::{Finding, Surroundings};
use crate::evidence::directory::Directory;
use crate::reclaim::store::STORE;
use crate::reclaim::trust;

/// More paths than this are counted, not listed.
const LISTED: usize = 5;

pub(super) fn uid(around: &mut Surroundings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = around.places.iter().map(|place| uid_of(place, around)).collect();
    findings.dedup_by(|a, b| a.text == b.text && a.details == b.details);
    findings
}

fn uid_of(place: &Place, around: &Surroundings) -> Finding {
    let us = around.us;
    let Some(owner) = owner(place) else {
        return Finding::failure(format!("{}: its owner cannot be seen", place.path.display()));
    };
    let unreadable: Vec<String> = place
        .sessions
        .iter()
        .filter(|seen| matches!(seen.opened, Err(Errno::ACCESS | Errno::PERM)))
        .map(|seen| format!("{}: permission denied", seen.path.display()))
        .collect();
    let denied = matches!(place.install, Some(Err(Errno::ACCESS | Errno::PERM))) || !unreadable.is_empty();
    let who = uid_with_name(us.uid);
    if us.uid == owner && !denied {
        return Finding::good(format!("{who}, who owns {}", place.path.display()));
    }
    if us.acts_for_others() && !denied {
        let owner = uid_with_name(owner);
        let by_itself = format!("{who}, with the rights to act for {owner}");
        let how = if us.has_cap_lease() { "" } else { "; without CAP_LEASE it asks the kernel as that user" };
        return Finding::good(by_itself + how);
    }
    // As Kubernetes mounts a volume (`fsGroup`): root's own, and its group is let in.
    let mut directories = place.home().into_iter().chain(place.open_sessions());
    let usable =
        |directory: &Arc<Directory>| may_write(directory, "").is_ok() && trust::check(directory).is_ok();
    if owner == 0 && !denied && place.home().is_some() && directories.all(usable) {
        return Finding::good(format!("{who}, whom the group of {} lets in", place.path.display()));
    }
    let text = if us.uid == owner {
        format!("{who} owns {}, but not everything in it", place.path.display())
    } else {
        format!("lockdoctor runs as uid {who}; {} belongs to {}", place.path.display(), uid_with_name(owner))
    };
    run_as(Finding::failure(text).with_details(few(unreadable)), owner, place)
}

fn owner(place: &Place) -> Option<u32> {
    match place.home() {
        Some(home) => Some(home.uid),
        None => std::fs::metadata(&place.path).ok().map(|metadata| metadata.uid()),
    }
}

/// The remedy of a wrong user, in the words of where we are.
fn run_as(finding: Finding, uid: u32, place: &Place) -> Finding {
    let by_hand = format!("sudo -u {} lockdoctor doctor{}", uid_for_sudo(uid), place.scope());
    let text = format!("run lockdoctor as uid {uid}");
    if container_marker().is_none() {
        return finding.with_remedy(&text, [by_hand]);
    }
    let compose = format!("user: \"{uid}\"          # compose file");
    let pod = format!("runAsUser: {uid}      # Kubernetes, in the container's securityContext");
    finding.with_remedy(&text, [compose, pod, by_hand])
}

fn few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LISTED);
    if more > 1 {
        lines.truncate(LISTED);
        lines.push(format!("and {more} more"));
    }
    lines
}

pub(super) fn writable(around: &mut Surroundings) -> Vec<Finding> {
    let mut read_only = Vec::new();
    let mut denied = Vec::new();
    let mut distrusted = Vec::new();
    for (directory, _) in around.directories() {
        let path = directory.path.display().to_string();
        match may_write(directory, "") {
            Err(Errno::ROFS) => read_only.push(path),
            Err(_) => denied.push(path),
            Ok(()) => distrusted.extend(trust::check(directory).err().map(|why| why.to_string())),
        }
    }
    let looked_at = around.directories().next().is_some();
    let mut findings = Vec::new();
    if !read_only.is_empty() {
        findings.push(
            Finding::failure("mounted read-only: scan works, reclaim cannot act")
                .with_details(few(read_only))
                .with_remedy(
                    "mount the volume for writing (drop `:ro` in the compose file, `readOnly: true` in the pod)",
                    [],
                ),
        );
    }
    if !denied.is_empty() {
        let finding = Finding::failure("may not be changed by this user (see uid)");
        findings.push(finding.with_details(few(denied)));
    }
    if !distrusted.is_empty() {
        let finding = Finding::failure("others can put files in place of locks; reclaim will not act there");
        findings.push(finding.with_details(few(distrusted)));
    }
    if findings.is_empty() && looked_at {
        findings.push(Finding::good("every sessions directory"));
    }
    findings
}

/// access(2) with the effective user; read-only mounts answer EROFS.
fn may_write(directory: &Directory, name: &str) -> Result<(), Errno> {
    let name = if name.is_empty() { "." } else { name };
    rustix::fs::accessat(directory, name, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

pub(super) fn journal(around: &mut Surroundings) -> Vec<Finding> {
    let homes = around.places.iter().filter_map(|place| Some((place, place.home()?)));
    homes.map(|(place, home)| journal_in(place, home)).collect()
}

fn journal_in(place: &Place, home: &Directory) -> Finding {
    let path = home.path.join(STORE);
    let shown = path.display();
    let store = match home.open_beneath(Path::new(STORE)) {
        Ok(store) => store,
        Err(Errno::NOENT) => {
            return match may_write(home, "") {
                // An act that cannot be recorded is not done.
                Ok(()) if home.free() == Some(0) => full(home),
                Ok(()) => Finding::good(format!("{shown}: will be made by the first reclaim")),
                Err(error) => Finding::failure(format!("{shown}: cannot be made: {error}")),
            };
        }
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Finding::failure(format!("{shown} is not a directory that lockdoctor made"))
                .with_remedy("look at it, then remove it", [format!("ls -ld {shown}")]);
        }
        Err(error) => return run_as(Finding::failure(format!("{shown}: {error}")), home.uid, place),
    };
    if let Err(error) = may_write(&store, "") {
        let finding = Finding::failure(format!("{shown}: {error}"));
        return if error == Errno::ROFS { finding } else { run_as(finding, store.uid, place) };
    }
    if store.free() == Some(0) { full(&store) } else { Finding::good(shown.to_string()) }
}

fn full(directory: &Directory) -> Finding {
    let path = directory.path.display();
    Finding::failure(format!("{path}: no space left; reclaim does nothing that it cannot record"))
        .with_remedy("make room", [format!("df -h {path}"), format!("df -i {path}")])
}
