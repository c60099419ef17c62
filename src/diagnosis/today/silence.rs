//! A gateway that is there and answers nobody, or says itself that it cannot.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState, Readiness, Suspended};
use super::steps::span;
use crate::leases::queues::TaskStatus;
use crate::verdict::severity::Effect;

/// So long after its start a gateway loads modules, and its event loop stands still for seconds.
const START_UP: TimeDelta = TimeDelta::minutes(3);
/// As long as a drain lasts at most.
const LONG_RUN: TimeDelta = TimeDelta::minutes(5);
/// It gives its runs 300 s, and its channels some more.
const LONGEST_DRAIN: &str = "about 5 minutes";

pub(super) fn judge(gateway: &GatewayFact, now: DateTime<Utc>) -> Option<Finding> {
    if !matches!(gateway.state, GatewayState::Running | GatewayState::Starting) {
        return None;
    }
    let who = gateway.pid.map_or_else(|| "The gateway".to_owned(), |pid| format!("The gateway (pid {pid})"));
    let mut finding = match (gateway.suspended, gateway.answers, &gateway.readiness) {
        (Some(suspended), ..) => suspended_by(&who, gateway, suspended),
        (None, Some(false), _) => silent(&who, gateway, now)?,
        (None, _, Some(readiness)) if !readiness.ready => not_ready(&who, gateway, readiness, now)?,
        _ => return None,
    };
    finding.last_seen = Some(now);
    Some(finding)
}

fn suspended_by(who: &str, gateway: &GatewayFact, suspended: Suspended) -> Finding {
    let pid = gateway.pid.unwrap_or_default();
    let lease = "Its lease is not renewed meanwhile: after five minutes another gateway may take over.";
    match suspended {
        Suspended::Stopped => {
            let text =
                format!("{who} is stopped by a signal (SIGSTOP, a terminal, a debugger): it answers nobody.");
            Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, text)
                .proven()
                .command(format!("kill -CONT {pid}"), "it goes on where it was")
                .hint(lease)
                .saw(format!("/proc/{pid}/stat: state T"))
        }
        Suspended::Frozen => {
            let text =
                format!("{who} is frozen with its cgroup (`docker pause`, a freezer): it answers nobody.");
            Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, text)
                .proven()
                .hint("Let its container go on: docker unpause CONTAINER (or what else has frozen it).")
                .hint(lease)
                .saw("cgroup.events: frozen 1")
        }
        Suspended::Disk => {
            let text = format!("{who} waits for a disk or a network file system that does not answer.");
            Finding::new(Code::EventLoopBlocked, Effect::NobodyIsAnswered, text)
                .proven()
                .hint("Look at the disk and the mounts below the state directory: dmesg, df, mount. No signal reaches it before they answer.")
                .saw(format!("/proc/{pid}/stat: state D, at two looks"))
        }
    }
}

/// The first minutes of a gateway are spent on loading modules: silence says nothing then.
fn silent(who: &str, gateway: &GatewayFact, now: DateTime<Utc>) -> Option<Finding> {
    let starting = gateway.started_at.is_some_and(|started| now - started < START_UP);
    if starting || gateway.state == GatewayState::Starting {
        return None;
    }
    let starved = gateway.load.is_some_and(|load| load.cores < 0.7 && load.state == 'R');
    let doing = match gateway.load {
        Some(load) if load.cores >= 0.7 => "is busy with one thing",
        Some(_) if starved => "wants a processor that other programs have",
        _ => "waits for something",
    };
    let text = format!("{who} accepts connections and answers nobody: its event loop {doing}.");
    let mut finding = Finding::new(Code::EventLoopBlocked, Effect::NobodyIsAnswered, text).likely();
    if let Some(load) = gateway.load {
        finding =
            finding.saw(format!("{:.2} cores over {} ms, state {}", load.cores, load.over_ms, load.state));
    }
    let finding = finding.saw("connected to its port, asked for /readyz, and nothing came within 2 s, twice");
    if starved {
        return Some(
            finding
                .command(
                    "ps -eo pid,pcpu,etime,args --sort=-pcpu | head",
                    "names what takes the processor: end it, or let it finish; a restart would wait for the processor too",
                )
                .command(
                    "openclaw gateway restart",
                    "if the gateway itself takes most of it: a plugin, a big session",
                ),
        );
    }
    Some(
        finding
            .command("openclaw gateway restart", "ends what it is at; messages that wait are taken up again")
            .hint(
                "Before that, if you can wait: a big session, a plugin or a slow disk may be what keeps it; the \
                 gateway's log names it once it goes on.",
            ),
    )
}

