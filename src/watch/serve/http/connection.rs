//! One client, from its first byte to our last.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};

use super::hosts::Hosts;
use super::{Request, Response, Status};

const MOST_HEADER_BYTES: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;

/// What the connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Read,
    Write,
    Close,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) address: IpAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading { head: Vec<u8> },
    Writing { bytes: Vec<u8>, written: usize },
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, address: IpAddr) -> Self {
        Self { stream, address, state: State::Reading { head: Vec::new() } }
    }

    /// It has not asked for anything yet.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.state, State::Reading { .. })
    }

    pub(crate) fn turn(&mut self, hosts: &Hosts, answer: impl FnOnce(&Request) -> Response) -> Next {
        if let State::Reading { head } = &mut self.state {
            let response = match read_head(&mut self.stream, head) {
                Progress::More => return Next::Read,
                Progress::Closed => return Next::Close,
                Progress::TooLarge => (Response::text(Status::TooLarge, "too large"), Body::Sent),
                Progress::Whole => respond(head, &self.stream, hosts, answer),
            };
            let bytes = serialise(&response.0, response.1);
            self.state = State::Writing { bytes, written: 0 };
        }
        self.write()
    }

    fn write(&mut self) -> Next {
        let State::Writing { bytes, written } = &mut self.state else { return Next::Read };
        while *written < bytes.len() {
            match self.stream.write(bytes.get(*written..).unwrap_or_default()) {
                Ok(0) => return Next::Close,
                Ok(count) => *written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Write,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Next::Close,
            }
        }
        Next::Close
    }
}

enum Progress {
    More,
    Whole,
    TooLarge,
    Closed,
}

fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> Progress {
    let mut buffer = [0; 2048];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Progress::Closed,
            Ok(count) => head.extend(buffer.iter().take(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::More,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Progress::Closed,
        }
        if memchr::memmem::find(head, b"\r\n\r\n").is_some() {
            return Progress::Whole;
        }
        if head.len() > MOST_HEADER_BYTES {
            return Progress::TooLarge;
        }
    }
}

/// Whether the body goes out, or only its length (HEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Sent,
    Withheld,
}

fn respond(
    head: &[u8],
    stream: &TcpStream,
    hosts: &Hosts,
    answer: impl FnOnce(&Request) -> Response,
) -> (Response, Body) {
    let refuse = |status, line| (Response::text(status, line), Body::Sent);
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
        return refuse(Status::BadRequest, "not a request that is understood");
    }
    let body = match parsed.method {
        Some("GET") => Body::Sent,
        Some("HEAD") => Body::Withheld,
        _ => return refuse(Status::MethodNotAllowed, "GET and HEAD only"),
    };
    let values = |wanted: &str| -> Vec<String> {
        let named = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(wanted));
        named.map(|header| String::from_utf8_lossy(header.value).into_owned()).collect()
    };
    // A page of somebody else's that a browser was led to believe is ours names its own host here.
    match values("host").as_slice() {
        [host] if hosts.accept(host, stream.local_addr().ok()) => {}
        [_] => return refuse(Status::Misdirected, "this host name is not served; see --allow-host"),
        _ => return refuse(Status::BadRequest, "exactly one Host header is needed"),
    }
    let target = parsed.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    (answer(&Request { path, accept: values("accept").join(",") }), body)
}

fn serialise(response: &Response, body: Body) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nContent-Security-Policy: {}\r\n\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        response.status.line(),
        response.content_type,
        response.body.len(),
        response.policy,
    )
    .into_bytes();
    if body == Body::Sent {
        bytes.extend_from_slice(&response.body);
    }
    bytes
}
