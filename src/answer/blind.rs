//! What could not be seen. Nothing that rests on it is called healthy.

use serde::Serialize;

use crate::words::count;

/// Something that was not looked at, or cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BlindSpot {
    /// A sentence.
    pub text: String,
    /// The command that shows more, typed as it is.
    pub command: Option<String>,
    #[serde(skip)]
    pub weight: Weight,
}

/// Whether the answer can stand without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It had to be looked at: the answer is not whole.
    Essential,
    /// Said, and no more.
    Detail,
}

impl BlindSpot {
    pub fn essential(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None, weight: Weight::Essential }
    }

    pub fn detail(text: impl Into<String>) -> Self {
        Self { weight: Weight::Detail, ..Self::essential(text) }
    }

    pub fn see(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// Locks of which nothing here can tell whether they are in use.
    pub fn unjudged(locks: usize) -> Option<Self> {
        let text = format!("{} cannot be judged from here.", count(locks, "lock"));
        (locks > 0).then(|| Self::essential(text).see("lockdoctor doctor"))
    }

    pub fn no_log() -> Self {
        Self::detail(
            "No gateway log was found, so failed messages, waits and stuck runs are not known. Pass one with --log FILE.",
        )
    }
}
