//! Runs: time limits, sessions the watchdog complains of, takeovers, its own releases, slow models.

use super::super::evidence::Line;
use super::super::finding::{Code, Finding};
use super::super::input::{SessionFact, Verdict};
use super::super::sessions::{Track, agent_of_key};
use crate::verdict::severity::Effect;

use super::{View, clock, count, human};
use crate::gatewaylog::{Attention, Label};
use chrono::TimeDelta;
use std::fmt::Write as _;

/// The run limit up to 3.13 (600 s), and a minute to unwind.
const EARLY_RUN_LIMIT_MS: u64 = 660_000;

/// As long as OpenClaw's own watchdog of the first releases waits, and the cron job that deletes locks.
const WORTH_A_WORD_MS: u64 = 120_000;
/// The abort (10 s), its settling (15 s), and the owner's watchdog, which looks once a minute.
const UNWINDING_MS: u64 = 90_000;

/// Runs that ended at their time limit.
pub(super) fn timeouts(view: &View<'_>) -> Vec<Finding> {
    view.model.sessions.tracks().filter_map(|track| timeout(view, track)).collect()
}

fn timeout(view: &View<'_>, track: &Track) -> Option<Finding> {
    let last = track.timeouts.last()?;
    // A lock that outlived its run tells the story better.
    let lock_tells = view.lock_of(&last.session_id).is_some_and(|lock| {
        matches!(lock.verdict, Verdict::Leaked | Verdict::Overdue | Verdict::Held)
            && lock
                .created_at
                .is_some_and(|created| view.model.run_timed_out(&last.session_id, created).is_some())
    });
    if lock_tells {
        return None;
    }
    let streaming = track
        .still_streaming
        .is_some_and(|at| at >= last.at && track.unwound.is_none_or(|unwound| unwound < at));
    let limit = human(last.timeout_ms);
    if streaming {
        let text = format!(
            "The run ended at its time limit of {limit} ({}), the model stream went on after the abort, and nothing since shows the run leaving: its lane and its lock stay.",
            clock(last.at)
        );
        let finding = Finding::new(Code::StuckRun, Effect::MessagesFail, text)
            .about_track(track)
            .backed_by(&track.timeout_lines);
        return Some(finding.advise(view.restart()).advise("lockdoctor scan"));
    }
    let n = track.timeouts.len() as u64;
    let mut text = if n == 1 {
        format!("A run ended at its time limit of {limit}.")
    } else {
        format!("{n} runs ended at their time limit of {limit}.")
    };
    if view.model.event_loop.explains(last.at, 0) {
        text.push_str(" The event loop was blocked at the time, so its timers were late.");
    } else if view.model.provider_timeouts.count() > 0 {
        text.push_str(" The model side had stopped answering; no lock is involved.");
    } else {
        text.push_str(" What it waited for (model or tool) did not answer; no lock is involved.");
    }
    if track.unwound.is_some_and(|unwound| unwound >= last.at) {
        text.push_str(" It let go of its lock and its lane.");
    }
    let finding = Finding::new(Code::RunTimeout, Effect::Threatens, text)
        .about_track(track)
        .backed_by(&track.timeout_lines);
    let mut finding = finding.advise(
        "Look at the model provider's latency and at what the run was doing; send the message again.",
    );
    finding.count = n;
    if last.timeout_ms > 3_600_000 {
        finding = finding.advise(
            "The limit is very long: set `agents.defaults.timeoutSeconds` to what a run may really take.",
        );
    }
    Some(finding)
}

/// Tasks that ran into the budget of their lane.
pub(super) fn lane_timeouts(view: &View<'_>) -> Vec<Finding> {
    // The inner lane of a pair tells nothing that the session's lane does not.
    let sessions = view.model.lane_timeouts.keys().any(|lane| lane.starts_with("session:"));
    // The run's own limit explains what its lane says a little later.
    let run_tells = |lane: &str| {
        let tracks = view.model.sessions.tracks().filter(|track| !track.timeouts.is_empty());
        tracks.filter_map(|track| track.key.as_deref()).any(|key| lane.strip_prefix("session:") == Some(key))
    };
    let told = view
        .model
        .lane_timeouts
        .iter()
        .filter(|(lane, _)| (!sessions || lane.starts_with("session:")) && !run_tells(lane));
    told.map(|(lane, lines)| {
        let text = format!(
            "{} of the lane `{lane}` ran into the lane's own time budget.",
            count(lines.count(), "task")
        );
        let mut finding = Finding::new(Code::RunTimeout, Effect::Threatens, text).backed_by(lines);
        finding.session_key = lane.strip_prefix("session:").map(str::to_owned);
        finding.agent = finding.session_key.as_deref().and_then(agent_of_key).map(str::to_owned);
        finding.lane = Some(lane.clone());
        finding.advise("Look at what the task waited for: a slow model or tool.")
    })
    .collect()
}

/// Sessions that OpenClaw's own watchdog names.
pub(super) fn complaints(view: &View<'_>) -> Vec<Finding> {
    view.model.sessions.tracks().filter_map(|track| complaint(view, track)).collect()
}

