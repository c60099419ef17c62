//! The leases OpenClaw takes, by scope: what each one keeps out, and how OpenClaw gets rid of a dead one.
//!
//! A table, from the sources of 2026.8.2 and 2026.9.6. A scope that is not in it is shown by its name.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseScope {
    /// One gateway a state directory (from 2026.9.5).
    GatewayOwner,
    /// Schema and state migrations at gateway start (from 2026.6).
    StartupMigrations,
    /// `openclaw doctor --fix` working on agent databases.
    AgentDatabaseMaintenance,
    /// Installing, updating, removing plugins.
    PluginLifecycle,
    /// A run in a managed worktree, by the worktree's id. Never expires; judged by pid.
    WorktreeRun(String),
    /// The session write lease of the 2026.7.2 and 2026.8.1 betas.
    SessionWrite,
    Other(String),
}

/// How OpenClaw's next acquirer treats a row whose owner is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reclaim {
    /// It compares host name, pid and start time, and takes over from a dead owner of its own host name.
    SameHostOwner,
    /// It compares pid and start time.
    Process,
    /// It waits for the row to expire.
    Expiry,
}

impl LeaseScope {
    pub fn parse(scope: &str) -> Self {
        match scope {
            "gateway-owner" => Self::GatewayOwner,
            "startup-migrations" => Self::StartupMigrations,
            "core:agent-database-maintenance" => Self::AgentDatabaseMaintenance,
            "core:plugin-lifecycle" => Self::PluginLifecycle,
            "session-write" => Self::SessionWrite,
            other => match other.strip_prefix("worktree-run:") {
                Some(id) => Self::WorktreeRun(id.to_owned()),
                None => Self::Other(other.to_owned()),
            },
        }
    }

    /// What the lease keeps to one process at a time.
    pub fn guards(&self) -> &'static str {
        match self {
            Self::GatewayOwner => "running a gateway on this state directory",
            Self::StartupMigrations => "the migrations at gateway start",
            Self::AgentDatabaseMaintenance => "maintenance of the agent databases",
            Self::PluginLifecycle => "installing, updating and removing plugins",
            Self::WorktreeRun(_) => "a run in a managed worktree",
            Self::SessionWrite => "writing to a session",
            Self::Other(scope) => match scope.as_str() {
                "claw-package-lifecycle" | "core:claw-mcp-lifecycle" => "installing and changing claws",
                "core:managed-worktrees:create" => "making a managed worktree",
                "fleet-cell-operation" => "changing a cell of a fleet",
                "skill-upload-install" => "installing an uploaded skill",
                _ => "an operation that lockdoctor does not know by name",
            },
        }
    }

    /// What OpenClaw says when it meets the lease, for recognising the symptom.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::GatewayOwner => {
                Some("Another Gateway owner lease is still active for this state directory")
            }
            Self::StartupMigrations => {
                Some("OpenClaw startup migrations are already running for this state directory")
            }
            Self::AgentDatabaseMaintenance => {
                Some("Agent database maintenance is in progress; retry after openclaw doctor --fix completes")
            }
            Self::PluginLifecycle => {
                Some("failed to acquire plugin lifecycle lease core:plugin-lifecycle/global")
            }
            Self::WorktreeRun(_) => {
                Some("The worktree is in use; wait for its current run or publication to finish")
            }
            Self::SessionWrite | Self::Other(_) => None,
        }
    }

    /// The rule of the newest version that was read (9.6). Before 2026.7.2 every scope waited for expiry.
    pub fn reclaim(&self) -> Reclaim {
        match self {
            Self::GatewayOwner | Self::StartupMigrations => Reclaim::SameHostOwner,
            Self::WorktreeRun(_) => Reclaim::Process,
            _ => Reclaim::Expiry,
        }
    }
}

impl fmt::Display for LeaseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GatewayOwner => f.write_str("gateway-owner"),
            Self::StartupMigrations => f.write_str("startup-migrations"),
            Self::AgentDatabaseMaintenance => f.write_str("core:agent-database-maintenance"),
            Self::PluginLifecycle => f.write_str("core:plugin-lifecycle"),
            Self::WorktreeRun(id) => write!(f, "worktree-run:{id}"),
            Self::SessionWrite => f.write_str("session-write"),
            Self::Other(scope) => f.write_str(scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_being_parsed_and_shown() {
        for scope in
            ["gateway-owner", "startup-migrations", "core:agent-database-maintenance", "session-write"]
                .into_iter()
                .chain(["core:plugin-lifecycle", "worktree-run:7f", "core:mcp-oauth", ""])
        {
            assert_eq!(LeaseScope::parse(scope).to_string(), scope);
        }
    }
}
