//! Rules spell OpenClaw's commands as they are today. The first releases have another name, and lack some of them.

use super::finding::Finding;
use super::rules::View;

/// Respells what is typed for the release that was looked at.
pub(super) fn spell(findings: &mut [Finding], view: &View<'_>) {
    let is_clawdbot = view.at_least(1, 29) == Some(false);
    // `config validate` came with 2026.3.
    let cannot_validate = view.at_least(3, 1) == Some(false);
    if !(is_clawdbot || cannot_validate) {
        return;
    }
    let spelled = |text: &str| {
        let text = if cannot_validate {
            text.replace("openclaw config validate", "openclaw doctor")
        } else {
            text.to_owned()
        };
        Some(if is_clawdbot { text.replace("openclaw ", "clawdbot ") } else { text })
    };
    for finding in findings {
        finding.respell(spelled);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::Model;
    use super::super::input::{ConfigFact, Facts, GatewayFact, GatewayState};
    use crate::redact::Redactor;

    fn first_command(version: &str) -> Option<Cow<'static, str>> {
        let config =
            ConfigFact { broken: Some("openclaw.json is not valid JSON5".to_owned()), changed_at: None };
        let gateway = GatewayFact { state: GatewayState::Running, config, ..GatewayFact::default() };
        let facts = Facts { gateways: vec![gateway], version: Some(version.to_owned()), ..Facts::default() };
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        Model::default().findings(&facts, now, Redactor::Off)[0].actions[0].command.clone()
    }

    #[test]
    fn a_command_is_that_of_the_release() {
        assert_eq!(first_command("2026.9.6").as_deref(), Some("openclaw config validate"));
        assert_eq!(first_command("2026.2.26").as_deref(), Some("openclaw doctor"));
        assert_eq!(first_command("2026.1.24-3").as_deref(), Some("clawdbot doctor"));
    }
}