fn complaint(view: &View<'_>, track: &Track) -> Option<Finding> {
    let complaints = &track.attention;
    let last = complaints.last.as_ref()?;
    let age = human(complaints.age_ms);
    let waiting = match complaints.queue {
        0 => "nobody waits in this session".to_owned(),
        1 => "1 message waits behind it".to_owned(),
        n => format!("{n} messages wait behind it"),
    };
    let lock_held = track
        .id
        .as_deref()
        .and_then(|id| view.lock_of(id))
        .is_some_and(|lock| matches!(lock.verdict, Verdict::Held | Verdict::Overdue));
    let running = lock_held || running(view, track);
    let finding = if complaints.classified() {
        classified(view, track, last, &age, &waiting)
    } else if complaints.run_known || running || run_half(last, complaints.age_ms) {
        let text = format!(
            "A run has been at work for {age}: a slow model or tool; {waiting}. In this version `stuck session` means no more than two minutes without a queue or state event."
        );
        Finding::new(Code::SlowModelCall, Effect::Untidy, text)
            .advise("Wait, or stop the run in the chat (`/stop`).")
    } else {
        let severity = if complaints.queue > 0 && complaints.age_ms > EARLY_RUN_LIMIT_MS {
            Effect::Threatens
        } else {
            Effect::Untidy
        };
        let known = if view.model.runs_logged {
            "and the log shows no run of it"
        } else {
            "and runs are not in this log"
        };
        let text = format!(
            "The session was in state `{}` for {age} without a queue or state event, {known}; {waiting}. Up to 2026.4.27 a healthy long run looks the same.",
            last.state
        );
        Finding::new(Code::StuckSession, severity, text)
            .advise("lockdoctor scan")
            .advise(format!("If messages to it hang: `{}` empties all lanes.", view.restart()))
    };
    Some(finding.about_track(track).backed_by(&complaints.lines))
}

/// Runs under way for long that no line of the log complains of. The store names them (5.x and later).
pub(super) fn at_work(view: &View<'_>) -> Vec<Finding> {
    let Some(up) = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min() else {
        return Vec::new();
    };
    let at_work = |session: &SessionFact| {
        // The status survives a crash: a run of this gateway began after it did.
        let since = session.started_at.filter(|since| *since > up)?;
        let ms = u64::try_from((view.now - since).num_milliseconds()).ok()?;
        let told = view.model.sessions.tracks().any(|track| {
            let same =
                track.key.as_deref() == Some(&session.key) || track.id.is_some() && track.id == session.id;
            same && (track.attention.last.is_some() || !track.timeouts.is_empty())
        });
        let told = told
            || session
                .id
                .as_deref()
                .and_then(|id| view.lock_of(id))
                .is_some_and(|lock| !matches!(lock.verdict, Verdict::Held));
        if session.status.as_deref() != Some("running") || ms < WORTH_A_WORD_MS || told {
            return None;
        }
        let mut finding = match session.limit_ms.filter(|limit| ms > limit.saturating_add(UNWINDING_MS)) {
            Some(limit) => Finding::new(
                Code::StuckRun,
                Effect::Threatens,
                format!(
                    "The session counts as running for {} without a change, and a run may take {}: it did not end.",
                    human(ms),
                    human(limit)
                ),
            )
            .advise(view.restart()),
            None => Finding::new(
                Code::SlowModelCall,
                Effect::Untidy,
                format!("A run is at work for {}: a slow model or tool. What it holds is in use.", human(ms)),
            )
            .advise("Wait, or stop the run in the chat (`/stop`)."),
        };
        finding.session_key = Some(session.key.clone());
        finding.session_id.clone_from(&session.id);
        finding.agent = agent_of_key(&session.key).map(str::to_owned);
        finding.lane = Some(format!("session:{}", session.key));
        finding.evidence.push(Line::seen(format!(
            "status=running since {} sessionKey={}",
            clock(since),
            session.key
        )));
        Some(finding.seen(Some(since), Some(view.now), 1))
    };
    view.facts.sessions.iter().filter_map(at_work).collect()
}

/// The store says so (5.x and later), for this life of the gateway: the status survives a crash.
fn running(view: &View<'_>, track: &Track) -> bool {
    let session =
        view.facts.sessions.iter().find(|session| track.key.as_deref() == Some(session.key.as_str()));
    let started = view.facts.gateways.iter().filter_map(|gateway| gateway.started_at).min();
    session.is_some_and(|session| {
        session.status.as_deref() == Some("running") && session.started_at > started && started.is_some()
    })
}

/// Up to 3.13 one run makes two entries, and the embedded run's own has an id and no key: it is there from run start to
/// run end.
fn run_half(last: &Attention, age_ms: u64) -> bool {
    last.session.id.is_some()
        && last.session.key.is_none()
        && last.state == "processing"
        && age_ms <= EARLY_RUN_LIMIT_MS
}

