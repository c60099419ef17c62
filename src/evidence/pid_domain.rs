//! Whether the pids in a root's locks count in our PID namespace. A container's gateway is often pid 1 or 7:
//! without a shared namespace such a number means somebody else here, or lockdoctor itself.

use super::StartTicks;
use super::process::{Owner, look_up, read_proc};

/// Namespace numbers of the initial namespaces (`include/linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
const INITIAL_TIME_NAMESPACE: u64 = 0xEFFF_FFFA;

/// What is known about the numbering that a lock's pid belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidDomain {
    /// Ours, and shown to be so; the sentence says how.
    Shared(&'static str),
    /// Taken to be ours: we are in the initial namespace and nothing speaks against it. Good enough to name
    /// a reason, never to prove a death.
    Presumed,
    /// A process of another PID namespace carries this number there.
    Foreign {
        visible_as: u32,
    },
    Unknown(&'static str),
}

/// What this process can see of the kernel's PID namespaces.
#[derive(Debug)]
pub struct Namespaces {
    pub in_initial_pid_namespace: bool,
    pub start_ticks: StartTicks,
    /// `/proc` shows every process of this namespace (no hidepid).
    pub proc_is_complete: bool,
}

impl Namespaces {
    pub fn detect() -> Self {
        Self {
            in_initial_pid_namespace: namespace_number("pid") == Some(INITIAL_PID_NAMESPACE),
            start_ticks: match namespace_number("time") {
                Some(number) if number != INITIAL_TIME_NAMESPACE => StartTicks::Shifted,
                _ => StartTicks::Comparable,
            },
            // Its contents too: hidepid=1 shows the directory alone.
            proc_is_complete: read_proc(1, "status").is_some(),
        }
    }

    /// The cheap answer, enough where the lease has already decided.
    pub fn presume(&self, gateway_visible: bool) -> PidDomain {
        if gateway_visible {
            PidDomain::Shared(GATEWAY_VISIBLE)
        } else if self.in_initial_pid_namespace {
            PidDomain::Presumed
        } else {
            PidDomain::Unknown(NOT_SHARED)
        }
    }

    /// The full answer, where the pid has to carry the verdict: looks at every process of this kernel.
    pub fn decide(
        &self,
        census: &Census,
        pid: u32,
        start_ticks: Option<u64>,
        gateway_visible: bool,
    ) -> PidDomain {
        if !self.proc_is_complete {
            return PidDomain::Unknown("/proc hides other users' processes (hidepid)");
        }
        let may_be_owner = |host_pid: &u32| match (start_ticks, look_up(*host_pid)) {
            (Some(ticks), Owner::Alive(process)) if self.shares_our_clock(*host_pid) => {
                ticks == process.start_ticks
            }
            (_, Owner::Gone) => false,
            _ => true,
        };
        match census.in_nested_namespaces(pid).find(may_be_owner) {
            Some(visible_as) => PidDomain::Foreign { visible_as },
            None if self.in_initial_pid_namespace => {
                PidDomain::Shared("no process of another PID namespace on this kernel carries this pid")
            }
            // A nested namespace shows nothing of those beside it, and another container may use the volume too.
            None if gateway_visible => PidDomain::Presumed,
            None => PidDomain::Unknown(NOT_SHARED),
        }
    }

    /// Start ticks that the process wrote down can be compared with those that `/proc` shows here.
    fn shares_our_clock(&self, pid: u32) -> bool {
        let time =
            |whose: &str| rustix::fs::stat(format!("/proc/{whose}/ns/time")).ok().map(|stat| stat.st_ino);
        let theirs = time(&pid.to_string());
        self.start_ticks == StartTicks::Comparable && theirs.is_some() && theirs == time("self")
    }
}

const GATEWAY_VISIBLE: &str = "the gateway of this state directory is visible here";
const NOT_SHARED: &str = "lockdoctor runs in a PID namespace of its own and does not see the gateway; share it \
                          (docker: --pid=container:GATEWAY, Kubernetes: shareProcessNamespace: true)";

fn namespace_number(kind: &str) -> Option<u64> {
    rustix::fs::stat(format!("/proc/self/ns/{kind}")).ok().map(|stat| stat.st_ino)
}

/// One pass over `/proc/*/status`: who is there, and under which number in which namespace.
#[derive(Debug, Default)]
pub struct Census {
    pub processes: Vec<Resident>,
}

/// One process of the census.
#[derive(Debug, Clone)]
pub struct Resident {
    pub pid: u32,
    pub comm: String,
    /// Its number in its own PID namespace, if that is a nested one.
    pub nested_pid: Option<u32>,
}

impl Census {
    pub fn take() -> Self {
        Self { processes: all_pids().into_iter().filter_map(Resident::read).collect() }
    }

    /// Those that carry this number in a PID namespace of their own.
    pub fn in_nested_namespaces(&self, pid: u32) -> impl Iterator<Item = u32> + '_ {
        self.processes
            .iter()
            .filter(move |process| process.nested_pid == Some(pid))
            .map(|process| process.pid)
    }
}

impl Resident {
    fn read(pid: u32) -> Option<Self> {
        let status = read_proc(pid, "status")?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let numbers = field("NSpid:").unwrap_or_default().split_whitespace();
        let nested_pid = numbers.skip(1).last().and_then(|number| number.parse().ok());
        Some(Self { pid, comm: field("Name:")?.trim().to_owned(), nested_pid })
    }
}

fn all_pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
