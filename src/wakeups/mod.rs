//! Everything that wakes the loop: the kernel's reports on names, files, processes and signals, and the next
//! deadline. Nothing is polled where the kernel can tell.

pub(crate) mod deadlines;
mod due;
pub(crate) mod file_writes;
pub(crate) mod ids;
pub(crate) mod inotify;
pub(crate) mod poller;
pub(crate) mod polling;
pub(crate) mod processes;
pub(crate) mod service;
pub(crate) mod signals;
mod timer;

use std::time::Duration;

use anyhow::Context as _;

use deadlines::Deadlines;
pub(crate) use due::Due;
use file_writes::FileWrites;
use poller::{Interest, Patience, Poller, Source};
use processes::Processes;
use service::Service;
use signals::Signals;
use timer::{ClockStep, Timer};

#[derive(Debug)]
pub(crate) struct Wakeups {
    pub(crate) poller: Poller,
    pub(crate) deadlines: Deadlines<Due>,
    pub(crate) file_writes: FileWrites,
    pub(crate) processes: Processes,
    pub(crate) signals: Signals,
    pub(crate) service: Service,
    timer: Timer,
    clock_step: ClockStep,
}

impl Wakeups {
    /// `descriptors`: as many as the process may have open.
    pub(crate) fn new(descriptors: usize) -> anyhow::Result<Self> {
        let wakeups = Self {
            poller: Poller::new().context("cannot make an epoll instance")?,
            deadlines: Deadlines::new(),
            file_writes: FileWrites::new()
                .context("cannot start inotify (see sysctl fs.inotify.max_user_instances)")?,
            processes: Processes::new(descriptors / 4),
            signals: Signals::new().context("cannot listen for signals")?,
            service: Service::new(),
            timer: Timer::new().context("cannot make a timer")?,
            clock_step: ClockStep::new().context("cannot make a timer")?,
        };
        let poller = &wakeups.poller;
        poller.add(&wakeups.file_writes, Source::FileWrites, Interest::Read)?;
        poller.add(&wakeups.timer, Source::Timer, Interest::Read)?;
        poller.add(&wakeups.clock_step, Source::ClockStep, Interest::Read)?;
        poller.add(&wakeups.signals, Source::Signals, Interest::Read)?;
        Ok(wakeups)
    }

    /// What has happened. [`Patience::Endless`] sleeps until something does, the next deadline included.
    pub(crate) fn wait(&mut self, patience: Patience) -> anyhow::Result<Vec<Source>> {
        self.timer.arm(self.deadlines.next())?;
        self.poller.wait(patience).context("the event loop cannot wait")
    }

    pub(crate) fn timer_expired(&mut self) {
        self.timer.acknowledge();
    }

    pub(crate) fn clock_stepped(&self) -> anyhow::Result<()> {
        Ok(self.clock_step.acknowledge()?)
    }

    /// Tells the service manager that the loop turns, and plans the next time.
    pub(crate) fn feed_watchdog(&mut self, now: Duration) {
        let Some(every) = self.service.watchdog else { return };
        self.service.alive();
        self.deadlines.set(Due::Watchdog, now + every);
    }
}
