//! A very small HTTP/1.1 server for the loop: GET and HEAD, one request a connection, everything bounded. It
//! never waits for a client; one that is slow is cut off.

mod connection;
pub(super) mod hosts;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tracing::debug;

use super::options::Listen;
use super::poller::{Interest, Poller, Source};
use connection::{Connection, Next};
use hosts::Hosts;

/// Clients at the same time; more are turned away.
const MOST_CONNECTIONS: usize = 32;
/// From the first byte to the last.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(5);

/// What was asked for, once it has passed the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) accept: String,
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: Status,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Value of Content-Security-Policy.
    pub(super) policy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
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
    pub(super) fn plain(status: Status, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, body: body.into(), policy: "default-src 'none'".to_owned() }
    }

    pub(super) fn text(status: Status, line: &str) -> Self {
        Self::plain(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }
}

#[derive(Debug)]
pub(super) struct Server {
    listener: TcpListener,
    hosts: Hosts,
    connections: HashMap<u32, Connection>,
    next_id: u32,
}

impl Server {
    pub(super) fn bind(listen: &Listen, poller: &Poller) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen.address)?;
        listener.set_nonblocking(true)?;
        poller.add(&listener, Source::Listener, Interest::Read)?;
        let hosts = Hosts::new(listener.local_addr()?, &listen.allow_hosts);
        Ok(Self { listener, hosts, connections: HashMap::new(), next_id: 0 })
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes in whoever waits. Returns the new connections; each has until [`TIME_LIMIT`] after `now`.
    pub(super) fn accept(&mut self, now: Duration, poller: &Poller) -> Vec<u32> {
        let mut taken = Vec::new();
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                // Nobody waits any more; or no descriptor is left, and the next event tries again.
                Err(_) => return taken,
            };
            if self.connections.len() >= MOST_CONNECTIONS {
                debug!("too many connections; one is turned away");
                continue;
            }
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            if stream.set_nonblocking(true).is_ok()
                && poller.add(&stream, Source::Connection(id), Interest::Read).is_ok()
            {
                self.connections.insert(id, Connection::new(stream, now + TIME_LIMIT));
                taken.push(id);
            }
        }
    }

    /// A connection can be read from, or written to. Returns its time limit if that has ended it.
    pub(super) fn turn(
        &mut self,
        id: u32,
        poller: &Poller,
        answer: impl FnOnce(&Request) -> Response,
    ) -> Option<Duration> {
        let connection = self.connections.get_mut(&id)?;
        let goes_on = match connection.turn(&self.hosts, answer) {
            Next::Read => true,
            Next::Write => poller.modify(&connection.stream, Source::Connection(id), Interest::Write).is_ok(),
            Next::Close => false,
        };
        if goes_on { None } else { self.cut_off(id) }
    }

    /// Its time is up.
    pub(super) fn cut_off(&mut self, id: u32) -> Option<Duration> {
        self.connections.remove(&id).map(|connection| connection.until)
    }
}
