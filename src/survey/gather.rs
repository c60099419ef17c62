//! From a name in a directory to evidence and a first judgement.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::{Guarded, SCAN_SETTLE, SurveyedLock, TranscriptListed};
use crate::clock::Now;
use crate::evidence::directory::{Directory, Reach};
use crate::evidence::lockfile::{FileFacts, Look, PinnedLock, Shape};
use crate::evidence::pid_domain::Named;
use crate::evidence::process::may_run_openclaw;
use crate::evidence::view::SystemView;
use crate::evidence::{
    Birth, Content, Evidence, LeaseUnknown, Owner, Payload, PidDomain, Release, Relevance, RunTimedOut,
    Succession, Writer,
};
use crate::install::Install;
use crate::install::gateway::{RunningGateway, names_install, openclaw_processes};
use crate::install::sessions::SessionStore;
use crate::openclaw::limits::{Limit, limit_of};
use crate::openclaw::lock_kind::{HolderFd, LockKind, Management};
use crate::openclaw::payload::Layout;
use crate::openclaw::timeouts::Timeouts;
use crate::openclaw::version::Era;
use crate::verdict::{Settle, Sighting, judge};

/// What the locks of one root have in common.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) root: usize,
    pub(super) install: Option<Install>,
    no_timeouts: Timeouts,
    /// Of thousands of limits there are two or three.
    limit_sources: Mutex<BTreeSet<Arc<str>>>,
}

impl Context {
    pub(super) fn new(root: usize, install: Option<Install>) -> Self {
        Self { root, install, no_timeouts: Timeouts::default(), limit_sources: Mutex::default() }
    }

    fn gateway_visible(&self) -> bool {
        is_gateway_visible(self.install.as_ref())
    }

    fn timeouts(&self) -> &Timeouts {
        self.install.as_ref().map_or(&self.no_timeouts, |install| &install.config.timeouts)
    }

    fn limit(
        &self,
        kind: LockKind,
        payload: Option<&Payload>,
        cron_timeout: Option<Duration>,
    ) -> Option<Limit> {
        let version = self.install.as_ref().and_then(|install| install.version.as_ref());
        let mut limit = limit_of(kind, payload, version, self.timeouts(), cron_timeout)?;
        let mut known = self.limit_sources.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&limit.source) {
            Some(source) => limit.source = Arc::clone(source),
            None => drop(known.insert(Arc::clone(&limit.source))),
        }
        Some(limit)
    }

    /// Adds the session key, and with it the limit of a cron job's own time limit.
    pub(super) fn name_session(&self, lock: &mut SurveyedLock, store: &SessionStore) {
        let Some(key) = lock.session_id.as_deref().and_then(|id| store.key_of(id)) else { return };
        lock.session_key = Some(key.to_owned());
        if lock.agent.is_none() {
            // Agents may share one sessions directory; the key names the agent (`agent:<id>:…`).
            lock.agent =
                key.strip_prefix("agent:").and_then(|rest| rest.split(':').next()).map(str::to_owned);
        }
        let Some(install) = &self.install else { return };
        if let Some(timeout) = install.cron_timeout(key) {
            lock.evidence.limit = self.limit(lock.kind, lock.evidence.payload(), Some(timeout));
            lock.judgement = judge(&lock.evidence, Sighting::First, SCAN_SETTLE);
        }
    }
}

/// Looks at one name. `None`: it has vanished, or is no lock of OpenClaw after all. `ours`: its place alone
/// shows that it belongs to this install.
pub(super) fn gather(
    context: &Context,
    directory: &Arc<Directory>,
    name: &OsStr,
    kind: LockKind,
    ours: bool,
    view: &mut SystemView,
) -> Result<Option<SurveyedLock>, Errno> {
    let (pin, shape, facts) = match PinnedLock::look(directory, name)? {
        Look::Vanished => return Ok(None),
        Look::Pinned(pin) => {
            let facts = *pin.facts();
            (Some(pin), Shape::Regular, Some(facts))
        }
        Look::Unpinned(shape, facts) => (None, shape, facts),
    };
    let seen_at = Now::read().boot;
    let content = match (&pin, shape, kind) {
        (Some(pin), ..) => pin.content(),
        (None, Shape::Directory, LockKind::RuntimeDeps) => runtime_deps_owner(directory, name),
        _ => Content::NotRead,
    };
    if !belongs(context, directory, kind, ours, &content) {
        return Ok(None);
    }
    let writer = pin
        .as_ref()
        .map_or(Writer::Unknown(LeaseUnknown::NotProbed), |pin| pin.probe_writer(&mut view.leases));
    let mut evidence = evidence(context, directory, kind, shape, content, writer, facts.as_ref(), view);
    if let (Some(pin), Writer::Unknown(_)) = (&pin, writer) {
        // Then only the owner's descriptors tell whether it holds the lock.
        if let Some(payload) = evidence.payload() {
            let named = Named::by(payload, view.now.booted_at());
            evidence.release = release(&evidence, named, pin, view);
        }
    }
    let judgement = judge(&evidence, Sighting::First, SCAN_SETTLE);
    let session_id = name.as_bytes().strip_suffix(b".jsonl.lock").filter(|_| kind == LockKind::Session);
    Ok(Some(SurveyedLock {
        root: context.root,
        directory: Arc::clone(directory),
        name: name.to_owned(),
        kind,
        agent: None,
        session_id: session_id.map(|id| String::from_utf8_lossy(id).into_owned()),
        session_key: None,
        transcript: TranscriptListed::NotApplicable,
        guarded: Guarded::No,
        fingerprint: fingerprint(facts.as_ref(), pin.as_ref().map_or(&[], PinnedLock::bytes)),
        facts,
        evidence,
        seen_at,
        // Pinned only as long as a second look is due.
        pin: pin.filter(|_| judgement.suspected.is_some()).map(Box::new),
        judgement,
    }))
}

