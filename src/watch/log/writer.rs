//! A separate thread writes the log, so that the loop never waits for its reader: a terminal stopped with Ctrl-S,
//! a pipe that is not drained, a journal that hangs. Lines that do not fit into the queue are dropped and counted,
//! and the count is logged as soon as there is room.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::warn;

/// Lines that may wait.
const QUEUE: usize = 4096;
/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(500);

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that were dropped since the start.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    /// Everything before it has been written.
    Flush(SyncSender<()>),
}

/// Where formatted lines go in.
#[derive(Clone)]
pub(super) struct Lines(SyncSender<Message>);

/// While it lives the log is written; when it goes the last lines get a moment to come out.
#[must_use]
pub struct Logging(Option<Lines>);

impl std::fmt::Debug for Logging {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Logging")
    }
}

/// Starts the thread.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Lines, Logging)> {
    let (queue, messages) = sync_channel(QUEUE);
    std::thread::Builder::new().name("log".to_owned()).spawn(move || write(out, &messages))?;
    let lines = Lines(queue);
    Ok((lines.clone(), Logging(Some(lines))))
}

fn write(mut out: impl Write, messages: &Receiver<Message>) {
    let mut told = dropped();
    while let Ok(message) = messages.recv() {
        match message {
            // A log that cannot be written to has nobody to complain to.
            Message::Line(line) => drop(out.write_all(&line).and_then(|()| out.flush())),
            Message::Flush(done) => drop(done.try_send(())),
        }
        let missing = dropped() - told;
        if missing > 0 {
            told += missing;
            warn!(lines = missing, "lines of this log were dropped: its reader does not keep up");
        }
    }
}

impl Lines {
    /// Never waits.
    pub(super) fn queue(&self, line: Vec<u8>) {
        if self.0.try_send(Message::Line(line)).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let Some(Lines(queue)) = self.0.take() else { return };
        let (done, written) = sync_channel(1);
        if queue.try_send(Message::Flush(done)).is_ok() {
            // Should it take longer, its reader does not read.
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_stopped_costs_lines_and_no_time() {
        let (reader, pipe) = io::pipe().expect("pipe");
        let (lines, logging) = start(pipe).expect("a thread");
        let before = dropped();
        for _ in 0..6000 {
            lines.queue(vec![b'x'; 1000]);
        }
        assert!(dropped() > before, "6 MB fit into no pipe");
        drop(logging);
        drop(reader);
    }
}
