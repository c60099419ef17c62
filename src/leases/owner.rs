//! Who a row names as its owner, in every spelling that OpenClaw has used.
//!
//! * `payload_json = {"owner":{"pid","host","startedAt"}}`: gateway-owner, startup-migrations (8.2, 9.6).
//! * `payload_json = {"pid","starttime"}` and `owner = "pid:starttime"`: worktree-run (8.2, 9.6).
//! * `owner` a UUID and no payload: every other lease, and all of 2026.6 and 2026.7. Nothing names a process.
//! * `owner = "pid:milliseconds"` or `"pid:uuid"`, later with `ownerStartTime`: the memory lock.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseOwner {
    /// In the PID namespace of the process that wrote the row.
    pub pid: Option<u32>,
    /// `os.hostname()` of the owner. A container has a new one after each re-creation (openclaw#155644).
    pub host: Option<String>,
    /// On Linux the process's start in clock ticks after boot, `/proc/PID/stat` field 22.
    pub started_at: Option<u64>,
    /// The `owner` column as it stands: a token, equal to `ownerId` in `gateway.state.lock` for a gateway.
    pub raw: String,
}

impl LeaseOwner {
    pub(crate) fn of_lease(raw: &str, payload: Option<&Value>) -> Self {
        let nested = payload.map(|p| p.get("owner").filter(|o| o.is_object()).unwrap_or(p));
        let field = |name: &str| nested.and_then(|owner| owner.get(name));
        Self {
            pid: field("pid").and_then(pid).or_else(|| leading_pid(raw)),
            host: field("host").and_then(Value::as_str).filter(|host| !host.is_empty()).map(str::to_owned),
            started_at: field("startedAt").or_else(|| field("starttime")).and_then(Value::as_u64),
            raw: raw.to_owned(),
        }
    }

    pub(crate) fn of_process(pid: i64, started_at: Option<i64>) -> Self {
        let pid = u32::try_from(pid).ok().filter(|&pid| pid > 0);
        Self {
            pid,
            host: None,
            started_at: started_at.and_then(|t| u64::try_from(t).ok()),
            raw: String::new(),
        }
    }

    /// `pid:start:uuid` in the queue of inbound messages; `x` where the start is not known.
    pub(crate) fn of_claim(raw: &str) -> Self {
        let start = raw.split(':').nth(1).and_then(|start| start.parse().ok());
        Self { pid: leading_pid(raw), host: None, started_at: start, raw: raw.to_owned() }
    }

    pub(crate) fn of_memory_lock(value: &Value) -> Self {
        let raw = value.get("owner").and_then(Value::as_str).unwrap_or_default();
        Self {
            pid: leading_pid(raw),
            host: None,
            started_at: value.get("ownerStartTime").and_then(Value::as_u64),
            raw: raw.to_owned(),
        }
    }
}

/// Whether `host` is a name that is made anew with each container: twelve digits of its id (Docker), or a Deployment's
/// pod, which ends in two generated words.
pub fn is_generated(host: &str) -> bool {
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let generated = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"aeiou".contains(&byte)))
    };
    let mut words = host.rsplit('-');
    let pod = words.next().is_some_and(|word| word.len() == 5 && generated(word))
        && words.next().is_some_and(|word| (8..=10).contains(&word.len()) && generated(word))
        && words.next().is_some();
    host.len() == 12 && hex(host) || pod
}

fn pid(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid > 0)
}

/// The pid of `pid:rest`. A UUID has no colon, so that none of its digits is taken for a pid.
fn leading_pid(raw: &str) -> Option<u32> {
    raw.split_once(':').and_then(|(pid, _)| pid.parse().ok()).filter(|&pid| pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_spelling_of_an_owner() {
        let gateway = json!({"owner": {"pid": 9546, "host": "vm", "startedAt": 133_468}, "port": 18789});
        let owner = LeaseOwner::of_lease("8194dc4b-def1-4d8e-a5ab-317a84ae39f2", Some(&gateway));
        assert_eq!(
            (owner.pid, owner.host.as_deref(), owner.started_at),
            (Some(9546), Some("vm"), Some(133_468))
        );

        let worktree = json!({"pid": 77, "starttime": 5});
        let owner = LeaseOwner::of_lease("77:5", Some(&worktree));
        assert_eq!((owner.pid, owner.host, owner.started_at), (Some(77), None, Some(5)));

        let owner = LeaseOwner::of_lease("12345678-def1-4d8e-a5ab-317a84ae39f2", None);
        assert_eq!((owner.pid, owner.started_at), (None, None), "a UUID names nobody");

        let memory = json!({"owner": "1:1783191672693", "acquiredAt": 1_783_191_672_693_u64});
        let owner = LeaseOwner::of_memory_lock(&memory);
        assert_eq!((owner.pid, owner.started_at), (Some(1), None));
    }

    #[test]
    fn generated_host_names_change_and_chosen_ones_do_not() {
        for name in ["c1a2b3d4e5f6", "openclaw-7d9c6bf54d-x2x9k"] {
            assert!(is_generated(name), "{name}");
        }
        for name in ["openclaw", "vm", "gateway-0", "my-home-server", "deadbeef", "openclaw-gateway-host1"] {
            assert!(!is_generated(name), "{name}");
        }
    }

    #[test]
    fn nonsense_names_nobody() {
        for payload in
            [json!({"owner": {"pid": -4}}), json!({"owner": {"pid": 1.5}}), json!({"pid": "7"}), json!([])]
        {
            assert_eq!(LeaseOwner::of_lease("x", Some(&payload)).pid, None, "{payload}");
        }
    }
}
