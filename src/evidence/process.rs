//! The process that a lock names, as this PID namespace sees it. No signal is ever sent, not even signal 0.
//!
//! A pid is gone only if pidfd_open(2) says ESRCH: a missing `/proc` entry proves nothing under hidepid. Where that
//! call is not to be had (before Linux 5.3, or a filter that does not know it), `/proc` answers if it shows everything.

use std::collections::HashMap;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::namespaces;

/// What the pid leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The lock names no process (empty, malformed, or not read).
    None,
    Gone,
    /// Dead, but its parent has not collected it yet.
    Zombie(Process),
    /// The number is a thread of another process: a recycled number, as a lock names a whole process.
    Thread {
        leader: u32,
    },
    Alive(Process),
    /// Alive, but a program that cannot be OpenClaw. Asked only where the lock records no start tick.
    Stranger(Process),
    /// It exists, but `/proc` hides it (hidepid, another user's process).
    Hidden,
    /// The number is lockdoctor's own, and lockdoctor takes no locks: the writer counts pids elsewhere.
    Lockdoctor,
    Unknown(Errno),
}

impl Owner {
    /// Whether it is there: yes, no, or not known.
    pub fn is_alive(&self) -> Option<bool> {
        match self {
            Self::Alive(_) | Self::Stranger(_) | Self::Hidden => Some(true),
            Self::Gone | Self::Zombie(_) | Self::Thread { .. } => Some(false),
            Self::None | Self::Lockdoctor | Self::Unknown(_) => None,
        }
    }

    pub fn process(&self) -> Option<&Process> {
        match self {
            Self::Alive(process) | Self::Stranger(process) | Self::Zombie(process) => Some(process),
            _ => None,
        }
    }
}

/// The fields of `/proc/PID/stat` that matter (proc_pid_stat(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Process name, at most 15 bytes; OpenClaw sets it through `process.title`.
    pub comm: String,
    pub state: char,
    /// Field 22: clock ticks between boot and the start of the process.
    pub start_ticks: u64,
    /// Fields 14 and 15: clock ticks spent in user and kernel mode.
    pub cpu_ticks: u64,
    /// Field 20.
    pub threads: u64,
}

impl Process {
    /// This process itself, with the pid by which `/proc` knows it.
    pub fn this() -> Option<Self> {
        parse_stat(&read_file("/proc/self/stat")?)
    }

    /// When the process started, on the wall clock; as exact as a clock tick (10 ms) and that clock allow.
    pub fn started_at(&self, booted_at: DateTime<Utc>) -> DateTime<Utc> {
        let ticks = rustix::param::clock_ticks_per_second();
        booted_at + TimeDelta::milliseconds((self.start_ticks * 1000 / ticks) as i64)
    }

    /// OpenClaw's process titles: `openclaw`, `openclaw-gateway`, `openclaw-agent`, `clawdbot-gateway`, …,
    /// cut to 15 bytes by the kernel. A gateway that has not set its title yet is called `node`.
    pub fn is_named_like_openclaw(&self) -> bool {
        ["openclaw", "clawdbot", "moltbot"].iter().any(|name| self.comm.starts_with(name))
    }
}

/// Looks at each distinct pid once.
#[derive(Debug, Default)]
pub struct ProcessTable {
    seen: HashMap<u32, Owner>,
}

impl ProcessTable {
    pub fn owner(&mut self, pid: u32) -> Owner {
        self.seen.entry(pid).or_insert_with(|| look_up(pid)).clone()
    }

    pub(super) fn take_from(&mut self, other: Self) {
        self.seen.extend(other.seen);
    }

    /// Forgets what was seen, so that the next question is asked anew.
    pub fn forget(&mut self) {
        self.seen.clear();
    }
}

/// One fresh look at `pid`.
pub fn look_up(pid: u32) -> Owner {
    if pid == own_pid() {
        return Owner::Lockdoctor;
    }
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Owner::Gone;
    };
    // The descriptor is kept over the read, so that the answer is about one moment.
    let _pinned = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Owner::Gone,
        // Not a thread-group leader: EINVAL, on newer kernels ENOENT.
        Err(Errno::INVAL | Errno::NOENT) => {
            return match leader_of(pid) {
                Some(leader) if leader != pid => Owner::Thread { leader },
                _ => Owner::Unknown(Errno::INVAL),
            };
        }
        Err(error) => return in_proc(pid, error),
    };
    read_proc(pid, "stat").as_deref().and_then(parse_stat).map_or(Owner::Hidden, standing_of)
}

fn standing_of(process: Process) -> Owner {
    // A leader that has ended while its threads go on shows as a zombie but still holds its files (OpenClaw
    // 2026.9.6 looks at its threads too).
    if matches!(process.state, 'Z' | 'X') && process.threads <= 1 {
        Owner::Zombie(process)
    } else {
        Owner::Alive(process)
    }
}

/// The kernel itself says whether a process is gone.
pub fn has_pidfds() -> bool {
    pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).is_ok()
}

/// The same without pidfds.
fn in_proc(pid: u32, error: Errno) -> Owner {
    match leader_of(pid) {
        Some(leader) if leader != pid => return Owner::Thread { leader },
        _ => {}
    }
    match read_proc(pid, "stat").as_deref().and_then(parse_stat) {
        Some(process) => standing_of(process),
        None if proc_is_complete() => Owner::Gone,
        None => Owner::Unknown(error),
    }
}

