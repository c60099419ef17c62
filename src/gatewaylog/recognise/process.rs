//! The gateway process: start, stop, event loop, memory, SQLite.

use super::super::event::{Cause, Event, Liveness, LogLoss, SlowSqlite};
use super::super::fields;
use super::cause;
use super::line::Line;

pub(super) fn read(line: &Line<'_>) -> Option<Event> {
    lifecycle(line).or_else(|| health(line)).or_else(|| sqlite(line))
}

fn lifecycle(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    let gateway = matches!(line.tag, "gateway" | "");
    if let Some(rest) = line.after("listening on ws") {
        let port = rest
            .split([',', ' '])
            .next()
            .and_then(|url| url.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok());
        let pid = fields::number_after(text, "(PID ").and_then(|pid| u32::try_from(pid).ok());
        return Some(Event::GatewayListening { pid, port });
    }
    if let Some(rest) = line.after("http server listening (") {
        // `http server listening (0 plugins, 13.0s)`.
        let took_ms =
            rest.split([',', ')']).find_map(|part| part.trim().strip_suffix('s')?.parse::<f64>().ok());
        return Some(Event::HttpListening {
            plugins: fields::leading_number(rest),
            took_ms: took_ms.map(|seconds| (seconds * 1000.0) as u64),
        });
    }
    if text == "gateway ready" || (text == "ready" && line.tag == "gateway") {
        return Some(Event::GatewayReady);
    }
    if let Some(path) = line.after("log file: ").filter(|_| gateway) {
        return Some(Event::LogFile { path: path.to_owned() });
    }
    if let Some(rest) = line.after("signal SIG").and_then(|rest| rest.strip_suffix(" received")) {
        return Some(Event::Signal { name: format!("SIG{rest}") });
    }
    if let Some(rest) = line.after("received SIG") {
        let (name, what) = rest.split_once(';')?;
        let ignored = what.contains("ignoring") || name.contains(' ');
        let name = format!("SIG{}", name.split(' ').next().unwrap_or(name));
        return Some(if ignored { Event::Signal { name } } else { Event::Shutdown { signal: name } });
    }
    if let Some(rest) = line
        .after("shutdown completed")
        .or_else(|| line.after("completed cleanly").filter(|_| line.tag.ends_with("shutdown")))
    {
        return Some(Event::ShutdownDone { took_ms: fields::number_after(rest, "in ") });
    }
    if line.after("config reload skipped (invalid config)").is_some() {
        return Some(Event::ConfigIgnored);
    }
    let drain = line.after("draining ").or_else(|| line.after("still draining "))?;
    draining(drain)
}

/// `draining N active task(s) and N active embedded run(s) before restart ...` (2.17+), `draining active work before
/// stop with timeout Nms: queueSize=N embeddedRuns=N ...` (9.x).
fn draining(rest: &str) -> Option<Event> {
    if !rest.contains("before ") || !rest.contains("active") {
        return None;
    }
    Some(Event::Draining {
        tasks: fields::number(rest, "activeTasks=").or_else(|| fields::leading_number(rest)),
        runs: fields::number(rest, "embeddedRuns=").or_else(|| fields::number_after(rest, " and ")),
        timeout_ms: fields::number_after(rest, "timeout "),
    })
}

