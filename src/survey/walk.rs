//! Which directories of an install hold locks, and what lies in them. Transcripts are named by the kernel and
//! passed over: never opened, never stat'ed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;

use super::claims;
use super::gather::{Context, gather};
use super::listing::{Listed, SessionsListed, listing};
use super::scope::{Part, Target};
use super::{Guarded, Problem, ProblemSeverity, Survey, SurveyedRoot, TranscriptListed};
use crate::evidence::directory::{Directory, Reach, Unreached};
use crate::evidence::view::SystemView;
use crate::install::config::Agent;
use crate::install::gateway::gateway_locks;
use crate::install::sessions::{SessionStore, Wanted};
use crate::install::{Install, Sessions};
use crate::leases;
use crate::openclaw::lock_kind::{LockKind, Place, recognise};
use crate::openclaw::names::STORE;

/// Directories of a state directory that hold locks of plugins and other parts, and how deep to look.
pub(super) const PLACES: &[(&str, Place, usize)] = &[
    ("", Place::State, 0),
    ("locks/oauth-refresh", Place::OauthRefresh, 0),
    ("credentials", Place::Credentials, 3),
    ("sandbox", Place::Sandbox, 0),
    ("qmd", Place::Qmd, 0),
    ("acp", Place::PluginStore, 0),
    ("commitments", Place::PluginStore, 2),
    ("crestodian", Place::PluginStore, 2),
    ("internal-agent-runs", Place::PluginStore, 2),
    ("plugins", Place::PluginStore, 5),
    ("discord", Place::PluginStore, 1),
    ("matrix", Place::PluginStore, 4),
    ("msteams", Place::PluginStore, 1),
    ("plugin-runtime-deps", Place::RuntimeDeps, 1),
];

/// Walks one target and adds what it finds to `survey`.
pub(super) fn walk(target: &Target, view: &mut SystemView, survey: &mut Survey) {
    let root = survey.roots.len();
    match target {
        Target::State { path, only } => match Install::open_with_databases(path, view) {
            Ok((install, databases)) => {
                let context = Context::new(root, Some(install));
                let mut walker = Walker { context: &context, only, view, survey, path };
                walker.state_directory();
                if *only == Part::Whole {
                    walker.databases(databases);
                }
                walker.say_what_is_missing();
                survey.roots.push(SurveyedRoot { path: path.clone(), install: context.install });
            }
            Err(error) => survey.problems.push(Problem::incomplete(path, error)),
        },
        Target::Directory { path, place, only } => match Directory::open_root(path) {
            Ok(directory) => {
                let context = Context::new(root, None);
                let mut walker = Walker { context: &context, only, view, survey, path };
                match place {
                    Place::Sessions => walker.sessions_directory(&Arc::new(directory), None, STORE),
                    place => walker.list(Arc::new(directory), *place, None),
                }
                survey.roots.push(SurveyedRoot { path: path.clone(), install: None });
            }
            Err(error) => survey.problems.push(Problem::incomplete(path, error)),
        },
    }
}

impl Problem {
    pub(super) fn incomplete(path: &Path, error: impl Into<Unreached>) -> Self {
        let error = match error.into() {
            Unreached::System(error) => error,
            other @ (Unreached::ForeignOwner { .. } | Unreached::LeadsNowhere) => {
                return Self::unseen(path, other.to_string());
            }
        };
        let what = match error {
            Errno::ACCESS | Errno::PERM => {
                "permission denied; run lockdoctor as the user that owns it".to_owned()
            }
            Errno::LOOP => "is a symbolic link, which is not followed; name its target as a PATH".to_owned(),
            Errno::NOTDIR => "is not a directory, as OpenClaw needs it to be".to_owned(),
            Errno::MFILE => "too many open files; raise `ulimit -n`".to_owned(),
            other => other.to_string(),
        };
        Self::unseen(path, what)
    }

    /// Something that had to be looked at could not be, or a default stands in for it.
    pub fn unseen(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into(), severity: ProblemSeverity::Incomplete }
    }
}

/// Fewer sessions directories than this are walked sooner than a thread has begun.
const WORTH_A_THREAD: usize = 8;

fn has_two_processors() -> bool {
    thread::available_parallelism().is_ok_and(|threads| threads > NonZero::<usize>::MIN)
}