fn belongs(context: &Context, directory: &Directory, kind: LockKind, ours: bool, content: &Content) -> bool {
    let payload = match content {
        Content::Parsed(payload) => Some(payload),
        _ => None,
    };
    match (kind, &context.install) {
        // By name alone it could be anybody's file.
        (LockKind::Plugin, _) => payload.is_some() || matches!(content, Content::Empty | Content::NotRead),
        // In a directory to which a configuration leads, too: it may be the lock of another program.
        (LockKind::Store, _) if directory.reach == Reach::Configured => payload.is_some(),
        (LockKind::Gateway, Some(install)) if !ours => payload
            .is_some_and(|payload| names_install(payload, directory, &install.root, &install.config_path)),
        _ => true,
    }
}

#[expect(clippy::too_many_arguments, reason = "each is one independent fact")]
fn evidence(
    context: &Context,
    directory: &Directory,
    kind: LockKind,
    shape: Shape,
    content: Content,
    writer: Writer,
    facts: Option<&FileFacts>,
    view: &mut SystemView,
) -> Evidence {
    let payload = match &content {
        Content::Parsed(payload) => Some(payload),
        _ => None,
    };
    let modified_at = facts.and_then(FileFacts::modified_at);
    let made_at = payload.and_then(|payload| payload.created_at).or(modified_at);
    let owner = payload.map_or(Owner::None, |payload| owner(kind, payload, writer, view));
    let gateway_visible = context.gateway_visible();
    let domain = match payload {
        Some(payload) => {
            let named = Named::by(payload, view.now.booted_at());
            domain(gateway_visible, kind, payload, named, writer, &owner, directory, view)
        }
        None => view.namespaces.presume(gateway_visible),
    };
    Evidence {
        kind,
        shape,
        file: facts.map(FileFacts::id),
        birth: Birth::NotAsked,
        succession: Succession::NotSeen,
        writer,
        owner,
        release: Release::NotLookedAt,
        domain,
        filesystem: directory.filesystem,
        untouched_for: facts.map(|facts| facts.untouched_for(&view.now)).unwrap_or_default(),
        age: made_at.and_then(|at| view.now.since(at)),
        booted_at: view.now.booted_at(),
        start_ticks: view.namespaces.start_ticks,
        limit: context.limit(kind, payload, None),
        run_timed_out: RunTimedOut::NotLookedAt,
        relevance: match (kind, &context.install) {
            (LockKind::Session | LockKind::Store, Some(install)) if install.era == Era::Sqlite => {
                Relevance::Fossil
            }
            _ if directory.reach == Reach::Linked => Relevance::BehindLink,
            _ => Relevance::Current,
        },
        content,
    }
}

/// The process that carries the number here. Where nothing but the number ties it to the lock, its program has to be
/// one that can be OpenClaw: kernel threads and system services carry the numbers that containers give out.
fn owner(kind: LockKind, payload: &Payload, writer: Writer, view: &mut SystemView) -> Owner {
    match view.processes.owner(payload.pid) {
        Owner::Alive(process)
            if payload.start_ticks.is_none()
                && writer == Writer::NoneOpen
                && lease_decides(kind, payload)
                && !may_run_openclaw(process.pid, &process.comm) =>
        {
            Owner::Stranger(process)
        }
        owner => owner,
    }
}

/// Whether the holder keeps the file open, so that nobody's having it open says something.
fn lease_decides(kind: LockKind, payload: &Payload) -> bool {
    kind.holder_fd(payload.format.layout == Layout::Compact) == HolderFd::KeptOpen
}

/// Asks for the full answer only where it changes something: where the pid has to carry the verdict, or
/// where it makes a death final.
#[expect(clippy::too_many_arguments, reason = "each is one independent fact")]
fn domain(
    gateway_visible: bool,
    kind: LockKind,
    payload: &Payload,
    named: Named,
    writer: Writer,
    owner: &Owner,
    directory: &Directory,
    view: &SystemView,
) -> PidDomain {
    let lease_decides = lease_decides(kind, payload);
    let presumed = view.namespaces.presume(gateway_visible);
    // A number without a start tick may be that of a container's process as well.
    let same = matches!(owner, Owner::Alive(process) if payload.start_ticks == Some(process.start_ticks))
        || matches!(owner, Owner::None | Owner::Hidden | Owner::Lockdoctor | Owner::Unknown(_));
    match writer {
        Writer::Open => presumed,
        Writer::NoneOpen if lease_decides && same => presumed,
        // Beside a container the full look would say no more.
        Writer::NoneOpen
            if lease_decides
                && matches!(presumed, PidDomain::Unknown(_))
                && !view.namespaces.is_this_machines(directory) =>
        {
            presumed
        }
        _ => view.namespaces.decide(view.census(), named, gateway_visible, directory),
    }
}

