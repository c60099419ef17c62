//! The leases of the SQLite era as judged claims: who holds what in OpenClaw's databases. Read-only; the action
//! is at most a report.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::holders::{self, Readers};
use super::removal::{self, CoordinatorIs};
use super::{Problem, ProblemSeverity, Survey, SurveyedLock};
use crate::evidence::StartTicks;
use crate::evidence::pid_domain::{Named, PidDomain};
use crate::evidence::view::SystemView;
use crate::evidence::{Owner, Writer};
use crate::install::Install;
use crate::install::gateway::STATE_LOCK;
use crate::leases::Section;
use crate::leases::explain::{Explanation, explain};
use crate::leases::gone::{self, Refusal};
use crate::leases::holders::{HolderProcess, Log};
use crate::leases::judge::{Claim, ClaimKind, judge};
use crate::leases::state_db::{self, StateDb};
use crate::leases::{self, agent_db};
use crate::leases::{
    Action, LeaseOwner, LeaseScope, LeaseVerdict, OwnerFacts, PidState, Sessions, StartTime, Tri, Workings,
};
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::peek::ReadError;

/// One row that claims something for a process.
#[derive(Debug)]
pub struct SurveyedLease {
    /// Index into [`Survey::roots`].
    pub root: usize,
    /// The database, and after `#` the table and the row.
    pub path: String,
    pub agent: Option<String>,
    pub owner: LeaseOwner,
    pub process: Owner,
    pub since: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// When its owner will have missed two beats.
    pub renewed_until: Option<DateTime<Utc>>,
    pub verdict: LeaseVerdict,
    pub explanation: Explanation,
    pub kind: ClaimKind,
    /// Of a gateway's row that is in the way: what tells it from the next, and what keeps `reclaim --leases` from
    /// removing it, as far as can be seen.
    pub removal: Option<Removal>,
}

#[derive(Debug, Clone)]
pub struct Removal {
    pub row: gone::Named,
    pub refusal: Option<Refusal>,
}

impl SurveyedLease {
    /// Whether `reclaim --leases` would remove it, as far as can be seen.
    pub fn is_removable(&self) -> bool {
        self.removal.as_ref().is_some_and(|removal| removal.refusal.is_none())
    }

    pub fn needs_attention(&self) -> bool {
        self.verdict.action == Action::Report
    }

    fn is_gateways(&self) -> bool {
        self.kind == ClaimKind::Lease(LeaseScope::GatewayOwner)
    }

    pub fn keeps_gateways_out(&self) -> bool {
        use LeaseScope::{AgentDatabaseMaintenance, GatewayOwner, StartupMigrations};
        let ClaimKind::Lease(scope) = &self.kind else { return false };
        matches!(scope, GatewayOwner | StartupMigrations | AgentDatabaseMaintenance)
    }
}

/// A session that its database calls running.
#[derive(Debug)]
pub struct RunningSession {
    pub root: usize,
    pub agent: String,
    pub key: String,
    pub session_id: String,
    pub updated_at: DateTime<Utc>,
}

/// What the databases of an install say.
#[derive(Debug, Default)]
pub struct Leases {
    pub leases: Vec<SurveyedLease>,
    pub running: Vec<RunningSession>,
    pub workings: Option<Workings>,
    pub problems: Vec<Problem>,
}

/// Judges every lease of `install`, as it stood in `databases`, and adds it to `survey`.
pub(super) fn add(
    root: usize,
    install: &Install,
    databases: leases::Survey,
    view: &mut SystemView,
    survey: &mut Survey,
) {
    let gateway_lock = GatewayLock::of(survey.locks.iter().filter(|lock| lock.root == root));
    let mut found = judge_all(root, install, databases, &gateway_lock, Readers::LookTwice, view);
    // Time has passed since they were read: an owner that seems dead may have let go of its lease and ended.
    if found.leases.iter().any(SurveyedLease::needs_attention) {
        let mut again = look(root, install, &gateway_lock, view);
        again.workings = found.workings.take();
        if again.problems.len() <= found.problems.len() {
            found = again;
        }
    }
    survey.leases.extend(found.leases);
    survey.running.extend(found.running);
    survey.workings.extend(found.workings.map(|workings| (root, workings)));
    survey.problems.extend(found.problems);
}

/// Reads the databases of `install` and judges every lease in them.
pub fn look(root: usize, install: &Install, gateway_lock: &GatewayLock, view: &mut SystemView) -> Leases {
    let databases = leases::survey(&install.root.path, Sessions::Running);
    judge_all(root, install, databases, gateway_lock, Readers::LookOnce, view)
}

