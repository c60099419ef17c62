//! Whether a process has nothing left to do that it has begun: its event loops wait for events, and its thread pool
//! waits for work.
//!
//! OpenClaw's release is close → (from 2026.5.12 a compare) → unlink, each a job of libuv's pool whose end the event
//! loop has to notice. As long as the main thread sleeps in its own loop while the pool waits for work, no step of it
//! is pending. `execSync` and `spawnSync` wait in a loop of their own (a nested one) and look the same by their wait
//! channel; then the main loop's descriptor has nobody who waits on it.

use std::collections::HashSet;

use super::process::read_proc;

/// What the threads of a process show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    Seen,
    /// It was at work, stopped, or waiting for something else at that moment.
    NotSeen,
    /// Its threads cannot be looked at.
    Unreadable,
}

/// A process may be caught in the middle of something; a few looks cost little.
const LOOKS: usize = 3;
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(2);

/// libuv names its pool's threads from 1.50 on (Node 22.14, 24).
const POOL_THREAD: &str = "libuv-worker";

/// Where a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// In epoll_wait; on which descriptor, if the kernel tells.
    Events(Option<u32>),
    /// On a futex, as a pool's thread without work.
    Parked,
    /// Asleep in another call.
    Elsewhere,
    /// Running, stopped, or in an uninterruptible call.
    Busy,
    Unreadable,
}

/// Looks whether `pid` is idle. `event_loops`: its epoll descriptors that watch something.
pub(super) fn look(pid: u32, event_loops: &[u32]) -> Idle {
    let mut seen = Idle::NotSeen;
    for attempt in 0..LOOKS {
        if attempt > 0 {
            std::thread::sleep(BETWEEN_LOOKS);
        }
        seen = look_once(pid, event_loops);
        if seen != Idle::NotSeen {
            break;
        }
    }
    seen
}

/// The main thread is looked at first and last: if it slept all the while, what was seen in between is of one moment,
/// and no finished job waits to be noticed (that would have woken it).
fn look_once(pid: u32, event_loops: &[u32]) -> Idle {
    let Some(before) = sleep_of_main(pid) else { return Idle::NotSeen };
    let Some(threads) = threads(pid) else { return Idle::Unreadable };
    let idle = judge(pid, &threads, event_loops);
    if sleep_of_main(pid) == Some(before) { idle } else { Idle::NotSeen }
}

#[derive(Debug)]
struct Thread {
    tid: u32,
    name: String,
    wait: Wait,
}

fn threads(pid: u32) -> Option<Vec<Thread>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let tids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    Some(tids.filter_map(|tid| Thread::look(pid, tid)).collect())
}

impl Thread {
    /// `None`: it has ended.
    fn look(pid: u32, tid: u32) -> Option<Self> {
        let stat = super::process::parse_stat(&read_proc(pid, &format!("task/{tid}/stat"))?)?;
        let wait = if stat.state == 'S' {
            let channel = read_proc(pid, &format!("task/{tid}/wchan"));
            wait_of(channel.as_deref(), || read_proc(pid, &format!("task/{tid}/syscall")))
        } else {
            Wait::Busy
        };
        Some(Self { tid, name: stat.comm, wait })
    }
}

/// From the wait channel; the call's first argument is asked for only where it matters.
fn wait_of(channel: Option<&str>, call: impl FnOnce() -> Option<String>) -> Wait {
    match channel.map(str::trim) {
        None | Some("" | "0") => Wait::Unreadable,
        // The io_uring threads of libuv 1.45, without a request.
        Some("io_sq_thread" | "io_wq_worker") => Wait::Parked,
        Some(channel) if channel.starts_with("futex") => Wait::Parked,
        Some(channel) if channel.contains("epoll") || channel == "ep_poll" => {
            Wait::Events(call().as_deref().and_then(first_argument))
        }
        Some(_) => Wait::Elsewhere,
    }
}

/// `281 0xe 0x7ffc…`: the number of the call, then its arguments.
fn first_argument(call: &str) -> Option<u32> {
    let argument = call.split_whitespace().nth(1)?.strip_prefix("0x")?;
    u32::from_str_radix(argument, 16).ok()
}

fn judge(pid: u32, threads: &[Thread], event_loops: &[u32]) -> Idle {
    let Some(main) = threads.iter().find(|thread| thread.tid == pid) else { return Idle::NotSeen };
    if main.wait == Wait::Unreadable {
        return Idle::Unreadable;
    }
    // Without an event loop and without another thread it runs no JavaScript, whatever it is called: nothing of a release.
    if event_loops.is_empty() && threads.len() == 1 {
        return Idle::Seen;
    }
    if matches!(main.wait, Wait::Events(_)) && loops_wait(threads, event_loops) && pool_waits(main, threads) {
        Idle::Seen
    } else {
        Idle::NotSeen
    }
}

/// Each event loop has its thread: none has been left for a nested one.
fn loops_wait(threads: &[Thread], event_loops: &[u32]) -> bool {
    let waits: Vec<Option<u32>> = threads
        .iter()
        .filter_map(|thread| match thread.wait {
            Wait::Events(descriptor) => Some(descriptor),
            _ => None,
        })
        .collect();
    let told: Option<HashSet<u32>> = waits.iter().copied().collect();
    match told {
        Some(told) => event_loops.iter().all(|descriptor| told.contains(descriptor)),
        // Which one each waits on is not told (Yama): a nested loop makes one more than there are threads.
        None => waits.len() == event_loops.len(),
    }
}

