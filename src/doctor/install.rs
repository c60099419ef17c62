//! What was found of OpenClaw: where, which version, and whether its gateway runs.

use std::io::ErrorKind;

use super::{Finding, Surroundings};
use crate::install::gateway::{Gateway, GatewayState};
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
    let findings = around.installs().map(|(place, install)| {
        let name = match &install.version {
            Some(version) => format!("OpenClaw {version}"),
            None => "OpenClaw of unknown version".to_owned(),
        };
        match install.era {
            Era::File => Finding::good(format!("{name}: sessions and their locks are files")),
            Era::Sqlite => Finding::warning(format!(
                "{name} keeps sessions in SQLite: that no lock file is stale says nothing about them"
            ))
            .with_remedy(
                "look at the leases in its databases instead (read-only)",
                [format!("lockdoctor diagnose{}", place.scope())],
            ),
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
