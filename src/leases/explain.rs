//! A lease in words: its state, why, what OpenClaw does about it, and what to type.
//!
//! Pure text. Session keys, tokens and payloads are not in it; pids and host names are.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::judge::{Claim, ClaimKind, Clears, LeaseVerdict, OwnerFacts, Reason, Tri, Verdict};
use super::scope::LeaseScope;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is the case.
    pub state: String,
    /// What it does to people, and why; for a lease that is in somebody's way.
    pub trouble: Option<String>,
    /// What that was concluded from, or what is missing.
    pub because: Vec<String>,
    /// What OpenClaw does about it by itself.
    pub openclaw: String,
    /// What to do; empty when there is nothing to do.
    pub advice: Vec<String>,
}

pub fn explain(claim: &Claim, verdict: &LeaseVerdict, facts: &OwnerFacts, now: DateTime<Utc>) -> Explanation {
    Explanation {
        state: state(claim, verdict, now),
        trouble: trouble(claim, verdict, now),
        because: because(claim, verdict, *facts, now),
        openclaw: openclaw(claim, verdict, now),
        advice: advice(claim, verdict, *facts),
    }
}

fn state(claim: &Claim, verdict: &LeaseVerdict, now: DateTime<Utc>) -> String {
    let what = match &claim.kind {
        ClaimKind::Lease(scope) => format!("lease {scope}, for {}", scope.guards()),
        ClaimKind::AgentDatabase => "a process has an agent database open".to_owned(),
        ClaimKind::MemoryLock => "memory workspace lock".to_owned(),
    };
    let whose = whose(claim);
    let age = claim.since.map_or(String::new(), |since| format!(", {} old", span(now - since)));
    format!("{}: {what}{age}, taken by {whose}", verdict.verdict.as_str())
}

fn whose(claim: &Claim) -> String {
    match (claim.owner.pid, &claim.owner.host) {
        (Some(pid), Some(host)) => format!("pid {pid} on {host}"),
        (Some(pid), None) => format!("pid {pid}"),
        (None, _) => "a process that it does not name".to_owned(),
    }
}

fn trouble(claim: &Claim, verdict: &LeaseVerdict, now: DateTime<Utc>) -> Option<String> {
    if verdict.action == super::Action::None {
        return None;
    }
    let refused = match &claim.kind {
        ClaimKind::Lease(LeaseScope::GatewayOwner) => "No gateway can start on this state directory",
        ClaimKind::Lease(LeaseScope::StartupMigrations) => "No gateway can finish its start-up migrations",
        ClaimKind::Lease(LeaseScope::AgentDatabaseMaintenance) => {
            "The agent databases are closed for maintenance"
        }
        ClaimKind::Lease(LeaseScope::PluginLifecycle) => "No plugin can be installed, updated or removed",
        ClaimKind::Lease(LeaseScope::WorktreeRun(_)) => "No run can use this managed worktree",
        ClaimKind::Lease(_) => "What this lease guards is kept from everybody",
        ClaimKind::AgentDatabase => "The agent database counts as open",
        ClaimKind::MemoryLock => "Nothing can be written to the memory workspace",
    };
    let whose = whose(claim);
    let lease = match &claim.kind {
        ClaimKind::Lease(scope) => format!("the lease {scope} of {whose}"),
        ClaimKind::AgentDatabase | ClaimKind::MemoryLock => format!("what {whose} had taken"),
    };
    Some(match (verdict.verdict, verdict.clears) {
        (Verdict::Overdue, Clears::At(at)) => format!(
            "{refused} before {} (in {}), unless its owner comes back: {lease} has not been renewed for two beats",
            whole(at).to_rfc3339_opts(SecondsFormat::Secs, true),
            span(at - now)
        ),
        (Verdict::Overdue, _) => format!(
            "{} is not safe: its owner, {whose}, lives but no longer renews its lease, and another may take over",
            sentence_case(guarded(claim))
        ),
        (_, Clears::At(at)) => format!(
            "{refused} before {} (in {}): {lease} was left behind, and OpenClaw cannot see that its owner \
             is gone",
            whole(at).to_rfc3339_opts(SecondsFormat::Secs, true),
            span(at - now)
        ),
        _ => format!(
            "{refused}: {lease} was left behind, does not expire, and OpenClaw cannot see that its owner is gone"
        ),
    })
}

