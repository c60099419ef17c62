//! What the view shows, as of one moment: chats that somebody has to know of first, then every lock in order.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::answer::{self, ChatState, title};
use crate::diagnosis::Severity;
use crate::examination::facts;
use crate::openclaw::lock_kind::LockKind;
use crate::report::lock_words;
use crate::report::status::text::installed;
use crate::survey::SurveyedLock;
use crate::verdict::Verdict;
use crate::wakeups::ids::RootId;
use crate::watch::findings::Finding;
use crate::watch::locks::known::KnownLock;
use crate::watch::mandate::Mandate;
use crate::watch::serve::Picture;
use crate::words::printable;

/// Rows beyond these are counted.
const MOST_ROWS: usize = 500;
/// Acts that are shown.
const MOST_ACTS: usize = 3;

#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) headline: String,
    pub(super) severity: Option<Severity>,
    /// Whether everything that had to be looked at could be.
    pub(super) whole: bool,
    /// One sentence for each install: version, gateway.
    pub(super) installs: Vec<String>,
    /// Whether locks are freed without asking.
    pub(super) frees: bool,
    pub(super) rows: Vec<Row>,
    pub(super) omitted: usize,
    /// The latest first.
    pub(super) acts: Vec<Act>,
}

/// A chat, or a lock that is no chat's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    /// How it fares, in a few words.
    pub(super) state: &'static str,
    /// `None`: in good order.
    pub(super) severity: Option<Severity>,
    pub(super) age: Option<Duration>,
    pub(super) limit: Option<Duration>,
    pub(super) failed: u64,
    pub(super) waiting: u64,
    /// The cause in a sentence or two.
    pub(super) why: String,
    /// What to type, or to do.
    pub(super) remedy: Option<String>,
    pub(super) lock: Option<PathBuf>,
    /// What `lockdoctor explain` takes for it.
    pub(super) what: Option<String>,
    /// Nobody has the lock, so it may be freed.
    pub(super) is_free: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) at: chrono::DateTime<chrono::Utc>,
    pub(super) text: String,
}

type Judged<'a> = (&'a KnownLock, &'a SurveyedLock);

impl Snapshot {
    pub(super) fn of(picture: &Picture<'_>) -> Self {
        let outcome = picture.outcome();
        let mut rows = rows(picture);
        rows.sort_by_key(|row| Reverse((row.severity, row.failed, row.waiting, row.age)));
        let omitted = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        let installs = picture.directories.roots().filter_map(|root| root.install());
        let acts = picture.board.acts().take(MOST_ACTS).map(|act| {
            let name = act.lock.file_name().unwrap_or_default().to_string_lossy();
            let chat = answer::called(act.session_key.as_deref(), None, act.agent.as_deref());
            let text = match (&act.quarantine_id, &act.why) {
                (Some(id), _) => format!("freed {}; kept as {id}", chat.unwrap_or(name.into_owned())),
                (None, Some(why)) => format!("not freed: {}: {why}", chat.unwrap_or(name.into_owned())),
                (None, None) => format!("{}: {}", act.result, chat.unwrap_or(name.into_owned())),
            };
            Act { at: act.at, text }
        });
        Self {
            headline: outcome.headline.clone(),
            severity: outcome.severity,
            whole: outcome.whole,
            installs: installs.map(installed).collect(),
            frees: matches!(picture.options.mandate, Mandate::Reclaim(_)),
            acts: acts.collect(),
            rows,
            omitted,
        }
    }
}

fn rows(picture: &Picture<'_>) -> Vec<Row> {
    let redactor = picture.options.redaction;
    let judged: Vec<Judged<'_>> =
        picture.locks.table.iter().filter_map(|(_, known)| Some((known, known.look()?))).collect();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (at, (_, lock)) in judged.iter().enumerate() {
        let key = lock.session_key.as_deref().map(|key| redactor.key(key).into_owned());
        let id = lock.session_id.as_deref();
        // A chat of the answer has its masked id.
        let ids = [id.map(str::to_owned), id.map(|id| redactor.session(id).into_owned())];
        for name in ids.into_iter().chain([key]).flatten() {
            by_name.entry(name).or_insert(at);
        }
    }
    let mut shown: HashSet<usize> = HashSet::new();
    let findings: Vec<&Finding> = picture.board.open().collect();
    let mut told: HashSet<usize> = HashSet::new();
    let mut rows = Vec::new();
    for chat in picture.answer().iter().flat_map(|answer| &answer.chats) {
        let names = [&chat.session_id, &chat.session_key];
        let lock = names.into_iter().flatten().find_map(|name| by_name.get(name.as_str()).copied());
        let is_its = |finding: &Finding| {
            chat.session_id.is_some() && chat.session_id == finding.session_id
                || chat.session_key.is_some() && chat.session_key == finding.session_key
        };
        let mut worst: Option<&Finding> = None;
        for (at, finding) in findings.iter().enumerate().filter(|(_, finding)| is_its(finding)) {
            told.insert(at);
            if worst.is_none_or(|worst| (Some(worst.code) != chat.cause) && Some(finding.code) == chat.cause)
            {
                worst = Some(finding);
            }
        }
        shown.extend(lock);
        rows.push(of_chat(picture, chat, lock.and_then(|at| judged.get(at)).copied(), worst));
    }
    let others = findings.iter().enumerate().filter(|(at, _)| !told.contains(at));
    for (_, finding) in others {
        let is_its = |(_, lock): &Judged<'_>| finding.about == lock.path().to_string_lossy();
        let lock = judged.iter().position(is_its);
        shown.extend(lock);
        if lock.is_some() || finding.severity > Severity::Info {
            rows.push(of_finding(picture, finding, lock.and_then(|at| judged.get(at)).copied()));
        }
    }
    let rest = judged.iter().enumerate().filter(|(at, _)| !shown.contains(at));
    let rest = rest.map(|(_, judged)| (judged.1.kind, of_lock(picture, *judged)));
    // That a gateway has its own locks goes without saying.
    rows.extend(
        rest.filter(|(kind, row)| {
            matches!(kind, LockKind::Session | LockKind::Store) || row.severity.is_some()
        })
        .map(|(_, row)| row),
    );
    rows
}

