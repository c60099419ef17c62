//! Messages that failed in lines that name no chat: an error of the shared lane without the one of the chat's own lane
//! that follows it in a whole log, and runs whose model gave them an error. Whatever names the chat tells it better.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::count;
use super::why::Why;
use crate::gatewaylog::{Cause, Event};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};

/// The lines of one failure come within this.
const ECHO: TimeDelta = TimeDelta::seconds(10);
/// OpenClaw has tried its other models by then.
const FALLBACK: TimeDelta = TimeDelta::seconds(120);
const FAILURES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Nameless {
    lines: Evidence,
    failures: VecDeque<Failure>,
    /// When a line last told of a failure and named its chat.
    named: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    at: DateTime<Utc>,
    why: Why,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lane,
    /// Another model may have answered after all.
    Run,
    /// An error without anything around it: of a run too.
    Bare,
}

impl Nameless {
    pub(super) fn push(&mut self, logged: Logged<'_>, chat: Option<&Chat>) {
        let Logged { at, entry, .. } = logged;
        let event = &entry.event;
        if is_success(event) {
            self.failures.retain(|failure| failure.kind == Kind::Lane || at - failure.at > FALLBACK);
            return;
        }
        let Some((why, kind)) = nameless(event) else {
            if chat.is_some() && (Why::of(event).is_some() || event.cause().is_some_and(Cause::is_lock)) {
                self.failures.retain(|failure| at - failure.at > ECHO);
                self.named = Some(at);
            }
            return;
        };
        let near = |then: DateTime<Utc>| at - then <= ECHO;
        let is_told = self.named.is_some_and(near)
            || self.failures.back().is_some_and(|last| last.kind != kind && near(last.at));
        if !is_told && self.failures.len() < FAILURES {
            self.failures.push_back(Failure { at, why, kind });
            self.lines.add(logged);
        }
    }
}

fn nameless(event: &Event) -> Option<(Why, Kind)> {
    match event {
        Event::LaneError { lane, .. } if lane == "main" => Some((Why::of(event)?, Kind::Lane)),
        Event::RunAgentEnd { is_error: true, cause: Some(cause @ Cause::Model(_)), .. } => {
            Some((Why::named(cause)?, Kind::Run))
        }
        Event::Failed { cause: cause @ (Cause::Model(_) | Cause::ChannelDown) } => {
            Some((Why::named(cause)?, Kind::Bare))
        }
        _ => None,
    }
}

fn is_success(event: &Event) -> bool {
    match event {
        Event::RunAgentEnd { is_error, .. } => !is_error,
        Event::RunDone { aborted, .. } => !aborted,
        Event::ModelFallback { decision, .. } => decision.as_deref() == Some("candidate_succeeded"),
        Event::Answered { .. } => true,
        _ => false,
    }
}

pub(super) fn judge(nameless: &Nameless) -> Option<Finding> {
    let failures = nameless.failures.len() as u64;
    let mut reasons: BTreeMap<Why, u64> = BTreeMap::new();
    for failure in &nameless.failures {
        *reasons.entry(failure.why).or_default() += 1;
    }
    let why = reasons.into_iter().max_by_key(|(_, number)| *number).map(|(why, _)| why)?;
    let reason = if why == Why::Other { String::new() } else { format!(": {}", why.sentence()) };
    let text = format!("{} failed{reason}. The log does not say whose.", count(failures, "message"));
    let mut finding = Finding::new(Code::MessageFailed, Effect::MessagesFailed, text)
        .backed_by(&nameless.lines)
        .helps(why.is_beyond_locks().then_some(false));
    (finding.count, finding.messages_failed) = (failures, failures);
    finding.certainty = if why == Why::Other { Certainty::Possible } else { Certainty::Likely };
    Some(why.advise(finding).act(remedy::send_again()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::counted;
    use super::*;

    const SHARED: &str = "[diagnostic] lane task error: lane=main durationMs=65602 error=\"FailoverError: API rate limit reached. Please try again later.\"";
    const FAILED: &str = "[agent/embedded] embedded run agent end: runId=r1 isError=true model=m provider=p error=overloaded_error";
    const ENDED: &str = "[agent/embedded] embedded run agent end: runId=r1 isError=false model=n provider=q";

    fn told(lines: &[(&str, &str)]) -> Option<Finding> {
        let nameless = counted(lines, |nameless: &mut Nameless, logged| nameless.push(logged, None));
        judge(&nameless)
    }

    #[test]
    fn an_error_of_the_shared_lane_alone_is_a_message_that_failed() {
        let finding = told(&[("10:00:00", SHARED)]).expect("it is told");
        assert_eq!((finding.messages_failed, finding.removing_lock_helps), (1, Some(false)));
        assert!(finding.explanation.contains("limits how much is sent"), "{finding:#?}");
        assert_eq!(told(&[("10:00:00", SHARED), ("10:05:00", SHARED)]).expect("both").messages_failed, 2);
    }

    #[test]
    fn a_run_is_forgiven_that_another_model_ended_well() {
        assert_eq!(told(&[("10:00:00", FAILED)]).expect("it is told").messages_failed, 1);
        assert!(told(&[("10:00:00", FAILED), ("10:00:20", ENDED)]).is_none());
        assert!(told(&[("10:00:00", FAILED), ("10:20:00", ENDED)]).is_some());
        assert_eq!(told(&[("10:00:00", FAILED), ("10:00:01", SHARED)]).expect("one").messages_failed, 1);
    }
}
