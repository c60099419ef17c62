//! SIGHUP: the configuration is read again as a whole. What cannot be used changes nothing.

use tracing::{error, info};

use super::{Daemon, Reread};
use crate::directories::root;
use crate::wakeups::Due;
use crate::watch::options::Options;

impl Daemon {
    pub(super) fn reload(&mut self, reread: &mut Reread) {
        self.wakeups.service.reloading();
        match reread().and_then(|options| self.adopt(options)) {
            Ok(()) => info!("configuration read again"),
            Err(error) => {
                error!(error = format!("{error:#}"), "the configuration cannot be used; the old one stays");
            }
        }
        self.wakeups.service.ready();
    }

    /// Everything that can fail comes first.
    fn adopt(&mut self, options: Options) -> anyhow::Result<()> {
        if options.listen != self.options.listen {
            self.serving.listen_at(options.listen.as_ref(), &self.wakeups.poller)?;
        }
        self.notify.adopt(options.tell.clone());
        self.notify.ping(self.view.now.boot, &mut self.wakeups);
        let elsewhere = options.what != self.options.what;
        let other_mandate = options.mandate != self.options.mandate;
        let other_logs = elsewhere || options.logs != self.options.logs;
        self.options = options;
        self.reclaimers.close();
        if elsewhere {
            self.watch_elsewhere();
        }
        if other_logs {
            self.follow_logs();
        }
        for id in self.locks.table.ids() {
            // What was only shown was not held open: it settles anew before it is acted on.
            if let Some(lock) = self.locks.table.get_mut(id).filter(|_| other_mandate) {
                lock.clear();
            }
            self.wakeups.deadlines.set_by(Due::Look(id), self.view.now.boot);
        }
        Ok(())
    }

    fn watch_elsewhere(&mut self) {
        self.forget_databases();
        for root in self.directories.root_ids() {
            self.wakeups.deadlines.cancel(Due::Root(root));
        }
        let mut changes = Vec::new();
        self.directories.replace_roots(root::wanted(&self.options.what, &self.view), &mut changes);
        self.apply(changes);
        for root in self.directories.root_ids() {
            self.tend_root(root, root::Trigger::Start);
        }
    }
}
