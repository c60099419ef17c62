//! Messages that failed, were dropped, or are tried again and again, whatever part of OpenClaw says so: the catch-all
//! for what no other rule explains.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::run_limit::Limits;
use super::view::{View, clock, count, lasting};
use super::why::Why;
use crate::gatewaylog::{Cause, Entry, Event, Fate, Loss};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged, excerpt};
use crate::history::story::{Incidents, Story, dated};
use crate::redact::{foreign, quotation};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

const ITEMS: usize = 256;
const REASONS: usize = 16;
/// A failure that gives no reason this soon after one that does is the same.
const ECHO: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, Default)]
pub(super) struct Losses {
    lines: Evidence,
    incidents: Incidents,
    items: BTreeSet<String>,
    reasons: BTreeMap<Why, u64>,
    /// In the words of the line, where nothing better is known.
    words: Option<String>,
    /// Lines that gave a reason of any kind.
    explained: u64,
    channel: Option<String>,
    given_up: u64,
    retried: u64,
    stalled: u64,
    others: u64,
    /// Messages beyond the first of each line.
    more: u64,
    after_ms: Option<u64>,
    last: Option<DateTime<Utc>>,
}

impl Losses {
    /// `explained`: when a rule that knows more last told of a failure of this chat.
    pub(super) fn push(&mut self, logged: Logged<'_>, story: &mut Story, explained: Option<DateTime<Utc>>) {
        let Logged { at, entry, .. } = logged;
        let Some(why) = Why::of(&entry.event) else { return };
        let echo = explained.is_some_and(|then| at - then <= ECHO);
        if echo && entry.event.cause().is_none() {
            return;
        }
        if let Event::Undelivered(lost) = &entry.event {
            if self.items.len() < ITEMS {
                self.items.extend(lost.item.clone());
            }
            self.channel = lost.channel.clone().or(self.channel.take());
            self.after_ms = lost.after_ms.max(self.after_ms);
            self.given_up += u64::from(lost.fate == Fate::GivenUp);
            self.retried += u64::from(lost.fate == Fate::Retried);
            self.stalled += u64::from(lost.what == Loss::Ingress);
        } else {
            self.others += 1;
        }
        self.explained += u64::from(entry.event.cause().is_some());
        let unnamed = entry.event.cause().is_none_or(|cause| matches!(cause, Cause::Other { .. }));
        if unnamed || why == Why::Other {
            self.words = Some(words_of(entry));
        }
        let kind = entry.message.split([':', '=']).next().unwrap_or("");
        if self.incidents.note(at, kind)
            && let Event::Undelivered(lost) = &entry.event
        {
            self.more += lost.count.saturating_sub(1);
        }
        self.lines.add(logged);
        self.last = Some(at);
        if self.reasons.len() < REASONS || self.reasons.contains_key(&why) {
            *self.reasons.entry(why).or_default() += 1;
        }
        story.note(at, "lost", format!("a message failed: {}", why.sentence()));
    }

    pub(super) fn absorb(&mut self, other: Self) {
        if self.lines.count() == 0 {
            *self = other;
        } else {
            self.incidents.absorb(other.incidents);
        }
    }
}

