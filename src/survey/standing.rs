//! A root that stays under watch: its install is read once, its locks one at a time. What each directory below
//! it means is answered from the same table that a scan walks.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::gather::{Context, gather, see_owner};
use super::listing::listing;
use super::scope::Target;
use super::walk::PLACES;
use super::{Problem, SurveyedLock};
use crate::evidence::PinnedLock;
use crate::evidence::directory::{Directory, Reach, Unreached};
use crate::evidence::view::SystemView;
use crate::install::Install;
use crate::install::gateway;
use crate::install::sessions::{SessionStore, Wanted};
use crate::openclaw::lock_kind::{LockKind, Place, recognise};
use crate::openclaw::names::STORE;

/// What lies in a directory below a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The locks to look for; `None`: it only leads on to a directory that may hold some.
    pub place: Option<Place>,
    pub agent: Option<String>,
    /// What its session store is called, if `session.store` gives it another name.
    pub store: Option<String>,
    /// Directories below it may have a role too.
    pub leads_on: bool,
}

impl Role {
    fn passage() -> Self {
        Self { place: None, agent: None, store: None, leads_on: true }
    }

    fn leaf(place: Place) -> Self {
        Self { place: Some(place), agent: None, store: None, leads_on: false }
    }

    /// What the entry `name` of such a directory is.
    pub fn kind_of(&self, name: &[u8]) -> Option<LockKind> {
        let store = self.store.as_deref().filter(|_| self.place == Some(Place::Sessions));
        match (store, name.strip_suffix(b".lock")) {
            (Some(store), Some(stem)) if stem == store.as_bytes() => Some(LockKind::Store),
            _ => recognise(self.place?, name),
        }
    }
}

/// The role of `relative`, a directory below a state directory. `None`: no lock lies at or below it.
pub fn role_of(relative: &Path) -> Option<Role> {
    let names: Vec<&OsStr> = relative
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let of_agent = |role: Role| Some(Role { agent: names[1].to_str().map(str::to_owned), ..role });
    match names.as_slice() {
        [first] if *first == "agents" || *first == "tmp" => Some(Role::passage()),
        [first, _] if *first == "agents" => of_agent(Role { leads_on: true, ..Role::leaf(Place::Agent) }),
        [first, _, last] if *first == "agents" => match last.as_bytes() {
            b"sessions" => of_agent(Role::leaf(Place::Sessions)),
            b"agent" => of_agent(Role::leaf(Place::AgentPrivate)),
            _ => None,
        },
        [first, last] if *first == "tmp" && last.as_bytes().starts_with(b"openclaw-") => {
            Some(Role::leaf(Place::GatewayTmp))
        }
        _ => role_in_table(&names),
    }
}

fn role_in_table(names: &[&OsStr]) -> Option<Role> {
    let mut leads_on = false;
    for (base, place, depth) in PLACES {
        let base: Vec<&OsStr> = Path::new(base).iter().collect();
        if base.is_empty() {
            // The state directory itself; see `StandingRoot::role_of`.
            continue;
        }
        if names.starts_with(&base) {
            // What a package manager put there are no stores of a plugin.
            if names[base.len()..].iter().any(|name| *name == "node_modules" || *name == ".git") {
                return None;
            }
            let below = names.len() - base.len();
            let here = Role { leads_on: below < *depth, ..Role::leaf(*place) };
            return (below <= *depth).then_some(here);
        }
        leads_on |= base.starts_with(names);
    }
    leads_on.then(Role::passage)
}

/// A state directory, or a bare sessions directory, with what was read of its install.
#[derive(Debug)]
pub struct StandingRoot {
    pub path: PathBuf,
    pub directory: Arc<Directory>,
    /// What a directory is that lies in no install.
    place: Place,
    context: Context,
}

impl StandingRoot {
    /// Opens the root of `target`; `index` stands for it in what [`StandingRoot::look`] returns.
    pub fn open(index: usize, target: &Target, view: &mut SystemView) -> Result<Self, Errno> {
        let (path, directory, place, install) = match target {
            Target::State { path, .. } => {
                let install = Install::open(path, view)?;
                (path, Arc::clone(&install.root), Place::State, Some(install))
            }
            Target::Directory { path, place, .. } => {
                (path, Arc::new(Directory::open_root(path)?), *place, None)
            }
        };
        Ok(Self { path: path.clone(), directory, place, context: Context::new(index, install) })
    }

    pub fn install(&self) -> Option<&Install> {
        self.context.install.as_ref()
    }

    /// A second look at the owner of a lock that looked abandoned before. Whether its pid counts here hangs on a
    /// gateway that may have come since.
    pub fn see_owner(&mut self, lock: &mut SurveyedLock, pin: &PinnedLock, view: &mut SystemView) {
        let known = view.namespaces.in_initial_pid_namespace
            || self.install().is_none_or(|install| install.gateway.is_visible());
        if !known {
            self.look_for_gateway(view);
        }
        see_owner(lock, pin, self.install(), view);
    }

    /// Asks again whether the gateway runs.
    pub fn look_for_gateway(&mut self, view: &mut SystemView) {
        if let Some(install) = &mut self.context.install {
            install.gateway = gateway::detect(&install.root, &install.config_path, view).in_era(install.era);
        }
    }

    /// The role of a directory below this root.
    pub fn role_of(&self, relative: &Path) -> Option<Role> {
        match self.context.install {
            Some(_) if relative.as_os_str().is_empty() => {
                Some(Role { leads_on: true, ..Role::leaf(Place::State) })
            }
            Some(_) => role_of(relative),
            None => relative.as_os_str().is_empty().then(|| Role::leaf(self.place)),
        }
    }