fn judge_all(
    root: usize,
    install: &Install,
    databases: leases::Survey,
    gateway_lock: &GatewayLock,
    readers: Readers,
    view: &mut SystemView,
) -> Leases {
    let mut found = Leases::default();
    let logs = holders::logs(&databases, &install.root.path, readers, view);
    for (agent, database) in databases.agents {
        let nodes = database.as_ref().map(|database| database.nodes.rows()).unwrap_or_default();
        found.running.extend(nodes.iter().map(|node| RunningSession {
            root,
            agent: agent.clone(),
            key: node.key.clone(),
            session_id: node.session_id.clone(),
            updated_at: node.updated_at,
        }));
        match database {
            Ok(database) => {
                let unfinished = database.migration.half_done();
                found.problems.extend(unfinished.map(|what| Problem::detail(&database.path, what)));
                let unknown = [unknown(&database.nodes), unknown(&database.windows)];
                found
                    .problems
                    .extend(unknown.into_iter().flatten().map(|what| Problem::detail(&database.path, what)));
            }
            Err(error) => {
                let path = install.root.path.join("agents").join(&agent).join("agent").join(agent_db::NAME);
                found.problems.push(unreadable(path, &error));
            }
        }
    }
    let state = match databases.state {
        Ok(state) => state,
        Err(ReadError::Missing { .. }) => return found,
        Err(error) => {
            let path = install.root.path.join("state").join(state_db::NAME);
            found.problems.push(unreadable(path, &error));
            return found;
        }
    };
    let mut rows: Vec<(String, Option<String>, Claim<'_>)> = Vec::new();
    rows.extend(
        state
            .leases
            .rows()
            .iter()
            .map(|row| (format!("state_leases/{}/{}", row.scope, row.key), None, Claim::from(row))),
    );
    rows.extend(state.agent_database_leases.rows().iter().map(|row| {
        (format!("agent_database_leases/{}", row.lease_id), Some(row.agent.clone()), Claim::from(row))
    }));
    rows.extend(
        state
            .memory_locks
            .rows()
            .iter()
            .map(|row| (format!("plugin_state_entries/{}", row.key), None, Claim::from(row))),
    );
    let others = logs.first().map_or(Tri::Unknown, |log| opened_by_others(log, install));
    for (row, agent, claim) in rows {
        let lease = judged(root, &state.path, &row, agent, &claim, install, gateway_lock, others, view);
        found.leases.push(lease);
    }
    for lease in found.leases.iter_mut().filter(|lease| lease.is_gateways() && lease.needs_attention()) {
        lease.removal = removal_of(install, &state, view);
    }
    let queues = &state.queues;
    let unknown = [
        unknown(&state.leases),
        unknown(&state.agent_database_leases),
        unknown(&state.memory_locks),
        unknown(&state.boots),
        unknown(&queues.inbound),
        unknown(&queues.outbound),
        unknown(&queues.tasks),
        unknown(&queues.subagents),
        unknown(&queues.flows),
    ];
    // Something was missed: a claim or a message in a table that cannot be read is not shown.
    found.problems.extend(
        unknown.into_iter().flatten().map(|what| Problem {
            severity: ProblemSeverity::Incomplete,
            ..Problem::detail(&state.path, what)
        }),
    );
    found.problems.extend(state.migration.unfinished().map(|what| Problem::detail(&state.path, what)));
    let owner = state.leases.rows().iter().find(|lease| lease.scope == LeaseScope::GatewayOwner);
    let host = owner.and_then(|lease| lease.owner.host.clone());
    if install.era == Era::Sqlite {
        let boots = state.boots.rows().to_vec();
        let holders = holders::look(install, view);
        found.workings = Some(Workings { boots, queues: state.queues, holders, logs, host });
    }
    found
}

fn removal_of(install: &Install, state: &StateDb, view: &mut SystemView) -> Option<Removal> {
    let facts = removal::look(install, state, CoordinatorIs::Asked, view);
    let row = facts.row.clone()?;
    Some(Removal { row, refusal: gone::refusal(&facts) })
}

/// Whether any process but a working gateway has the database open. A gateway renews its own leases, so a lease that is
/// not renewed is not its.
fn opened_by_others(log: &Log, install: &Install) -> Tri {
    let is_other = |process: &Option<HolderProcess>| {
        process
            .as_ref()
            .is_none_or(|process| Some(process.pid) != install.gateway.pid || process.is_stopped())
    };
    match &log.open {
        None => Tri::Unknown,
        Some(open) if open.iter().any(is_other) => Tri::Yes,
        Some(_) => Tri::No,
    }
}

fn unknown<T>(section: &Section<T>) -> Option<String> {
    match section {
        Section::Unreadable(what) => Some(what.clone()),
        Section::Rows(_) | Section::Absent => None,
    }
}

impl Problem {
    /// The path is printed with every problem, so it is cut from the beginning of a sentence.
    fn detail(path: &Path, sentence: String) -> Self {
        let what = match sentence.strip_prefix(&path.display().to_string()) {
            Some(rest) => rest.trim_start_matches([':', ' ']).to_owned(),
            None => sentence,
        };
        Self { path: path.to_owned(), what, severity: ProblemSeverity::Detail }
    }
}

/// A database whose rows cannot be seen, unless OpenClaw has not begun to fill it.
fn unreadable(path: PathBuf, error: &ReadError) -> Problem {
    let severity = match error {
        ReadError::Empty { .. } => ProblemSeverity::Detail,
        _ => ProblemSeverity::Incomplete,
    };
    Problem { severity, ..Problem::detail(&path, error.to_string()) }
}

/// What the lock file `gateway.state.lock` of an install says.
#[derive(Debug)]
pub struct GatewayLock {
    held: Tri,
    owner_id: Option<String>,
}

impl GatewayLock {
    /// Picks it from the locks of the install.
    pub fn of<'a>(mut locks: impl Iterator<Item = &'a SurveyedLock>) -> Self {
        let lock = locks.find(|lock| lock.kind == LockKind::Gateway && lock.name == STATE_LOCK);
        let held = lock.map_or(Tri::Unknown, |lock| match lock.evidence.writer {
            Writer::Open => Tri::Yes,
            Writer::NoneOpen => Tri::No,
            Writer::Unknown(_) => Tri::Unknown,
        });
        let owner_id = lock.and_then(|lock| lock.evidence.payload()?.gateway.as_ref()?.owner_id.clone());
        Self { held, owner_id }
    }

    fn is_of(&self, owner: &LeaseOwner) -> Tri {
        match &self.owner_id {
            Some(id) if *id == owner.raw => Tri::Yes,
            Some(_) => Tri::No,
            None => Tri::Unknown,
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "each is one independent fact")]
fn judged(
    root: usize,
    database: &Path,
    row: &str,
    agent: Option<String>,
    claim: &Claim<'_>,
    install: &Install,
    gateway_lock: &GatewayLock,
    database_open: Tri,
    view: &mut SystemView,
) -> SurveyedLease {
    let process = claim.owner.pid.map_or(Owner::None, |pid| view.processes.owner(pid));
    let facts = OwnerFacts {
        gateway_lock_held: gateway_lock.held,
        gateway_lock_is_owners: gateway_lock.is_of(claim.owner),
        database_open,
        ..owner_facts(claim.owner, &process, install, view)
    };
    let verdict = judge(claim, &facts, view.now.wall);
    SurveyedLease {
        root,
        path: format!("{}#{row}", PathBuf::from(database).display()),
        agent,
        owner: claim.owner.clone(),
        process,
        since: claim.since,
        expires_at: claim.expires_at,
        renewed_until: claim.renewed_until(),
        explanation: explain(claim, &verdict, &facts, view.now.wall),
        verdict,
        kind: claim.kind.clone(),
        removal: None,
    }
}

fn owner_facts(owner: &LeaseOwner, process: &Owner, install: &Install, view: &SystemView) -> OwnerFacts {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let booted_at = view.now.booted_at();
    let domain = owner.pid.map(|pid| {
        let named = Named { pid, start_ticks: owner.started_at, created_at: None, booted_at, seen_at: None };
        view.namespaces.decide(view.census(), named, install.gateway.is_visible(), &install.root)
    });
    OwnerFacts {
        pid: match process {
            Owner::Alive(_) | Owner::Stranger(_) | Owner::Hidden => PidState::Alive,
            Owner::Gone | Owner::Thread { .. } => PidState::Dead,
            Owner::Zombie(_) => PidState::Zombie,
            Owner::None | Owner::Lockdoctor | Owner::Unknown(_) => PidState::Unknown,
        },
        start_time: match (owner.started_at, process) {
            (Some(ticks), Owner::Alive(process)) if view.namespaces.start_ticks == StartTicks::Comparable => {
                if ticks == process.start_ticks {
                    StartTime::Equal
                } else {
                    StartTime::Different
                }
            }
            _ => StartTime::Unknown,
        },
        began: match (owner.started_at, process) {
            (Some(ticks), Owner::Alive(process)) if ticks == process.start_ticks => {
                Some(process.started_at(booted_at))
            }
            _ => None,
        },
        same_host: match &owner.host {
            Some(name) if *name == host => Tri::Yes,
            Some(_) => Tri::No,
            None => Tri::Unknown,
        },
        same_pid_domain: match domain {
            Some(PidDomain::Shared(_)) => Tri::Yes,
            Some(PidDomain::Foreign { .. }) => Tri::No,
            _ => Tri::Unknown,
        },
        ..OwnerFacts::default()
    }
}
