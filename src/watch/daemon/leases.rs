//! With `--reclaim-leases`, removes the lease of a dead gateway that keeps the next one out, as `reclaim --leases --yes`
//! does: in a child process whose end wakes the loop.

use std::path::PathBuf;
use std::time::Duration;

use tracing::{info, warn};

use super::Daemon;
use crate::reclaim::leases::Answer;
use crate::reclaim::leases::child;
use crate::reclaim::leases::run::order;
use crate::reclaim::policy::Permission;
use crate::wakeups::Due;
use crate::wakeups::ids::RootId;
use crate::watch::findings::Act;

/// The obstacle is mostly a gateway that starts, is refused and ends.
const AGAIN: Duration = Duration::from_secs(2);

impl Daemon {
    /// Starts the removal of the row of `root`, if it is in the way and no obstacle is seen.
    pub(super) fn consider_orphan(&mut self, root: RootId) {
        let of_others = self.directories.root(root).is_none_or(|root| root.is_anothers);
        if self.options.leases == Permission::Withheld || of_others || self.notify.has_lease_job(root) {
            return;
        }
        let Some(install) = self.directories.install(root) else { return };
        let orphan =
            self.sources.databases.orphan(root).and_then(|lease| Some((lease, lease.removal.as_ref()?)));
        let Some((lease, removal)) = orphan else { return };
        if let Some(refusal) = &removal.refusal {
            let (passes, why) = (refusal.passes(), refusal.to_string());
            self.orphan_stays(root, passes, &why);
        } else {
            let order = order(install, lease, removal, false).to_bytes();
            self.notify.start_lease_job(root, &order, self.view.now.boot, &mut self.wakeups);
        }
    }

    /// The child process has answered.
    pub(super) fn orphan_answered(&mut self, root: RootId, said: &[u8]) {
        let answer = child::answer(said);
        if let Some(why) = answer.why() {
            let passes = matches!(&answer, Answer::Refused { passes: true, .. });
            self.orphan_stays(root, passes, why);
        }
        let removed = match &answer {
            Answer::Removed { quarantine_id } => {
                self.sources.databases.take_orphan(root).zip(Some(quarantine_id))
            }
            _ => None,
        };
        if let Some((lease, id)) = removed {
            info!(path = lease.path, pid = lease.owner.pid, quarantine_id = id, "lease removed");
            let act = Act {
                at: self.view.now.wall,
                lock: PathBuf::from(&lease.path),
                agent: None,
                session_key: None,
                verdict: lease.verdict.verdict.as_str(),
                reasons: lease.verdict.reasons.iter().map(|reason| reason.as_str()).collect(),
                result: answer.as_str(),
                quarantine_id: Some(id.clone()),
                why: None,
                after_ms: 0,
            };
            self.board.remember(act);
        }
        self.databases_changed(root);
    }

    /// Says it once; looks again at what may pass.
    fn orphan_stays(&mut self, root: RootId, passes: bool, why: &str) {
        if self.sources.databases.is_news(root, why) {
            warn!(why, "a lease is not removed");
        }
        if passes {
            self.wakeups.deadlines.set_by(Due::Databases(root), self.view.now.boot + AGAIN);
        }
    }
}
