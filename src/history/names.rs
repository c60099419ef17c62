//! What the names of lanes, sessions and lock files tell.

/// `session:<key>`; `nested:<key>` is a run of that session, too.
pub(crate) fn session_of_lane(lane: &str) -> Option<&str> {
    lane.strip_prefix("session:").or_else(|| lane.strip_prefix("nested:"))
}

/// Whether a chat of that name is with `peer`: `agent:main:telegram:direct:123` and `123`.
pub(crate) fn is_with(name: &str, peer: &str) -> bool {
    let peer = peer.rsplit(':').next().unwrap_or(peer);
    peer.len() >= 4 && name.rsplit(':').next() == Some(peer)
}

/// `agent:<id>:...` → `<id>`.
pub(crate) fn agent_of_key(key: &str) -> Option<&str> {
    key.strip_prefix("agent:")?.split(':').next().filter(|agent| !agent.is_empty())
}

/// `.../agents/<id>/sessions/...` → `<id>`; Windows separates by `\`.
pub(crate) fn agent_of_path(path: &str) -> Option<&str> {
    let mut parts = path.split(['/', '\\']).skip_while(|part| *part != "agents");
    parts.nth(1).filter(|agent| !agent.is_empty())
}

/// `<sid>.jsonl.lock`, `<sid>-topic-<id>.jsonl.lock`, `<time>_<sid>.jsonl.lock` → `<sid>`; `boot-<time>_<time>` is one.
pub(crate) fn id_of_lock(lock: &str) -> Option<String> {
    let name = lock.rsplit(['/', '\\']).next()?;
    let stem = name.strip_suffix(".lock").unwrap_or(name).strip_suffix(".jsonl")?;
    let stem = stem.split("-topic-").next().unwrap_or(stem);
    let dated = stem.starts_with(|c: char| c.is_ascii_digit());
    Some(stem.rsplit_once('_').filter(|_| dated).map_or(stem, |(_, id)| id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_agents_of_locks() {
        for (lock, id) in [
            ("/s/agents/work/sessions/3f0d.jsonl.lock", "3f0d"),
            ("/s/agents/work/sessions/3f0d-topic-99.jsonl.lock", "3f0d"),
            ("/s/agents/work/2026-11-22T10-00-00_3f0d.jsonl", "3f0d"),
            (
                "/s/agents/work/sessions/boot-2026-02-14_16-22-48-951-a9b4.jsonl.lock",
                "boot-2026-02-14_16-22-48-951-a9b4",
            ),
            ("C:\\Users\\Ann\\.openclaw\\agents\\work\\sessions\\3f0d.jsonl.lock", "3f0d"),
        ] {
            assert_eq!((id_of_lock(lock).as_deref(), agent_of_path(lock)), (Some(id), Some("work")));
        }
        assert_eq!(id_of_lock("/s/sessions.json.lock"), None);
        assert_eq!(agent_of_key("agent:work:main"), Some("work"));
    }

    #[test]
    fn who_a_chat_is_with() {
        assert!(is_with("agent:main:telegram:direct:123456789", "123456789"));
        assert!(is_with("telegram:123456789", "telegram:123456789"));
        assert!(!is_with("agent:main:main", "123456789"));
    }
}
