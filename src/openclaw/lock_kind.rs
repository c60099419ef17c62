//! Every kind of lock that an OpenClaw version puts on disk, recognised by place and name. Whatever is not
//! in this table is not a lock of OpenClaw and is never listed.

use std::path::Path;

use serde::Serialize;

/// One kind of lock. `facts` for each: who takes it, and what may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// `<session>.jsonl.lock`: 2026.1.24 – 2026.7.35.
    Session,
    /// `sessions.json.lock`: 2026.1.24 – 2026.4.29.
    Store,
    /// `gateway.<hash>.lock` in the temporary directory; `gateway.state.lock` from 2026.8.1.
    Gateway,
    /// `locks/oauth-refresh/*.lock`: 2026.4.20 and later.
    Oauth,
    /// `auth-profiles.json.lock`, `auth.json.lock`; up to 2026.2.12 a directory.
    Auth,
    /// `credentials/*-pairing.json.lock`, `*-allowFrom.json.lock`.
    Pairing,
    /// `openclaw.json.lock`: 2026.5.18 and later.
    Config,
    /// `openclaw.json.clobber.lock`, a directory: 2026.5.3 and later.
    ConfigClobber,
    /// `sandbox/containers.json.lock`, `sandbox/browsers.json.lock`.
    Sandbox,
    /// `qmd/embed.lock.lock`, `qmd-write.lock.lock`.
    Qmd,
    /// `.usage-cost-cache.json.lock`: 2026.5.3 – 2026.7.
    UsageCost,
    /// `memory/.dreams/short-term-promotion.lock`: 2026.4.5 – 2026.6.8.
    Promotion,
    /// `.openclaw-runtime-deps.lock/owner.json`: 2026.4.24 – 2026.4.29.
    RuntimeDeps,
    /// Any other lock of the plugin SDK or of fs-safe (`<target>.json.lock`, `.fs-safe-write-*.lock`).
    Plugin,
    /// `<lock>.reclaim`: fs-safe's reclaim guard, 2026.8.1 and later.
    Guard,
    /// `*.lock.sqlite`: the coordinator whose OS lock is the mutex; its presence means nothing.
    Coordinator,
    /// A row of `state_leases` or `agent_database_leases`: 2026.6.1 and later.
    Lease,
}

/// What lockdoctor may do about a lock of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Management {
    /// May be reclaimed when proven stale or leaked.
    Managed,
    /// Judged and shown; the action is at most a report.
    ReportOnly,
}

/// Whether the holder keeps the file open for writing while it holds the lock, so that the lease decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderFd {
    KeptOpen,
    /// Written and closed at once: a granted lease proves nothing.
    Closed,
}

impl LockKind {
    pub const ALL: [Self; 17] = [
        Self::Session,
        Self::Store,
        Self::Gateway,
        Self::Oauth,
        Self::Auth,
        Self::Pairing,
        Self::Config,
        Self::ConfigClobber,
        Self::Sandbox,
        Self::Qmd,
        Self::UsageCost,
        Self::Promotion,
        Self::RuntimeDeps,
        Self::Plugin,
        Self::Guard,
        Self::Coordinator,
        Self::Lease,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Store => "store",
            Self::Gateway => "gateway",
            Self::Oauth => "oauth",
            Self::Auth => "auth",
            Self::Pairing => "pairing",
            Self::Config => "config",
            Self::ConfigClobber => "config-clobber",
            Self::Sandbox => "sandbox",
            Self::Qmd => "qmd",
            Self::UsageCost => "usage-cost",
            Self::Promotion => "promotion",
            Self::RuntimeDeps => "runtime-deps",
            Self::Plugin => "plugin",
            Self::Guard => "guard",
            Self::Coordinator => "coordinator",
            Self::Lease => "lease",
        }
    }

    pub fn management(self) -> Management {
        match self {
            Self::Session | Self::Store => Management::Managed,
            _ => Management::ReportOnly,
        }
    }

    /// `compact`: the payload is one line of JSON, which for the store lock marks the versions up to
    /// 2026.2.12 that close it at once (1.24 `config/sessions/store.js:205-265`).
    pub fn holder_fd(self, compact: bool) -> HolderFd {
        match self {
            Self::Session | Self::Gateway | Self::Sandbox => HolderFd::KeptOpen,
            Self::Store if !compact => HolderFd::KeptOpen,
            // The plugin SDK keeps its file open too, but its synchronous variant does not (5.22
            // `store-BMQkMM4l.js:1734-1757`) and the bytes are the same.
            _ => HolderFd::Closed,
        }
    }
}

/// A directory in which locks are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    State,
    Agent,
    AgentPrivate,
    Sessions,
    OauthRefresh,
    Credentials,
    Sandbox,
    Qmd,
    RuntimeDeps,
    /// Below the state directory, where plugins keep their stores.
    PluginStore,
    GatewayTmp,
    /// `openclaw-state-locks-<uid>` in the temporary directory: 2026.8.1 and later.
    StateLocks,
    Dreams,
}

