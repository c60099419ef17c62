//! The loop, and what it holds.

mod arrivals;
mod databases;
mod diagnosing;
mod leases;
mod logs;
mod observing;
mod reclaimers;
mod reclaiming;
mod reload;
mod roots;
mod serving;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};
use tracing::info;

use super::findings::Board;
use super::live::Live;
use super::locks::Locks;
use super::locks::known::Stage;
use super::notify::Notify;
use super::options::{Options, Run};
use super::serve::Serving;
use super::sources::Sources;
use crate::clock::Now;
use crate::directories::{Change, Directories, root};
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::survey::raise_descriptor_limit;
use crate::wakeups::ids::RootId;
use crate::wakeups::poller::{Interest, Patience, Source};
use crate::wakeups::polling::Polling;
use crate::wakeups::signals::Asked;
use crate::wakeups::{Due, Wakeups};
use crate::words::count;
use reclaimers::Reclaimers;

/// How long it works on what is due before it looks whether something has happened: signals and clients do not
/// wait for ten thousand locks.
const TURN: Duration = Duration::from_millis(20);

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Stopped,
    /// `--once`: everything was judged.
    Settled(Exit),
}

/// Reads the configuration again.
pub type Reread = Box<dyn FnMut() -> anyhow::Result<Options>>;

