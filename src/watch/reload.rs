//! SIGHUP: the configuration is read again as a whole. What cannot be used changes nothing.

use anyhow::Context as _;
use tracing::{error, info};

use super::daemon::Daemon;
use super::http::Server;
use super::metrics::Trigger;
use super::options::Options;
use super::roots::wishes;
use super::tell::Tell;

impl Daemon {
    pub(super) fn reload(&mut self) {
        self.service.reloading();
        match (self.reread)().and_then(|options| self.adopt(options)) {
            Ok(()) => info!("configuration read again"),
            Err(error) => {
                error!(error = format!("{error:#}"), "the configuration cannot be used; the old one stays");
            }
        }
        self.service.ready();
    }

    /// Everything that can fail comes first.
    fn adopt(&mut self, options: Options) -> anyhow::Result<()> {
        if options.listen != self.options.listen {
            let same_address = options.listen.as_ref().map(|listen| listen.address)
                == self.options.listen.as_ref().map(|listen| listen.address);
            if same_address {
                // Two sockets cannot have one address.
                self.server = None;
            }
            self.server = match &options.listen {
                Some(listen) => Some(
                    Server::bind(listen, &self.poller)
                        .with_context(|| format!("cannot listen at {}", listen.address))?,
                ),
                None => None,
            };
        }
        if options.tell != self.options.tell {
            self.tell = Tell::new(options.tell.clone(), &self.metrics.deliveries);
        }
        let elsewhere = options.what != self.options.what;
        let other_logs = elsewhere || options.logs != self.options.logs;
        self.options = options;
        // They have the circuit breaker that was in force when they were opened.
        self.reclaimers.clear();
        if elsewhere {
            self.forget_databases();
            let mut changes = Vec::new();
            self.ground.replace_roots(wishes(&self.options.what, &self.view), &mut changes);
            self.apply(changes);
            self.last_rescan.clear();
            for root in 0..self.ground.roots.len() {
                self.tend_root(root, Trigger::Start);
            }
        }
        if other_logs {
            self.follow_logs();
        }
        // What may be done has changed, perhaps.
        let now = self.view.now.boot;
        let all: Vec<_> = self.table.iter().map(|(id, _)| id).collect();
        for id in all {
            self.table.look_by(id, now);
        }
        Ok(())
    }
}
