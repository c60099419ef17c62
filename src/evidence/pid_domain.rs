//! Whether the pids in a root's locks count in our PID namespace. A container's gateway is often pid 1 or 7:
//! without a shared namespace such a number means somebody else here, or lockdoctor itself.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::directory::Directory;
use super::machine::Machine;
use super::namespaces;
use super::process::{Owner, Process, look_up, may_run_openclaw, proc_is_complete, read_proc};
use super::{START_SLACK, StartTicks};
use crate::openclaw::payload::Payload;

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

/// What a lock says of the process that took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    pub pid: u32,
    pub start_ticks: Option<u64>,
    pub created_at: Option<DateTime<Utc>>,
    /// By the clocks of this look.
    pub booted_at: DateTime<Utc>,
    /// When lockdoctor had seen the lock, since boot.
    pub seen_at: Option<Duration>,
}

impl Named {
    pub fn by(payload: &Payload, booted_at: DateTime<Utc>) -> Self {
        let Payload { pid, start_ticks, created_at, .. } = *payload;
        Self { pid, start_ticks, created_at, booted_at, seen_at: None }
    }

    #[must_use]
    pub fn seen_at(self, seen_at: Duration) -> Self {
        Self { seen_at: Some(seen_at), ..self }
    }

    /// The lock was there before who started at that tick, by a clock that nobody sets.
    fn was_seen_before(&self, start_ticks: u64) -> bool {
        self.seen_at.is_some_and(|seen| since_boot(start_ticks) > seen)
    }

    /// It has the number of the `other`, which was there before it started: the other has ended.
    pub fn has_come_after(&self, other: &Self) -> bool {
        let Some(ticks) = self.start_ticks else { return false };
        let started = self.booted_at + chrono::TimeDelta::milliseconds(since_boot(ticks).as_millis() as i64);
        let by_clock = || other.created_at.is_some_and(|made| started > made + START_SLACK);
        self.pid == other.pid
            && other.start_ticks != Some(ticks)
            && (other.was_seen_before(ticks) || by_clock())
    }
}

