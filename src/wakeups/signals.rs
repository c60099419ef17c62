//! Signals as something the loop can wait for. The handlers only set a flag and write a byte.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM, SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    SayStatus,
}

#[derive(Debug)]
pub(crate) struct Signals {
    reader: UnixStream,
    flags: Vec<(Arc<AtomicBool>, Asked)>,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let wanted = [
            (SIGTERM, Asked::Stop),
            (SIGINT, Asked::Stop),
            (SIGHUP, Asked::Reload),
            (SIGUSR1, Asked::SayStatus),
        ];
        let mut flags = Vec::new();
        for (signal, asked) in wanted {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            // Handlers run in the order of their registration: the flag is up before the loop wakes.
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
            flags.push((flag, asked));
        }
        Ok(Self { reader, flags })
    }

    pub(crate) fn take(&mut self) -> Vec<Asked> {
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(read) if read == bytes.len()) {}
        let raised = self.flags.iter().filter(|(flag, _)| flag.swap(false, Ordering::SeqCst));
        raised.map(|(_, asked)| *asked).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