/// As many descriptors as a scan of thousands of locks has open.
const DESCRIPTORS: i32 = 4096;

/// Makes room in the table of descriptors while there is one thread: where there are more, the kernel waits for all
/// processors (`synchronize_rcu`, some 10 ms) each time that it doubles the table.
fn grow_descriptor_table(directory: &Directory) {
    // Under a lower limit the table grows as it is needed.
    drop(rustix::io::fcntl_dupfd_cloexec(directory, DESCRIPTORS - 1));
}

struct Walker<'a> {
    context: &'a Context,
    only: &'a Part,
    view: &'a mut SystemView,
    survey: &'a mut Survey,
    path: &'a Path,
}

impl Walker<'_> {
    fn say_what_is_missing(&mut self) {
        let Some(install) = &self.context.install else { return };
        let said = |what: &String| Problem::unseen(self.path, what.clone());
        self.survey.problems.extend(install.config.problems.iter().map(said));
        self.survey.problems.extend(install.cron_problem().map(|what| Problem::unseen(self.path, what)));
        if let Some(store) = install.missing_store() {
            let what = "session.store leads there, and it is not there; is a volume not mounted here?";
            self.survey.problems.push(Problem::unseen(&store, what));
        }
        if let Some(store) = install.refused_store() {
            let what = "session.store names it, and a store's name ends in .json; not looked at";
            self.survey.problems.push(Problem::unseen(store, what));
        }
    }

    /// After the gateway's lock, which tells more of the leases of its owner.
    fn databases(&mut self, databases: leases::Survey) {
        if let Some(install) = &self.context.install {
            claims::add(self.context.root, install, databases, self.view, self.survey);
        }
    }

    fn state_directory(&mut self) {
        let Some(install) = &self.context.install else { return };
        let root = Arc::clone(&install.root);
        let agents = install.agents();
        let unnamed = install.agents_without_text();
        let mut sessions = install.sessions(agents.as_deref().unwrap_or_default());
        sessions.extend(unnamed.iter().filter_map(|name| install.sessions_of(name)));
        let private = install.config.agents.clone();
        let dreams = install.config.workspace.clone().unwrap_or_else(|| root.path.join("workspace"));
        for (relative, place, depth) in PLACES {
            self.below(&root, Path::new(relative), *place, *depth, None);
        }
        self.sessions(&sessions);
        drop(sessions);
        for Agent { id, directory } in private {
            if let Some(path) = directory {
                self.led_to(&root, &path, Place::AgentPrivate, Some(&id));
            }
        }
        match &agents {
            Ok(agents) => agents.iter().for_each(|agent| self.agent(&root, OsStr::new(agent))),
            Err(error) => self.survey.problems.push(Problem::incomplete(&root.path.join("agents"), *error)),
        }
        for name in unnamed {
            self.agent(&root, &name);
        }
        self.gateway_locks(&root);
        self.coordinators(&root);
        self.led_to(&root, &dreams.join("memory").join(".dreams"), Place::Dreams, None);
    }

    /// Lists a directory to which the configuration leads, if it is there.
    fn led_to(&mut self, root: &Directory, path: &Path, place: Place, agent: Option<&str>) {
        match Directory::open_led_to(path, Reach::Configured, root) {
            Ok(directory) => self.list(Arc::new(directory), place, agent),
            Err(Unreached::System(Errno::NOENT | Errno::NOTDIR)) => {}
            Err(error) => self.survey.problems.push(Problem::incomplete(path, error)),
        }
    }

    fn sessions(&mut self, sessions: &[Sessions]) {
        if sessions.len() < WORTH_A_THREAD || !has_two_processors() || !self.are_apart(sessions) {
            return self.sessions_one_by_one(sessions);
        }
        if let Some(directory) = sessions.iter().find_map(|sessions| sessions.opened.as_deref().ok()) {
            grow_descriptor_table(directory);
        }
        let (ours, theirs) = sessions.split_at(sessions.len() / 2);
        let (context, only, path) = (self.context, self.only, self.path);
        let mut view = self.view.beside();
        let mut found = Survey::new(view.now);
        let work = || {
            let mut walker = Walker { context, only, view: &mut view, survey: &mut found, path };
            walker.sessions_one_by_one(theirs);
        };
        let is_done = thread::scope(|scope| {
            let other = thread::Builder::new().name("survey".to_owned()).spawn_scoped(scope, work);
            self.sessions_one_by_one(ours);
            other.is_ok()
        });
        if is_done {
            self.view.take_from(view);
            self.survey.take_from(found);
        } else {
            // No thread is to be had.
            self.sessions_one_by_one(theirs);
        }
    }

    /// No two are one directory, and none was listed before: threads do not see what others found.
    fn are_apart(&self, sessions: &[Sessions]) -> bool {
        let mut seen = HashSet::new();
        let opened = sessions.iter().filter_map(|sessions| sessions.opened.as_ref().ok());
        opened
            .map(|directory| (directory.dev, directory.ino))
            .all(|id| !self.survey.listed.contains(&id) && seen.insert(id))
    }

    fn sessions_one_by_one(&mut self, sessions: &[Sessions]) {
        for sessions in sessions {
            match &sessions.opened {
                Ok(directory) if self.only.touches(&directory.path) => {
                    self.sessions_directory(directory, sessions.agent.as_deref(), &sessions.store);
                }
                Ok(_) => {}
                Err(error) => self.survey.problems.push(Problem::incomplete(&sessions.path, *error)),
            }
        }
    }

    /// No agent of OpenClaw's has a name that is no text; its locks are looked at all the same.
    fn agent(&mut self, root: &Arc<Directory>, name: &OsStr) {
        let (base, agent) = (Path::new("agents").join(name), name.to_str());
        self.below(root, &base, Place::Agent, 0, agent);
        self.below(root, &base.join("agent"), Place::AgentPrivate, 0, agent);
    }

    /// `store`: what `session.store` calls the store in it.
    fn sessions_directory(&mut self, directory: &Arc<Directory>, agent: Option<&str>, store: &str) {
        let listed = SessionsListed::read(directory, store);
        let before = self.survey.locks.len();
        let has_store = listed.as_ref().is_ok_and(|listed| listed.has_store);
        self.add(directory, agent, listed.as_ref().map(|listed| &*listed.locks).map_err(|error| *error));
        if !has_store {
            return;
        }
        if self.survey.locks.len() == before {
            // The store is read when its sessions are asked for.
            let unread = SessionStore::open(directory, store).err();
            self.survey.problems.extend(unread.map(|what| Problem::unseen(&directory.path, what)));
            return;
        }
        let ids = self.survey.locks[before..].iter().filter_map(|lock| lock.session_id.as_deref());
        match SessionStore::read(directory, store, &Wanted::of(ids)) {
            Ok(Some(store)) => {
                for lock in &mut self.survey.locks[before..] {
                    self.context.name_session(lock, &store);
                }
                let gap = store.gap().map(|gap| Problem::unseen(&directory.path, gap));
                self.survey.problems.extend(gap);
            }
            Ok(None) => {}
            Err(what) => {
                let what = format!("{what}; session keys are not known");
                self.survey.problems.push(Problem::unseen(&directory.path, what));
            }
        }
    }

    /// Lists `relative`, and its sub-directories down to `depth`.
    fn below(
        &mut self,
        root: &Arc<Directory>,
        relative: &Path,
        place: Place,
        depth: usize,
        agent: Option<&str>,
    ) {
        let directory = if relative.as_os_str().is_empty() {
            Arc::clone(root)
        } else {
            let install = self.context.install.as_ref();
            let opened =
                install.map_or_else(|| Ok(root.open_beneath(relative)?), |i| i.open_inside(relative));
            match opened {
                Ok(directory) => Arc::new(directory),
                Err(Unreached::System(Errno::NOENT | Errno::NOTDIR)) => return,
                Err(error) => {
                    let problem = Problem::incomplete(&root.path.join(relative), error);
                    return self.survey.problems.push(problem);
                }
            }
        };
        // Where it cannot be listed, `list` says so.
        let below = if depth > 0 { directory.subdirectories().unwrap_or_default() } else { Vec::new() };
        self.list(directory, place, agent);
        for name in below {
            // What a package manager put there are no stores of a plugin.
            let foreign = name == "node_modules" || name == ".git";
            if !foreign && recognise(place, name.as_bytes()).is_none() {
                self.below(root, &relative.join(name), place, depth - 1, agent);
            }
        }
    }

    fn gateway_locks(&mut self, root: &Arc<Directory>) {
        let locks = gateway_locks(root);
        // Those below the state directory are told with the coordinators.
        let unseen = locks.unseen.iter().filter(|(path, _)| !path.starts_with(&root.path));
        let unseen = unseen.map(|(path, error)| Problem::incomplete(path, *error));
        self.survey.problems.extend(unseen);
        for (directory, name) in locks.found {
            if self.survey.lists(&directory, &name) {
                continue;
            }
            let inside = directory.path.starts_with(&root.path);
            let listed = Listed {
                name,
                kind: LockKind::Gateway,
                transcript: TranscriptListed::NotApplicable,
                guarded: Guarded::No,
            };
            self.gather(&directory, &listed, None, inside);
        }
    }

    /// Guards and coordinators beside the gateway locks of 2026.8.1 and later.
    fn coordinators(&mut self, root: &Arc<Directory>) {
        let Some(install) = &self.context.install else { return };
        let tmp = match install.open_inside(Path::new("tmp")) {
            Ok(tmp) => tmp,
            Err(Unreached::System(Errno::NOENT | Errno::NOTDIR)) => return,
            Err(error) => {
                return self.survey.problems.push(Problem::incomplete(&root.path.join("tmp"), error));
            }
        };
        for name in tmp.subdirectories().unwrap_or_default() {
            if !name.as_bytes().starts_with(b"openclaw-") {
                continue;
            }
            let Some(install) = &self.context.install else { return };
            let directory = match install.open_inside(&Path::new("tmp").join(&name)) {
                Ok(directory) => Arc::new(directory),
                Err(Unreached::System(Errno::NOENT | Errno::NOTDIR)) => continue,
                Err(error) => {
                    self.survey.problems.push(Problem::incomplete(&tmp.path.join(&name), error));
                    continue;
                }
            };
            let mut found = Vec::new();
            let listed = directory.for_each_entry(|name, _| {
                if let Some(kind @ (LockKind::Guard | LockKind::Coordinator)) =
                    recognise(Place::GatewayTmp, name)
                {
                    found.push((OsStr::from_bytes(name).to_owned(), kind));
                }
            });
            let unlisted = listed.err().map(|error| Problem::incomplete(&directory.path, error));
            self.survey.problems.extend(unlisted);
            for (name, kind) in found {
                let listed =
                    Listed { name, kind, transcript: TranscriptListed::NotApplicable, guarded: Guarded::No };
                self.gather(&directory, &listed, None, true);
            }
        }
    }

    fn list(&mut self, directory: Arc<Directory>, place: Place, agent: Option<&str>) {
        if self.only.touches(&directory.path) {
            let listed = listing(&directory, |name| recognise(place, name));
            self.add(&directory, agent, listed.as_deref().map_err(|error| *error));
        }
    }

    fn add(&mut self, directory: &Arc<Directory>, agent: Option<&str>, listed: Result<&[Listed], Errno>) {
        match listed {
            Ok(locks) => {
                let is_known = !self.survey.listed.insert((directory.dev, directory.ino));
                for lock in locks {
                    if !(is_known && self.survey.lists(directory, &lock.name)) {
                        self.gather(directory, lock, agent, true);
                    }
                }
            }
            // It vanished while it was looked at, and its locks with it.
            Err(Errno::NOENT) => {}
            Err(error) => self.survey.problems.push(Problem::incomplete(&directory.path, error)),
        }
    }

    /// `ours`: the place alone shows that the lock belongs to this install.
    fn gather(&mut self, directory: &Arc<Directory>, listed: &Listed, agent: Option<&str>, ours: bool) {
        let path = directory.path.join(&listed.name);
        if !self.only.includes(&path) {
            return;
        }
        match gather(self.context, directory, &listed.name, listed.kind, ours, self.view) {
            Ok(Some(mut lock)) => {
                lock.agent = agent.map(str::to_owned);
                lock.transcript = listed.transcript;
                lock.guarded = listed.guarded;
                self.survey.locks.push(lock);
            }
            Ok(None) => {}
            Err(error) => self.survey.problems.push(Problem::incomplete(&path, error)),
        }
    }
}
