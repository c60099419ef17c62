//! What will go wrong the next time: a host name that changes with every container.

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use crate::leases::Workings;
use crate::leases::owner::is_generated;
use crate::verdict::severity::Effect;

pub(super) fn judge(gateway: &GatewayFact, workings: &Workings) -> Option<Finding> {
    let host = workings.host.as_deref().filter(|host| is_generated(host))?;
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
