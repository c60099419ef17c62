//! Lock files that a process still has open although their names are gone: somebody deleted live locks.

use std::path::Path;

use crate::diagnosis::input::DeletedLock;
use crate::evidence::Release;
use crate::survey::SurveyedLock;
use crate::verdict::Rule;

const GONE: &str = ".jsonl.lock (deleted)";

/// The deleted session locks below `root` that `pid` has open. `/proc/PID/fd` needs the process's own uid.
pub fn held_by(pid: Option<u32>, root: &Path) -> Vec<DeletedLock> {
    let Some(pid) = pid else { return Vec::new() };
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let targets = fds.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    targets.filter_map(|target| deleted_lock(pid, &target, root)).collect()
}

/// A lock under whose name a copy lies.
pub fn replaced(lock: &SurveyedLock) -> Option<DeletedLock> {
    let Release::OfAnotherFile { holder } = lock.evidence.release else { return None };
    (lock.judgement.rule == Rule::Replaced).then(|| DeletedLock {
        replaced: true,
        path: lock.path().to_string_lossy().into_owned(),
        pid: holder,
        agent: lock.agent.clone(),
        session_id: lock.session_id.clone(),
    })
}

fn deleted_lock(pid: u32, target: &Path, root: &Path) -> Option<DeletedLock> {
    let text = target.to_str()?;
    let stem = text.strip_suffix(GONE)?;
    let inside = target.strip_prefix(root).ok()?;
    let mut parts = inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let agent = (parts.next()? == "agents").then(|| parts.next()).flatten();
    Some(DeletedLock {
        replaced: false,
        path: text.trim_end_matches(" (deleted)").to_owned(),
        pid,
        agent,
        session_id: stem.rsplit('/').next().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_we_hold_and_unlink_is_seen() {
        let root = tempfile::tempdir().expect("tempdir");
        let sessions = root.path().join("agents/neo/sessions");
        std::fs::create_dir_all(&sessions).expect("mkdir");
        let path = sessions.join("abc.jsonl.lock");
        let _held = std::fs::File::create(&path).expect("create");
        assert!(held_by(Some(std::process::id()), root.path()).is_empty());
        std::fs::remove_file(&path).expect("unlink");
        let found = held_by(Some(std::process::id()), root.path());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].agent.as_deref(), found[0].session_id.as_deref()), (Some("neo"), Some("abc")));
        assert_eq!(Path::new(&found[0].path), path);
    }
}
