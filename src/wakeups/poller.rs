//! epoll with names: what woke the loop, instead of a number.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// Everything that can wake the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Names in watched directories, and locks that are closed.
    Directories,
    /// Logs and databases.
    FileWrites,
    Timer,
    /// The wall clock was set.
    ClockStep,
    Signals,
    /// The poller's thread has listed something that changed.
    Polling,
    /// A gateway has answered on its port, or has not.
    Ports,
    Listener,
    /// The live view has ended.
    Live,
    Connection(u32),
    /// A process that a lock or a gateway names has ended.
    Process(u32),
    /// A command that we started has ended.
    Child(u32),
}

impl Source {
    fn to_word(self) -> u64 {
        let (tag, id) = match self {
            Self::Directories => (0, 0),
            Self::Timer => (1, 0),
            Self::ClockStep => (2, 0),
            Self::Signals => (3, 0),
            Self::Polling => (4, 0),
            Self::Listener => (5, 0),
            Self::Connection(id) => (6, id),
            Self::Process(id) => (7, id),
            Self::Child(id) => (8, id),
            Self::FileWrites => (9, 0),
            Self::Ports => (10, 0),
            Self::Live => (11, 0),
        };
        (tag << 32) | u64::from(id)
    }

    fn from_word(word: u64) -> Option<Self> {
        let id = word as u32;
        Some(match word >> 32 {
            0 => Self::Directories,
            1 => Self::Timer,
            2 => Self::ClockStep,
            3 => Self::Signals,
            4 => Self::Polling,
            5 => Self::Listener,
            6 => Self::Connection(id),
            7 => Self::Process(id),
            8 => Self::Child(id),
            9 => Self::FileWrites,
            10 => Self::Ports,
            11 => Self::Live,
            _ => return None,
        })
    }
}

/// What a source is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    /// Not now.
    None,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::Write => EventFlags::OUT,
            Self::None => EventFlags::empty(),
        }
    }
}

/// How long to wait for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Endless,
    None,
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, fd: impl AsFd, source: Source, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(source.to_word()), interest.flags())
    }

    pub(crate) fn modify(&self, fd: impl AsFd, source: Source, interest: Interest) -> Result<(), Errno> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(source.to_word()), interest.flags())
    }

    /// What has happened; [`Patience::Endless`]: sleeps until something does. There is no other time limit, the
    /// timer is a source like the others.
    pub(crate) fn wait(&self, patience: Patience) -> Result<Vec<Source>, Errno> {
        const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [const { MaybeUninit::<Event>::uninit() }; 64];
        let limit = (patience == Patience::None).then_some(&NOW);
        match epoll::wait(&self.epoll, &mut room, limit) {
            Ok((events, _)) => {
                Ok(events.iter().filter_map(|event| Source::from_word(event.data.u64())).collect())
            }
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_its_word() {
        let all = [
            Source::Directories,
            Source::FileWrites,
            Source::Timer,
            Source::ClockStep,
            Source::Signals,
            Source::Polling,
            Source::Ports,
            Source::Listener,
            Source::Connection(7),
            Source::Process(u32::MAX),
            Source::Child(0),
        ];
        for source in all {
            assert_eq!(Source::from_word(source.to_word()), Some(source));
        }
        assert_eq!(Source::from_word(u64::MAX), None);
    }
}
