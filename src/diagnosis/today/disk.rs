//! A disk that cannot be written where the databases are: messages fail, a gateway ends, and none starts.

use super::super::finding::{Code, Finding};
use super::super::input::{Disk, GatewayFact, GatewayState};
use crate::verdict::severity::Effect;

const MAKE_ROOM: &str = "shows which disk is full: make room first";
const WHY_READ_ONLY: &str = "shows why the kernel made it read-only: repair it, and make it writable first";
/// A transaction needs more.
const NONE: u64 = 1 << 20;

pub(super) fn judge(gateway: &GatewayFact) -> Option<Finding> {
    if gateway.state != GatewayState::Running {
        return None;
    }
    let (effect, what) = match gateway.disk {
        Disk::Fine => return None,
        Disk::ReadOnly => (
            Effect::MessagesFail,
            "The file system of the state directory is read-only: the gateway cannot store messages, and they fail.",
        ),
        Disk::Little(room) if room < NONE => (
            Effect::MessagesFail,
            "The disk of the state directory is full: the gateway cannot store messages, and they fail.",
        ),
        Disk::Little(_) => (
            Effect::NextMessageFails,
            "The disk of the state directory is nearly full: soon the gateway cannot store messages.",
        ),
    };
    let finding = look(gateway.disk, Finding::new(Code::DatabaseBusy, effect, what).proven());
    Some(finding.command("openclaw gateway restart", "if it does not answer once it can write"))
}

/// What was seen, and what shows more.
fn look(disk: Disk, finding: Finding) -> Finding {
    match disk {
        Disk::Fine => finding,
        Disk::ReadOnly => finding
            .saw("mountinfo: the file system is mounted read-only")
            .command("dmesg --level=emerg,alert,crit,err,warn", WHY_READ_ONLY),
        Disk::Little(room) => {
            finding.saw(format!("statvfs: {} kB left", room / 1000)).command("df -h", MAKE_ROOM)
        }
    }
}

/// A start before it can be written ends as the last one did.
pub(super) fn before_a_start(gateway: &GatewayFact, mut finding: Finding) -> Finding {
    finding.explanation.push_str(match gateway.disk {
        Disk::Fine => return finding,
        Disk::ReadOnly => " The file system of the state directory is read-only: no start can succeed.",
        Disk::Little(room) if room < NONE => " The disk of the state directory is full.",
        Disk::Little(_) => " The disk of the state directory is nearly full.",
    });
    let mut finding = look(gateway.disk, finding);
    finding.actions.rotate_right(1);
    finding
}