fn guarded(claim: &Claim) -> &'static str {
    match &claim.kind {
        ClaimKind::Lease(scope) => scope.guards(),
        ClaimKind::AgentDatabase => "an open agent database",
        ClaimKind::MemoryLock => "the memory workspace",
    }
}

fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn because(claim: &Claim, verdict: &LeaseVerdict, facts: OwnerFacts, now: DateTime<Utc>) -> Vec<String> {
    let pid = claim.owner.pid.map_or_else(|| "its pid".to_owned(), |pid| format!("pid {pid}"));
    let gateway = claim.kind == ClaimKind::Lease(LeaseScope::GatewayOwner);
    let mut lines: Vec<String> = verdict
        .reasons
        .iter()
        .map(|reason| match reason {
            Reason::DeadPid => format!("{pid} no longer exists"),
            Reason::ZombiePid => format!("{pid} is a zombie: it has ended, and its parent has not noticed"),
            Reason::RecycledPid => format!("{pid} is now another process: it started at another time"),
            Reason::NoWriter if facts.gateway_lock_held == Tri::Yes => {
                "gateway.state.lock is held by another owner than this lease's".to_owned()
            }
            Reason::NoWriter if !gateway => format!(
                "its owner has missed two beats{}, and no process that could be it has the database open",
                claim
                    .heartbeat_at
                    .map_or(String::new(), |at| format!(" (the last was {} ago)", span(now - at)))
            ),
            Reason::NoWriter => {
                "nobody has gateway.state.lock open, and a live gateway always has".to_owned()
            }
            Reason::Expired => expired(claim, now),
        })
        .collect();
    match verdict.verdict {
        Verdict::Held if facts.gateway_lock_is_owners == Tri::Yes && facts.gateway_lock_held == Tri::Yes => {
            lines.push("its owner has gateway.state.lock open, so the kernel says".into());
        }
        Verdict::Held if verdict.reasons.is_empty() => {
            lines.extend(renewed(claim, now).or(Some(format!("{pid} lives"))));
        }
        Verdict::Foreign => {
            lines.push(format!("{pid} counts in another PID namespace, and nothing else answers"));
        }
        Verdict::Indeterminate => lines.extend(missing(claim, facts)),
        _ => {}
    }
    if facts.same_host == Tri::No {
        lines.push(
            "it names another host; a container has a new host name each time it is created, so that proves nothing"
                .into(),
        );
    }
    lines
}

fn expired(claim: &Claim, now: DateTime<Utc>) -> String {
    let ago = claim.expires_at.map_or(String::new(), |at| format!(" {} ago", span(now - at)));
    format!("it expired{ago}: its owner has stopped renewing it, and it keeps nobody out")
}

fn renewed(claim: &Claim, now: DateTime<Utc>) -> Option<String> {
    claim.heartbeat_at.map(|at| format!("it was renewed {} ago", span(now - at)))
}

fn missing(claim: &Claim, facts: OwnerFacts) -> Vec<String> {
    let mut lines = Vec::new();
    match claim.owner.pid {
        None => lines.push("it names no process, so only its expiry can be judged".to_owned()),
        Some(pid) if facts.same_pid_domain == Tri::Unknown => {
            lines.push(format!("whether pid {pid} counts in our PID namespace is not known"));
        }
        Some(pid) => lines.push(format!("whether pid {pid} still is the process that took it is not known")),
    }
    if claim.kind == ClaimKind::Lease(LeaseScope::GatewayOwner) && facts.gateway_lock_held == Tri::Unknown {
        lines.push(
            "whether anybody has gateway.state.lock open could not be asked; run as the gateway's user"
                .into(),
        );
    }
    lines
}

