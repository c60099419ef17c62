//! The answer in one line.

use super::{Chat, ChatState, LogContent, Seen};
use crate::diagnosis::input::{Era, GatewayFact, GatewayState};
use crate::diagnosis::{Code, Finding};
use crate::verdict::severity::Severity;
use crate::words::count;

/// What the line counts.
pub(super) struct Parts<'a> {
    pub(super) seen: Seen<'a>,
    pub(super) chats: &'a [Chat],
    /// Findings about no chat.
    pub(super) others: &'a [usize],
    /// Locks at `warning` or above that no finding names.
    pub(super) unnamed: &'a [Severity],
    pub(super) leftovers: usize,
    /// Something that had to be looked at could not be.
    pub(super) is_blind: bool,
}

impl Parts<'_> {
    /// Trouble in numbers, the worst first; else what makes it sure that there is none.
    pub(super) fn sentence(&self) -> String {
        let mut parts = self.trouble();
        if parts.is_empty() {
            parts.push(self.good_news().to_owned());
        } else if self.is_blind {
            parts.push("not everything could be looked at".to_owned());
        }
        if self.leftovers > 0 {
            parts.push(count(self.leftovers, "leftover"));
        }
        parts.join(" · ")
    }

    fn trouble(&self) -> Vec<String> {
        let others = self.others.iter().map(|at| &self.seen.findings[*at]);
        let others: Vec<&Finding> = others.filter(|finding| finding.severity > Severity::Info).collect();
        let (gateway, others): (Vec<&Finding>, Vec<&Finding>) =
            others.into_iter().partition(|finding| is_of_gateway(finding) && !self.is_up_again(finding));
        let gateway = gateway.first().map(|finding| {
            let state = match finding.code {
                Code::StartRefused => "The gateway refuses to start",
                Code::LeaseStuck | Code::ConfigInvalid => "No gateway can start",
                Code::EventLoopBlocked => "The gateway does not answer",
                _ => "The gateway is down",
            };
            format!("{state}: no chat is answered")
        });
        let say = |state: ChatState, noun: &str, one: &str, many: &str| {
            let serious = |chat: &&Chat| chat.state == state && chat.severity > Severity::Info;
            let number = self.chats.iter().filter(serious).count();
            let verb = if number == 1 { one } else { many };
            (number > 0).then(|| format!("{} {verb}", count(number, noun)))
        };
        let rest = |severity: Severity, noun: &str| {
            let findings = others.iter().map(|finding| finding.severity);
            let number =
                findings.chain(self.unnamed.iter().copied()).filter(|each| *each == severity).count();
            (number > 0).then(|| count(number, noun))
        };
        [
            gateway,
            say(ChatState::Failing, "chat", "gets no answer", "get no answer"),
            say(ChatState::Blocked, "chat", "is blocked", "are blocked"),
            say(ChatState::Stuck, "run", "is stuck", "are stuck"),
            say(ChatState::Waiting, "chat", "waits", "wait"),
            rest(Severity::Critical, "other problem"),
            rest(Severity::Warning, "warning"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What ended it is told, and it runs.
    fn is_up_again(&self, finding: &Finding) -> bool {
        let runs = |gateway: &GatewayFact| gateway.state == GatewayState::Running;
        finding.severity < Severity::Critical && self.seen.facts.gateways.iter().any(runs)
    }

    fn good_news(&self) -> &'static str {
        let gateways = &self.seen.facts.gateways;
        let all = |state: GatewayState| {
            !gateways.is_empty() && gateways.iter().all(|gateway| gateway.state == state)
        };
        match (self.is_blind, self.seen.log) {
            (true, _) => "Cannot tell whether every chat is answered: not everything could be looked at",
            (false, _) if all(GatewayState::Down) => "The gateway is not running; nothing else is wrong",
            (false, _) if gateways.iter().any(is_draining) => {
                "The gateway is stopping, as it was told to: it takes no new messages"
            }
            (false, _) if all(GatewayState::Starting) => "The gateway is starting",
            (false, LogContent::NotRead) if self.seen.facts.era == Era::Sqlite => {
                "Nothing keeps a chat from being answered"
            }
            (false, LogContent::NotRead) => "No lock blocks a chat",
            (false, _) if all(GatewayState::Running) => "Every chat is answered",
            (false, LogContent::Irrelevant) if gateways.is_empty() => {
                "The log says nothing about chats, runs or locks"
            }
            (false, _) => "Nothing keeps a chat from being answered",
        }
    }
}

/// It keeps every chat from being answered: a lease of no chat that is critical keeps every gateway out.
pub fn is_of_gateway(finding: &Finding) -> bool {
    let of_nobody = finding.severity == Severity::Critical && finding.session_key.is_none();
    match finding.code {
        Code::GatewayDown | Code::StartRefused => true,
        Code::LeaseStuck | Code::EventLoopBlocked | Code::ConfigInvalid => of_nobody,
        _ => false,
    }
}

fn is_draining(gateway: &GatewayFact) -> bool {
    let words = gateway.readiness.iter().flat_map(|readiness| &readiness.failing);
    words.into_iter().any(|word| word == "gateway-draining")
}
