//! Findings that come and go.

use std::path::Path;
use std::time::Duration;

use super::{Board, Code, DELETIONS_STAND, Finding, Origin, Raised, Remedy, Severity};
use crate::diagnosis;
use crate::verdict::severity::Effect;

/// A critical finding about the lock at `about`.
pub(in crate::watch) fn finding(code: Code, about: &str) -> Finding {
    let found = diagnosis::Finding {
        lock: Some(about.to_owned()),
        ..diagnosis::Finding::new(code, Effect::MessagesFail, "Something happened.")
    };
    Finding {
        found,
        about: about.to_owned(),
        origin: Origin::Lock,
        since: Duration::ZERO,
        remedy: Remedy::Person,
        in_hand: false,
        root: None,
    }
}

#[test]
fn a_deletion_stands_for_a_day_whatever_becomes_of_the_name() {
    let late = Finding { since: DELETIONS_STAND / 2, ..finding(Code::LockDeletedWhileHeld, "/late") };
    let mut board = Board::default();
    board.raise(finding(Code::LockDeletedWhileHeld, "/early"));
    board.raise(late);
    board.raise(finding(Code::StaleLock, "/stale"));
    assert_eq!(board.resolve_lock(Path::new("/early"), None).len(), 0);

    board.forget_the_past(DELETIONS_STAND.saturating_sub(Duration::from_secs(1)));
    assert_eq!(board.open().count(), 3);
    board.forget_the_past(DELETIONS_STAND);
    let left: Vec<&str> = board.open().map(|finding| finding.about.as_str()).collect();
    assert_eq!(left, ["/late", "/stale"]);
}

#[test]
fn what_presses_is_counted_as_it_comes_and_goes() {
    let mut board = Board::default();
    let info = |code, about: &str| {
        let mut finding = finding(code, about);
        finding.found.severity = Severity::Info;
        finding
    };
    assert_eq!(board.raise(finding(Code::StaleLock, "/a")), Raised::New);
    assert_eq!(board.raise(finding(Code::StaleLock, "/a")), Raised::Known);
    board.raise(info(Code::StaleLock, "/b"));
    board.raise(finding(Code::OverdueLock, "/a"));
    assert_eq!(board.pressing(), 2);
    assert_eq!(board.raise(info(Code::StaleLock, "/a")), Raised::Known);
    assert_eq!(board.pressing(), 1);
    let told = Finding { origin: Origin::Heard, ..finding(Code::LaneWait, "lane") };
    assert_eq!(board.heard(vec![told]).new.len(), 1);
    assert_eq!(board.pressing(), 2);
    assert_eq!(board.heard(Vec::new()).gone.len(), 1);
    let gone = board.resolve_lock(Path::new("/a"), Some(Code::StaleLock));
    assert_eq!(gone.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::OverdueLock]);
    assert_eq!(board.pressing(), 0);
}

#[test]
fn a_finding_that_has_become_more_serious_is_news_again() {
    let of = |effect: Effect, origin: Origin| {
        let mut finding = Finding { origin, ..finding(Code::LeakedLock, "/a") };
        finding.found.severity = effect.severity();
        finding
    };
    let mut board = Board::default();
    assert_eq!(board.raise(of(Effect::NextMessageFails, Origin::Lock)), Raised::New);
    assert_eq!(board.raise(of(Effect::MessagesFail, Origin::Lock)), Raised::Worse);
    assert_eq!(board.raise(of(Effect::NextMessageFails, Origin::Lock)), Raised::Known, "better is no news");

    // A message fails, and the log tells.
    let more = of(Effect::MessagesFail, Origin::Lock).found;
    assert_eq!(board.tell_more(vec![more.clone()]).len(), 1);
    assert_eq!(board.tell_more(vec![more]).len(), 0);

    let mut board = Board::default();
    let severities = [Effect::Slow, Effect::WaitsPastLimit, Effect::WaitsPastLimit, Effect::RunCannotEnd];
    let news = severities.map(|effect| {
        let change = board.heard(vec![of(effect, Origin::Heard)]);
        (change.new.len(), change.worse.len())
    });
    assert_eq!(news, [(1, 0), (0, 1), (0, 0), (0, 1)]);
}
