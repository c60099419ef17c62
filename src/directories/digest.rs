//! From what the kernel reports to what it means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::watched::Position;
use super::{Change, Directories, Listing, Purpose};
use crate::wakeups::ids::DirectoryId;
use crate::wakeups::inotify::{NameEvent, Notice, Wd};

impl Directories {
    /// Makes changes out of what the kernel reports.
    pub(crate) fn digest(&mut self, notice: Notice, changes: &mut Vec<Change>) {
        match notice {
            Notice::Overflow => changes.push(Change::Overflow),
            Notice::Closed { wd } => changes.push(Change::Content { wd, closed: true }),
            Notice::Written { wd } => changes.push(Change::Content { wd, closed: false }),
            Notice::Departed { wd } => self.departed(wd, changes),
            Notice::Ignored { wd } => {
                self.departed(wd, changes);
                self.purposes.remove(&wd);
                changes.push(Change::ContentIgnored(wd));
            }
            Notice::Name { wd, name, what, directory } => {
                for purpose in self.purposes.get(&wd).cloned().unwrap_or_default() {
                    match purpose {
                        Purpose::Path(root) => {
                            if self.root(root).is_some_and(|root| root.concerns(&name)) {
                                changes.push(Change::Root(root));
                            }
                        }
                        Purpose::Directory(id) => self.named(id, &name, what, directory, changes),
                    }
                }
            }
        }
    }

    /// Lists what the poller says has changed.
    pub(crate) fn polled(&mut self, changes: &mut Vec<Change>) {
        for path in self.polling.take_changed() {
            let found = self.watched.values().find(|watched| watched.path == path);
            match found.map(|watched| (watched.root, watched.position.clone())) {
                Some((root, Position::Below(relative))) => {
                    self.enter(root, &relative, Listing::Always, changes);
                }
                Some((root, Position::Elsewhere(_))) => {
                    self.enter_elsewhere(root, Listing::Always, changes);
                }
                None => {}
            }
        }
    }

    /// A name has come or gone in a watched directory.
    fn named(
        &mut self,
        id: DirectoryId,
        name: &OsStr,
        what: NameEvent,
        is_directory: bool,
        changes: &mut Vec<Change>,
    ) {
        let Some(watched) = self.get(id) else { return };
        if let Some(kind) = watched.role.kind_of(name.as_bytes()) {
            let name = name.to_owned();
            changes.push(match what {
                NameEvent::Created | NameEvent::MovedIn => Change::Appeared { directory: id, name, kind },
                NameEvent::Deleted => Change::Deleted { directory: id, name },
                NameEvent::MovedOut => Change::Displaced { directory: id, name },
            });
            return;
        }
        let arrived = matches!(what, NameEvent::Created | NameEvent::MovedIn);
        let (root, leads_on) = (watched.root, watched.role.leads_on);
        let Position::Below(relative) = watched.position.clone() else { return };
        if is_directory && leads_on {
            let below = relative.join(name);
            if arrived {
                self.enter(root, &below, Listing::IfNew, changes);
            } else {
                self.leave(root, &below, changes);
            }
        } else if arrived
            && relative.as_os_str().is_empty()
            && self.root(root).is_some_and(|root| root.is_configuration(name))
        {
            changes.push(Change::Configuration(root));
        }
    }

