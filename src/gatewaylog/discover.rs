//! The places where gateways write logs, of every era and way of running (`logging/logger.js`,
//! `resolvePreferredOpenClawTmpDir`, `daemon/paths.js`).

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What discovery needs to know of the machine and the installs.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Home directories whose gateways are of interest.
    pub homes: Vec<PathBuf>,
    /// The users as whom the gateways run.
    pub uids: BTreeSet<u32>,
    pub owners: Owners,
    /// `/tmp` (fixed up to 2.9, and preferred later), and `$TMPDIR` as the gateway sees it.
    pub temp_dirs: Vec<PathBuf>,
    pub state_dirs: Vec<PathBuf>,
    /// `logging.file` of each config, `~` expanded.
    pub configured: Vec<PathBuf>,
}

/// Whose files are believed. Anybody may have made `/tmp/openclaw` first: a log that a stranger wrote must not
/// speak for the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Owners {
    #[default]
    Anybody,
    Only(BTreeSet<u32>),
}

impl Owners {
    pub fn include(&self, file: &Metadata) -> bool {
        match self {
            Self::Anybody => true,
            Self::Only(uids) => uids.contains(&file.uid()),
        }
    }
}

/// The product's names over time; each is also a directory under the temp directory.
const NAMES: [&str; 3] = ["openclaw", "moltbot", "clawdbot"];

impl Places {
    /// The directories to list (and to watch): each with what a log's name in it begins with.
    pub fn directories(&self) -> Vec<(PathBuf, String)> {
        let mut dirs = BTreeSet::new();
        for base in &self.temp_dirs {
            for name in NAMES {
                dirs.insert((base.join(name), name.to_owned()));
                for uid in &self.uids {
                    dirs.insert((base.join(format!("{name}-{uid}")), name.to_owned()));
                }
            }
        }
        for state in &self.state_dirs {
            dirs.insert((state.join("logs"), "gateway".to_owned()));
        }
        for home in &self.homes {
            for state in [".openclaw", ".moltbot", ".clawdbot"] {
                dirs.insert((home.join(state).join("logs"), "gateway".to_owned()));
            }
            // launchd from 5.22 on.
            dirs.insert((home.join("Library/Logs/openclaw"), "gateway".to_owned()));
        }
        for file in &self.configured {
            if let (Some(dir), Some(stem)) = (file.parent(), file.file_stem().and_then(|stem| stem.to_str()))
            {
                dirs.insert((dir.to_owned(), stem.to_owned()));
            }
        }
        dirs.into_iter().collect()
    }

    /// The logs that are there: every dated and rotated file, not only today's (up to 4.24 a gateway goes on
    /// writing to the file of the day on which it started).
    pub fn logs(&self) -> Vec<PathBuf> {
        let mut logs = BTreeSet::new();
        for (dir, stem) in self.directories() {
            let Ok(entries) = std::fs::read_dir(&dir) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let is_log = name.to_str().is_some_and(|name| is_log(name, &stem));
                let ours = |file: Metadata| file.is_file() && self.owners.include(&file);
                // `DirEntry::metadata` follows no link.
                if is_log && entry.metadata().is_ok_and(ours) {
                    logs.insert(entry.path());
                }
            }
        }
        logs.into_iter().collect()
    }
}

impl Places {
    /// What is there in the place of a log and cannot be read as one: a configured file that is none, a directory of
    /// the gateway's user that may not be listed.
    pub fn unreadable(&self) -> Vec<PathBuf> {
        let is_other = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|found| !found.is_file());
        let files = self.configured.iter().filter(is_other).cloned();
        let closed = |path: &PathBuf| {
            let denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
            let ours = path.metadata().is_ok_and(|found| self.owners.include(&found));
            ours && std::fs::read_dir(path).is_err_and(denied)
        };
        files.chain(self.directories().into_iter().map(|(path, _)| path).filter(closed)).collect()
    }
}

/// `openclaw-2026-11-22.log`, `openclaw-work-2026-11-22.3.log`, `gateway.err.log`, `x.log.1`, `x-20261122.log.gz`.
fn is_log(name: &str, stem: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let Some(rest) = name.strip_prefix(stem) else {
        return false;
    };
    if !rest.is_empty() && !rest.starts_with(['.', '-', '_']) {
        return false;
    }
    let numbered = name.rsplit_once('.').is_some_and(|(base, n)| {
        Path::new(base).extension().is_some_and(|kind| kind == "log") && n.bytes().all(|b| b.is_ascii_digit())
    });
    Path::new(name).extension().is_some_and(|extension| extension == "log") || numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs() {
        for (name, stem) in [
            ("openclaw-2026-11-22.log", "openclaw"),
            ("openclaw-2026-11-22.3.log", "openclaw"),
            ("openclaw-work%20one-2026-11-22.log.gz", "openclaw"),
            ("clawdbot.log", "clawdbot"),
            ("gateway.err.log", "gateway"),
            ("mine.log.2", "mine"),
        ] {
            assert!(is_log(name, stem), "{name}");
        }
        for (name, stem) in [
            ("openclawx.log", "openclaw"),
            ("openclaw-2026-11-22.txt", "openclaw"),
            ("gateway.lock", "gateway"),
            ("a.log.bak", "a"),
        ] {
            assert!(!is_log(name, stem), "{name}");
        }
    }

    #[test]
    fn every_dated_file_is_found_and_links_are_not() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("openclaw-4242");
        std::fs::create_dir(&dir).unwrap();
        for day in ["2026-11-20", "2026-11-21", "2026-11-22"] {
            std::fs::write(dir.join(format!("openclaw-{day}.log")), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.join("openclaw-2026-11-19.log")).unwrap();
        let mut places =
            Places { uids: [4242].into(), temp_dirs: vec![temp.path().to_owned()], ..Places::default() };
        assert_eq!(places.logs().len(), 3, "{:?}", places.logs());
        let us = dir.metadata().unwrap().uid();
        places.owners = Owners::Only([us].into());
        assert_eq!(places.logs().len(), 3);
        places.owners = Owners::Only([us + 1].into());
        assert!(places.logs().is_empty());
    }
}
