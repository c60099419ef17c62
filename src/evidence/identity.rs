//! Root acts, and goes where a file leads it, with the identity of the user whose directory it is.
//!
//! The owner of a directory can put anything under any name in it, at any moment. As long as lockdoctor has no
//! more rights there than that user, the worst it can be fooled into is what the user could have done alone;
//! the kernel enforces that, whatever the code above forgets.

use rustix::io::Errno;
use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{
    CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::directory::Directory;

/// While it lives, this thread has the uid and gid of a directory's owner; nothing changes unless we are root
/// and the owner is not. Credentials are a thread's own in Linux (credentials(7)): other threads keep theirs.
#[derive(Debug)]
#[must_use = "the identity ends with this value"]
pub(crate) struct ActingAs {
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    groups: Vec<Gid>,
    gid: Gid,
}

impl ActingAs {
    pub(crate) fn owner_of(directory: &Directory) -> Result<Self, Errno> {
        if geteuid().as_raw() != 0 || directory.uid == 0 {
            return Ok(Self { before: None });
        }
        let before = Before { groups: getgroups()?, gid: getegid() };
        let gid = Gid::from_raw(directory.gid);
        set_thread_groups(&[gid])?;
        // From here on, `drop` undoes what was done.
        let acting = Self { before: Some(before) };
        set_thread_res_gid(None, gid, None)?;
        // The real and the saved uid stay 0, so that there is a way back.
        set_thread_res_uid(None, Uid::from_raw(directory.uid), None)?;
        keep_lease_capability();
        Ok(acting)
    }
}

/// A lock in the user's directory may be root's own (a gateway that once ran under sudo). The lease probe on it
/// needs `CAP_LEASE`, which permits nothing else.
fn keep_lease_capability() {
    let Ok(mut sets) = capabilities(None) else { return };
    sets.effective |= sets.permitted & CapabilitySet::LEASE;
    // Should it fail, the kernel's answer for such a lock is "unknown", and the lock is left alone.
    let _ = set_capabilities(None, sets);
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        let Some(before) = &self.before else { return };
        // The saved uid is 0, so these cannot fail; if they did, later steps would lack rights, not have too many.
        let _ = set_thread_res_uid(None, Uid::ROOT, None);
        let _ = set_thread_res_gid(None, before.gid, None);
        let _ = set_thread_groups(&before.groups);
    }
}

/// The user's name; `None` where `/etc/passwd` has none.
pub fn name_of(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// `uid 1000 (node)`.
pub fn user(uid: u32) -> String {
    name_of(uid).map_or_else(|| format!("uid {uid}"), |name| format!("uid {uid} ({name})"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    #[test]
    fn root_lends_itself_the_owners_identity_and_takes_its_own_back() {
        if geteuid().as_raw() != 0 {
            eprintln!("SKIPPED: not root");
            return;
        }
        let home = tempfile::tempdir().expect("temporary directory");
        chown(home.path(), Some(4242), Some(4343)).expect("chown");
        let directory = Directory::open_root(home.path()).expect("open");
        let root_only = tempfile::NamedTempFile::new().expect("temporary file");
        {
            let _acting = ActingAs::owner_of(&directory).expect("root may");
            assert_eq!((geteuid().as_raw(), getegid().as_raw()), (4242, 4343));
            assert_eq!(getgroups().expect("groups"), [Gid::from_raw(4343)]);
            assert!(std::fs::read(root_only.path()).is_err(), "root's own files are out of reach");
            std::fs::write(home.path().join("made"), "").expect("the owner may write");
        }
        assert_eq!((geteuid().as_raw(), getegid().as_raw()), (0, 0));
        assert!(std::fs::read(root_only.path()).is_ok());
        let made = std::fs::metadata(home.path().join("made")).expect("made");
        assert_eq!((made.uid(), made.gid()), (4242, 4343));
    }
}
