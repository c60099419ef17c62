//! The web hook: a thread of its own with a short queue, a few attempts with growing pauses. A receiver that
//! is down costs messages, never the loop.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use base64::Engine;
use tracing::{debug, warn};

use super::delivery::{Channel, Deliveries, Delivery, Sent};

const QUEUE: usize = 64;
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const TIME_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Webhook {
    queue: SyncSender<Vec<u8>>,
}

impl Webhook {
    pub(crate) fn start(url: String, deliveries: Deliveries) -> Self {
        let (queue, messages) = sync_channel(QUEUE);
        let spawned = std::thread::Builder::new()
            .name("webhook".to_owned())
            .spawn(move || deliver(&url, &messages, &deliveries));
        if let Err(error) = spawned {
            warn!(%error, "the web hook's thread cannot start; nothing is sent");
        }
        Self { queue }
    }

    /// Whether there was room for it.
    pub(crate) fn send(&self, body: Vec<u8>) -> bool {
        self.queue.try_send(body).is_ok()
    }
}

/// Ends when the daemon drops its end of the queue.
fn deliver(url: &str, messages: &Receiver<Vec<u8>>, deliveries: &Deliveries) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIME_LIMIT))
        .max_redirects(0)
        .user_agent(concat!("lockdoctor/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let (url, credentials) = without_credentials(url);
    while let Ok(body) = messages.recv() {
        let result = attempt_all(&agent, &url, credentials.as_deref(), &body);
        deliveries.count(Delivery { channel: Channel::Webhook, result });
    }
}

/// `https://user:password@host/` as an address and the header that says the same (RFC 7617).
fn without_credentials(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((user, host)) = authority.rsplit_once('@') else { return (url.to_owned(), None) };
    let user = if user.contains(':') { unescaped(user) } else { [unescaped(user), b":".to_vec()].concat() };
    let credentials = base64::engine::general_purpose::STANDARD.encode(user);
    (format!("{scheme}://{host}{path}"), Some(format!("Basic {credentials}")))
}

/// `%40` is `@`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

fn attempt_all(agent: &ureq::Agent, url: &str, credentials: Option<&str>, body: &[u8]) -> Sent {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=ATTEMPTS {
        let mut request = agent.post(url).content_type("application/json");
        if let Some(credentials) = credentials {
            request = request.header("Authorization", credentials);
        }
        match request.send(body) {
            Ok(response) if response.status().is_success() => return Sent::Ok,
            Ok(response) if response.status().is_client_error() && response.status() != 429 => {
                // It will not think better of it.
                warn!(status = response.status().as_u16(), "the web hook refuses the message");
                return Sent::Failed;
            }
            Ok(response) => debug!(status = response.status().as_u16(), attempt, "web hook: not taken"),
            Err(ureq::Error::StatusCode(status)) if (400..500).contains(&status) && status != 429 => {
                warn!(status, "the web hook refuses the message");
                return Sent::Failed;
            }
            // The address may hold a token: it is not logged, and an error that quotes it neither.
            Err(error) => debug!(kind = %kind(&error), attempt, "web hook: not reached"),
        }
        if attempt < ATTEMPTS {
            std::thread::sleep(pause);
            pause *= 2;
        }
    }
    warn!(attempts = ATTEMPTS, "the web hook cannot be reached; the message is given up");
    Sent::Failed
}

fn kind(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::HostNotFound => "host not found",
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "connection failed",
        ureq::Error::StatusCode(_) => "server error",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_the_address_are_sent_as_a_header() {
        let told = |url| without_credentials(url);
        assert_eq!(
            told("https://Aladdin:open%20sesame@example.org/x?y"),
            ("https://example.org/x?y".to_owned(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()))
        );
        assert_eq!(told("http://h/a@b"), ("http://h/a@b".to_owned(), None));
    }
}
