//! One timer for every deadline: a timerfd on the boot clock, set to the first of them. Without deadlines it is
//! disarmed, so that nothing wakes an idle daemon. And one that tells when the wall clock is set.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// The timerfd, and what it is set to.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Duration>,
}

impl Timer {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self { fd: timerfd_create(TimerfdClockId::Boottime, flags)?, armed: None })
    }

    /// Sets it to `at`, or disarms it; costs nothing if that is what it is set to already.
    pub(crate) fn arm(&mut self, at: Option<Duration>) -> Result<(), Errno> {
        if self.armed == at {
            return Ok(());
        }
        // Zero would disarm it.
        let value = at.map_or(Duration::ZERO, |at| at.max(Duration::from_nanos(1)));
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once(value))?;
        self.armed = at;
        Ok(())
    }

    /// Takes the expiry, so that the descriptor is quiet again.
    pub(crate) fn acknowledge(&mut self) {
        self.armed = None;
        drain(self.fd.as_fd());
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A timer that never expires but is cancelled when somebody sets the wall clock (timerfd_create(2),
/// `TFD_TIMER_CANCEL_ON_SET`).
#[derive(Debug)]
pub(crate) struct ClockStep {
    fd: OwnedFd,
}

impl ClockStep {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let step = Self { fd: timerfd_create(TimerfdClockId::Realtime, flags)? };
        step.arm()?;
        Ok(step)
    }

    fn arm(&self) -> Result<(), Errno> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        // Year 2286: never, and within the range of every clock.
        timerfd_settime(&self.fd, flags, &once(Duration::from_secs(9_999_999_999)))?;
        Ok(())
    }

    pub(crate) fn acknowledge(&self) -> Result<(), Errno> {
        drain(self.fd.as_fd());
        self.arm()
    }
}

impl AsFd for ClockStep {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn once(at: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value = Timespec { tv_sec: at.as_secs() as i64, tv_nsec: i64::from(at.subsec_nanos()) };
    Itimerspec { it_interval: zero, it_value }
}

/// A timerfd is read for its side effect; ECANCELED is the message of [`ClockStep`].
fn drain(fd: BorrowedFd<'_>) {
    let _ = rustix::io::read(fd, &mut [0_u8; 8]);
}
