//! Where the sessions of an install lie: below the state directory, behind a link there, and where its configuration
//! leads. What a file leads to counts only if it belongs to the owner of the state directory.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::Install;
use crate::evidence::directory::{Directory, Reach, Unreached};
use crate::openclaw::names::STORE;

/// A sessions directory that is there, opened or not.
#[derive(Debug)]
pub struct Sessions {
    pub path: PathBuf,
    /// The name of the session store in it.
    pub store: String,
    /// `None`: every agent keeps its sessions there.
    pub agent: Option<String>,
    pub opened: Result<Arc<Directory>, Unreached>,
}

/// A sessions directory outside of its usual place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedSessions {
    pub path: PathBuf,
    pub store: String,
    pub agent: Option<String>,
}

impl Install {
    /// Opens `relative` in the state directory; behind a link, for reading alone.
    pub fn open_inside(&self, relative: &Path) -> Result<Directory, Unreached> {
        match self.root.open_beneath(relative) {
            Err(Errno::LOOP | Errno::NOTDIR) => {
                Directory::open_led_to(&self.root.path.join(relative), Reach::Linked, &self.root)
            }
            opened => Ok(opened?),
        }
    }

    /// The names of the agents that have a directory, sorted.
    pub fn agents(&self) -> Result<Vec<String>, Errno> {
        Ok(self.names_of_agents()?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Names among them that are no text.
    pub fn agents_without_text(&self) -> Vec<OsString> {
        let names = self.names_of_agents().unwrap_or_default();
        names.into_iter().filter(|name| name.to_str().is_none()).collect()
    }

    /// The sessions directory of an agent with such a name, if it is there.
    pub fn sessions_of(&self, agent: &OsStr) -> Option<Sessions> {
        let relative = Path::new("agents").join(agent).join("sessions");
        let opened = match self.open_inside(&relative) {
            Err(Unreached::System(Errno::NOENT)) => return None,
            opened => opened.map(Arc::new),
        };
        Some(Sessions { path: self.root.path.join(relative), store: STORE.to_owned(), agent: None, opened })
    }

    fn names_of_agents(&self) -> Result<Vec<OsString>, Errno> {
        match self.open_inside(Path::new("agents")) {
            Ok(agents) => agents.subdirectories(),
            Err(Unreached::System(Errno::NOENT)) => Ok(Vec::new()),
            Err(Unreached::System(error)) => Err(error),
            Err(other) => Err(other.errno()),
        }
    }

    /// Every sessions directory that is there; one that two names lead to comes twice.
    pub fn sessions(&self, agents: &[String]) -> Vec<Sessions> {
        let moved = self.moved_sessions(agents).into_iter().map(|moved| {
            let opened = Directory::open_led_to(&moved.path, Reach::Configured, &self.root).map(Arc::new);
            Sessions { path: moved.path, store: moved.store, agent: moved.agent, opened }
        });
        let usual = agents.iter().map(|agent| {
            let relative = Path::new("agents").join(agent).join("sessions");
            let opened = self.open_inside(&relative).map(Arc::new);
            let path = self.root.path.join(relative);
            Sessions { path, store: STORE.to_owned(), agent: Some(agent.clone()), opened }
        });
        let absent = Unreached::System(Errno::NOENT);
        let is_there = |seen: &Sessions| !matches!(&seen.opened, Err(why) if *why == absent);
        moved.chain(usual).filter(is_there).collect()
    }

    /// The sessions directories that `session.store` names, where they lie elsewhere.
    pub fn moved_sessions(&self, agents: &[String]) -> Vec<MovedSessions> {
        // Whatever else it names is no store, and `<name>.lock` beside it may be anybody's lock.
        let Some(pattern) = self.config.session_store.as_ref().filter(|path| is_store(path)) else {
            return Vec::new();
        };
        let pattern = self.root.path.join(pattern);
        let text = pattern.to_string_lossy();
        let mut stores = Vec::new();
        if let Some((before, _)) = text.split_once("{agentId}") {
            let mut ids: BTreeSet<String> = agents.iter().cloned().collect();
            ids.insert("main".to_owned());
            ids.extend(self.config.agents.iter().map(|agent| agent.id.clone()));
            // An agent may have left nothing but its sessions.
            ids.extend(before.ends_with('/').then(|| self.names_in(Path::new(before))).into_iter().flatten());
            stores
                .extend(ids.into_iter().map(|id| (PathBuf::from(text.replace("{agentId}", &id)), Some(id))));
        } else {
            stores.push((pattern.clone(), None));
        }
        let usual = |agent: &Option<String>| {
            agent.as_ref().map(|id| self.root.path.join("agents").join(id).join("sessions"))
        };
        let moved = stores.into_iter().filter_map(|(store, agent)| {
            let path = store.parent()?.to_owned();
            let store = store.file_name()?.to_string_lossy().into_owned();
            let is_usual = usual(&agent).is_some_and(|usual| usual == path) && store == STORE;
            (!is_usual).then_some(MovedSessions { path, store, agent })
        });
        moved.collect()
    }

    /// Where `session.store` leads, if no agent's sessions directory is there.
    pub fn missing_store(&self) -> Option<PathBuf> {
        let moved = self.moved_sessions(&self.agents().unwrap_or_default());
        let absent = |moved: &MovedSessions| {
            let opened = Directory::open_led_to(&moved.path, Reach::Configured, &self.root);
            matches!(opened, Err(Unreached::System(Errno::NOENT)))
        };
        moved.iter().all(absent).then(|| moved.first().map(|moved| moved.path.clone()))?
    }

    /// What `session.store` names if it can be no store.
    pub fn refused_store(&self) -> Option<&Path> {
        self.config.session_store.as_deref().filter(|path| !is_store(path))
    }

    fn names_in(&self, directory: &Path) -> Vec<String> {
        let opened = Directory::open_led_to(directory, Reach::Configured, &self.root).ok();
        let names = opened.and_then(|directory| directory.subdirectories().ok()).unwrap_or_default();
        names.into_iter().filter_map(|name| name.into_string().ok()).collect()
    }
}

fn is_store(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}
