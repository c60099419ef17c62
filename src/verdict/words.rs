//! The words of a judgement, as the contract has them: verdict, reasons, action, and the rule that decided.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word of the contract, as it stands in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What lockdoctor makes of a lock. The contract's words; the most urgent sort last.
    Verdict {
        /// A live owner has it.
        Held = "held",
        /// lockdoctor's own tombstone: OpenClaw removes it at the next message.
        Freed = "freed",
        /// Empty or half-written, younger than 30 s.
        Initialising = "initialising",
        /// Looks stale or leaked, but not yet twice a settle time apart.
        Settling = "settling",
        /// The owner is where this kernel, or this PID namespace, cannot answer for it.
        Foreign = "foreign",
        /// Evidence is missing.
        Indeterminate = "indeterminate",
        /// Not a file that may be touched.
        Refused = "refused",
        /// Held, and past its limit.
        Overdue = "overdue",
        /// Its owner lives, and is proven to have let go of it.
        Leaked = "leaked",
        /// Proven to have no owner.
        Stale = "stale",
        /// A left-over reclaim guard blocks every acquirer.
        StuckGuard = "stuck-guard",
    }
}

impl Default for Verdict {
    /// Nothing is known.
    fn default() -> Self {
        Self::Indeterminate
    }
}

words! {
    /// The facts that make a lock stale, or overdue.
    Reason {
        DeadPid = "dead-pid",
        ZombiePid = "zombie-pid",
        RecycledPid = "recycled-pid",
        ThreadId = "thread-id",
        PreviousBoot = "previous-boot",
        Malformed = "malformed",
        NoWriter = "no-writer",
        RunTimedOut = "run-timed-out",
    }
}

words! {
    /// What lockdoctor does about it by default.
    Action {
        None = "none",
        Wait = "wait",
        Report = "report",
        Reclaim = "reclaim",
    }
}

words! {
    /// The rule that decided; `explain` prints its sentence.
    Rule {
        Shape = "shape",
        Tombstone = "tombstone",
        Guard = "guard",
        Coordinator = "coordinator",
        DirectoryLock = "directory-lock",
        WriterOpen = "writer-open",
        Replaced = "replaced",
        Unfinished = "unfinished",
        NoWriterDeadOwner = "no-writer-dead-owner",
        NoWriterLiveOwner = "no-writer-live-owner",
        NoWriterUnknownOwner = "no-writer-unknown-owner",
        OwnerAlive = "owner-alive",
        OwnerDead = "owner-dead",
        OtherKernel = "other-kernel",
        OtherPidNamespace = "other-pid-namespace",
        EvidenceMissing = "evidence-missing",
    }
}

impl Reason {
    /// Its owner is gone for good, so nothing that comes after it is the same owner's doing.
    pub fn is_a_death(self) -> bool {
        match self {
            Self::DeadPid
            | Self::ZombiePid
            | Self::RecycledPid
            | Self::ThreadId
            | Self::PreviousBoot
            | Self::Malformed => true,
            Self::NoWriter | Self::RunTimedOut => false,
        }
    }
}

impl Rule {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Shape => "What lies at this name is not a lock file that may be touched.",
            Self::Tombstone => {
                "It is lockdoctor's own tombstone; it names no process, and OpenClaw removes it when it next wants the lock."
            }
            Self::Guard => {
                "A reclaim guard makes every acquirer wait, and OpenClaw has no rule that ends one that was left behind."
            }
            Self::Coordinator => {
                "The file is permanent; the lock is an operating-system lock on it, so its presence means nothing."
            }
            Self::DirectoryLock => {
                "A directory lock is kept alive by touching it; nothing else tells whether it is held."
            }
            Self::WriterOpen => {
                "Some process has the lock file open for writing, which OpenClaw does exactly while it holds the lock."
            }
            Self::Replaced => {
                "Its owner has its own file of this lock open, but another file lies under the name: the lock was deleted or replaced while it was held."
            }
            Self::Unfinished => {
                "The payload was never finished, and whoever creates a lock keeps it open until it is."
            }
            Self::NoWriterDeadOwner => {
                "Nobody on this kernel has the file open for writing, and the process it names is not there any more."
            }
            Self::NoWriterLiveOwner => {
                "The process it names lives, but has closed the file and had nothing left to do since: it has let go of the lock without removing it."
            }
            Self::NoWriterUnknownOwner => {
                "Nobody on this kernel has the file open for writing; who took it cannot be seen from here."
            }
            Self::OwnerAlive => "The process it names lives and is the one that took it.",
            Self::OwnerDead => {
                "The process it names is not there any more, and its number counts in this PID namespace."
            }
            Self::OtherKernel => {
                "The file system is shared with other machines, and this kernel cannot answer for them."
            }
            Self::OtherPidNamespace => "The number belongs to a process of another PID namespace.",
            Self::EvidenceMissing => "What would decide cannot be seen from here.",
        }
    }
}