fn health(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    if line.after("liveness warning: ").is_some() {
        return Some(Event::Liveness(Box::new(Liveness {
            reasons: fields::word(text, "reasons=")?.split(',').map(str::to_owned).collect(),
            interval_ms: fields::seconds_as_ms(text, "interval=")?,
            degraded_for_ms: fields::seconds_as_ms(text, "degradedFor="),
            delay_p99_ms: fields::float(text, "eventLoopDelayP99Ms="),
            delay_max_ms: fields::float(text, "eventLoopDelayMaxMs="),
            utilization: fields::float(text, "eventLoopUtilization="),
            cpu_ratio: fields::float(text, "cpuCoreRatio="),
            active: fields::number(text, "active=")?,
            waiting: fields::number(text, "waiting=")?,
            queued: fields::number(text, "queued=")?,
            phase: fields::owned(text, "phase="),
        })));
    }
    if let Some(rest) = line.after("liveness heartbeat delayed") {
        // 8.1: `delayed Nms; deferring ...`; later `delayed: overdue=Nms elapsed=Nms; ...`.
        let overdue =
            fields::number(rest, "overdue=").or_else(|| fields::leading_number(rest.trim_start()))?;
        return Some(Event::HeartbeatDelayed { overdue_ms: overdue });
    }
    if line.after("memory pressure: ").is_some() {
        return Some(Event::MemoryPressure {
            critical: fields::word(text, "level=")? == "critical",
            rss_bytes: fields::number(text, "rssBytes="),
            heap_bytes: fields::number(text, "heapUsedBytes="),
        });
    }
    if text.starts_with("fetch timeout ") {
        // Console: `fetch timeout after Nms (elapsed Nms) timer delayed Nms, likely event-loop starvation operation=O`.
        return Some(Event::FetchTimeout {
            timeout_ms: line
                .meta_number("timeoutMs")
                .or_else(|| fields::number_after(text, "timeout after ")),
            elapsed_ms: line.meta_number("elapsedMs").or_else(|| fields::number_after(text, "(elapsed ")),
            timer_delay_ms: line
                .meta_number("timerDelayMs")
                .or_else(|| fields::number_after(text, "timer delayed ")),
            operation: line.string("operation"),
        });
    }
    if let Some(rest) = line.after("provider auth state pre-warmed in ") {
        let max = fields::word(rest, "eventLoopMax=")
            .and_then(|max| max.strip_suffix("ms"))
            .and_then(|max| max.parse().ok());
        return Some(Event::AuthPrewarmed { took_ms: fields::leading_number(rest)?, event_loop_max_ms: max });
    }
    if text.starts_with("restart timeout after ") || text.starts_with("drain timeout after ") {
        return Some(Event::DrainTimeout { elapsed_ms: fields::number_after(text, "timeout after ") });
    }
    // The lock could not be taken for a reason of the system: nobody else holds it.
    if text.contains("failed to acquire gateway lock") && errno(text).is_some_and(|code| code != "EEXIST") {
        return start_failed(line);
    }
    // 2026.8: `Another gateway (pid 4711) already owns this state directory; refusing to run automatic startup …`.
    if text.contains("gateway already running") || text.contains("already owns this state directory") {
        let pid = fields::number_after(text, "(pid ").and_then(|pid| u32::try_from(pid).ok());
        return Some(Event::GatewayRefused { pid });
    }
    if text.contains("failed to acquire gateway lock") {
        return Some(Event::GatewayRefused { pid: None });
    }
    if text.contains("Gateway owner lease is still active") {
        return Some(Event::OwnerLeaseRefused);
    }
    let refused = text.contains("startup migrations")
        && (text.contains("efus") || text.contains("did not complete") || text.contains("already running"));
    if refused {
        return Some(Event::StartupRefused);
    }
    start_failed(line).or_else(|| service_gave_up(text)).or_else(|| crash(text)).or_else(|| log_loss(line))
}

/// systemd's own lines: `UNIT: Start request repeated too quickly.`, `UNIT: Main process exited, code=exited,
/// status=78/CONFIG`.
fn service_gave_up(text: &str) -> Option<Event> {
    let by_limit = text.ends_with("Start request repeated too quickly.");
    if !by_limit && !text.contains("Main process exited, code=exited, status=78") {
        return None;
    }
    let (unit, _) = text.split_once(": ")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    // Any other unit's end says nothing of a gateway.
    let is_ours = ["claw", "molt", "gateway"].iter().any(|word| unit.contains(word));
    (unit.ends_with(".service") && unit.bytes().all(is_name) && is_ours)
        .then(|| Event::ServiceGaveUp { unit: unit.to_owned(), by_limit })
}

/// Of what is said before a start is tried: the configuration, an option or the runtime alone forbids it.
const OPENINGS: &[&str] = &[
    "Refusing to bind gateway to ",
    "Gateway start blocked: ",
    "Gateway restart blocked: ",
    "Gateway aborted: config is invalid",
    "Gateway auth is set to password, but no password is configured",
    "Missing config. Run ",
    "Invalid --bind",
    "Invalid --auth",
    "Invalid --tailscale",
    "Invalid --port",
    "openclaw: Node",
];