fn since_boot(start_ticks: u64) -> Duration {
    Duration::from_millis(start_ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// What this process can see of the kernel's PID namespaces.
#[derive(Debug)]
pub struct Namespaces {
    pub in_initial_pid_namespace: bool,
    pub start_ticks: StartTicks,
    /// `/proc` shows every process of this namespace (no hidepid).
    pub proc_is_complete: bool,
    machine: OnceLock<Option<Machine>>,
}

impl Namespaces {
    pub fn detect() -> Self {
        Self {
            in_initial_pid_namespace: namespaces::in_initial_pid(),
            start_ticks: if namespaces::in_another_time() {
                StartTicks::Shifted
            } else {
                StartTicks::Comparable
            },
            proc_is_complete: proc_is_complete(),
            machine: OnceLock::new(),
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
        named: Named,
        gateway_visible: bool,
        directory: &Directory,
    ) -> PidDomain {
        if !self.proc_is_complete {
            return PidDomain::Unknown("/proc hides other users' processes (hidepid)");
        }
        match self.suspects(census, named).next() {
            Some(visible_as) => PidDomain::Foreign { visible_as },
            None if self.in_initial_pid_namespace => {
                PidDomain::Shared("no process of another PID namespace on this kernel carries this pid")
            }
            None if self.is_of_this_machine(census, named, directory) => PidDomain::Shared(THIS_MACHINE),
            // A nested namespace shows nothing of those beside it, and another container may use the volume too.
            None if gateway_visible => PidDomain::Presumed,
            None => PidDomain::Unknown(NOT_SHARED),
        }
    }

    /// Whether a directory lies on the file system of the machine whose PID namespace this is, if it is a nested one.
    pub fn is_this_machines(&self, directory: &Directory) -> bool {
        !self.in_initial_pid_namespace && self.machine().is_some_and(|machine| machine.contains(directory))
    }

    fn machine(&self) -> Option<&Machine> {
        self.machine.get_or_init(Machine::look).as_ref()
    }

    fn is_of_this_machine(&self, census: &Census, named: Named, directory: &Directory) -> bool {
        self.is_this_machines(directory)
            && self.machine().is_some_and(|machine| machine.handed_out(named, census, self.start_ticks))
    }

    /// The processes of other PID namespaces that carry the number there and may be the one that is named.
    pub fn suspects<'a>(&'a self, census: &'a Census, named: Named) -> impl Iterator<Item = u32> + 'a {
        let may_be_it = move |host_pid: &u32| match look_up(*host_pid) {
            Owner::Gone => false,
            Owner::Alive(process) => self.may_be(&process, named),
            _ => true,
        };
        census.in_nested_namespaces(named.pid).filter(may_be_it)
    }

    /// Whether `process`, which carries the number, may be the one that is named.
    fn may_be(&self, process: &Process, named: Named) -> bool {
        match (named.start_ticks, named.created_at) {
            _ if named.was_seen_before(process.start_ticks) => false,
            (Some(ticks), _) if self.shares_our_clock(process.pid) => ticks == process.start_ticks,
            (None, Some(created_at)) => {
                process.started_at(named.booted_at) <= created_at + START_SLACK
                    && may_run_openclaw(process.pid, &process.comm)
            }
            _ => true,
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
const THIS_MACHINE: &str =
    "the state directory lies on this machine's own root, and its numbers were handed out here";
const NOT_SHARED: &str = "lockdoctor runs in a PID namespace of its own and does not see the gateway; share it \
                          (docker: --pid=container:GATEWAY, Kubernetes: shareProcessNamespace: true)";

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

pub(super) fn all_pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next gateway of a container comes up within the seconds that clocks may differ by.
    #[test]
    fn who_started_after_the_lock_was_seen_did_not_make_it() {
        let this = Process::this().expect("our own");
        let ticks = rustix::param::clock_ticks_per_second();
        let started = Duration::from_millis(this.start_ticks * 1000 / ticks);
        let booted_at = DateTime::UNIX_EPOCH;
        let created_at = Some(this.started_at(booted_at) - chrono::TimeDelta::seconds(1));
        let lock = Named { pid: 1, start_ticks: None, created_at, booted_at, seen_at: None };
        let process = Process { comm: "node".to_owned(), ..this };
        let namespaces = Namespaces::detect();
        assert!(namespaces.may_be(&process, lock), "by the clock it may have");
        assert!(namespaces.may_be(&process, lock.seen_at(started + Duration::from_millis(1))));
        assert!(
            !namespaces.may_be(&process, lock.seen_at(started.saturating_sub(Duration::from_millis(500))))
        );
    }

    /// A container comes up again within the seconds that clocks may differ by; the daemon beside it has seen the lock.
    #[test]
    fn the_next_gateway_of_a_container_started_after_the_lock_was_seen() {
        let booted_at = DateTime::UNIX_EPOCH;
        let ticks = rustix::param::clock_ticks_per_second();
        let gateway =
            Named { pid: 1, start_ticks: Some(100 * ticks), created_at: None, booted_at, seen_at: None };
        let created_at = Some(booted_at + chrono::TimeDelta::seconds(98));
        let lock = Named { pid: 1, start_ticks: None, created_at, booted_at, seen_at: None };
        assert!(!gateway.has_come_after(&lock), "by the clock they may be the same");
        assert!(gateway.has_come_after(&lock.seen_at(Duration::from_secs(98))));
        assert!(
            !gateway.has_come_after(&lock.seen_at(Duration::from_secs(101))),
            "it may have made it since"
        );
        let own = Named { start_ticks: gateway.start_ticks, ..lock };
        assert!(!gateway.has_come_after(&own.seen_at(Duration::from_secs(98))), "its own");
        let other = Named { pid: 7, ..lock };
        assert!(!gateway.has_come_after(&other.seen_at(Duration::from_secs(98))));
    }
}
