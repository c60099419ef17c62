//! What will go wrong the next time: a host name that changes with every container.

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use crate::leases::Workings;
use crate::verdict::severity::Effect;

pub(super) fn judge(gateway: &GatewayFact, workings: &Workings) -> Option<Finding> {
    let host = workings.host.as_deref().filter(|host| changes(host))?;
    if gateway.state != GatewayState::Running {
        return None;
    }
    let text = format!(
        "Should this gateway end uncleanly and its container be made anew, the next one is refused for five minutes: \
         its lease names the host {host}, which is the container's id and changes with it."
    );
    let mut finding = Finding::new(Code::LeaseStuck, Effect::Untidy, text).likely();
    // The same at every look: `watch` tells a finding of this code by when it began.
    finding.first_seen = workings.boots.last().map(|boot| boot.started_at);
    Some(
        finding
            .hint("Give the container a fixed host name: `hostname:` in compose, docker run --hostname; in Kubernetes a StatefulSet.")
            .saw(format!("state_leases/gateway-owner/global: host {host}")),
    )
}

/// Docker names a container by twelve digits of its id; a Deployment's pod ends in two generated words.
fn changes(host: &str) -> bool {
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let generated = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"aeiou".contains(&byte)))
    };
    let mut words = host.rsplit('-');
    let pod = words.next().is_some_and(|word| word.len() == 5 && generated(word))
        && words.next().is_some_and(|word| (8..=10).contains(&word.len()) && generated(word))
        && words.next().is_some();
    host.len() == 12 && hex(host) || pod
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn generated_names_change_and_chosen_ones_do_not() {
        for name in ["c1a2b3d4e5f6", "openclaw-7d9c6bf54d-x2x9k"] {
            assert!(changes(name), "{name}");
        }
        for name in ["openclaw", "vm", "gateway-0", "my-home-server", "deadbeef", "openclaw-gateway-host1"] {
            assert!(!changes(name), "{name}");
        }
    }
}
