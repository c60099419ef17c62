//! No room where the databases are: messages fail, a gateway ends, and none starts.

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use crate::verdict::severity::Effect;

const MAKE_ROOM: &str = "shows which disk is full: make room first";
/// A transaction needs more.
const NONE: u64 = 1 << 20;

pub(super) fn judge(gateway: &GatewayFact) -> Option<Finding> {
    let room = gateway.room.filter(|_| gateway.state == GatewayState::Running)?;
    let (effect, what) = if room < NONE {
        (Effect::MessagesFail, "is full: the gateway cannot write down what it is sent, and messages fail")
    } else {
        (Effect::NextMessageFails, "is nearly full: soon the gateway cannot write down what it is sent")
    };
    let text = format!("The disk of the state directory {what}.");
    let finding = Finding::new(Code::DatabaseBusy, effect, text).proven().saw(left(room));
    Some(
        finding
            .command("df -h", MAKE_ROOM)
            .command("openclaw gateway restart", "if it does not answer once there is room"),
    )
}

fn left(room: u64) -> String {
    format!("statvfs: {} kB left", room / 1000)
}

/// A start before there is room ends as the last one did.
pub(super) fn before_a_start(gateway: &GatewayFact, mut finding: Finding) -> Finding {
    let Some(room) = gateway.room else { return finding };
    let full = if room < NONE { "full" } else { "nearly full" };
    finding.explanation.push_str(&format!(" The disk of the state directory is {full}."));
    finding = finding.saw(left(room)).command("df -h", MAKE_ROOM);
    finding.actions.rotate_right(1);
    finding
}
