//! The loop, and what it holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tracing::{info, warn};

use super::databases::Databases;
use super::findings::Board;
use super::ground::{Change, Ground};
use super::hints::{Hint, Hints, Topic};
use super::holds::Holds;
use super::http::{self, Server};
use super::inotify::Wd;
use super::logs::Logs;
use super::metrics::{Metrics, Trigger};
use super::options::{Options, Run};
use super::owners::Owners;
use super::poller::{Interest, Patience, Poller, Source};
use super::polling::Polling;
use super::service::Service;
use super::signals::{Asked, Signals};
use super::table::{Due, Table};
use super::tell::Tell;
use super::tell::restart::History;
use super::timer::{ClockStep, Timer};
use super::told::Rhythm;
use crate::clock::Now;
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::reclaim::{Failure, Reclaimer};
use crate::survey::raise_descriptor_limit;

/// Then all of it may be said once more.
const MOST_SAID: usize = 1000;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Stopped,
    /// `--once`: everything was judged.
    Settled(Exit),
}

/// A lock that was unlinked while its owner had it open.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) entry: super::table::Entry,
    pub(super) root: usize,
    pub(super) path: PathBuf,
}

/// Reads the configuration again.
pub type Reread = Box<dyn FnMut() -> anyhow::Result<Options>>;

pub struct Daemon {
    pub(super) options: Options,
    pub(super) reread: Reread,
    pub(super) poller: Poller,
    pub(super) timer: Timer,
    pub(super) clock_step: ClockStep,
    pub(super) signals: Signals,
    pub(super) ground: Ground,
    pub(super) hints: Hints,
    pub(super) logs: Logs,
    pub(super) databases: Databases,
    pub(super) rhythm: Rhythm,
    pub(super) table: Table,
    pub(super) owners: Owners,
    pub(super) view: SystemView,
    pub(super) metrics: Metrics,
    pub(super) board: Board,
    pub(super) holds: Holds,
    pub(super) server: Option<Server>,
    /// On the boot clock.
    pub(super) started: Duration,
    /// The first listing is done.
    pub(super) watching: bool,
    pub(super) service: Service,
    /// By device and inode of their homes. Between acts other lockdoctors can work there.
    pub(super) reclaimers: HashMap<(u64, u64), Result<Reclaimer, Failure>>,
    pub(super) tell: Tell,
    pub(super) restarts: History,
    pub(super) removed: HashMap<Wd, Removed>,
    /// What was said once about a place is not said again.
    pub(super) said: BTreeSet<(PathBuf, String)>,
    pub(super) last_rescan: HashMap<usize, Duration>,
    pub(super) trigger: Trigger,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Daemon").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Daemon {
    pub fn new(options: Options, reread: Reread) -> anyhow::Result<Self> {
        raise_descriptor_limit();
        crate::sys::return_free_memory();
        let view = SystemView::open();
        let polling = Polling::new(options.poll).context("cannot make an eventfd")?;
        let roots = super::roots::wishes(&options.what, &view);
        let ground = Ground::new(roots, polling)
            .context("cannot start inotify (see sysctl fs.inotify.max_user_instances)")?;
        let hints =
            Hints::new().context("cannot start inotify (see sysctl fs.inotify.max_user_instances)")?;
        let logs = Logs::new(options.logs.window, view.now);
        let metrics = Metrics::new();
        let tell = Tell::new(options.tell.clone(), &metrics.deliveries);
        let poller = Poller::new().context("cannot make an epoll instance")?;
        let server = match &options.listen {
            Some(listen) => Some(
                Server::bind(listen, &poller)
                    .with_context(|| format!("cannot listen at {}", listen.address))?,
            ),
            None => None,
        };
        let daemon = Self {
            options,
            reread,
            poller,
            timer: Timer::new().context("cannot make a timer")?,
            clock_step: ClockStep::new().context("cannot make a timer")?,
            signals: Signals::new().context("cannot listen for signals")?,
            ground,
            hints,
            logs,
            databases: Databases::default(),
            rhythm: Rhythm::default(),
            table: Table::new(),
            owners: Owners::default(),
            metrics,
            board: Board::default(),
            holds: Holds::default(),
            server,
            started: view.now.boot,
            watching: false,
            service: Service::new(),
            reclaimers: HashMap::new(),
            tell,
            restarts: History::default(),
            removed: HashMap::new(),
            said: BTreeSet::new(),
            last_rescan: HashMap::new(),
            trigger: Trigger::Start,
            view,
        };
        daemon.poller.add(&daemon.ground, Source::Inotify, Interest::Read)?;
        daemon.poller.add(&daemon.hints, Source::Hints, Interest::Read)?;
        daemon.poller.add(&daemon.ground.polling, Source::Wake, Interest::Read)?;
        daemon.poller.add(&daemon.timer, Source::Timer, Interest::Read)?;
        daemon.poller.add(&daemon.clock_step, Source::ClockStep, Interest::Read)?;
        daemon.poller.add(&daemon.signals, Source::Signals, Interest::Read)?;
        Ok(daemon)
    }

