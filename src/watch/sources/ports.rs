//! What gateways answer on their ports: whether they do, and what they say of themselves. A thread of its own asks, as
//! one that hangs answers nobody, and the loop waits for nobody.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tracing::warn;

use crate::examination::gateway::{Heard, listen};
use crate::wakeups::ids::RootId;

/// As often as a health check of a container does.
pub(crate) const EVERY: Duration = Duration::from_secs(30);
/// What was heard counts for so long.
const COUNTS: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

#[derive(Debug)]
pub(crate) struct Ports {
    thread: Option<SyncSender<(RootId, Door)>>,
    shared: Arc<Shared>,
    heard: BTreeMap<RootId, (Door, Heard, Duration)>,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<Vec<(RootId, Door, Heard)>>,
    wake: OwnedFd,
}

impl Ports {
    pub(crate) fn new() -> Result<Self, Errno> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { answers: Mutex::default(), wake });
        Ok(Self { thread: None, shared, heard: BTreeMap::new() })
    }

    /// The thread starts with the first question. One that is still at an earlier one is not asked again.
    pub(crate) fn ask(&mut self, root: RootId, door: Door) {
        if self.thread.is_none() {
            let (queue, questions) = sync_channel(16);
            let shared = Arc::clone(&self.shared);
            let spawned = std::thread::Builder::new()
                .name("ports".to_owned())
                .spawn(move || answer(&questions, &shared));
            if let Err(error) = spawned {
                warn!(%error, "no thread can ask the gateways whether they answer");
            }
            self.thread = Some(queue);
        }
        if let Some(thread) = &self.thread {
            let _ = thread.try_send((root, door));
        }
    }

    /// Takes what has been heard at `now`. Returns whether any of it is news.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let _ = rustix::io::read(&self.shared.wake, &mut [0_u8; 8]);
        let answers =
            std::mem::take(&mut *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut news = false;
        for (root, door, heard) in answers {
            let before =
                self.heard.get(&root).filter(|(known, ..)| *known == door).map(|(_, heard, _)| heard);
            news |= before.is_none_or(|before| !before.says_the_same(&heard));
            self.heard.insert(root, (door, heard, now));
        }
        news
    }

    /// What the gateway of `root` said lately, if it still is the same.
    pub(crate) fn heard(&self, root: RootId, door: Door, now: Duration) -> Option<&Heard> {
        let (known, heard, at) = self.heard.get(&root)?;
        (*known == door && now <= *at + COUNTS).then_some(heard)
    }
}

impl AsFd for Ports {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

/// Ends when the daemon drops its end of the queue.
fn answer(questions: &Receiver<(RootId, Door)>, shared: &Shared) {
    while let Ok((root, door)) = questions.recv() {
        let heard = listen(door.pid, door.port);
        shared.answers.lock().unwrap_or_else(PoisonError::into_inner).push((root, door, heard));
        // A full counter wakes as well.
        let _ = rustix::io::write(&shared.wake, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn an_answer_is_news_once_and_nobody_waits_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let door = Door { pid: std::process::id(), port: listener.local_addr().expect("an address").port() };
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.expect("a client");
                let _ = stream.read(&mut [0; 512]);
                std::thread::sleep(Duration::from_millis(200));
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"ready\":true}");
            }
        });
        let mut ports = Ports::new().expect("an eventfd");
        let (root, now) = (RootId::from(1), Duration::from_secs(1));
        let ask = |ports: &mut Ports| {
            let began = Instant::now();
            ports.ask(root, door);
            assert!(began.elapsed() < Duration::from_millis(150), "the loop waited");
            loop {
                let news = ports.take(now);
                let answered = ports.heard(root, door, now).is_some();
                if news || answered && began.elapsed() > Duration::from_millis(400) {
                    return news;
                }
                assert!(began.elapsed() < Duration::from_secs(10), "never answered");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        assert!(ask(&mut ports), "the first answer is news");
        assert!(!ask(&mut ports), "the second says the same");
        assert!(ports.heard(root, door, now + COUNTS * 2).is_none(), "too long ago");
        assert!(ports.heard(root, Door { pid: door.pid + 1, ..door }, now).is_none(), "another gateway");
        server.join().expect("served");
    }
}