pub struct Daemon {
    options: Options,
    wakeups: Wakeups,
    directories: Directories,
    locks: Locks,
    sources: Sources,
    board: Board,
    view: SystemView,
    reclaimers: Reclaimers,
    notify: Notify,
    serving: Serving,
    live: Option<Live>,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Daemon").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Daemon {
    pub fn new(options: Options) -> anyhow::Result<Self> {
        raise_descriptor_limit();
        let descriptors = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most as usize);
        crate::sys::return_free_memory();
        let view = SystemView::open();
        let polling = Polling::new(options.poll).context("cannot make an eventfd")?;
        let directories = Directories::new(root::wanted(&options.what, &view), polling)
            .context("cannot start inotify (see sysctl fs.inotify.max_user_instances)")?;
        let wakeups = Wakeups::new(descriptors)?;
        wakeups.poller.add(&directories, Source::Directories, Interest::Read)?;
        wakeups.poller.add(&directories.polling, Source::Polling, Interest::Read)?;
        let sources = Sources::new(options.logs.window, view.now).context("cannot make an eventfd")?;
        wakeups.poller.add(&sources.ports, Source::Ports, Interest::Read)?;
        let notify = Notify::new(options.tell.clone());
        let serving = Serving::new(options.listen.as_ref(), &notify.deliveries, &wakeups.poller, view.now)?;
        Ok(Self {
            sources,
            options,
            wakeups,
            directories,
            locks: Locks::new(descriptors),
            board: Board::default(),
            view,
            reclaimers: Reclaimers::default(),
            notify,
            serving,
            live: None,
        })
    }

    /// Shows what it knows there, and stops when the view ends.
    pub fn shown_by(mut self, live: Live) -> anyhow::Result<Self> {
        self.wakeups.poller.add(&live, Source::Live, Interest::Read)?;
        self.wakeups.deadlines.set(Due::Live, self.view.now.boot);
        self.live = Some(live);
        Ok(self)
    }

    /// Runs until it is stopped; with `--once`, until everything has settled. `reread`: the configuration, at a SIGHUP.
    pub fn run(mut self, mut reread: Reread) -> anyhow::Result<Ended> {
        for root in self.directories.root_ids() {
            self.wakeups.deadlines.set(Due::Root(root), self.view.now.boot);
        }
        loop {
            let more_is_due = self.do_what_is_due();
            self.admit_waiting();
            if !more_is_due && !self.serving.watching {
                self.begin_watching();
                if !self.say_what_is_awaited() && self.options.run == Run::Once {
                    return Ok(Ended::Settled(Exit::Trouble));
                }
            }
            if let Some(exit) = self.settled() {
                return Ok(Ended::Settled(exit));
            }
            self.reclaimers.forget_failures();
            let backlog = self.sources.logs.has_backlog();
            let patience = if backlog || more_is_due { Patience::None } else { Patience::Endless };
            let woken_by = self.wakeups.wait(patience)?;
            // What is due together shares one look at the machine: to take it anew for each turn costs more than the turn.
            if woken_by.is_empty() && more_is_due {
                self.view.now = Now::read();
            } else {
                self.view.refresh();
            }
            // Logs come last: whatever else has happened is dealt with first.
            if backlog && !more_is_due && woken_by.is_empty() {
                self.read_logs_on();
            }
            for source in woken_by {
                if source == Source::Live || source == Source::Signals && self.signalled(&mut reread) {
                    self.wakeups.service.stopping();
                    info!("stopped");
                    return Ok(Ended::Stopped);
                }
                self.handle(source)?;
            }
        }
    }

    /// Everything that was there at the start has been looked at.
    fn begin_watching(&mut self) {
        let now = self.view.now.boot;
        self.wakeups.deadlines.set(Due::SafetyScan, now + self.options.safety_scan);
        self.wakeups.feed_watchdog(now);
        self.notify.ping(now, &mut self.wakeups);
        self.follow_logs();
        let (watched, polled) = self.directories.counts();
        info!(directories = watched + polled, polled, locks = self.locks.table.len(), "watching");
        if let Some(address) = self.serving.address() {
            info!(%address, url = format!("http://{address}/"), "listening");
        }
        self.serving.watching = true;
        crate::sys::return_code();
        self.wakeups.service.ready();
        self.say_status();
    }

    fn handle(&mut self, source: Source) -> anyhow::Result<()> {
        match source {
            Source::Directories => {
                let notices = self.directories.inotify.read().context("inotify cannot be read")?;
                let mut changes = Vec::new();
                for notice in notices {
                    self.directories.digest(notice, &mut changes);
                }
                self.apply(changes);
            }
            Source::FileWrites => self.take_file_writes()?,
            Source::Polling => {
                let mut changes = Vec::new();
                self.directories.polled(&mut changes);
                self.apply(changes);
            }
            Source::Ports => self.ports_have_answered(),
            Source::Timer => self.wakeups.timer_expired(),
            Source::ClockStep => {
                self.wakeups.clock_stepped()?;
                self.serving.metrics.clock_steps.inc();
                info!("the wall clock was set; ages go on by the boot clock");
            }
            Source::Process(pid) => self.process_ended(pid),
            Source::Child(id) => {
                let answer = self.notify.command_ended(id, self.view.now.boot, &mut self.wakeups);
                if let Some((root, said)) = answer {
                    self.orphan_answered(root, &said);
                }
            }
            Source::Listener => self.serving.accept(self.view.now.boot, &mut self.wakeups),
            Source::Connection(id) => self.serve(id),
            Source::Signals | Source::Live => {}
        }
        Ok(())
    }

    /// Whether it is to stop.
    fn signalled(&mut self, reread: &mut Reread) -> bool {
        let asked = self.wakeups.signals.take();
        for each in &asked {
            match each {
                Asked::Stop => {}
                // The terminal is gone.
                Asked::Reload if self.live.is_some() => {}
                Asked::Reload => self.reload(reread),
                Asked::SayStatus => info!("{}", self.status_line()),
            }
        }
        asked.contains(&Asked::Stop) || self.live.is_some() && asked.contains(&Asked::Reload)
    }

    /// `true`: its turn is over, and more is due.
    fn do_what_is_due(&mut self) -> bool {
        let began = self.view.now.boot;
        while let Some(due) = self.wakeups.deadlines.take_due(self.view.now.boot) {
            match due {
                Due::Look(id) => self.look(id),
                Due::Removed(wd) => self.judge_removed(wd),
                Due::Root(root) => self.tend_root_in_turn(root),
                Due::Recovery(root) => self.recover(root),
                Due::Gateway(root) => self.look_for_gateway(root),
                Due::SafetyScan => self.safety_scan(),
                Due::Watchdog => self.wakeups.feed_watchdog(self.view.now.boot),
                Due::CommandLimit => self.notify.enforce_limits(self.view.now.boot, &mut self.wakeups),
                Due::Ping => self.notify.ping(self.view.now.boot, &mut self.wakeups),
                Due::Restart => self.consider_restart(),
                Due::Live => self.show_live(),
                Due::Logs => self.read_written_logs(),
                Due::LogNames => self.look_for_logs(),
                Due::Databases(root) => self.look_at_databases(root),
                Due::Ports => self.ask_ports(),
                Due::Diagnosis => self.diagnose(),
                Due::Connection(id) => self.serving.cut_off(id),
                Due::Listener => self.serving.resume(&self.wakeups.poller),
            }
            // Looks take time; deadlines that pass meanwhile are due too.
            self.view.now = Now::read();
            if self.view.now.boot >= began + TURN {
                return self.wakeups.deadlines.next().is_some_and(|next| next <= self.view.now.boot);
            }
        }
        false
    }

    fn safety_scan(&mut self) {
        for root in self.directories.root_ids() {
            self.tend_root(root, root::Trigger::SafetyScan);
        }
        crate::sys::return_code();
        self.board.forget_the_past(self.view.now.boot);
        // Where inotify does not see every write, this is how it is noticed.
        self.log_names_changed();
        self.plan_diagnosis();
        let named = self.named_processes();
        self.wakeups.processes.keep(|pid| named.contains(&pid));
        self.wakeups.deadlines.set(Due::SafetyScan, self.view.now.boot + self.options.safety_scan);
    }

    /// Every process whose end is waited for.
    fn named_processes(&self) -> HashSet<u32> {
        let owners = self.locks.table.iter().filter_map(|(_, lock)| lock.watched_process);
        let gateways = self.directories.roots().filter_map(root::Root::gateway_pid);
        owners.chain(gateways).chain(self.sources.databases.owners()).collect()
    }

    /// `--once` ends when nothing waits for its second look any more.
    fn settled(&self) -> Option<Exit> {
        if self.options.run != Run::Once || !self.serving.watching {
            return None;
        }
        let waiting = self.locks.table.iter().any(|(id, lock)| match lock.stage() {
            Stage::Awaited | Stage::Vanishing(_) => true,
            Stage::Settling { .. } => self.wakeups.deadlines.is_set(Due::Look(id)),
            Stage::Seen(_) | Stage::SetBack { .. } => false,
        });
        let attention = self.board.pressing() > 0;
        (!waiting).then_some(if attention { Exit::Findings } else { Exit::Clean })
    }

    fn say_status(&mut self) {
        let line = self.status_line();
        self.wakeups.service.status(line);
    }

    fn status_line(&self) -> String {
        format!("{}, {}", count(self.locks.table.len(), "lock"), count(self.board.pressing(), "finding"))
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.apply_one(change);
        }
    }

    fn install(&self, root: RootId) -> Option<&crate::install::Install> {
        self.directories.install(root)
    }
}