fn openclaw(claim: &Claim, verdict: &LeaseVerdict, now: DateTime<Utc>) -> String {
    match verdict.clears {
        Clears::AtNextUse => "OpenClaw removes the row itself at the next use".into(),
        Clears::At(at) if verdict.verdict == Verdict::Stale => format!(
            "OpenClaw cannot see that the owner is gone and refuses everybody else until {} (in {})",
            whole(at).to_rfc3339_opts(SecondsFormat::Secs, true),
            span(at - now)
        ),
        Clears::At(at) => {
            format!("OpenClaw keeps it for its owner; unless renewed it ends in {}", span(at - now))
        }
        Clears::WithItsOwner => "OpenClaw keeps it until its owner lets go".into(),
        Clears::Never => match claim.kind {
            ClaimKind::MemoryLock => {
                "OpenClaw before 2026.9 never takes it back in a container (openclaw#134999)".into()
            }
            _ => "OpenClaw cannot see that the owner is gone, and the row does not expire".into(),
        },
    }
}

fn advice(claim: &Claim, verdict: &LeaseVerdict, facts: OwnerFacts) -> Vec<String> {
    let scope = match &claim.kind {
        ClaimKind::Lease(scope) => Some(scope),
        _ => None,
    };
    let mut advice = Vec::new();
    match (verdict.verdict, verdict.clears, scope) {
        (
            Verdict::Stale,
            Clears::At(at),
            Some(
                LeaseScope::GatewayOwner
                | LeaseScope::StartupMigrations
                | LeaseScope::AgentDatabaseMaintenance,
            ),
        ) => {
            advice.push(format!(
                "Wait until {}, then start the gateway: earlier starts are refused again. Whatever restarts it by itself \
                 needs nothing, unless it gave up (exit status 78, a start limit)",
                whole(at).format("%H:%M:%S UTC")
            ));
            if let (Tri::No, Some(host)) = (facts.same_host, &claim.owner.host) {
                advice.push(format!(
                    "Or start it on a host called {host}, as the last one was: that one takes over at once. For a \
                     container, give it a fixed name (docker run --hostname, compose hostname:)"
                ));
            }
        }
        (Verdict::Stale, Clears::At(at), _) => {
            advice
                .push(format!("Wait until {}, then repeat the operation", whole(at).format("%H:%M:%S UTC")));
        }
        (Verdict::Stale, Clears::Never, _) if claim.kind == ClaimKind::MemoryLock => {
            advice.push("update OpenClaw to 2026.9 or later, and restart the gateway".into());
        }
        (Verdict::Stale, Clears::Never, _) => advice.push("openclaw doctor".into()),
        (Verdict::Overdue, Clears::At(at), Some(scope))
            if verdict.action == super::Action::Report && *scope != LeaseScope::GatewayOwner =>
        {
            advice.push(format!(
                "Whoever has the database open may be its owner (`lockdoctor scan` names them): end it if it hangs; \
                 else wait until {}",
                whole(at).format("%H:%M:%S UTC")
            ));
        }
        (Verdict::Overdue, ..) if verdict.action == super::Action::Report => {
            advice.push(
                "its owner lives but does not renew it: look at the gateway's log for a blocked event loop"
                    .into(),
            );
            advice.push("openclaw gateway status --deep".into());
        }
        (Verdict::Foreign | Verdict::Indeterminate, ..) => {
            advice.push("run lockdoctor where the gateway runs, as its user".into());
        }
        _ => {}
    }
    advice
}

/// The first full second in which the row has expired: one before it would be refused.
fn whole(at: DateTime<Utc>) -> DateTime<Utc> {
    at + TimeDelta::milliseconds(999)
}

/// "3 h 5 min", "4 min", "12 s".
fn span(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds().max(0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, _) => format!("{m} min"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::whole;
    use chrono::{DateTime, Utc};

    /// `retry after … 2026-11-30T08:42:25.496Z`: at 08:42:25 it is still refused.
    #[test]
    fn a_lease_is_waited_for_to_the_second_after_its_end() {
        let named = |at: &str| whole(at.parse::<DateTime<Utc>>().unwrap()).format("%H:%M:%S").to_string();
        assert_eq!(named("2026-11-30T08:42:25.496Z"), "08:42:26");
        assert_eq!(named("2026-11-30T08:42:25Z"), "08:42:25");
    }
}