fn not_ready(who: &str, gateway: &GatewayFact, readiness: &Readiness, now: DateTime<Utc>) -> Option<Finding> {
    let failing = |word: &str| readiness.failing.iter().any(|each| each == word);
    let list = readiness.failing.join(", ");
    let said = format!("/readyz: not ready, failing: {list}");
    if failing("gateway-draining") {
        return Some(draining(who, gateway, now).saw(said));
    }
    if failing("state-database") {
        let text = format!("{who} cannot use its state database: messages fail.");
        let finding = Finding::new(Code::DatabaseBusy, Effect::MessagesFail, text).proven().saw(said);
        return Some(
            finding
                .command("openclaw gateway restart", "opens the database anew")
                .command("openclaw doctor", "checks it, should the restart not help"),
        );
    }
    let agents: Vec<&str> =
        readiness.failing.iter().filter_map(|word| word.strip_prefix("agent-database:")).collect();
    if !agents.is_empty() {
        let text = format!("{who} refuses the database of {}: nobody is answered there.", agents.join(", "));
        let mut finding = Finding::new(Code::DatabaseBusy, Effect::MessagesFail, text).proven().saw(said);
        finding.agent = (agents.len() == 1).then(|| agents[0].to_owned());
        return Some(
            finding
                .command(
                    "openclaw doctor --fix",
                    "mends or migrates it; stop the gateway before, if it asks for that",
                )
                .command("openclaw gateway restart", ""),
        );
    }
    let up = gateway.started_at.map(|started| now - started);
    if failing("plugin-reload") || up.is_some_and(|up| up < START_UP) || readiness.failing.is_empty() {
        return None;
    }
    if readiness.failing.iter().any(|word| word.contains("startup") || word.contains("sidecar")) {
        let since =
            gateway.started_at.map_or(String::new(), |started| format!(" for {}", span(started, now)));
        let text = format!("{who} has been starting{since} and is not ready: {list}.");
        let finding = Finding::new(Code::GatewayDown, Effect::WaitsPastLimit, text).proven().saw(said);
        return Some(finding.command("openclaw gateway status --deep", "says what it waits for"));
    }
    let text =
        format!("{who} runs, and these of its channels do not: {list}. Their messages are not answered.");
    let finding = Finding::new(Code::IngressStalled, Effect::NextMessageFails, text).proven().saw(said);
    Some(
        finding
            .command("openclaw channels status --probe", "says why")
            .command("openclaw gateway restart", "connects them anew"),
    )
}

fn draining(who: &str, gateway: &GatewayFact, now: DateTime<Utc>) -> Finding {
    let tasks = gateway.workings.as_ref().map_or(&[][..], |workings| workings.queues.tasks.rows());
    let boot =
        gateway.workings.as_ref().and_then(|workings| workings.boots.last()).map(|boot| boot.started_at);
    let running: Vec<_> = tasks
        .iter()
        .filter(|task| matches!(task.status, TaskStatus::Running | TaskStatus::Queued))
        .filter(|task| boot.is_none_or(|boot| task.created_at >= boot))
        .collect();
    let what = match running.first() {
        None => "its runs".to_owned(),
        Some(oldest) if running.len() == 1 => {
            format!("a run that began {} ago", span(oldest.created_at, now))
        }
        Some(oldest) => {
            format!("{} runs, the oldest of which began {} ago", running.len(), span(oldest.created_at, now))
        }
    };
    let text = format!(
        "{who} was told to stop and waits for {what}: it takes no new message, for at most {LONGEST_DRAIN}."
    );
    // A run that hangs makes everybody wait for the whole time.
    let hangs = running.first().is_some_and(|oldest| now - oldest.created_at > LONG_RUN);
    let effect = if hangs { Effect::WaitsPastLimit } else { Effect::Slow };
    let mut finding = Finding::new(Code::IngressStalled, effect, text).proven();
    if let Some(oldest) = running.first() {
        finding.session_key.clone_from(&oldest.session_key);
        finding = finding.step(oldest.created_at, "the oldest of these runs began");
    }
    finding
        .hint("Wait: it ends by itself. A second stop signal cuts the runs off at once; they are taken up again at the next start.")
        .hint("Before the next restart, end a run that hangs: /stop in its chat.")
}