    fn departed(&mut self, wd: Wd, changes: &mut Vec<Change>) {
        for purpose in self.purposes.get(&wd).cloned().unwrap_or_default() {
            match purpose {
                Purpose::Path(root) => changes.push(Change::Root(root)),
                Purpose::Directory(id) => {
                    let found = self.get(id).map(|watched| (watched.root, watched.position.clone()));
                    match found {
                        Some((root, Position::Below(relative))) if relative.as_os_str().is_empty() => {
                            changes.push(Change::Root(root));
                        }
                        Some((root, Position::Below(relative))) => self.leave(root, &relative, changes),
                        Some((_, Position::Elsewhere(_))) => self.drop_directory(id, changes),
                        None => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::directories::root::{Root, Wish};
    use crate::evidence::view::SystemView;
    use crate::wakeups::ids::RootId;
    use crate::wakeups::polling::Polling;

    struct Scene {
        temp: tempfile::TempDir,
        directories: Directories,
        root: RootId,
    }

    /// A state directory with one sessions directory, watched.
    fn scene() -> (Scene, Vec<String>) {
        let temp = tempfile::tempdir().expect("tempdir");
        fs::create_dir_all(temp.path().join("agents/main/sessions")).expect("sessions");
        fs::write(temp.path().join("agents/main/sessions/a.jsonl.lock"), "").expect("lock");
        let roots = vec![Root::new(Wish::StateDir(temp.path().to_owned()))];
        let polling = Polling::new(Duration::from_secs(10)).expect("eventfd");
        let mut directories = Directories::new(roots, polling).expect("inotify");
        let root = directories.root_ids().first().copied().expect("a root");
        directories.root_mut(root).expect("root").open(root, &mut SystemView::open()).expect("opens");
        let mut changes = Vec::new();
        directories.enter(root, Path::new(""), Listing::Always, &mut changes);
        let listed = told(&changes);
        (Scene { temp, directories, root }, listed)
    }

    impl Scene {
        fn changes(&mut self) -> Vec<String> {
            let mut changes = Vec::new();
            for notice in self.directories.inotify.read().expect("inotify") {
                self.directories.digest(notice, &mut changes);
            }
            told(&changes)
        }

        fn at(&self, relative: &str) -> std::path::PathBuf {
            self.temp.path().join(relative)
        }
    }

    /// The changes, without ids.
    fn told(changes: &[Change]) -> Vec<String> {
        let names = |locks: &[(std::ffi::OsString, _)]| -> Vec<String> {
            locks.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
        };
        let tell = |change: &Change| match change {
            Change::Appeared { name, .. } => Some(format!("appeared {}", name.display())),
            Change::Deleted { name, .. } => Some(format!("deleted {}", name.display())),
            Change::Displaced { name, .. } => Some(format!("displaced {}", name.display())),
            Change::Listed { locks, .. } if locks.is_empty() => None,
            Change::Listed { locks, .. } => Some(format!("listed {}", names(locks).join(" "))),
            Change::Lost(_) => Some("lost".to_owned()),
            Change::Configuration(_) => Some("configuration".to_owned()),
            Change::Root(_) => Some("root".to_owned()),
            other => Some(format!("{other:?}")),
        };
        changes.iter().filter_map(tell).collect()
    }

    #[test]
    fn a_lock_that_comes_and_goes() {
        let (mut scene, listed) = scene();
        assert_eq!(listed, ["listed a.jsonl.lock"]);
        let lock = scene.at("agents/main/sessions/b.jsonl.lock");
        fs::write(&lock, "").expect("write");
        fs::write(lock.with_extension("other"), "").expect("write");
        fs::rename(&lock, lock.with_file_name("c.jsonl.lock")).expect("rename");
        fs::remove_file(lock.with_file_name("c.jsonl.lock")).expect("remove");
        assert_eq!(
            scene.changes(),
            [
                "appeared b.jsonl.lock",
                "displaced b.jsonl.lock",
                "appeared c.jsonl.lock",
                "deleted c.jsonl.lock"
            ]
        );
    }

    #[test]
    fn a_directory_that_comes_is_listed_and_one_that_goes_is_lost() {
        let (mut scene, _) = scene();
        fs::create_dir_all(scene.at("new/sessions")).expect("directory");
        fs::write(scene.at("new/sessions/d.jsonl.lock"), "").expect("lock");
        fs::rename(scene.at("new"), scene.at("agents/second")).expect("rename");
        assert_eq!(scene.changes(), ["listed d.jsonl.lock"]);
        fs::rename(scene.at("agents/second"), scene.at("gone")).expect("rename");
        let changes = scene.changes();
        assert!(changes.iter().all(|change| change == "lost" || change.contains("Ignored")), "{changes:?}");
        assert_eq!(changes.iter().filter(|change| *change == "lost").count(), 2);
    }

    #[test]
    fn the_configuration_is_told_apart_from_what_lies_beside_it() {
        let (mut scene, _) = scene();
        fs::write(scene.at("other.json"), "{}").expect("write");
        assert_eq!(scene.changes(), Vec::<String>::new());
        fs::write(scene.at("openclaw.json"), "{}").expect("write");
        assert_eq!(scene.changes(), ["configuration"]);
    }

    #[test]
    fn a_root_that_was_taken_away_is_asked_about_in_vain() {
        let (mut scene, _) = scene();
        let mut changes = Vec::new();
        let path = scene.temp.path().to_owned();
        scene.directories.replace_roots(vec![Root::new(Wish::StateDir(path))], &mut changes);
        assert!(scene.directories.root(scene.root).is_none(), "its number was given out again");
        scene.directories.enter(scene.root, Path::new(""), Listing::Always, &mut changes);
        assert!(told(&changes).iter().all(|change| change == "lost"));
    }
}
