//! A very small HTTP/1.1 server for the loop: GET and HEAD, one request a connection, everything bounded. It
//! never waits for a client; one that is slow is cut off, and one that says nothing makes room for others.

mod connection;
pub(crate) mod hosts;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use rustix::io::Errno;

use crate::wakeups::poller::{Interest, Poller, Source};
use crate::watch::options::Listen;
use connection::{Connection, Next};
use hosts::Hosts;

/// Clients at the same time.
const MOST_CONNECTIONS: usize = 32;
/// Clients of one address at the same time that have not asked for anything yet.
const MOST_SILENT: usize = 8;
/// Until the head of the request is there.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_secs(1);
/// From there to the last byte of the answer.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What was asked for, once it has passed the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) accept: String,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: Status,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Value of Content-Security-Policy.
    pub(crate) policy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    Misdirected,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Misdirected => "421 Misdirected Request",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Response {
    /// A page that loads nothing and runs nothing.
    pub(crate) fn plain(status: Status, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, body: body.into(), policy: "default-src 'none'".to_owned() }
    }

    pub(crate) fn text(status: Status, line: &str) -> Self {
        Self::plain(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    asked_for: SocketAddr,
    hosts: Hosts,
    /// In the order in which they came.
    connections: BTreeMap<u32, Connection>,
    next_id: u32,
    listening: bool,
}

/// What a turn made of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    GoesOn,
    /// It is being answered; its time limit is another now.
    Answering,
    Ended,
}

impl Server {
    pub(crate) fn bind(listen: &Listen, poller: &Poller) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen.address)?;
        listener.set_nonblocking(true)?;
        poller.add(&listener, Source::Listener, Interest::Read)?;
        let hosts = Hosts::new(listener.local_addr()?, &listen.allow_hosts);
        Ok(Self {
            listener,
            asked_for: listen.address,
            hosts,
            connections: BTreeMap::new(),
            next_id: 0,
            listening: true,
        })
    }

    /// Which may be any port.
    pub(crate) fn asked_for(&self) -> SocketAddr {
        self.asked_for
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes in new clients; each has until [`HEAD_LIMIT`] from now. With many at once, those that have been here
    /// longest without having asked for anything make room.
    pub(crate) fn accept(&mut self, poller: &Poller) -> Accepted {
        let mut accepted = Accepted::default();
        // The rest wakes the loop again.
        for _ in 0..MOST_CONNECTIONS {
            let (stream, peer) = match self.listener.accept() {
                Ok(client) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_short_of_descriptors(&error) => {
                    // It would wake the loop again and again.
                    accepted.paused = poller.modify(&self.listener, Source::Listener, Interest::None).is_ok();
                    self.listening = !accepted.paused;
                    break;
                }
                // That client is gone.
                Err(_) => continue,
            };
            accepted.dropped.extend(self.make_room(peer.ip()));
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            if stream.set_nonblocking(true).is_ok()
                && poller.add(&stream, Source::Connection(id), Interest::Read).is_ok()
            {
                self.connections.insert(id, Connection::new(stream, peer.ip()));
                accepted.new.push(id);
            }
        }
        accepted
    }

    /// Descriptors may be had again.
    pub(crate) fn resume(&mut self, poller: &Poller) {
        if !self.listening {
            self.listening = poller.modify(&self.listener, Source::Listener, Interest::Read).is_ok();
        }
    }

    /// Drops the eldest that has not asked for anything yet, if all places are taken, or too many by `address`. If all
    /// are being answered, the one that takes longest to read makes room: a probe's answer goes out at once.
    fn make_room(&mut self, address: IpAddr) -> Option<u32> {
        let silent = || self.connections.iter().filter(|(_, connection)| connection.is_silent());
        let theirs = || silent().filter(|(_, connection)| connection.address == address);
        let eldest = if theirs().count() >= MOST_SILENT {
            theirs().next()
        } else if self.connections.len() >= MOST_CONNECTIONS {
            silent().next().or_else(|| self.connections.iter().next())
        } else {
            None
        };
        let id = *eldest?.0;
        self.connections.remove(&id);
        Some(id)
    }

    /// A connection can be read from, or written to.
    pub(crate) fn turn(
        &mut self,
        id: u32,
        poller: &Poller,
        answer: impl FnOnce(&Request) -> Response,
    ) -> Turn {
        let Some(connection) = self.connections.get_mut(&id) else { return Turn::Ended };
        let was_silent = connection.is_silent();
        let turn = match connection.turn(&self.hosts, answer) {
            Next::Read => Turn::GoesOn,
            Next::Write if !was_silent => Turn::GoesOn,
            Next::Write => match poller.modify(&connection.stream, Source::Connection(id), Interest::Write) {
                Ok(()) => Turn::Answering,
                Err(_) => Turn::Ended,
            },
            Next::Close => Turn::Ended,
        };
        if turn == Turn::Ended {
            self.cut_off(id);
        }
        turn
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn cut_off(&mut self, id: u32) {
        self.connections.remove(&id);
    }
}

/// What became of those who knocked.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) new: Vec<u32>,
    /// Those that made room.
    pub(crate) dropped: Vec<u32>,
    /// No descriptor is left: nobody is let in until [`Server::resume`].
    pub(crate) paused: bool,
}

fn is_short_of_descriptors(error: &std::io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    short.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
