//! Why a message came to nothing, where no other rule answers for it: the reasons that have a name, what each is called,
//! and what helps.

use super::super::finding::Finding;
use super::remedy;
use crate::gatewaylog::{Cause, Event, Loss, ModelFault};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    SessionConflict,
    TurnClaimed,
    SessionChanged,
    NotPickedUp,
    DiskFull,
    DatabaseDamaged,
    DatabaseReplaced,
    GatewayTimeout,
    Cleared,
    Compaction { by_limit: bool },
    NoText,
    ChannelDown,
    Model(ModelFault),
    Other,
}

impl Why {
    /// Of an event that says that a message came to nothing.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let failed = match event {
            // Jobs and results have a rule of their own.
            Event::Undelivered(lost) => matches!(lost.what, Loss::Message | Loss::Ingress),
            Event::AgentFailed { .. } | Event::HandlerFailed { .. } => true,
            Event::LaneError { .. } | Event::LaneRejected { .. } => true,
            Event::MessageProcessed { outcome, .. } | Event::DispatchCompleted { outcome, .. } => {
                outcome == "error"
            }
            _ => false,
        };
        if !failed {
            return None;
        }
        let handler = matches!(event, Event::Undelivered(lost) if lost.reason.contains("handler-timeout") || lost.after_ms.is_some() && lost.what == Loss::Ingress);
        match event.cause() {
            Some(cause) => Self::named(cause),
            None => Some(Self::Other),
        }
        .map(|why| if handler && why == Self::Other { Self::NotPickedUp } else { why })
    }

    pub(super) fn named(cause: &Cause) -> Option<Self> {
        Some(match cause {
            Cause::SessionConflict => Self::SessionConflict,
            Cause::TurnClaimed { .. } => Self::TurnClaimed,
            Cause::SessionChanged => Self::SessionChanged,
            Cause::DiskFull => Self::DiskFull,
            Cause::DatabaseDamaged => Self::DatabaseDamaged,
            Cause::DatabaseReplaced => Self::DatabaseReplaced,
            Cause::GatewayTimeout { .. } => Self::GatewayTimeout,
            Cause::LaneCleared => Self::Cleared,
            Cause::Compaction { by_limit } => Self::Compaction { by_limit: *by_limit },
            Cause::NoText => Self::NoText,
            Cause::ChannelDown => Self::ChannelDown,
            Cause::Model(fault) => Self::Model(*fault),
            Cause::Other { .. } | Cause::StateOwned => Self::Other,
            // The rules on locks, limits, the database, models and restarts answer for these.
            _ => return None,
        })
    }

    /// Follows `failed: `.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::SessionConflict => "its session could not be set up, as another turn was setting it up",
            Self::TurnClaimed => "the session counts as busy with a turn that never let go of it",
            Self::SessionChanged => "the session changed while its work was starting",
            Self::NotPickedUp => "no turn picked it up in time",
            Self::DiskFull => "the disk is full",
            Self::DatabaseDamaged => "a database of OpenClaw's is damaged",
            Self::DatabaseReplaced => {
                "the database of its agent was removed or replaced while the gateway ran"
            }
            Self::GatewayTimeout => "the gateway did not answer in time",
            Self::Cleared => {
                "its lane was cleared while it waited, by a stop, a reset or OpenClaw's recovery"
            }
            Self::Compaction { by_limit: true } => {
                "its conversation could not be shortened (compaction) within the time limit of that"
            }
            Self::Compaction { by_limit: false } => "its conversation could not be shortened (compaction)",
            Self::NoText => "its turn ended without a text to send, and an error went out in its place",
            Self::ChannelDown => "its channel was not connected, or could not be reached",
            Self::Model(ModelFault::Cooldown) => {
                "OpenClaw lets the logins at the provider of the model rest after earlier errors (cooldown)"
            }
            Self::Model(ModelFault::SignIn) => {
                "the provider of the model did not accept the login or the key"
            }
            Self::Model(ModelFault::Billing) => "the account at the provider of the model has no credit left",
            Self::Model(ModelFault::RateLimit) => "the provider of the model limits how much is sent to it",
            Self::Model(ModelFault::Overloaded) => "the provider of the model is overloaded",
            Self::Model(ModelFault::UnknownModel) => "the configured model does not exist",
            Self::Model(ModelFault::Unreachable) => "the provider of the model could not be reached",
            Self::Model(ModelFault::ContextFull) => "the conversation is longer than its model takes",
            Self::Model(ModelFault::Other) => "the provider of the model answered with an error",
            Self::Other => "in words that lockdoctor does not know",
        }
    }

    /// No lock has a part in it, whatever chat it is.
    pub(super) fn is_beyond_locks(self) -> bool {
        matches!(
            self,
            Self::TurnClaimed
                | Self::DiskFull
                | Self::DatabaseDamaged
                | Self::DatabaseReplaced
                | Self::Compaction { .. }
                | Self::NoText
                | Self::ChannelDown
                | Self::Model(_)
        )
    }

    /// What ends it.
    pub(super) fn advise(self, finding: Finding) -> Finding {
        let say = |finding: Finding, text: &'static str| finding.act(remedy::say(text));
        match self {
            Self::SessionConflict => say(
                finding.act(remedy::restart()),
                "Upgrade beyond 2026.6.11: a session that was marked as running before a restart conflicts with itself there.",
            ),
            Self::TurnClaimed => say(
                finding.act(remedy::restart()),
                "There is no lock file in this: the claim is in the gateway's memory and its database.",
            ),
            Self::DiskFull => say(finding, "Make room on the disk of the state directory."),
            Self::DatabaseDamaged => say(finding, remedy::DAMAGED_DATABASE),
            Self::DatabaseReplaced => say(
                finding.act(remedy::restart()),
                "If `agents/` was removed by mistake, stop the gateway first and put it back from a backup.",
            ),
            Self::Cleared => finding,
            Self::Compaction { by_limit } => of_compaction(by_limit, finding),
            Self::NoText => say(
                finding,
                "Look at what the turn did before you ask again: its tools may have run. If one model does it often, choose another.",
            ),
            Self::ChannelDown => finding
                .act(remedy::typed("openclaw channels status --probe", "says which channels are connected"))
                .act(remedy::say("Look at the network or proxy of the host; a channel that stays away: restart the gateway.")),
            Self::Model(fault) => of_model(fault, finding),
            Self::SessionChanged | Self::NotPickedUp | Self::GatewayTimeout | Self::Other => {
                finding.act(remedy::restart())
            }
        }
    }
}

