//! Which namespaces we are in ourselves.

/// Numbers of the initial namespaces (`include/linux/proc_ns.h`).
const INITIAL_PID: u64 = 0xEFFF_FFFC;
const INITIAL_TIME: u64 = 0xEFFF_FFFA;

pub(super) fn in_initial_pid() -> bool {
    number("pid") == Some(INITIAL_PID)
}

/// Whether the clock since boot may be another one than the machine's (Linux 5.6 and later).
pub(super) fn in_another_time() -> bool {
    number("time").is_some_and(|number| number != INITIAL_TIME)
}

fn number(kind: &str) -> Option<u64> {
    rustix::fs::stat(format!("/proc/self/ns/{kind}")).ok().map(|stat| stat.st_ino)
}
