//! RPC answers and channel handlers.

use super::super::event::Event;
use super::super::fields;
use super::cause;
use super::line::Line;

pub(super) fn read(line: &Line<'_>) -> Option<Event> {
    rpc(line)
        .or_else(|| gateway_timeout(line))
        .or_else(|| listener(line))
        .or_else(|| handler(line))
        .or_else(|| traffic(line))
}

/// `⇄ res ✓ <method> Nms k=v ...`, `⇄ res ✗ <method> [Nms] errorCode=C errorMessage=...`.
fn rpc(line: &Line<'_>) -> Option<Event> {
    let rest = line.after("⇄ res ")?;
    let (ok, rest) = match rest.strip_prefix("✓ ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("✗ ")?),
    };
    let mut words = rest.split(' ');
    let method = words.next().filter(|method| !method.is_empty())?.to_owned();
    let duration_ms = words.next().and_then(|word| word.strip_suffix("ms")).and_then(|ms| ms.parse().ok());
    let cause =
        (!ok).then(|| rest.split_once("errorMessage=").map(|(_, message)| cause::of(message))).flatten();
    Some(Event::Rpc { ok, method, duration_ms, cause })
}

/// Thrown in the caller: a CLI, or a tool of the agent inside the gateway (`[tools] cron failed: ...`).
fn gateway_timeout(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    // That a result did not reach its chat is told better as such.
    let is_announced = |before: &str| before.contains("announce");
    if let Some(at) = text.find("gateway timeout after ").filter(|at| !is_announced(&text[..*at])) {
        let tool = text[..at].trim_end().strip_suffix(" failed:").filter(|tool| !tool.contains(' '));
        return Some(Event::GatewayTimeout {
            after_ms: fields::number_after(text, "gateway timeout after "),
            tool: tool.map(str::to_owned),
            method: None,
        });
    }
    let (before, method) = text.split_once("gateway request timeout for ")?;
    if is_announced(before) {
        return None;
    }
    let method = method.split([' ', '\n']).next().unwrap_or("").to_owned();
    Some(Event::GatewayTimeout { after_ms: None, tool: None, method: Some(method) })
}

/// File: metadata. Console: `Slow listener detected: L took 31.2 seconds for event E`. Carbon's own: `... took Nms ...`.
fn listener(line: &Line<'_>) -> Option<Event> {
    // Carbon stops waiting for it; it goes on.
    if let Some((name, rest)) = line.after("Listener ").and_then(|rest| rest.split_once(" timed out after "))
    {
        return Some(Event::SlowListener {
            listener: Some(name.to_owned()),
            event: rest.split_once(" for event ").map(|(_, event)| event.trim().to_owned()),
            duration_ms: fields::leading_number(rest),
        });
    }
    let rest = line.after("Slow listener detected")?;
    let named = rest.strip_prefix(": ").unwrap_or("");
    let (name, after) = match named.split_once(" took ") {
        Some((name, after)) => (Some(name.to_owned()), after),
        None => (named.split(' ').next().filter(|name| !name.is_empty()).map(str::to_owned), ""),
    };
    let (duration, event) = match after.split_once(" for event ") {
        Some((duration, event)) => (fields::humane_ms(duration), event.split(' ').next().map(str::to_owned)),
        None => (fields::humane_ms(after), None),
    };
    Some(Event::SlowListener {
        listener: name.or_else(|| line.string("listener")),
        event: event.or_else(|| line.string("event")),
        duration_ms: line.number("durationMs").or(duration),
    })
}

fn handler(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    if let Some((who, error)) = text.split_once("handler failed: ") {
        // File: `discord handler failed: `; console: `[discord] handler failed: `; `request handler failed: ` is RPC's.
        let word = who.trim_end();
        let channel = if word.is_empty() {
            channel_of(line.tag)
        } else {
            Some(word).filter(|word| !word.contains(' '))
        };
        return Some(Event::HandlerFailed { channel: channel.map(str::to_owned), cause: cause::of(error) });
    }
    if text.contains("terminated by other getUpdates request") {
        return Some(Event::PollingConflict { channel: channel_of(line.tag).map(str::to_owned) });
    }
    let stalled = text.contains("Polling stall detected");
    stalled.then(|| Event::PollingStall { channel: channel_of(line.tag).map(str::to_owned) })
}

/// `Inbound message A -> B (direct, 41 chars)`, `Auto-replied to A`, `outbound send ok accountId=default chatId=A`.
fn traffic(line: &Line<'_>) -> Option<Event> {
    let first = |rest: &str| rest.split(' ').next().filter(|peer| !peer.is_empty()).map(str::to_owned);
    if let Some(rest) = line.after("Inbound message ") {
        return Some(Event::Inbound { peer: first(rest) });
    }
    if let Some(rest) = line.after("Auto-replied to ") {
        return Some(Event::Answered { peer: first(rest) });
    }
    line.after("outbound send ok").map(|rest| Event::Answered {
        peer: fields::owned(rest, "chatId=").or_else(|| fields::owned(rest, "to=")),
    })
}

/// The channel in `gateway/channels/telegram` or `telegram`.
pub(super) fn channel_of(tag: &str) -> Option<&str> {
    tag.rsplit('/').next().filter(|name| !matches!(*name, "" | "gateway" | "channels" | "diag"))
}
