//! One rule alone: the lines of a log in, what it makes of them out.

use super::super::Model;
use super::super::input::Facts;
use super::View;
use crate::gatewaylog::{Entry, Scanner};
use crate::history::chats::Chats;
use crate::history::evidence::Logged;
use crate::history::lives::Lives;
use crate::history::release::Releases;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};

/// The lines of one day, each with its time.
pub(super) fn entries(lines: &[(&str, &str)]) -> Vec<Entry> {
    let log: String = lines.iter().map(|(time, text)| format!("2026-11-22T{time}.000Z {text}\n")).collect();
    let mut scanner = Scanner::new(log.as_bytes(), None);
    std::iter::from_fn(|| scanner.next_entry().unwrap()).collect()
}

/// What a rule has counted after these lines.
pub(super) fn counted<C: Default>(lines: &[(&str, &str)], push: fn(&mut C, Logged<'_>)) -> C {
    let mut counters = C::default();
    for entry in &entries(lines) {
        push(&mut counters, Logged { at: entry.when.time().unwrap(), source: 0, entry });
    }
    counters
}

/// The judgement of somebody who has nothing but the log, at the end of that day.
pub(super) fn judged<T>(judge: impl FnOnce(&View<'_>) -> T) -> T {
    let (facts, chats, lives, releases) =
        (Facts::default(), Chats::default(), Lives::default(), Releases::default());
    let now: DateTime<Utc> = "2026-11-22T23:59:00Z".parse().unwrap();
    let (facts, chats, lives, releases) = (&facts, &chats, &lives, &releases);
    judge(&View { facts, now, chats, lives, releases, last: None })
}

#[test]
fn what_was_counted_under_two_names_of_one_chat_is_of_one_chat() {
    let mut model = Model::default();
    for entry in &entries(&[
        (
            "10:00:00",
            "[diagnostic] stuck session: sessionId=3f0d sessionKey=unknown state=processing age=130s queueDepth=0",
        ),
        (
            "10:01:00",
            "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=5000 queueAhead=0",
        ),
        (
            "10:02:00",
            "[diagnostic] session state: sessionId=3f0d sessionKey=agent:main:main prev=idle new=processing reason=\"run_started\" queueDepth=0",
        ),
    ]) {
        model.push(0, entry);
    }
    let now = "2026-11-22T10:03:00Z".parse().unwrap();
    let sessions = model.diagnose(&Facts::default(), now, Redactor::On).sessions;
    let numbers: Vec<_> = sessions.iter().map(|chat| (chat.complaints, chat.waits, chat.runs)).collect();
    assert_eq!(numbers, [(1, 1, 1)]);
}
