//! The web hook: a thread of its own with a short queue, a few attempts with growing pauses. A receiver that
//! is down costs messages, never the loop.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

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
    while let Ok(body) = messages.recv() {
        let result = attempt_all(&agent, url, &body);
        deliveries.count(Delivery { channel: Channel::Webhook, result });
    }
}

fn attempt_all(agent: &ureq::Agent, url: &str, body: &[u8]) -> Sent {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=ATTEMPTS {
        match agent.post(url).content_type("application/json").send(body) {
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
