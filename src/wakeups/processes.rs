//! A pidfd for each distinct process that a lock or a gateway names, so that its death wakes the loop.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::poller::{Interest, Poller, Source};
use crate::evidence::Owner;
use crate::evidence::process::look_up;

/// Whether the process can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Yes,
    /// It has ended, or its number is somebody else's, since the evidence was gathered.
    Ended,
    /// No descriptor to be had; the safety scan has to do.
    No,
}

#[derive(Debug)]
pub(crate) struct Processes {
    most: usize,
    open: HashMap<u32, Process>,
}

#[derive(Debug)]
struct Process {
    // Closing it ends the wait too.
    _pidfd: OwnedFd,
    start_ticks: u64,
}

impl Processes {
    /// Waits for at most so many at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: HashMap::new() }
    }

    /// Waits for the end of `pid`, which was seen to have started at `start_ticks`.
    pub(crate) fn watch(&mut self, pid: u32, start_ticks: u64, poller: &Poller) -> Watched {
        if self.open.get(&pid).is_some_and(|process| process.start_ticks == start_ticks) {
            return Watched::Yes;
        }
        if self.open.len() >= self.most {
            return Watched::No;
        }
        let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Watched::No };
        let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Watched::Ended,
            Err(_) => return Watched::No,
        };
        // The descriptor is open: from here on the number cannot change its meaning unseen.
        match look_up(pid) {
            Owner::Alive(process) if process.start_ticks == start_ticks => {}
            _ => return Watched::Ended,
        }
        if poller.add(&pidfd, Source::Process(pid), Interest::Read).is_err() {
            return Watched::No;
        }
        self.open.insert(pid, Process { _pidfd: pidfd, start_ticks });
        Watched::Yes
    }

    /// The process has ended.
    pub(crate) fn ended(&mut self, pid: u32) {
        self.open.remove(&pid);
    }

    /// Lets go of processes that nothing names any more.
    pub(crate) fn keep(&mut self, is_named: impl Fn(u32) -> bool) {
        self.open.retain(|pid, _| is_named(*pid));
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}