    /// Runs until somebody stops it; with `--once`, until everything has settled.
    pub fn run(mut self) -> anyhow::Result<Ended> {
        self.start();
        if !self.say_what_is_awaited() && self.options.run == Run::Once {
            return Ok(Ended::Settled(Exit::Trouble));
        }
        loop {
            self.do_what_is_due();
            if let Some(exit) = self.settled() {
                return Ok(Ended::Settled(exit));
            }
            // What could not be opened is tried again at the next act.
            self.reclaimers.retain(|_, reclaimer| reclaimer.is_ok());
            self.timer.arm(self.table.deadlines.next())?;
            let backlog = self.logs.has_backlog();
            let patience = if backlog { Patience::None } else { Patience::Endless };
            let sources = self.poller.wait(patience).context("the event loop cannot wait")?;
            self.view.refresh();
            // Logs come last: whatever else has happened is dealt with first.
            if backlog && sources.is_empty() {
                self.read_logs_on();
            }
            for source in sources {
                if source == Source::Signals && self.signalled() {
                    self.service.stopping();
                    info!("stopped");
                    return Ok(Ended::Stopped);
                }
                self.handle(source)?;
            }
        }
    }

    fn start(&mut self) {
        for root in 0..self.ground.roots.len() {
            self.tend_root(root, Trigger::Start);
        }
        self.do_what_is_due();
        let now = self.view.now.boot;
        self.table.deadlines.set(now + self.options.safety_scan, Due::SafetyScan);
        if let Some(every) = self.service.watchdog {
            self.table.deadlines.set(now + every, Due::Watchdog);
        }
        self.follow_logs();
        let (watched, polled) = self.ground.counts();
        info!(directories = watched + polled, polled, locks = self.table.len(), "watching");
        if let Some(server) = &self.server
            && let Ok(address) = server.address()
        {
            info!(%address, "listening");
        }
        self.watching = true;
        self.service.ready();
        self.say_status();
    }

    fn handle(&mut self, source: Source) -> anyhow::Result<()> {
        match source {
            Source::Inotify => {
                let notices = self.ground.inotify.read().context("inotify cannot be read")?;
                let mut changes = Vec::new();
                for notice in notices {
                    self.ground.digest(notice, &mut changes);
                }
                self.apply(changes);
            }
            Source::Hints => self.take_hints()?,
            Source::Wake => {
                let mut changes = Vec::new();
                self.ground.polled(&mut changes);
                self.apply(changes);
            }
            Source::Timer => self.timer.acknowledge(),
            Source::ClockStep => {
                self.clock_step.acknowledge()?;
                self.metrics.clock_steps.inc();
                info!("the wall clock was set; ages go on by the boot clock");
            }
            Source::Process(pid) => self.process_ended(pid),
            Source::Child(id) => {
                let ended = self.tell.children.ended(id);
                let deliveries = self.tell.command_ended(ended, self.view.now.boot, &self.poller);
                self.count(deliveries);
            }
            Source::Listener => self.accept(),
            Source::Connection(id) => self.serve(id),
            Source::Signals => {}
        }
        Ok(())
    }