/// 5.3 and later say what the session is busy with.
fn classified(view: &View<'_>, track: &Track, last: &Attention, age: &str, waiting: &str) -> Finding {
    let work = last.work.as_deref().unwrap_or("");
    if work == "tool_call" || last.tool.is_some() {
        let tool = last.tool.as_deref().unwrap_or("a tool");
        let busy = human(last.tool_age_ms.unwrap_or(track.attention.age_ms));
        let severity = if track.attention.age_ms >= 600_000 && track.attention.queue > 0 {
            Effect::Threatens
        } else {
            Effect::Untidy
        };
        let text =
            format!("The run has been in the tool `{tool}` for {busy}; {waiting}. The lock is in use.");
        return Finding::new(Code::StuckRun, severity, text)
            .advise("Look at what the tool waits for, or stop the run in the chat (`/stop`).");
    }
    if matches!(last.label, Label::Stalled | Label::LongRunning) {
        let text =
            format!("A run waits for its model for {age} without progress; {waiting}. The lock is in use.");
        return Finding::new(Code::SlowModelCall, Effect::Untidy, text)
            .advise("Wait, look at the provider's latency, or stop the run in the chat (`/stop`).");
    }
    let released =
        track.recovered.is_some_and(|at| track.attention.lines.last().is_none_or(|last| at >= last));
    let mut text = format!(
        "The session is marked busy for {age} and no run, model call or tool of it is known ({}); {waiting}.",
        last.reason.as_deref().unwrap_or("no reason given")
    );
    if released {
        text.push_str(" OpenClaw has released its lane since.");
    }
    let severity = if released || track.attention.queue == 0 { Effect::Untidy } else { Effect::Threatens };
    let finding = Finding::new(Code::StuckSession, severity, text);
    if released {
        finding.advise("Nothing to do, unless it comes back.")
    } else {
        finding.advise(view.restart()).advise("lockdoctor scan")
    }
}

/// Somebody else wrote to a transcript while a run had let go of its lock.
pub(super) fn takeovers(view: &View<'_>) -> Vec<Finding> {
    let finding = |(transcript, trouble): (&String, &super::super::trouble::LockTrouble)| {
        let lock = format!("{transcript}.lock");
        let mut finding = Finding::new(Code::SessionTakeover, Effect::Threatens, String::new())
            .about_path(&lock, view)
            .backed_by(&trouble.lines);
        finding.lock = None;
        finding.count = trouble.incidents;
        let mut text = format!(
            "{} given up because the transcript changed under it.",
            if trouble.incidents == 1 {
                "A run was".to_owned()
            } else {
                format!("{} runs were", trouble.incidents)
            }
        );
        let deleters = !view.facts.deleters.is_empty() || !view.facts.deleted.is_empty();
        text.push_str(if deleters {
            " Lock files are deleted by age on this machine: that lets a second writer in."
        } else {
            " Either a second process uses the session (a CLI `agent --local`, another gateway), its live lock was deleted, or 2026.5.18 to 5.22 saw its own write as foreign."
        });
        finding.explanation = text;
        finding
            .advise("Let one process use a session: stop second gateways and `--local` runs.")
            .advise("`lockdoctor doctor` looks for a job that deletes locks by age.")
    };
    view.model.takeovers.iter().map(finding).collect()
}

/// The owner's own watchdog let go of a lock.
pub(super) fn watchdog(view: &View<'_>) -> Vec<Finding> {
    let finding = |(lock, release): (&String, &super::super::model::Release)| {
        let (held, max) = (human(release.held_ms), human(release.max_ms));
        let mut text = format!(
            "The gateway's watchdog took a lock away from its own run after {held} (limit {max}); from then on the run writes without a lock."
        );
        if release.held_ms > release.max_ms.saturating_add(65_000) {
            let _ = write!(
                text,
                " It looks every 60 s and came {} late: the event loop was blocked.",
                human(release.held_ms - release.max_ms)
            );
        }
        let finding = Finding::new(Code::WatchdogRelease, Effect::Threatens, text)
            .about_path(lock, view)
            .backed_by(&release.lines);
        finding
            .advise("Raise the limit above what runs really take: `session.writeLock.maxHoldMs`, or `agents.defaults.timeoutSeconds` from which it follows.")
            .advise("The lock is already gone: there is nothing to remove.")
    };
    view.model.watchdog.iter().map(finding).collect()
}

/// Time-outs of model calls that no run's time limit tells already.
pub(super) fn model_side(view: &View<'_>) -> Option<Finding> {
    let lines = &view.model.provider_timeouts;
    if lines.count() == 0 {
        return None;
    }
    // A run's own limit aborts its model call, which then says that it timed out.
    let told = view.model.provider_times.near(&view.model.timeout_times, TimeDelta::seconds(120));
    if told == view.model.provider_times.len() && told > 0 {
        return None;
    }
    let text = format!(
        "The model side timed out ({}): a slow or unreachable provider. No lock is involved.",
        count(lines.count(), "line")
    );
    Some(
        Finding::new(Code::SlowModelCall, Effect::Threatens, text)
            .backed_by(lines)
            .advise("Look at the provider's status and latency; add a fallback model."),
    )
}
