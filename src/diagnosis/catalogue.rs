//! What each code means, what it rests on, how serious it is, and what helps: one table, from which docs/findings.md is
//! made (`UPDATE_DOCS=1 cargo test --test suite findings_page`).

use super::finding::Code;

/// One code, for people.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub code: Code,
    pub group: Group,
    pub means: &'static str,
    pub rests_on: &'static str,
    pub severity: &'static str,
    pub helps: &'static str,
    pub remedy: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Gateway,
    Messages,
    Locks,
    Runs,
    Waiting,
}

impl Group {
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Messages, Self::Locks, Self::Runs, Self::Waiting];

    pub fn title(self) -> &'static str {
        match self {
            Self::Gateway => "The gateway",
            Self::Messages => "Messages and jobs",
            Self::Locks => "Locks",
            Self::Runs => "Runs and chats",
            Self::Waiting => "Waiting, and the log itself",
        }
    }
}

const NO: &str = "no";
const UNKNOWN: &str =
    "unknown from a log alone (`null`); beside the state directory no, where there is none or it is in use";

#[rustfmt::skip] // a table
pub const TABLE: &[About] = &[
    About { code: Code::GatewayDown, group: Group::Gateway,
        means: "No gateway answers anybody: it ended on an error, was killed, vanished, or was stopped; or it ends on errors again and again.",
        rests_on: "no process; the last lines of its log (`Unhandled promise rejection`, `received SIGTERM`), and what systemd says of its end.",
        severity: "`critical`; `warning` if it ended twice or more and was started again, `info` if once; `info` after a planned stop, until a message has come since.",
        helps: NO, remedy: "`openclaw gateway start`." },
    About { code: Code::StartRefused, group: Group::Gateway,
        means: "OpenClaw refused to start: another OpenClaw process owns its state, its port is taken, a maintenance of its database is under way, the system refuses a file.",
        rests_on: "`Gateway failed to start`, `Could not start the CLI`, `another OpenClaw process owns …`.",
        severity: "`critical`; `info` once a gateway runs.",
        helps: NO, remedy: "find the living `openclaw doctor`, `update` or second gateway and let it end. Never delete `*.lock.sqlite`." },
    About { code: Code::ConfigInvalid, group: Group::Gateway,
        means: "The configuration file is not valid. A gateway that runs goes on with what it read before; its next start is refused.",
        rests_on: "the file; `config reload skipped (invalid config)`, as long as the file is still that one.",
        severity: "`critical` where the gateway is down, `warning` while one runs.",
        helps: NO, remedy: "`openclaw config validate` names the place; `openclaw doctor --fix` puts the last valid one back." },
    About { code: Code::GatewayLock, group: Group::Gateway,
        means: "The gateway's own lock has no owner, or a second gateway refused to start.",
        rests_on: "the lock's verdict; `gateway already running`.",
        severity: "`info` for a left-over that the next start takes over; `warning` for a refused second start; `critical` where nothing can start.",
        helps: NO, remedy: "`openclaw gateway status`; look for two services for one gateway." },
    About { code: Code::LeaseStuck, group: Group::Gateway,
        means: "A lease in the databases of 2026.6 and later keeps others out although its owner is gone, or migrations refuse the start, or the memory search waits for its lock in vain.",
        rests_on: "the rows, read-only, and their owners' processes; refusals in the log.",
        severity: "`critical` where no gateway can start, else `warning`; `info` once one runs.",
        helps: NO, remedy: "what the finding says: wait until it expires, start under the old host name, `openclaw doctor --fix`, or for a dead gateway's lease `lockdoctor reclaim --leases --yes`." },
    About { code: Code::EventLoopBlocked, group: Group::Gateway,
        means: "The gateway's one thread stood still: nobody was served, and timers, answers and lock polls were late.",
        rests_on: "liveness warnings (99th percentile, not one spike), timers and watchdogs that came late, the process's CPU time, its port; SQLite transactions on the main thread as the cause.",
        severity: "`critical` if locks or requests failed because of it or it does not answer now; `warning` from 15 s; else `info`.",
        helps: NO, remedy: "look for what is big or slow: session store, agent database, plugins, memory that swaps, the disk; restart." },
    About { code: Code::DatabaseBusy, group: Group::Gateway,
        means: "The database was locked for longer than OpenClaw waits, or SQLite was slow.",
        rests_on: "`database is locked`; slow-SQLite lines, the gateway's own reclamation among them.",
        severity: "`critical` from three failed messages on, `warning` for one or two, else `info`.",
        helps: NO, remedy: "look for who writes so long: a backup, a second gateway, its own reclamation. Never delete `-wal` or `-shm`." },
    About { code: Code::MessageFailed, group: Group::Messages,
        means: "Messages of a chat failed or were dropped. Known reasons are named (also: refused by a gateway that is draining, or counts itself so for ever; a compaction that failed; a turn without a text); of others OpenClaw's own words are shown.",
        rests_on: "any line that says so, in whatever words: `outcome=error`, lane errors, `failed`, `dropped`, `keeping for retry`.",
        severity: "`critical` if two or more failed since the last answer, else `warning`; `info` if an answer went out meanwhile.",
        helps: UNKNOWN, remedy: "by reason: restart, upgrade, room on the disk; then send the message again." },
    About { code: Code::IngressStalled, group: Group::Messages,
        means: "A message came in and no turn picked it up in time, or the channel's polling stalls on end and nothing comes in.",
        rests_on: "`Channel ingress claim→adoption stalled`, spool time-outs of Telegram, three `Polling stall detected` or `409: Conflict` in a row.",
        severity: "as `message-failed`.",
        helps: UNKNOWN, remedy: "restart the gateway; send the message again." },
    About { code: Code::JobFailed, group: Group::Messages,
        means: "A scheduled job failed, or a sub-agent's result did not reach the chat that waits for it.",
        rests_on: "`cron: job failed`, `job execution timed out`, `announce … failed`, `announce give up`; a wait for the job's own lane beside it.",
        severity: "`warning`.",
        helps: NO, remedy: "by reason; up to 2026.3.8 a cron job may wait for itself: `cron.maxConcurrentRuns` 2 or more, or upgrade." },
    About { code: Code::LeakedLock, group: Group::Locks,
        means: "The process that took the lock lives and has let go of it, so it will never release it.",
        rests_on: "the verdict `leaked`; OpenClaw's word that a release failed.",
        severity: "`critical` once a message failed on it, `warning` before, `info` where OpenClaw frees it at the next message.",
        helps: "**yes**", remedy: "`lockdoctor reclaim --yes`; send the failed messages again." },
    About { code: Code::StaleLock, group: Group::Locks,
        means: "The lock has no owner.",
        rests_on: "the verdict `stale`, twice, a settle time apart; or `alive=false` in OpenClaw's own error.",
        severity: "as `leaked-lock`.",
        helps: "**yes**", remedy: "`lockdoctor reclaim --yes`. If the gateway is down and it is 2026.4.24 to 7.35, start it first: it resumes the interrupted run by this lock." },
    About { code: Code::LockContention, group: Group::Locks,
        means: "Messages failed after waiting for the chat's lock. Whether it was left behind (the same lock each time, after a run that did not end well) or in use (another one each time) is said as far as the log tells.",
        rests_on: "`session file locked` with its `pid`, `alive`, `ageMs`; the run limits and aborts before it; the lock, if it was looked at.",
        severity: "`critical` if two or more failed since the last answer, else `warning`.",
        helps: "unknown from a log alone; no where it is held", remedy: "`lockdoctor status` where the gateway runs: `leaked` and `stale` are freed by `lockdoctor reclaim`; if it is in use, `/stop` or restart." },
    About { code: Code::OrphanLock, group: Group::Locks,
        means: "A lock of an earlier life: an earlier gateway's, or one in which OpenClaw finds its own process and which it does not hold. `info`: locks that a start cleared, or a fossil of the time before SQLite.",
        rests_on: "`orphan-self-pid`; the owner's pid against the gateways in the log; `removed stale session lock`; the era.",
        severity: "as `lock-contention` while it fails messages, else `info`.",
        helps: "unknown from a log alone; no once it is gone or a fossil", remedy: "`lockdoctor status`, restart. For `info`: nothing." },
    About { code: Code::OverdueLock, group: Group::Locks,
        means: "The lock is held past its limit by an owner that lives, or OpenClaw calls it stale and leaves it.",
        rests_on: "the verdict `overdue`, or `session file lock stale`.",
        severity: "`critical` while messages fail on it, else `warning`.",
        helps: "no where it was looked at: age is no evidence that a lock is free", remedy: "`lockdoctor explain LOCK`; if the run is stuck, restart." },
    About { code: Code::LockDeletedWhileHeld, group: Group::Locks,
        means: "Somebody deleted a lock that a gateway still has open. The next writer gets in beside it. In `watch` it stands for a day.",
        rests_on: "a `(deleted)` lock among the gateway's open files; the job that deletes locks; whether the transcript has forked.",
        severity: "`critical`.",
        helps: "no: that is what caused it", remedy: "remove the job; send nothing to the chat until the run has ended." },
    About { code: Code::StoreLockContention, group: Group::Locks,
        means: "Messages failed on the lock of the session store (to 2026.4.29).",
        rests_on: "`timeout acquiring session store lock`. If a blocked event loop explains every one, that is the finding.",
        severity: "`critical` from three failures on, else `warning`.",
        helps: "no up to 2026.2.12 and in the gateway's own queue; else unknown from a log alone", remedy: "send the message again; shrink a big store; from 2026.5.3 on there is no such file." },
    About { code: Code::StuckGuard, group: Group::Locks,
        means: "A left-over `<lock>.reclaim` makes everyone who wants this lock wait.",
        rests_on: "the verdict `stuck-guard`.",
        severity: "`critical` once a message failed, else `warning`.",
        helps: "no; lockdoctor leaves guards alone", remedy: "restart the gateway; `lockdoctor explain LOCK`." },
    About { code: Code::WatchdogRelease, group: Group::Locks,
        means: "The gateway's watchdog took a lock from its own run, which then writes without one. If it came late, the finding is `event-loop-blocked`.",
        rests_on: "`releasing lock held for …`, on raw standard error: give the journal or the container's log.",
        severity: "`warning`.",
        helps: "no: it is gone", remedy: "raise `session.writeLock.maxHoldMs` or `agents.defaults.timeoutSeconds`." },
    About { code: Code::SessionTakeover, group: Group::Locks,
        means: "A run was given up because the transcript changed under it: by another run of the same gateway (`sessions_send`), another process, a deleted lock, or (2026.5.18 to 5.22) itself.",
        rests_on: "`EmbeddedAttemptSessionTakeoverError`, and the lane it was in; jobs that delete locks by age.",
        severity: "`warning`.",
        helps: NO, remedy: "let one run use a chat at a time." },
    About { code: Code::StuckRun, group: Group::Runs,
        means: "A run reached its limit and did not end, or it has been in one tool for long.",
        rests_on: "`embedded run timeout` with `abort still streaming` or `run active check` after it, or its lock still held; the watchdog's lines on tools.",
        severity: "`critical` with messages behind it or a stream that goes on, `warning` past the limit, else `info`.",
        helps: UNKNOWN, remedy: "restart; look at what the tool waits for. Last resort: `lockdoctor reclaim --abandoned`." },
    About { code: Code::StuckSession, group: Group::Runs,
        means: "Nothing moves in a chat: its last step had ended, its run shows no progress, or OpenClaw knows of no work in it.",
        rests_on: "the last mark of progress and its age (not the age of the label), who waits, what OpenClaw's recovery did (`released=0`, `keep_lane`, `no_active_work`), and whether the chat went on.",
        severity: "`critical` if the recovery did not help and messages wait; `warning` after 5 min with somebody waiting; `info` if it went on.",
        helps: UNKNOWN, remedy: "`/stop` or `/reset` in the chat, restart the gateway." },
    About { code: Code::RunTimeout, group: Group::Runs,
        means: "A run, or a task of the chat's lane, ended at its time limit.",
        rests_on: "`embedded run timeout`, the lane's own time-outs, and what came after them.",
        severity: "`warning`.",
        helps: UNKNOWN, remedy: "look at the provider and at what the run did; send the message again." },
    About { code: Code::SlowModelCall, group: Group::Runs,
        means: "A run is at work, and slow: the model, mostly.",
        rests_on: "watchdog lines whose last mark is a model call that began; provider time-outs that no run's limit explains.",
        severity: "`info`; `warning` after 10 min with somebody waiting, after 30 min without, or if the provider timed out.",
        helps: UNKNOWN, remedy: "wait, or `/stop`; look at the provider's status." },
    About { code: Code::LaneStuck, group: Group::Waiting,
        means: "A lane took a task that never ended, and others wait behind it; or its pump is jammed.",
        rests_on: "lane lines (DEBUG) that have a beginning and no end by the end of the log; `drainLane blocked`.",
        severity: "`critical`.",
        helps: "no for a shared lane; unknown from a log alone for a chat's", remedy: "`/stop` in the chat; restart: lanes are in memory." },
    About { code: Code::LaneWait, group: Group::Waiting,
        means: "Messages waited for the turn before them, or tasks for a shared lane, and then got their turn.",
        rests_on: "`lane wait exceeded`, which is written when the wait is over.",
        severity: "`info`; `warning` where a shared lane let a task wait for ten minutes and more waited behind it.",
        helps: NO, remedy: "look at the run ahead; raise `agents.defaults.maxConcurrent` or `cron.maxConcurrentRuns`." },
    About { code: Code::RpcTimeout, group: Group::Waiting,
        means: "Requests to the gateway got no answer in time.",
        rests_on: "`gateway timeout after …`, and what ran beside it.",
        severity: "`warning`.",
        helps: NO, remedy: "look at the cause beside it. Up to 2026.2.3 every `cron.*` request waits for the running cron job: upgrade." },
    About { code: Code::SlowListener, group: Group::Waiting,
        means: "Discord's listener took longer than 30 s. Up to 2026.3.2 it waits for the whole run.",
        rests_on: "`Slow listener detected`.",
        severity: "`info`.",
        helps: NO, remedy: "nothing." },
    About { code: Code::LogIncomplete, group: Group::Waiting,
        means: "The log itself says that records are missing: what it does not show may still have happened.",
        rests_on: "`log file size cap reached`, `queue overflow`, `rotation failed`.",
        severity: "`warning` where nothing is written any more, else `info`.",
        helps: NO, remedy: "read the console as well; move the big file away." },
];

/// The part of docs/findings.md that is made from the table.
pub fn page() -> String {
    let mut page = String::new();
    for group in Group::ALL {
        page.push_str(&format!("## {}\n\n", group.title()));
        for about in TABLE.iter().filter(|about| about.group == group) {
            page.push_str(&format!(
                "### `{}`\n\n{}\n\n- Rests on: {}\n- Severity: {}\n- Removing the lock helps: {}.\n- Do: {}\n\n",
                about.code.as_str(),
                about.means,
                about.rests_on,
                about.severity,
                about.helps,
                about.remedy
            ));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_the_table_once() {
        let mut told: Vec<Code> = TABLE.iter().map(|about| about.code).collect();
        told.sort_unstable();
        let mut all = Code::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(told, all);
    }
}