    fn take_hints(&mut self) -> anyhow::Result<()> {
        for hint in self.hints.read().context("inotify cannot be read")? {
            match hint {
                Hint::Written(Topic::Log, path) => self.log_written(path),
                Hint::Names(Topic::Log) => self.log_names_changed(),
                Hint::Written(Topic::Database(root), _) | Hint::Names(Topic::Database(root)) => {
                    self.databases_changed(root);
                }
                Hint::Anything => {
                    self.log_names_changed();
                    (0..self.ground.roots.len()).for_each(|root| self.databases_changed(root));
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Some(server) = &mut self.server else { return };
        let now = self.view.now.boot;
        for id in server.accept(now, &self.poller) {
            self.table.deadlines.set(now + http::TIME_LIMIT, Due::Connection(id));
        }
    }

    fn serve(&mut self, id: u32) {
        self.freshen();
        // Out of the daemon while it answers from the daemon.
        let Some(mut server) = self.server.take() else { return };
        if let Some(until) = server.turn(id, &self.poller, |request| self.answer(request)) {
            self.table.deadlines.clear(until, Due::Connection(id));
        }
        self.server = Some(server);
    }

    /// Whether it is to stop.
    fn signalled(&mut self) -> bool {
        let asked = self.signals.take();
        for each in &asked {
            match each {
                Asked::Stop => {}
                Asked::Reload => self.reload(),
                Asked::SayStatus => info!("{}", self.status_line()),
            }
        }
        asked.contains(&Asked::Stop)
    }

    fn do_what_is_due(&mut self) {
        while let Some(due) = self.table.deadlines.take_due(self.view.now.boot) {
            match due {
                Due::Look(id) => self.look(id),
                Due::Removed(wd) => self.judge_removed(wd),
                Due::Root(root) => self.tend_root(root, self.trigger),
                Due::SafetyScan => self.safety_scan(),
                Due::Watchdog => {
                    self.service.alive();
                    if let Some(every) = self.service.watchdog {
                        self.table.deadlines.set(self.view.now.boot + every, Due::Watchdog);
                    }
                }
                Due::CommandLimit => self.tell.children.enforce_limits(self.view.now.boot),
                Due::Restart => self.consider_restart(),
                Due::Logs => self.read_written_logs(),
                Due::LogNames => self.look_for_logs(),
                Due::Databases(root) => self.look_at_databases(root),
                Due::Diagnosis => self.diagnose(),
                Due::Connection(id) => {
                    if let Some(server) = &mut self.server {
                        server.cut_off(id);
                    }
                }
            }
            // Looks take time; deadlines that pass meanwhile are due too.
            self.view.now = Now::read();
        }
    }

    fn safety_scan(&mut self) {
        for root in 0..self.ground.roots.len() {
            self.tend_root(root, Trigger::SafetyScan);
        }
        self.board.forget_deletions(self.view.now.boot);
        // Where inotify does not see every write, this is how it is noticed.
        self.log_names_changed();
        self.plan_diagnosis();
        let named: HashSet<u32> = self.named_processes();
        self.owners.keep(|pid| named.contains(&pid));
        self.table.deadlines.set(self.view.now.boot + self.options.safety_scan, Due::SafetyScan);
    }

    /// `--once` ends when nothing waits for its second look any more.
    fn settled(&self) -> Option<Exit> {
        if self.options.run != Run::Once {
            return None;
        }
        let waiting = self.table.iter().any(|(id, entry)| {
            let settling = entry.suspicion.is_some() && entry.setback.is_none();
            entry.lock.is_none() || (settling && self.table.is_planned(id))
        });
        if waiting {
            return None;
        }
        let attention = self.board.pressing() > 0;
        Some(if attention { Exit::Findings } else { Exit::Clean })
    }

    /// Says something about a place once, not at each scan.
    pub(super) fn say_once(&mut self, path: &Path, what: &str) {
        if self.said.len() == MOST_SAID {
            self.said.clear();
        }
        if self.said.insert((path.to_owned(), what.to_owned())) {
            warn!(path = %path.display(), "{what}");
        }
    }

    pub(super) fn say_status(&mut self) {
        let line = self.status_line();
        self.service.status(line);
    }

    fn status_line(&self) -> String {
        let open = self.board.pressing();
        let locks = crate::words::count(self.table.len(), "lock");
        let findings = crate::words::count(open, "finding");
        format!("{locks}, {findings}")
    }

    /// Applies changes, and those that follow from them.
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.apply_one(change);
        }
    }
}