pub(super) fn judge(view: &View<'_>, chat: &Chat, lost: &Losses, limits: &Limits) -> Option<Finding> {
    let last = lost.last?;
    // Without a reason of its own, right after a run at its limit: the limit tells it, and the compaction it ended.
    let only_compaction = lost.reasons.keys().all(|why| matches!(why, Why::Compaction { .. }));
    if (lost.explained == 0 || only_compaction) && limits.hits.iter().any(|hit| (last - hit.at).abs() <= ECHO)
    {
        return None;
    }
    let failures = lost.incidents.count + lost.more;
    let messages = if lost.items.is_empty() { failures } else { (lost.items.len() as u64).min(failures) };
    let answered = view.last_answer(chat);
    let still = lost.incidents.since(answered);
    // Marked as failed after a wait in which an answer went out: most likely its own.
    let within = |answer: DateTime<Utc>| {
        lost.after_ms.is_some_and(|ms| answer < last && last - answer <= crate::history::story::delta(ms))
    };
    let late = answered.filter(|answer| within(*answer));
    let top = lost.reasons.iter().max_by_key(|(_, n)| **n).map_or(Why::Other, |(why, _)| *why);
    let only_stalls =
        lost.stalled > 0 && lost.others == 0 && lost.reasons.keys().all(|why| *why == Why::NotPickedUp);
    let code = if only_stalls { Code::IngressStalled } else { Code::MessageFailed };
    let (effect, mut text) = match late {
        Some(answer) if failures == 1 => {
            let when = dated(answer).map_or_else(String::new, |at| format!(" at {}", clock(at)));
            let text = format!(
                "A message{} was marked as failed after {}. An answer went out to the same chat{when}, so it may well have been answered.",
                of(lost),
                lasting(lost.after_ms.unwrap_or(0))
            );
            (Effect::HealsItself, text)
        }
        _ => {
            // Somebody asked for it, most of the time.
            let cleared = lost.reasons.keys().all(|why| *why == Why::Cleared);
            let effect = match still {
                _ if cleared => Effect::HealsItself,
                2.. => Effect::MessagesFail,
                _ => Effect::MessagesFailed,
            };
            (effect, told(lost, messages, failures))
        }
    };
    if top == Why::Other
        && let Some(words) = &lost.words
    {
        text.push_str(&quotation(words));
    }
    let mut finding = Finding::new(code, effect, text).backed_by(&lost.lines).helps(helps(view, chat, top));
    (finding.count, finding.messages_failed) = (failures, messages);
    // A turn may go on from the conversation as it was.
    let is_certain = !matches!(top, Why::Other | Why::Compaction { .. });
    finding.certainty = if is_certain { Certainty::Likely } else { Certainty::Possible };
    Some(advised(finding, top, lost))
}

/// Claims and conflicts are in memory or in the database; of an unknown failure nobody can say.
fn helps(view: &View<'_>, chat: &Chat, top: Why) -> Option<bool> {
    if top.is_beyond_locks() { Some(false) } else { view.no_lock_helps(chat) }
}

fn told(lost: &Losses, messages: u64, failures: u64) -> String {
    let top = lost.reasons.iter().max_by_key(|(_, n)| **n).map_or(Why::Other, |(why, _)| *why);
    let fate = match (lost.given_up, lost.retried) {
        (0, 0) => "",
        (0, _) => " OpenClaw keeps it and tries again.",
        _ => " OpenClaw has given it up.",
    };
    let times =
        if failures > messages { format!(" ({})", count(failures, "attempt")) } else { String::new() };
    let after = lost.after_ms.filter(|_| matches!(top, Why::NotPickedUp | Why::Other));
    let after = after.map_or_else(String::new, |ms| format!(" after {}", lasting(ms)));
    let why = match top {
        Why::Other => ".".to_owned(),
        top => format!(": {}.", top.sentence()),
    };
    format!("{}{} failed{after}{times}{why}{fate}", count(messages, "message"), of(lost))
}

/// ` of telegram`.
fn of(lost: &Losses) -> String {
    lost.channel.as_deref().map_or_else(String::new, |channel| format!(" of {}", foreign(channel)))
}

fn advised(finding: Finding, top: Why, lost: &Losses) -> Finding {
    let again = if lost.retried > 0 && lost.given_up == 0 {
        remedy::say("If it does not get through by itself, send it again after the restart.")
    } else {
        remedy::send_again()
    };
    top.advise(finding).act(again)
}

/// The reason in the line's own words; redacted with the rest of the finding.
fn words_of(entry: &Entry) -> String {
    let said = match &entry.event {
        Event::Undelivered(lost) => lost.reason.as_str(),
        _ => entry.message.split_once("error=").map_or(entry.message.as_str(), |(_, error)| error),
    };
    excerpt(said.lines().next().unwrap_or("").trim_matches('"'))
}