impl Place {
    /// What a directory outside of any state directory is, by its name.
    pub fn of_directory(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_of_a_user = |product: &str| {
            name.strip_prefix(product).is_some_and(|uid| uid.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match &*name {
            "sandbox" => Self::Sandbox,
            "oauth-refresh" => Self::OauthRefresh,
            "credentials" => Self::Credentials,
            "qmd" => Self::Qmd,
            ".dreams" => Self::Dreams,
            _ if is_of_a_user("openclaw-") || is_of_a_user("clawdbot-") => Self::GatewayTmp,
            _ if is_of_a_user("openclaw-state-locks-") => Self::StateLocks,
            _ => Self::Sessions,
        }
    }
}

/// Recognises a directory entry. `None`: not a lock of OpenClaw.
pub fn recognise(place: Place, name: &[u8]) -> Option<LockKind> {
    // Most names are transcripts: one comparison has to do for them.
    if !name.ends_with(b".lock") {
        return recognise_companion(place, name);
    }
    if name.starts_with(b".fs-safe-write-") {
        return Some(LockKind::Plugin);
    }
    if name.ends_with(b".clobber.lock") {
        return Some(LockKind::ConfigClobber);
    }
    match place {
        Place::Sessions => match name {
            b"sessions.json.lock" => Some(LockKind::Store),
            b".usage-cost-cache.json.lock" => Some(LockKind::UsageCost),
            _ if name.ends_with(b".jsonl.lock") && name.len() > b".jsonl.lock".len() => {
                Some(LockKind::Session)
            }
            _ => None,
        },
        Place::State => match name {
            b"openclaw.json.lock" | b"clawdbot.json.lock" | b"moltbot.json.lock" | b"moldbot.json.lock" => {
                Some(LockKind::Config)
            }
            _ => plugin_store(name),
        },
        Place::Agent => {
            (name == b"qmd-write.lock.lock").then_some(LockKind::Qmd).or_else(|| plugin_store(name))
        }
        Place::AgentPrivate => match name {
            b"auth-profiles.json.lock" | b"auth.json.lock" | b"settings.json.lock" => Some(LockKind::Auth),
            _ => plugin_store(name),
        },
        Place::OauthRefresh => Some(LockKind::Oauth),
        Place::Credentials => {
            let pairing = name.ends_with(b"-pairing.json.lock") || name.ends_with(b"-allowFrom.json.lock");
            pairing.then_some(LockKind::Pairing).or_else(|| plugin_store(name))
        }
        Place::Sandbox => {
            matches!(name, b"containers.json.lock" | b"browsers.json.lock").then_some(LockKind::Sandbox)
        }
        Place::Qmd => name.ends_with(b".lock.lock").then_some(LockKind::Qmd),
        Place::RuntimeDeps => {
            matches!(name, b".openclaw-runtime-deps.lock" | b".openclaw-runtime-mirror.lock")
                .then_some(LockKind::RuntimeDeps)
        }
        // Extractors, helpers and the memory plugin keep sessions of their own.
        Place::PluginStore if name.ends_with(b".jsonl.lock") && name.len() > b".jsonl.lock".len() => {
            Some(LockKind::Session)
        }
        Place::PluginStore => plugin_store(name),
        Place::GatewayTmp => is_gateway_lock(name).then_some(LockKind::Gateway),
        Place::StateLocks => None,
        Place::Dreams => (name == b"short-term-promotion.lock").then_some(LockKind::Promotion),
    }
}

/// fs-safe's guards and SQLite coordinators stand beside a lock and carry its name.
fn recognise_companion(place: Place, name: &[u8]) -> Option<LockKind> {
    if let Some(lock) = name.strip_suffix(b".reclaim") {
        return recognise(place, lock).map(|_| LockKind::Guard);
    }
    let lock = name.strip_suffix(b".sqlite")?;
    let coordinator = match place {
        Place::GatewayTmp => is_gateway_lock(lock),
        Place::StateLocks => lock.ends_with(b".lock"),
        _ => false,
    };
    coordinator.then_some(LockKind::Coordinator)
}

/// The stores of plugins are JSON or SQLite files, so `Cargo.lock`, `yarn.lock` or `.git/index.lock` never
/// match.
fn plugin_store(name: &[u8]) -> Option<LockKind> {
    let store =
        name.ends_with(b".json.lock") || name.ends_with(b".sqlite.lock") || name.ends_with(b".db.lock");
    store.then_some(LockKind::Plugin)
}

/// `gateway.<8 hex digits>.lock`, `gateway.state.lock`.
fn is_gateway_lock(name: &[u8]) -> bool {
    let Some(hash) = name.strip_prefix(b"gateway.").and_then(|rest| rest.strip_suffix(b".lock")) else {
        return false;
    };
    hash == b"state" || (hash.len() == 8 && hash.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lock_files_are_never_listed() {
        for place in [Place::State, Place::Agent, Place::Sessions, Place::Sandbox, Place::PluginStore] {
            for name in ["Cargo.lock", "yarn.lock", "package-lock.json", "index.lock", "flake.lock", ".lock"]
            {
                assert_eq!(recognise(place, name.as_bytes()), None, "{place:?} {name}");
            }
        }
        assert_eq!(recognise(Place::Sessions, b"a.jsonl"), None);
        assert_eq!(recognise(Place::Sessions, b".jsonl.lock"), None);
    }

    #[test]
    fn session_names_need_not_be_uuids() {
        for name in ["postfix-1777122625", "boot-2026-02-14_16-22-48-951-a9b43071", "x-topic-7", "2026_ü"] {
            let lock = format!("{name}.jsonl.lock");
            assert_eq!(recognise(Place::Sessions, lock.as_bytes()), Some(LockKind::Session), "{name}");
        }
    }

    #[test]
    fn companions_carry_the_name_of_their_lock() {
        assert_eq!(recognise(Place::Sessions, b"a.jsonl.lock.reclaim"), Some(LockKind::Guard));
        assert_eq!(recognise(Place::GatewayTmp, b"gateway.state.lock.reclaim"), Some(LockKind::Guard));
        assert_eq!(
            recognise(Place::GatewayTmp, b"gateway.0123abcd.lock.sqlite"),
            Some(LockKind::Coordinator)
        );
        assert_eq!(recognise(Place::State, b"notes.reclaim"), None);
    }
}
