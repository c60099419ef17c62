//! A sign of life for a service that notices when it stays away (healthchecks.io, Uptime Kuma's push): the loop asks
//! for it, so it says that the loop turns; a thread of its own sends it, so that the loop never waits.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::{debug, warn};

use super::delivery::{Channel, Deliveries, Delivery, Sent};

/// Between two signs.
pub(crate) const EVERY: Duration = Duration::from_secs(60);
const TIME_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Ping(SyncSender<()>);

impl Ping {
    pub(super) fn start(url: String, deliveries: Deliveries) -> Self {
        // A second sign while the first is on its way would say nothing new.
        let (queue, asked) = sync_channel(1);
        let spawned = std::thread::Builder::new()
            .name("ping".to_owned())
            .spawn(move || send(&url, &asked, &deliveries));
        if let Err(error) = spawned {
            warn!(%error, "the thread for --ping cannot start; no sign of life is sent");
        }
        Self(queue)
    }

    pub(super) fn ask(&self) {
        let _ = self.0.try_send(());
    }
}

/// Ends when the daemon drops its end of the queue.
fn send(url: &str, asked: &Receiver<()>, deliveries: &Deliveries) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIME_LIMIT))
        .max_redirects(3)
        .user_agent(concat!("lockdoctor/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut reached = true;
    while asked.recv().is_ok() {
        // The address holds a token: neither it nor an error that quotes it is logged.
        let now = agent.get(url).call().is_ok();
        match (reached, now) {
            (true, false) => warn!("the address of --ping does not take the sign of life"),
            (false, true) => debug!("the address of --ping takes the sign of life again"),
            _ => {}
        }
        reached = now;
        deliveries
            .count(Delivery { channel: Channel::Ping, result: if now { Sent::Ok } else { Sent::Failed } });
    }
}
