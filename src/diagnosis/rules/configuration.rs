//! A change of the configuration that a running gateway has ignored: its next start reads that file.

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::super::today::configuration::mend;
use super::view::View;
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Default)]
pub(super) struct Ignored {
    lines: Evidence,
    last: Option<DateTime<Utc>>,
}

/// From a change of the file to the gateway's word on it, on a busy machine.
const NOTICES: TimeDelta = TimeDelta::minutes(2);

impl Ignored {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        match &logged.entry.event {
            Event::ConfigIgnored => {
                self.lines.add(logged);
                self.last = Some(logged.at);
            }
            // It has read the file as it is by then.
            Event::GatewayReady | Event::GatewayListening { .. } => *self = Self::default(),
            _ => {}
        }
    }
}

pub(super) fn judge(view: &View<'_>, ignored: &Ignored) -> Option<Finding> {
    let last = ignored.last?;
    let gateways = &view.facts.gateways;
    // A file that is no JSON5 is told by itself; one that was changed since may be valid again.
    let is_that_one = |gateway: &GatewayFact| {
        let same = |changed: DateTime<Utc>| changed <= last && last - changed < NOTICES;
        gateway.state == GatewayState::Running
            && gateway.config.broken.is_none()
            && gateway.config.changed_at.is_some_and(same)
    };
    if !gateways.iter().any(is_that_one) {
        return None;
    }
    let text = "The last change of the configuration is not valid: the gateway has ignored it and goes on with what it \
                read before, and its next start is refused.";
    let finding = Finding::new(Code::ConfigInvalid, Effect::Threatens, text).backed_by(&ignored.lines);
    Some(mend().into_iter().fold(finding.helps(Some(false)), Finding::act))
}

#[cfg(test)]
mod tests {
    use super::super::super::input::{ConfigFact, Facts};
    use super::super::tests::counted;
    use super::*;
    use crate::history::{chats::Chats, lives::Lives, release::Releases};

    #[test]
    fn an_ignored_change_is_told_until_the_file_is_another() {
        let line = "[reload] config reload skipped (invalid config): gateway: Unrecognized key: \"prot\"";
        let judged = |changed: &str, broken: Option<&str>, lines: &[(&str, &str)]| {
            let gateway = GatewayFact {
                state: GatewayState::Running,
                config: ConfigFact {
                    broken: broken.map(str::to_owned),
                    changed_at: Some(changed.parse().unwrap()),
                },
                ..GatewayFact::default()
            };
            let facts = Facts { gateways: vec![gateway], ..Facts::default() };
            let (chats, lives, releases) = (Chats::default(), Lives::default(), Releases::default());
            let now = "2026-11-22T23:59:00Z".parse().unwrap();
            let view =
                View { facts: &facts, now, chats: &chats, lives: &lives, releases: &releases, last: None };
            judge(&view, &counted(lines, Ignored::push))
        };
        let told = judged("2026-11-22T09:59:58Z", None, &[("10:00:00", line)]).expect("told");
        assert_eq!(told.actions[0].command.as_deref(), Some("openclaw config validate"));
        assert!(judged("2026-11-22T10:05:00Z", None, &[("10:00:00", line)]).is_none(), "changed since");
        assert!(
            judged("2026-11-22T09:59:58Z", Some("x"), &[("10:00:00", line)]).is_none(),
            "told by the file"
        );
        let ready = ("10:01:00", "[gateway] gateway ready");
        assert!(judged("2026-11-22T09:59:58Z", None, &[("10:00:00", line), ready]).is_none());
    }
}