/// The next turn would try it again.
pub(super) fn of_compaction(by_limit: bool, finding: Finding) -> Finding {
    let finding = finding.act(remedy::say(
        "Send `/new` in the chat to begin afresh: the next turn would try the compaction again.",
    ));
    if !by_limit {
        return finding;
    }
    finding.act(remedy::say(
        "Where the version has them: raise `agents.defaults.compaction.timeoutSeconds`, or let a faster model compact (`agents.defaults.compaction.model`).",
    ))
}

fn of_model(fault: ModelFault, finding: Finding) -> Finding {
    const FALLBACK: &str = "A fallback model of another provider answers meanwhile.";
    use remedy::typed;
    let (command, text) = match fault {
        ModelFault::SignIn => {
            (Some(typed("openclaw models status", "names the login that has run out; log in again")), "")
        }
        ModelFault::Cooldown => {
            (Some(typed("openclaw models status", "says which logins rest, and until when")), "")
        }
        ModelFault::UnknownModel => (
            Some(typed("openclaw models list", "names the models that there are; correct the configuration")),
            "",
        ),
        ModelFault::Billing => (None, "Add credit at the provider, or choose another model."),
        ModelFault::RateLimit => (None, "Wait a while before the next message."),
        ModelFault::ContextFull => (None, "Send `/compact` in the chat, or `/new` to begin afresh."),
        ModelFault::Unreachable => (
            None,
            "See whether its address answers from this machine: a model server of your own that runs, the network, a proxy.",
        ),
        ModelFault::Overloaded | ModelFault::Other => (None, "Look at the provider's status page."),
    };
    let finding = match command {
        Some(command) => finding.act(command),
        None => finding.act(remedy::say(text)),
    };
    let passes = matches!(
        fault,
        ModelFault::RateLimit
            | ModelFault::Cooldown
            | ModelFault::Overloaded
            | ModelFault::Unreachable
            | ModelFault::Other
    );
    if passes { finding.act(remedy::say(FALLBACK)) } else { finding }
}
