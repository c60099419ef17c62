//! What was found of OpenClaw: where, which version, and whether its gateway runs.

use std::io::ErrorKind;

use super::{Finding, Surroundings};
use crate::install::gateway::{Gateway, GatewayState};
use crate::leases::owner::is_generated;
use crate::leases::{self, LeaseScope, Sessions};
use crate::openclaw::version::Era;
use crate::words::{count, duration};

pub(super) fn found(around: &mut Surroundings) -> Vec<Finding> {
    if around.places.is_empty() {
        return vec![nothing_found(around)];
    }
    let findings = around.places.iter().map(|place| {
        let path = place.path.display();
        match &place.install {
            Some(Ok(install)) => {
                let agents = install.agents().map_or_else(|_| 0, |agents| agents.len());
                Finding::good(format!("{path} ({}), {}", place.found_by, count(agents, "agent")))
            }
            // Why it could not be opened is the matter of `uid`.
            Some(Err(error)) => Finding::failure(format!("{path}: {error}")),
            None => match place.sessions.iter().find_map(|seen| seen.opened.as_ref().err()) {
                Some(error) => Finding::failure(format!("{path}: {error}")),
                None => Finding::note(format!("{path}: a directory of its own, in no state directory")),
            },
        }
    });
    findings.collect()
}

fn nothing_found(around: &Surroundings) -> Finding {
    let denied = around.looked_at.iter().any(|place| {
        std::fs::metadata(&place.path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    });
    let places =
        around.looked_at.iter().map(|place| format!("{} ({})", place.path.display(), place.found_by));
    let finding = Finding::failure("no install of OpenClaw was found; looked at:").with_details(places);
    if denied {
        finding.with_remedy(
            "some of these may not be looked into; run lockdoctor as the gateway's user",
            ["sudo -u USER lockdoctor doctor".to_owned()],
        )
    } else {
        finding.with_remedy("name its state directory", ["lockdoctor doctor --state-dir DIR".to_owned()])
    }
}

pub(super) fn version(around: &mut Surroundings) -> Vec<Finding> {
    let findings = around.installs().map(|(_, install)| {
        let name = match &install.version {
            Some(version) => format!("OpenClaw {version}"),
            None => "OpenClaw of unknown version".to_owned(),
        };
        match install.era {
            Era::File => Finding::good(format!("{name}: sessions and their locks are files")),
            Era::Sqlite => Finding::good(format!(
                "{name}: sessions, and who works on them, are rows in SQLite; lockdoctor reads them"
            )),
            Era::Unknown => Finding::note(format!(
                "{name}: {} names no version and holds no session yet",
                install.config_path.display()
            )),
        }
    });
    findings.collect()
}

pub(super) fn gateway(around: &mut Surroundings) -> Vec<Finding> {
    around.installs().map(|(_, install)| gateway_of(&install.gateway)).collect()
}

/// From 2026.9.5 on a gateway believes that another one lives for as long as its lease names another host.
pub(super) fn hostname(around: &mut Surroundings) -> Vec<Finding> {
    let running = around.installs().filter(|(_, install)| install.gateway.state == GatewayState::Running);
    let hosts = running.filter_map(|(_, install)| {
        let database = leases::survey(&install.root.path, Sessions::Running).state.ok()?;
        let owner = database.leases.rows().iter().find(|lease| lease.scope == LeaseScope::GatewayOwner)?;
        owner.owner.host.clone()
    });
    let findings = hosts.map(|host| {
        if !is_generated(&host) {
            return Finding::good(format!("{host}, as the gateway's lease has it"));
        }
        let what = format!(
            "{host} changes with the gateway's container: should it end uncleanly, the next one is refused for five minutes"
        );
        let cure = "give it a fixed name: `hostname:` in compose, docker run --hostname; in Kubernetes a StatefulSet";
        Finding::warning(what).with_remedy(cure, [])
    });
    findings.collect()
}

fn gateway_of(gateway: &Gateway) -> Finding {
    let how = gateway.how;
    match (gateway.state, gateway.pid) {
        (GatewayState::Running, Some(pid)) => {
            let up = gateway.up.map_or_else(String::new, |up| format!(", up {}", duration(up)));
            Finding::good(format!("running (pid {pid}{up}): {how}"))
        }
        (GatewayState::Starting, _) => Finding::good(format!("starting: {how}")),
        (GatewayState::Running, None) => Finding::good(format!("running: {how}")),
        (GatewayState::Down, _) => Finding::good(format!("down: {how}")),
        (GatewayState::Unknown, _) => Finding::warning(format!("unknown: {how}")).with_remedy(
            "run lockdoctor as the gateway's user and in its PID namespace (see uid, pid-namespace, hidepid)",
            [],
        ),
    }
}