/// A pool's thread without work shows that none is queued; one that runs may be at a step of the release. Where the
/// threads bear no names, all of them have to wait.
fn pool_waits(main: &Thread, threads: &[Thread]) -> bool {
    let mut others = threads.iter().filter(|thread| thread.tid != main.tid);
    let pool: Vec<Wait> =
        threads.iter().filter(|thread| thread.name == POOL_THREAD).map(|thread| thread.wait).collect();
    if pool.is_empty() {
        return others.all(|thread| matches!(thread.wait, Wait::Parked | Wait::Events(_)));
    }
    pool.contains(&Wait::Parked) && pool.iter().all(|wait| matches!(wait, Wait::Parked | Wait::Elsewhere))
}

/// The switches that the main thread has made, if it sleeps: the same ones mean the same sleep.
fn sleep_of_main(pid: u32) -> Option<[u64; 2]> {
    let status = read_proc(pid, &format!("task/{pid}/status"))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let switches = |name: &str| field(name).and_then(|number| number.parse().ok());
    field("State:").filter(|state| state.starts_with('S'))?;
    Some([switches("voluntary_ctxt_switches:")?, switches("nonvoluntary_ctxt_switches:")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(tid: u32, name: &str, wait: Wait) -> Thread {
        Thread { tid, name: name.to_owned(), wait }
    }

    /// Node 20: nothing but the main thread has a name, and V8's threads look like the pool's.
    fn node_20(main: Wait, pool: [Wait; 4]) -> Vec<Thread> {
        let mut threads = vec![thread(7, "openclaw-gatewa", main), thread(8, "node", Wait::Events(Some(9)))];
        threads.extend((9..13).map(|tid| thread(tid, "node", Wait::Parked)));
        threads.extend((13..).zip(pool).map(|(tid, wait)| thread(tid, "node", wait)));
        threads
    }

    fn node_24(main: Wait, pool: [Wait; 4]) -> Vec<Thread> {
        let mut threads = node_20(main, pool);
        threads[2..6].iter_mut().for_each(|thread| thread.name = "V8Worker".to_owned());
        threads[6..].iter_mut().for_each(|thread| thread.name = POOL_THREAD.to_owned());
        threads
    }

    const LOOPS: [u32; 2] = [9, 14];
    const OWN: Wait = Wait::Events(Some(14));

    #[test]
    fn an_owner_whose_loop_and_pool_wait_is_idle() {
        for node in [node_20, node_24] {
            assert_eq!(judge(7, &node(OWN, [Wait::Parked; 4]), &LOOPS), Idle::Seen);
        }
        // The kernel does not tell on what each waits.
        let mut threads = node_24(Wait::Events(None), [Wait::Parked; 4]);
        threads[1].wait = Wait::Events(None);
        assert_eq!(judge(7, &threads, &LOOPS), Idle::Seen);
        assert_eq!(judge(7, &threads, &[9, 14, 18]), Idle::NotSeen, "a nested loop");
    }

    #[test]
    fn a_release_may_be_under_way_behind_anything_else() {
        for node in [node_20, node_24] {
            let with = |main, pool, loops: &[u32]| judge(7, &node(main, pool), loops);
            let waiting = [Wait::Parked; 4];
            assert_eq!(with(Wait::Busy, waiting, &LOOPS), Idle::NotSeen, "it runs, or is stopped");
            assert_eq!(with(Wait::Elsewhere, waiting, &LOOPS), Idle::NotSeen, "a synchronous read");
            assert_eq!(with(Wait::Parked, waiting, &LOOPS), Idle::NotSeen, "Atomics.wait");
            assert_eq!(with(Wait::Events(Some(18)), waiting, &[9, 14, 18]), Idle::NotSeen, "spawnSync");
            assert_eq!(with(OWN, [Wait::Elsewhere; 4], &LOOPS), Idle::NotSeen, "the pool is full");
            let unlinking = [Wait::Parked, Wait::Parked, Wait::Busy, Wait::Parked];
            assert_eq!(with(OWN, unlinking, &LOOPS), Idle::NotSeen, "a job is being done");
        }
        let three_hang = [Wait::Elsewhere, Wait::Elsewhere, Wait::Parked, Wait::Elsewhere];
        assert_eq!(
            judge(7, &node_24(OWN, three_hang), &LOOPS),
            Idle::Seen,
            "one has no work: none is queued"
        );
    }

    #[test]
    fn a_process_that_can_run_no_javascript_has_no_release_to_finish() {
        let sleep = [thread(7, "openclaw", Wait::Elsewhere)];
        assert_eq!(judge(7, &sleep, &[]), Idle::Seen);
        assert_eq!(judge(7, &sleep, &[9]), Idle::NotSeen, "it has an event loop");
        let two = [thread(7, "openclaw", Wait::Elsewhere), thread(8, "openclaw", Wait::Busy)];
        assert_eq!(judge(7, &two, &[]), Idle::NotSeen, "it has threads");
    }

    #[test]
    fn the_wait_channel_has_many_names() {
        let told = || Some("281 0xe 0x7ffc99f643c0 0x400".to_owned());
        for channel in ["ep_poll", "do_epoll_wait", "do_epoll_pwait.part.0"] {
            assert_eq!(wait_of(Some(channel), told), Wait::Events(Some(14)));
        }
        for channel in ["futex_wait_queue_me", "futex_wait_queue", "futex_do_wait"] {
            assert_eq!(wait_of(Some(channel), told), Wait::Parked);
        }
        assert_eq!(wait_of(Some("do_freezer_trap"), told), Wait::Elsewhere);
        assert_eq!(wait_of(Some("0"), told), Wait::Unreadable);
        assert_eq!(wait_of(None, told), Wait::Unreadable);
    }
}