/// `/proc` is mounted, and shows every process of this namespace: the contents of pid 1 too (hidepid=1 shows its
/// directory alone).
pub fn proc_is_complete() -> bool {
    read_proc(1, "status").is_some()
}

/// What OpenClaw may run in: JavaScript's runtimes, and what such a one may itself be run by.
const RUNTIMES: [&str; 11] = [
    "node",
    "MainThread",
    "bun",
    "deno",
    "electron",
    "openclaw",
    "clawdbot",
    "moltbot",
    "qemu",
    "box64",
    "ld-",
];

/// Whether `pid` may run OpenClaw. `false`: it is a kernel thread, or a program that cannot.
pub fn may_run_openclaw(pid: u32, comm: &str) -> bool {
    let has_a_name = |name: &str| RUNTIMES.iter().any(|runtime| name.contains(runtime));
    match rustix::fs::readlink(format!("/proc/{pid}/exe"), Vec::new()) {
        Ok(program) => {
            let program = program.to_string_lossy();
            has_a_name(program.rsplit('/').next().unwrap_or_default()) || has_a_name(comm)
        }
        // A kernel thread has none. One that has ended looks the same, but then its pid is asked about elsewhere.
        Err(Errno::NOENT) => false,
        Err(_) => !is_kernel_thread(pid) && (has_a_name(comm) || !is_init(pid)),
    }
}

/// The machine's first process, which a container's gateway shares its number with.
fn is_init(pid: u32) -> bool {
    pid == 1 && namespaces::in_initial_pid()
}

/// `PF_KTHREAD` (`include/linux/sched.h`) of field 9; unlike the program, everybody may read it.
fn is_kernel_thread(pid: u32) -> bool {
    const KERNEL_THREAD: u64 = 0x0020_0000;
    let flags = |stat: &str| stat[stat.rfind(')')?..].split_whitespace().nth(7)?.parse::<u64>().ok();
    read_proc(pid, "stat").as_deref().and_then(flags).is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

/// Asked of the kernel once: lockdoctor does not fork.
fn own_pid() -> u32 {
    static PID: OnceLock<u32> = OnceLock::new();
    *PID.get_or_init(std::process::id)
}

fn leader_of(tid: u32) -> Option<u32> {
    let status = read_proc(tid, "status")?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Reads one small `/proc` file of a process; `None` if it is gone or hidden.
pub fn read_proc(pid: u32, file: &str) -> Option<String> {
    read_file(&format!("/proc/{pid}/{file}"))
}

fn read_file(path: &str) -> Option<String> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = vec![0; 4096];
    let read = rustix::io::read(&fd, &mut bytes).ok()?;
    bytes.truncate(read);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The name may hold spaces and parentheses: the fields start after the last `)`.
pub fn parse_stat(stat: &str) -> Option<Process> {
    let open = stat.find('(')?;
    let close = stat.rfind(')')?;
    let fields: Vec<&str> = stat.get(close + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid: stat[..open].trim().parse().ok()?,
        comm: stat.get(open + 1..close)?.to_owned(),
        state: fields.first()?.chars().next()?,
        start_ticks: number(19)?,
        cpu_ticks: number(11)? + number(12)?,
        threads: number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 0 0 0 0 0 3 4 0 0 20 0 11 0 214784 23 15";
        let process = parse_stat(stat).expect("well formed");
        assert_eq!((process.comm.as_str(), process.state), ("a) b (c)", 'S'));
        assert_eq!((process.start_ticks, process.cpu_ticks, process.threads), (214_784, 7, 11));
    }

    /// Numbers that containers give out, on a machine whose processes another user may not look into.
    #[test]
    fn init_and_kernel_threads_cannot_be_a_gateway() {
        if !namespaces::in_initial_pid() || !is_kernel_thread(2) {
            return;
        }
        for pid in [1, 2] {
            let process = look_up(pid).process().cloned().expect("it is there");
            assert!(!may_run_openclaw(pid, &process.comm), "{process:?}");
        }
        assert!(may_run_openclaw(std::process::id(), "node"));
        assert!(!is_kernel_thread(std::process::id()));
    }

    #[test]
    fn our_own_pid_is_recognised() {
        assert_eq!(look_up(std::process::id()), Owner::Lockdoctor);
    }

    #[test]
    fn a_reaped_child_is_gone_and_an_unreaped_one_a_zombie() {
        let mut child = std::process::Command::new("true").spawn().expect("true(1)");
        let pid = child.id();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while !matches!(look_up(pid), Owner::Zombie(_)) {
            assert!(std::time::Instant::now() < deadline, "{:?}", look_up(pid));
            std::thread::yield_now();
        }
        child.wait().expect("child");
        assert_eq!(look_up(pid), Owner::Gone);
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let (tell, told) = std::sync::mpsc::channel();
        let (_stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).ok();
            stopped.recv().ok();
        });
        let tid = told.recv().expect("thread runs");
        assert_eq!(look_up(tid), Owner::Thread { leader: std::process::id() });
    }
}
