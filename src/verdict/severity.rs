//! How serious a fact is: one function of what it does to the people who write to the bot. Every outlet asks here,
//! so one fact has one severity at one moment, wherever it is shown.

use std::time::Duration;

use serde::Serialize;

use super::Verdict;
use super::self_heal::SelfHeal;

/// The severities of the contract; the most serious sorts last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Untidy, harmless, or healthy but slow.
    Info,
    /// The next message will fail, or somebody waits past the limit.
    Warning,
    /// Messages fail or are lost now, or nothing can answer.
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a fact does to people; the worst sorts first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing can answer: the gateway is down, refused to start, or answers nobody, and is meant to run.
    NobodyIsAnswered,
    /// Messages failed, or were lost, and the next one will fail too.
    MessagesFail,
    /// A run cannot end, and messages wait behind it.
    RunCannotEnd,
    /// Messages failed or were lost; nothing says that the next one will.
    MessagesFailed,
    /// No message failed yet; the next one will.
    NextMessageFails,
    /// Somebody waits, or a run works, past its limit.
    WaitsPastLimit,
    /// Something is wrong that people will feel if it goes on.
    Threatens,
    /// People wait, but within what is usual.
    Slow,
    /// OpenClaw, or the next message, puts it right without anybody.
    HealsItself,
    /// Nobody feels it.
    #[default]
    Untidy,
}

impl Effect {
    /// The rule of the contract.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NobodyIsAnswered | Self::MessagesFail | Self::RunCannotEnd => Severity::Critical,
            Self::MessagesFailed | Self::NextMessageFails | Self::WaitsPastLimit | Self::Threatens => {
                Severity::Warning
            }
            Self::Slow | Self::HealsItself | Self::Untidy => Severity::Info,
        }
    }

    /// The same once so many messages failed on it.
    pub const fn having_failed(self, messages: u64) -> Self {
        match self {
            Self::NextMessageFails if messages > 0 => Self::MessagesFail,
            effect => effect,
        }
    }
}

/// 2026.1.24 to 5.1 wait 10 s for a session's lock, later ones 60 s.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);

/// What a lock does to its session. `failed`: messages that failed on it since it stands.
pub fn of_lock(verdict: Verdict, next_message: &SelfHeal, failed: u64) -> Effect {
    let effect = match verdict {
        Verdict::StuckGuard => Effect::NextMessageFails,
        Verdict::Overdue => Effect::WaitsPastLimit,
        Verdict::Stale | Verdict::Leaked | Verdict::Refused => match next_message {
            SelfHeal::Frees(_) | SelfHeal::Ignored(_) => Effect::HealsItself,
            // Every version waits longer than this for a lock before it fails a message.
            SelfHeal::FreesAfter(wait, _) if *wait < SHORTEST_WAIT => Effect::HealsItself,
            SelfHeal::FreesAfter(..) | SelfHeal::Blocks(_) | SelfHeal::Depends(_) => Effect::NextMessageFails,
        },
        Verdict::Held
        | Verdict::Freed
        | Verdict::Initialising
        | Verdict::Settling
        | Verdict::Foreign
        | Verdict::Indeterminate => Effect::Untidy,
    };
    effect.having_failed(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_heals_itself_is_info_and_one_that_fails_messages_is_critical() {
        let frees = SelfHeal::Frees("dead-pid".to_owned());
        let blocks = SelfHeal::Blocks("while the process lives".to_owned());
        for verdict in [Verdict::Stale, Verdict::Leaked] {
            assert_eq!(of_lock(verdict, &frees, 3).severity(), Severity::Info);
            assert_eq!(of_lock(verdict, &blocks, 0).severity(), Severity::Warning);
            assert_eq!(of_lock(verdict, &blocks, 1).severity(), Severity::Critical);
        }
        assert_eq!(of_lock(Verdict::Held, &blocks, 1).severity(), Severity::Info);
        assert_eq!(of_lock(Verdict::Overdue, &blocks, 0).severity(), Severity::Warning);
    }
}
