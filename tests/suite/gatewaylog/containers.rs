//! The same message in every container gives the same event, level of detail aside.

use super::catalogue::{Message, messages};
use chrono::{DateTime, FixedOffset, Utc};
use lockdoctor::gatewaylog::{Dating, Event, Scanner, read_line, recognise};
use serde_json::json;

pub(crate) const AT: &str = "2026-11-22T14:07:28.500Z";

pub(crate) fn dating() -> Dating {
    Dating::of(DateTime::<FixedOffset>::parse_from_rfc3339("2026-11-22T09:30:00-05:00").unwrap())
}

fn at() -> DateTime<Utc> {
    AT.parse().unwrap()
}

/// A way to write a message as a line, and how exactly the line dates it (milliseconds), if at all.
pub(crate) struct Container {
    pub(crate) name: &'static str,
    pub(crate) wrap: fn(&str, &str) -> String,
    pub(crate) exact_ms: Option<i64>,
}

fn bracket(subsystem: &str) -> String {
    if subsystem.is_empty() { String::new() } else { format!("[{subsystem}] ") }
}

fn compact(subsystem: &str, text: &str) -> String {
    format!("{AT} {}{text}", bracket(subsystem))
}

fn bindings(subsystem: &str) -> String {
    json!({ "subsystem": subsystem }).to_string()
}

fn meta(subsystem: &str, level: &str) -> serde_json::Value {
    let name = if subsystem.is_empty() { "openclaw".to_owned() } else { bindings(subsystem) };
    json!({"runtime": "node", "runtimeVersion": "22.12.0", "hostname": "unknown", "name": name, "parentNames": ["openclaw"],
        "date": AT, "logLevelId": 4, "logLevelName": level,
        "path": {"fullFilePath": "file:///x/dist/logging/subsystem.js:161:16", "method": "logToFile"}})
}

fn tslog_utc(subsystem: &str, text: &str) -> String {
    if subsystem.is_empty() {
        return json!({"0": text, "_meta": meta("", "INFO"), "time": AT}).to_string();
    }
    json!({"0": bindings(subsystem), "1": text, "_meta": meta(subsystem, "WARN"), "time": AT}).to_string()
}

fn tslog_local(subsystem: &str, text: &str) -> String {
    // 3.2+: `time` is local. Here it is even wrong: `_meta.date` decides.
    let first = if subsystem.is_empty() { text.to_owned() } else { bindings(subsystem) };
    let mut record = json!({"0": first, "_meta": meta(subsystem, "WARN"), "time": "2026-11-22T24:07:28.500-05:00", "hostname": "vm", "message": text, "traceId": "8b", "spanId": "28"});
    if !subsystem.is_empty() {
        record["1"] = json!(text);
    }
    record.to_string()
}

fn tslog_truncated(subsystem: &str, text: &str) -> String {
    // 4.26+: `message` is cut at 4096 characters, "1" is whole.
    let mut record: serde_json::Value = serde_json::from_str(&tslog_utc(subsystem, text)).unwrap();
    record["message"] = json!("lane ...(truncated)");
    record.to_string()
}

fn tslog_colour(subsystem: &str, text: &str) -> String {
    tslog_utc(subsystem, &format!("\u{1b}[38;5;167m{text}\u{1b}[39m"))
}

fn console_json(subsystem: &str, text: &str) -> String {
    if subsystem.is_empty() {
        return json!({"time": AT, "level": "info", "message": text}).to_string();
    }
    json!({"time": AT, "level": "warn", "subsystem": subsystem, "message": text}).to_string()
}

fn colour(subsystem: &str, text: &str) -> String {
    let tag =
        if subsystem.is_empty() { String::new() } else { format!("\u{1b}[31m[{subsystem}]\u{1b}[39m ") };
    format!("\u{1b}[90m{AT}\u{1b}[39m {tag}\u{1b}[33m{text}\u{1b}[39m")
}

fn pretty(subsystem: &str, text: &str) -> String {
    format!("09:07:28 {}{text}", bracket(subsystem))
}

fn pretty_colour(subsystem: &str, text: &str) -> String {
    let tag =
        if subsystem.is_empty() { String::new() } else { format!("\u{1b}[36m[{subsystem}]\u{1b}[39m ") };
    format!("\u{1b}[90m09:07:28\u{1b}[39m {tag}\u{1b}[33m{text}\u{1b}[39m\r")
}

fn journal_json(subsystem: &str, text: &str) -> String {
    json!({"__REALTIME_TIMESTAMP": at().timestamp_micros().to_string(), "_PID": "4711", "PRIORITY": "6", "__CURSOR": "s=1", "MESSAGE": format!("{}{text}", bracket(subsystem))}).to_string()
}

fn journal_json_bytes(subsystem: &str, text: &str) -> String {
    json!({"__REALTIME_TIMESTAMP": at().timestamp_micros().to_string(), "_PID": "4711", "MESSAGE": colour(subsystem, text).into_bytes()}).to_string()
}

