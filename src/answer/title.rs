//! What each kind of finding is called, in the words of the person whose chat it is.

use crate::diagnosis::Code;

/// A few words, as they stand in a heading or behind a chat's name.
pub const fn title(code: Code) -> &'static str {
    match code {
        Code::GatewayDown => "the gateway is down",
        Code::StartRefused => "the gateway refuses to start",
        Code::ConfigInvalid => "the configuration is not valid",
        Code::LockDeletedWhileHeld => "a lock in use was deleted",
        Code::LeakedLock => "the gateway forgot a lock",
        Code::StaleLock => "a lock without an owner",
        Code::StuckRun => "a run cannot end",
        Code::LaneStuck => "a lane stands still",
        Code::StuckGuard => "a left-over guard file blocks everybody",
        Code::GatewayLock => "trouble with the gateway's own lock",
        Code::LeaseStuck => "a lease without an owner",
        Code::MessageFailed => "messages failed",
        Code::IngressStalled => "incoming messages are not picked up",
        Code::EventLoopBlocked => "the gateway stood still",
        Code::OverdueLock => "a run is past its limit",
        Code::RunTimeout => "a run hit its time limit",
        Code::SessionTakeover => "two writers met in one session",
        Code::WatchdogRelease => "OpenClaw took a lock from a long run",
        Code::OrphanLock => "a lock of an earlier gateway",
        Code::LockContention => "messages gave up waiting for a lock",
        Code::DatabaseBusy => "the database is busy",
        Code::StoreLockContention => "the session store was locked",
        Code::StuckSession => "OpenClaw calls a session stuck",
        Code::JobFailed => "a job failed",
        Code::SlowModelCall => "a slow model call",
        Code::RpcTimeout => "requests to the gateway timed out",
        Code::LaneWait => "messages waited in line",
        Code::SlowListener => "a slow listener",
        Code::LogIncomplete => "the log is incomplete",
    }
}
