use super::*;
use crate::diagnosis::input::{Facts, GatewayFact, GatewayState, LockKind};
use crate::diagnosis::{Code, Finding};
use crate::redact::Redactor;
use crate::verdict::severity::Effect;

const KEY: &str = "agent:main:telegram:direct:12345678";

fn finding(code: Code, effect: Effect, key: Option<&str>) -> Finding {
    Finding { session_key: key.map(str::to_owned), ..Finding::new(code, effect, "Something happened.") }
}

fn answer(findings: &[Finding], facts: &Facts) -> Answer {
    let effects: Vec<Effect> = facts.locks.iter().map(|lock| lock.effect).collect();
    Answer::of(
        Seen { findings, facts, effects: &effects, redactor: Redactor::Off, log: LogContent::Relevant },
        Vec::new(),
    )
}

fn running() -> Facts {
    let gateway = GatewayFact { state: GatewayState::Running, ..GatewayFact::default() };
    Facts { gateways: vec![gateway], scanned: true, ..Facts::default() }
}

#[test]
fn what_was_found_about_one_chat_is_one_entry() {
    let findings = [
        Finding { messages_failed: 4, ..finding(Code::LeakedLock, Effect::MessagesFail, Some(KEY)) },
        finding(Code::RunTimeout, Effect::MessagesFailed, Some(KEY)),
        finding(Code::EventLoopBlocked, Effect::Threatens, None),
    ];
    let answer = answer(&findings, &running());
    assert_eq!(answer.chats.len(), 1);
    let chat = &answer.chats[0];
    assert_eq!((chat.name.as_str(), chat.channel.as_deref()), ("Telegram 12345678 (main)", Some("telegram")));
    assert_eq!((chat.state, chat.failed), (ChatState::Failing, 4));
    assert_eq!((&chat.findings[..], &answer.others[..]), (&[0, 1][..], &[2][..]));
    assert_eq!(answer.headline, "1 chat gets no answer · 1 warning");
    assert_eq!(answer.severity, Some(Severity::Critical));
}

#[test]
fn a_chat_is_blocked_before_a_message_failed_and_answered_where_it_heals_itself() {
    let state = |effect| answer(&[finding(Code::StaleLock, effect, Some(KEY))], &running()).chats[0].state;
    assert_eq!(state(Effect::NextMessageFails), ChatState::Blocked);
    assert_eq!(state(Effect::HealsItself), ChatState::Answered);
    let stuck = answer(&[finding(Code::StuckRun, Effect::RunCannotEnd, Some(KEY))], &running());
    assert_eq!((stuck.chats[0].state, &*stuck.headline), (ChatState::Stuck, "1 run is stuck"));
}

#[test]
fn leftovers_are_counted_and_keep_nobody_from_an_answer() {
    let lock = |agent: &str| LockFact {
        agent: Some(agent.to_owned()),
        verdict: Verdict::Stale,
        effect: Effect::HealsItself,
        ..LockFact::default()
    };
    let facts = Facts { locks: vec![lock("neo"), lock("support"), lock("neo")], ..running() };
    let answer = answer(&[], &facts);
    assert_eq!(answer.headline, "Every chat is answered · 3 leftovers");
    assert_eq!(answer.leftovers.agents, ["neo", "support"]);
    assert!(!answer.needs_attention());
}

#[test]
fn what_could_not_be_seen_is_never_healthy() {
    let facts = running();
    let seen = Seen {
        findings: &[],
        facts: &facts,
        effects: &[],
        redactor: Redactor::Off,
        log: LogContent::Relevant,
    };
    let blind = Answer::of(seen, vec![BlindSpot::essential("agents/neo: permission denied")]);
    assert!(blind.is_blind() && blind.headline.starts_with("Cannot tell"), "{}", blind.headline);
    let without_log = Answer::of(Seen { log: LogContent::NotRead, ..seen }, vec![BlindSpot::no_log()]);
    assert!(!without_log.is_blind() && without_log.headline == "No lock blocks a chat");
    let lock = LockFact { kind: LockKind::Session, session_key: Some(KEY.to_owned()), ..LockFact::default() };
    let facts = Facts { locks: vec![lock], ..running() };
    let unjudged = answer(&[], &facts);
    assert_eq!(unjudged.chats[0].state, ChatState::Unknown);
}

#[test]
fn a_gateway_that_is_down_is_told_before_its_chats() {
    let down = Finding {
        session_key: Some(KEY.to_owned()),
        ..finding(Code::GatewayDown, Effect::NobodyIsAnswered, None)
    };
    let findings = [down, finding(Code::StaleLock, Effect::NextMessageFails, Some(KEY))];
    let answer = answer(&findings, &Facts::default());
    assert_eq!(answer.headline, "The gateway is down: no chat is answered · 1 chat is blocked");
    assert_eq!(answer.others, [0]);
}

#[test]
fn a_gateway_that_runs_again_is_not_called_down() {
    let ended = finding(Code::GatewayDown, Effect::WaitsPastLimit, None);
    assert_eq!(answer(&[ended], &running()).headline, "1 warning");
    let stopped = finding(Code::GatewayDown, Effect::NobodyIsAnswered, None);
    assert_eq!(answer(&[stopped], &running()).headline, "The gateway is down: no chat is answered");
}

#[test]
fn a_lock_that_no_finding_names_is_not_forgotten() {
    let lock = LockFact {
        path: "/s/a.jsonl.lock".to_owned(),
        verdict: Verdict::Refused,
        effect: Effect::NextMessageFails,
        ..LockFact::default()
    };
    let facts = Facts { locks: vec![lock], ..running() };
    let answer = answer(&[], &facts);
    assert_eq!(answer.headline, "1 warning");
    assert!(answer.needs_attention());
}