fn openclaw_logs_json(subsystem: &str, text: &str) -> String {
    let message =
        if subsystem.is_empty() { text.to_owned() } else { format!("{} {text}", bindings(subsystem)) };
    json!({"type": "log", "time": AT, "level": "warn", "subsystem": subsystem, "message": message, "raw": tslog_utc(subsystem, text)}).to_string()
}

fn openclaw_logs(subsystem: &str, text: &str) -> String {
    // As `openclaw logs` really prints it: the bindings are joined into the text.
    if subsystem.is_empty() {
        format!("{AT} info {text}")
    } else {
        format!("{AT} warn {subsystem} {} {text}", bindings(subsystem))
    }
}

fn bug_report(subsystem: &str, text: &str) -> String {
    // As people paste it: without the time.
    if subsystem.is_empty() { format!("error {text}") } else { format!("error {subsystem} {text}") }
}

#[rustfmt::skip] // a table
pub(crate) const CONTAINERS: &[Container] = &[
    Container { name: "tslog, time in UTC", wrap: tslog_utc, exact_ms: Some(1) },
    Container { name: "tslog, local time with hour 24", wrap: tslog_local, exact_ms: Some(1) },
    Container { name: "tslog with truncated message", wrap: tslog_truncated, exact_ms: Some(1) },
    Container { name: "tslog with colour inside", wrap: tslog_colour, exact_ms: Some(1) },
    Container { name: "console json", wrap: console_json, exact_ms: Some(1) },
    Container { name: "compact", wrap: compact, exact_ms: Some(1) },
    Container { name: "compact, local offset", wrap: |s, t| format!("2026-11-22T09:07:28.500-05:00 {}{t}", bracket(s)), exact_ms: Some(1) },
    Container { name: "compact, colour", wrap: colour, exact_ms: Some(1) },
    Container { name: "pretty", wrap: pretty, exact_ms: Some(1000) },
    Container { name: "pretty, colour", wrap: pretty_colour, exact_ms: Some(1000) },
    Container { name: "raw stderr", wrap: |s, t| format!("{}{t}", bracket(s)), exact_ms: None },
    Container { name: "journald short", wrap: |s, t| format!("Nov 22 09:07:28 gw-host node[4711]: {}", compact(s, t)), exact_ms: Some(1) },
    Container { name: "journald short around pretty", wrap: |s, t| format!("Nov 22 09:07:28 gw-host openclaw-gateway[4711]: {}", pretty(s, t)), exact_ms: Some(1000) },
    Container { name: "journald short around raw", wrap: |s, t| format!("Nov 22 09:07:28 gw-host node[4711]: {}{t}", bracket(s)), exact_ms: Some(1000) },
    Container { name: "journald short-iso-precise", wrap: |s, t| format!("2026-11-22T09:07:28.500123-0500 gw-host node[4711]: {}{t}", bracket(s)), exact_ms: Some(1) },
    Container { name: "journald short-full", wrap: |s, t| format!("Sun 2026-11-22 14:07:28 UTC gw-host node[4711]: {}{t}", bracket(s)), exact_ms: Some(1000) },
    Container { name: "journald short-unix", wrap: |s, t| format!("{}.500000 gw-host node[4711]: {}{t}", at().timestamp(), bracket(s)), exact_ms: Some(1) },
    Container { name: "journald json", wrap: journal_json, exact_ms: Some(1) },
    Container { name: "journald json, bytes", wrap: journal_json_bytes, exact_ms: Some(1) },
    Container { name: "syslog without pid", wrap: |s, t| format!("<14>Nov 22 09:07:28 gw-host openclaw: {}", compact(s, t)), exact_ms: Some(1) },
    Container { name: "docker json-file", wrap: |s, t| json!({"log": format!("{}\n", compact(s, t)), "stream": "stderr", "time": "2026-11-22T14:07:28.611234567Z"}).to_string(), exact_ms: Some(1) },
    Container { name: "docker json-file around raw", wrap: |s, t| json!({"log": format!("{}{t}\n", bracket(s)), "stream": "stderr", "time": "2026-11-22T14:07:28.500234567Z"}).to_string(), exact_ms: Some(1) },
    Container { name: "docker logs -t", wrap: |s, t| format!("2026-11-22T14:07:28.500634567Z {}{t}", bracket(s)), exact_ms: Some(1) },
    Container { name: "docker logs -t around pretty", wrap: |s, t| format!("2026-11-22T14:07:28.500634567Z {}", pretty_colour(s, t)), exact_ms: Some(1) },
    Container { name: "docker compose", wrap: |s, t| format!("gateway-1  | {}", compact(s, t)), exact_ms: Some(1) },
    Container { name: "docker compose around tslog", wrap: |s, t| format!("openclaw-gateway-1  | {}", tslog_utc(s, t)), exact_ms: Some(1) },
    Container { name: "CRI", wrap: |s, t| format!("2026-11-22T14:07:28.511111111Z stderr F {}", compact(s, t)), exact_ms: Some(1) },
    Container { name: "CRI around json", wrap: |s, t| format!("2026-11-22T09:07:28.511111111-05:00 stdout F {}", console_json(s, t)), exact_ms: Some(1) },
    Container { name: "kubectl --prefix --timestamps", wrap: |s, t| format!("[pod/gw-0/gateway] 2026-11-22T14:07:28.500634567Z {}{t}", bracket(s)), exact_ms: Some(1) },
    Container { name: "launchd file", wrap: compact, exact_ms: Some(1) },
    Container { name: "openclaw logs --json", wrap: openclaw_logs_json, exact_ms: Some(1) },
    Container { name: "openclaw logs", wrap: openclaw_logs, exact_ms: Some(1) },
    Container { name: "bug report", wrap: bug_report, exact_ms: None },
    Container { name: "after a crash (NULs, BOM)", wrap: |s, t| format!("\0\0\0\u{feff}{}\r\n", tslog_utc(s, t)), exact_ms: Some(1) },
];

