//! Who lockdoctor runs as, and what that user may do: capabilities(7).

use crate::evidence::identity::name_of;
use crate::evidence::process::read_proc;

/// Bits of `CapEff` (`linux/capability.h`).
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_SETUID: u64 = 1 << 7;
const CAP_LEASE: u64 = 1 << 28;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    effective: u64,
}

impl Identity {
    pub fn of_this_process() -> Self {
        let status = read_proc(std::process::id(), "status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
        Self { uid: rustix::process::geteuid().as_raw(), effective }
    }

    /// May do for another user what that user may do: open the locks, and ask the kernel who has them open, by its own
    /// right or as that user.
    pub fn acts_for_others(self) -> bool {
        self.effective & CAP_DAC_OVERRIDE != 0 && self.effective & (CAP_SETUID | CAP_LEASE) != 0
    }

    /// The kernel answers it about the files of others.
    pub fn has_cap_lease(self) -> bool {
        self.effective & CAP_LEASE != 0
    }
}

/// `1000 (node)`; the number alone where `/etc/passwd` has no name for it.
pub(super) fn uid_with_name(uid: u32) -> String {
    name_of(uid).map_or_else(|| uid.to_string(), |name| format!("{uid} ({name})"))
}

/// What `sudo -u` takes.
pub(super) fn uid_for_sudo(uid: u32) -> String {
    name_of(uid).unwrap_or_else(|| format!("'#{uid}'"))
}
