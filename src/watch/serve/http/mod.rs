//! A very small HTTP/1.1 server for the loop: GET and HEAD, one request a connection, everything bounded. It
//! never waits for a client; one that is slow is cut off.

mod connection;
pub(crate) mod hosts;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tracing::debug;

use crate::watch::options::Listen;
use crate::watch::wakeups::poller::{Interest, Poller, Source};
use connection::{Connection, Next};
use hosts::Hosts;

/// Clients at the same time; more are turned away.
const MOST_CONNECTIONS: usize = 32;
/// From the first byte to the last.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(5);

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
    connections: HashMap<u32, Connection>,
    next_id: u32,
}

impl Server {
    pub(crate) fn bind(listen: &Listen, poller: &Poller) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen.address)?;
        listener.set_nonblocking(true)?;
        poller.add(&listener, Source::Listener, Interest::Read)?;
        let hosts = Hosts::new(listener.local_addr()?, &listen.allow_hosts);
        Ok(Self { listener, asked_for: listen.address, hosts, connections: HashMap::new(), next_id: 0 })
    }

    /// Which may be any port.
    pub(crate) fn asked_for(&self) -> SocketAddr {
        self.asked_for
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes in new clients: each with the time at which it is cut off.
    pub(crate) fn accept(&mut self, now: Duration, poller: &Poller) -> Vec<(u32, Duration)> {
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
                self.connections.insert(id, Connection::new(stream));
                taken.push((id, now + TIME_LIMIT));
            }
        }
    }

    /// A connection can be read from, or written to. `true`: that was its end.
    pub(crate) fn turn(
        &mut self,
        id: u32,
        poller: &Poller,
        answer: impl FnOnce(&Request) -> Response,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let goes_on = match connection.turn(&self.hosts, answer) {
            Next::Read => true,
            Next::Write => poller.modify(&connection.stream, Source::Connection(id), Interest::Write).is_ok(),
            Next::Close => false,
        };
        if !goes_on {
            self.cut_off(id);
        }
        !goes_on
    }

    /// Its time is up.
    pub(crate) fn cut_off(&mut self, id: u32) {
        self.connections.remove(&id);
    }
}