/// What one container cannot carry: `openclaw logs` without marks loses a tag that the message needs.
fn carries(container: &Container, message: &Message) -> bool {
    !(matches!(container.name, "bug report") && message.event == Event::GatewayReady)
}

#[test]
fn every_message_in_every_container_is_the_same_event_at_the_same_time() {
    for message in messages() {
        for container in CONTAINERS.iter().filter(|container| carries(container, &message)) {
            let line = (container.wrap)(message.subsystem, message.text);
            let record = read_line(line.as_bytes(), Some(&dating()))
                .unwrap_or_else(|error| panic!("{}: {error:?}: {line}", container.name));
            assert_eq!(
                recognise(&record).as_ref(),
                Some(&message.event),
                "{}: {line}\n{record:?}",
                container.name
            );
            // The prefilter lets it through.
            let mut scanner = Scanner::new(line.as_bytes(), Some(dating()));
            let event = scanner.next_entry().unwrap().map(|entry| entry.event);
            assert_eq!(event.as_ref(), Some(&message.event), "{}: {line}", container.name);
            match (container.exact_ms, record.at) {
                (Some(exact), Some(found)) => {
                    assert!(
                        (found - at()).num_milliseconds().abs() < exact,
                        "{}: {found} {line}",
                        container.name
                    );
                }
                (None, None) => {}
                (expected, found) => panic!("{}: {expected:?} {found:?} {line}", container.name),
            }
        }
    }
}

#[test]
fn journal_and_syslog_prefixes_give_the_pid() {
    for name in ["journald short", "journald short-iso-precise", "journald json", "journald json, bytes"] {
        let container = CONTAINERS.iter().find(|container| container.name == name).unwrap();
        let line = (container.wrap)("gateway", "gateway ready");
        assert_eq!(read_line(line.as_bytes(), Some(&dating())).unwrap().pid, Some(4711), "{name}");
    }
}

#[test]
fn metadata_before_or_after_the_text_is_used() {
    let expected = Event::SlowListener {
        listener: Some("DiscordMessageListener".into()),
        event: Some("MESSAGE_CREATE".into()),
        duration_ms: Some(31_201),
    };
    let data = json!({"listener": "DiscordMessageListener", "event": "MESSAGE_CREATE", "durationMs": 31_201, "duration": "31.2 seconds"});
    let name = bindings("gateway/channels/discord");
    for line in [
        json!({"0": name, "1": data, "2": "Slow listener detected", "_meta": {"date": AT}}),
        json!({"0": name, "1": "Slow listener detected", "2": data, "_meta": {"date": AT}}),
        json!({"_meta": {"date": AT}, "0": name, "1": data, "2": "\u{1b}[33mSlow listener detected\u{1b}[0m"}),
        json!({"time": AT, "level": "warn", "subsystem": "gateway/channels/discord", "message": "Slow listener detected", "listener": "DiscordMessageListener", "event": "MESSAGE_CREATE", "durationMs": 31_201}),
    ] {
        let record = read_line(line.to_string().as_bytes(), None).unwrap();
        assert_eq!(recognise(&record), Some(expected.clone()), "{line}");
    }
}

#[test]
fn the_class_of_an_error_is_found_in_the_metadata_and_in_the_console_suffix() {
    let expected = |event: Option<Event>| match event {
        Some(Event::LaneError { cause, .. }) => cause,
        other => panic!("{other:?}"),
    };
    let file = json!({"0": bindings("diagnostic"), "1": {"errorName": "QuotaError"}, "2": "lane task error: lane=main durationMs=3 error=\"probe fails quietly\"", "_meta": {"date": AT}}).to_string();
    let console = format!(
        "{AT} [diagnostic] lane task error: lane=main durationMs=3 error=\"probe \"a\" fails\" errorName=QuotaError"
    );
    for line in [file, console] {
        let cause = expected(recognise(&read_line(line.as_bytes(), None).unwrap()));
        let named = lockdoctor::gatewaylog::Cause::Other { class: Some("QuotaError".into()) };
        assert!(cause == named || cause == lockdoctor::gatewaylog::Cause::Other { class: None }, "{cause:?}");
    }
}