fn is_gateway_visible(install: Option<&Install>) -> bool {
    install.is_some_and(|install| install.gateway.is_visible())
}

/// A second look at the owner of a lock that looked abandoned before: it may have ended or come since, and how far it
/// is with its release is asked only now, after the close. The same for scan, reclaim and watch.
pub fn see_owner(
    lock: &mut SurveyedLock,
    pin: &PinnedLock,
    install: Option<&Install>,
    view: &mut SystemView,
) {
    see_named_owner(lock, pin, install, view);
    see_copy(lock, pin, install, view);
}

/// A copy may name a process that is long dead, or none: a backup was unpacked over a held lock, or broke off and left
/// an empty file. The holder of the lock still has its own file of that name open.
pub(super) fn see_copy(
    lock: &mut SurveyedLock,
    pin: &PinnedLock,
    install: Option<&Install>,
    view: &mut SystemView,
) {
    let asked = lock.evidence.release != Release::NotLookedAt;
    if asked || lock.kind.management() != Management::Managed || pin.birth() == Birth::WithTheLock {
        return;
    }
    let home = install.map_or(Path::new(""), |install| &install.root.path);
    let may_hold = |process: &RunningGateway| install.is_none_or(|install| process.uses(&install.root));
    let residents = view.owners.residents(home).unwrap_or_else(|| {
        let found = openclaw_processes(view.census()).into_iter().filter(may_hold);
        let found = found.map(|process| process.process.pid).collect();
        view.owners.note_residents(home, found)
    });
    let mut releases = residents.iter().map(|pid| view.owners.release(*pid, pin));
    if let Some(held) = releases.find(|release| matches!(release, Release::OfAnotherFile { .. })) {
        lock.evidence.release = held;
    }
}

fn see_named_owner(
    lock: &mut SurveyedLock,
    pin: &PinnedLock,
    install: Option<&Install>,
    view: &mut SystemView,
) {
    let evidence = &mut lock.evidence;
    let Content::Parsed(payload) = &evidence.content else { return };
    evidence.owner = owner(lock.kind, payload, evidence.writer, view);
    let visible = is_gateway_visible(install);
    let named = Named::by(payload, view.now.booted_at()).seen_at(lock.seen_at);
    evidence.domain =
        domain(visible, lock.kind, payload, named, evidence.writer, &evidence.owner, &lock.directory, view);
    evidence.succession = match install.and_then(|install| install.gateway.number) {
        Some(gateway) if !visible && gateway.has_come_after(&named) => Succession::Gateway,
        _ => Succession::NotSeen,
    };
    evidence.release = release(evidence, named, pin, view);
    if matches!(evidence.release, Release::NotLookedAt | Release::Unseen) {
        evidence.birth = pin.birth();
    }
}

/// How far every process that may have taken the lock is with its release.
fn release(evidence: &Evidence, named: Named, pin: &PinnedLock, view: &mut SystemView) -> Release {
    let elsewhere = match evidence.domain {
        PidDomain::Foreign { .. } => view.namespaces.suspects(view.census(), named).collect(),
        _ => Vec::new(),
    };
    let here = match &evidence.owner {
        Owner::Alive(process) if !evidence.names_another() => Some(process.pid),
        Owner::Hidden => return Release::Unseen,
        _ => None,
    };
    let releases = elsewhere.into_iter().chain(here).map(|pid| view.owners.release(pid, pin));
    releases.reduce(Release::and).unwrap_or_default()
}

/// `.openclaw-runtime-deps.lock/owner.json` (2026.4.24 – 2026.4.29).
fn runtime_deps_owner(directory: &Directory, name: &OsStr) -> Content {
    let Ok(inside) = directory.open_beneath(Path::new(name)) else { return Content::NotRead };
    match PinnedLock::look(&Arc::new(inside), OsStr::new("owner.json")) {
        Ok(Look::Pinned(owner)) => owner.content(),
        _ => Content::NotRead,
    }
}

/// How long the second look at this lock has to wait.
pub fn settle_of(lock: &SurveyedLock, settle: Settle) -> Duration {
    let enough = |apart: &Duration| {
        judge(&lock.evidence, Sighting::Again { apart: *apart }, settle).suspected.is_none()
    };
    settle.steps().find(enough).unwrap_or(settle.leaked)
}

/// Names exactly this file with these bytes: what `reclaim --id` compares (FNV-1a).
fn fingerprint(facts: Option<&FileFacts>, bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    if let Some(facts) = facts {
        for number in [facts.dev, facts.ino, facts.size, facts.ctime.0 as u64, facts.ctime.1] {
            add(&number.to_le_bytes());
        }
    }
    add(bytes);
    format!("{hash:016x}")
}