    /// Directories outside the root that hold locks of this install.
    pub fn places_elsewhere(&self) -> Vec<(PathBuf, Role, Belonging)> {
        let Some(install) = self.install() else { return Vec::new() };
        let agents = install.agents().unwrap_or_default();
        let sessions = |agent, store| Role { agent, store, ..Role::leaf(Place::Sessions) };
        let moved = install.moved_sessions(&agents).into_iter().map(|moved| {
            let role = sessions(moved.agent, Some(moved.store));
            (moved.path, role, Belonging::LedTo(Reach::Configured))
        });
        let linked = install.sessions(&agents).into_iter().filter_map(|seen| {
            let reach = seen.opened.ok()?.reach;
            let linked = Belonging::LedTo(Reach::Linked);
            (reach == Reach::Linked).then(|| (seen.path, sessions(seen.agent, None), linked))
        });
        let private = install.config.agents.iter().filter_map(|agent| {
            let role = Role { agent: Some(agent.id.clone()), ..Role::leaf(Place::AgentPrivate) };
            Some((agent.directory.clone()?, role, Belonging::LedTo(Reach::Configured)))
        });
        let workspace = install.config.workspace.clone().unwrap_or_else(|| self.path.join("workspace"));
        let dreams = workspace.join("memory").join(".dreams");
        let dreams = (dreams, Role::leaf(Place::Dreams), Belonging::LedTo(Reach::Configured));
        let shared = gateway::shared_lock_directories(&install.root).into_iter();
        let shared =
            shared.map(|(path, uid)| (path, Role::leaf(Place::GatewayTmp), Belonging::ByPayload { uid }));
        moved.chain(linked).chain(private).chain([dreams]).chain(shared).collect()
    }

    /// Opens one of them.
    pub fn open_elsewhere(&self, path: &Path, belonging: Belonging) -> Result<Directory, Unreached> {
        match belonging {
            Belonging::ByPayload { uid } => Ok(gateway::open_shared(path, uid)?),
            Belonging::ByPlace => Ok(Directory::open_root(path)?),
            Belonging::LedTo(reach) => Directory::open_led_to(path, reach, &self.directory),
        }
    }

    /// Looks at one name now. `None`: there is nothing, or no lock of this install.
    pub fn look(
        &self,
        directory: &Arc<Directory>,
        name: &OsStr,
        kind: LockKind,
        belonging: Belonging,
        view: &mut SystemView,
    ) -> Result<Option<SurveyedLock>, Errno> {
        gather(&self.context, directory, name, kind, !belonging.is_shared(), view)
    }

    /// Adds session keys, and the limits that hang on them, to locks of one sessions directory.
    pub fn name_sessions<'a>(
        &self,
        directory: &Directory,
        store: Option<&str>,
        locks: impl Iterator<Item = &'a mut SurveyedLock>,
    ) -> Result<(), Problem> {
        let locks: Vec<&mut SurveyedLock> = locks.collect();
        let ids = locks.iter().filter_map(|lock| lock.session_id.as_deref());
        match SessionStore::read(directory, store.unwrap_or(STORE), &Wanted::of(ids)) {
            Ok(Some(store)) => locks.into_iter().for_each(|lock| self.context.name_session(lock, &store)),
            Ok(None) => {}
            Err(what) => {
                return Err(Problem::unseen(&directory.path, what));
            }
        }
        Ok(())
    }
}

/// How it is known that a lock belongs to an install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belonging {
    /// Below the root.
    ByPlace,
    /// A configuration or a link leads there.
    LedTo(Reach),
    /// The locks of all installs of this user lie there; the payload names the install.
    ByPayload { uid: u32 },
}

impl Belonging {
    /// Locks of other installs may lie beside it.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::ByPayload { .. })
    }
}

/// The names of the locks in `directory`, sorted; transcripts are passed over.
pub fn locks_in(directory: &Directory, role: &Role) -> Result<Vec<(OsString, LockKind)>, Errno> {
    let listed = listing(directory, |name| role.kind_of(name))?;
    Ok(listed.into_iter().map(|listed| (listed.name, listed.kind)).collect())
}

impl Problem {
    /// What kept `path` from being looked at, in words.
    pub fn of(path: &Path, error: impl Into<Unreached>) -> Self {
        Self::incomplete(path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::option_option, reason = "a role without a place is not the same as no role")]
    fn place(relative: &str) -> Option<Option<Place>> {
        role_of(Path::new(relative)).map(|role| role.place)
    }

    #[test]
    fn every_directory_has_the_role_that_the_scan_gives_it() {
        assert_eq!(place("agents"), Some(None));
        assert_eq!(place("agents/nina"), Some(Some(Place::Agent)));
        assert_eq!(place("agents/nina/agent"), Some(Some(Place::AgentPrivate)));
        assert_eq!(place("agents/nina/sessions"), Some(Some(Place::Sessions)));
        assert_eq!(place("agents/nina/sessions/archive"), None);
        assert_eq!(place("agents/nina/qmd"), None);
        assert_eq!(place("locks"), Some(None));
        assert_eq!(place("locks/oauth-refresh"), Some(Some(Place::OauthRefresh)));
        assert_eq!(place("locks/oauth-refresh/x"), None);
        assert_eq!(place("credentials/a/b/c"), Some(Some(Place::Credentials)));
        assert_eq!(place("credentials/a/b/c/d"), None);
        assert_eq!(place("tmp/openclaw-1000"), Some(Some(Place::GatewayTmp)));
        assert_eq!(place("tmp/other"), None);
        assert_eq!(place("plugins/x/node_modules"), None);
        assert_eq!(place("workspace"), None);
        let role = role_of(Path::new("agents/nina/sessions"));
        assert_eq!(role.and_then(|role| role.agent).as_deref(), Some("nina"));
    }
}