/// A start that came to nothing, in the words of the gateway, the CLI, or the error alone.
fn start_failed(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    let owned = cause::known(text) == Some(Cause::StateOwned);
    let failed = text.starts_with("Gateway failed to start")
        || text.starts_with("Could not start the ")
        || text.contains("gateway did not start")
        || text.starts_with("Gateway restart timed out after ")
        || text.starts_with("failed to acquire gateway lock");
    if OPENINGS.iter().any(|opening| text.starts_with(opening)) {
        let reason = text.lines().next().unwrap_or_default();
        return Some(Event::StartFailed { owned: false, reason: reason.to_owned() });
    }
    let bare = owned && (text.starts_with("Reason: ") || text.split(':').next().is_some_and(is_error_class));
    (failed || bare).then(|| {
        let reason = text.split_once(": ").map_or("", |(_, reason)| reason);
        Event::StartFailed { owned, reason: reason.to_owned() }
    })
}

fn is_error_class(word: &str) -> bool {
    word.ends_with("Error") && !word.contains(' ')
}

/// `ENOSYS` in `openat2 beneath root returned ENOSYS`.
fn errno(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .find(|word| word.len() >= 4 && word.starts_with('E') && word.bytes().all(|b| b.is_ascii_uppercase()))
}

/// Node ends on these, and so does the gateway.
fn crash(text: &str) -> Option<Event> {
    // systemd, of the gateway's unit; a stop that was asked for ends in 0, 143 or SIGTERM.
    if let Some((unit, how)) = text.split_once(".service: Main process exited, ") {
        let ours = ["openclaw", "clawdbot", "moltbot"].iter().any(|name| unit.contains(name));
        let asked_for = ["status=0/", "status=143", "status=15/"].iter().any(|status| how.contains(status));
        return (ours && !asked_for)
            .then(|| Event::Crashed { cause: Cause::Other { class: None }, reason: how.to_owned() });
    }
    let what = ["Unhandled promise rejection", "Uncaught exception", "FATAL ERROR:"];
    // `FATAL ERROR: Reached heap limit ...`: the first word reads like a level.
    let rest = what.iter().find_map(|start| text.strip_prefix(start));
    let rest = rest.or_else(|| text.contains("JavaScript heap out of memory").then_some(text))?;
    let reason = rest.trim_start_matches([':', ' ']);
    Some(Event::Crashed { cause: cause::of(reason), reason: reason.lines().next().unwrap_or("").to_owned() })
}

fn log_loss(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    let what = if text.starts_with("log file size cap reached") {
        LogLoss::SizeCap
    } else if text.starts_with("file log queue overflow") {
        LogLoss::QueueOverflow
    } else if text.starts_with("log file rotation failed") {
        LogLoss::RotationFailed
    } else {
        return None;
    };
    Some(Event::LogLost { dropped: fields::number_after(text, "dropped "), what })
}

fn sqlite(line: &Line<'_>) -> Option<Event> {
    if line.after("SQLite transaction lock wait failed").is_some() {
        return Some(Event::Failed { cause: Cause::DatabaseBusy });
    }
    let rest = line.after("slow SQLite ")?;
    let what = if rest.starts_with("transaction hold") {
        SlowSqlite::TransactionHold
    } else if rest.starts_with("transaction lock wait") {
        SlowSqlite::LockWait
    } else if rest.starts_with("coordinator lock wait") {
        SlowSqlite::CoordinatorLockWait
    } else if rest.starts_with("session write") {
        SlowSqlite::SessionWrite
    } else if rest.starts_with("reclamation") {
        SlowSqlite::Reclamation
    } else {
        return None;
    };
    Some(Event::SlowSqlite {
        what,
        elapsed_ms: line.number("elapsedMs"),
        database: line.string("database").or_else(|| line.string("storePath")),
        operation: line.string("operation"),
        pid: line.number("pid").and_then(|pid| u32::try_from(pid).ok()),
        outcome: line.string("outcome"),
        main_thread: !rest.starts_with("reclamation")
            && (line.record.meta.get("isMainThread").and_then(serde_json::Value::as_bool) == Some(true)
                || fields::boolean(line.text, "isMainThread=") == Some(true)),
    })
}