fn of_chat(
    picture: &Picture<'_>,
    chat: &answer::Chat,
    lock: Option<Judged<'_>>,
    finding: Option<&Finding>,
) -> Row {
    let row = lock.map_or_else(Row::default, |lock| of_lock(picture, lock));
    let state = match chat.state {
        ChatState::Answered => row.state,
        ChatState::Unknown => "cannot tell",
        ChatState::Waiting => "waiting",
        ChatState::Blocked => "blocked",
        ChatState::Stuck => "stuck",
        ChatState::Failing => "no answer",
    };
    let named = if lock.is_some() { row.name.clone() } else { printable(&chat.name).into_owned() };
    let row = finding.map_or_else(|| row.clone(), |finding| told_by(finding, row.clone()));
    let since = || (picture.now.wall - chat.since?).to_std().ok();
    Row {
        name: named,
        state: if state.is_empty() { "answered" } else { state },
        severity: Some(chat.severity).filter(|_| chat.state != ChatState::Answered),
        failed: chat.failed,
        waiting: chat.waiting,
        age: row.age.or_else(since),
        what: row.what.or_else(|| chat.session_id.clone()),
        ..row
    }
}

fn of_finding(picture: &Picture<'_>, finding: &Finding, lock: Option<Judged<'_>>) -> Row {
    let row = lock.map_or_else(Row::default, |lock| of_lock(picture, lock));
    let key = finding.session_key.as_deref();
    let called = answer::called(key, finding.session_id.as_deref(), finding.agent.as_deref());
    let name = match (&lock, called, finding.lane.as_deref()) {
        (Some(_), ..) => row.name.clone(),
        (None, Some(called), _) => called,
        (None, None, Some(lane)) => format!("lane {lane}"),
        (None, None, None) => "the gateway".to_owned(),
    };
    let since = || (picture.now.wall - finding.first_seen?).to_std().ok();
    let told = told_by(finding, row);
    Row {
        name: printable(&name).into_owned(),
        state: if lock.is_some() { told.state } else { title(finding.code) },
        severity: Some(finding.severity),
        failed: finding.messages_failed,
        waiting: finding.messages_waiting,
        age: told.age.or_else(since),
        ..told
    }
}

fn told_by(finding: &Finding, row: Row) -> Row {
    let action = finding.actions.first().map(|action| action.command.as_ref().unwrap_or(&action.text));
    Row {
        why: printable(&finding.explanation).into_owned(),
        remedy: action.map(|action| printable(action).into_owned()),
        ..row
    }
}

fn of_lock(picture: &Picture<'_>, (known, lock): Judged<'_>) -> Row {
    let path = lock.path();
    let key = lock.session_key.as_deref();
    let called = answer::called(key, lock.session_id.as_deref(), lock.agent.as_deref());
    let file = || format!("{} {}", lock.kind.as_str(), lock.name.to_string_lossy());
    let install = picture.directories.install(RootId::of(lock));
    let effect = facts::effect(lock, install);
    let verdict = lock.judgement.verdict;
    Row {
        name: printable(&called.unwrap_or_else(file)).into_owned(),
        state: lock_words::effect(verdict, effect),
        severity: Some(effect.severity()).filter(|severity| *severity > Severity::Info),
        age: Some(known.age(picture.now.boot)),
        limit: lock.evidence.limit.as_ref().map(|limit| limit.after),
        why: printable(lock.judgement.sentence()).into_owned(),
        what: Some(path.to_string_lossy().into_owned()),
        is_free: matches!(verdict, Verdict::Stale | Verdict::Leaked),
        lock: Some(path),
        ..Row::default()
    }
}
