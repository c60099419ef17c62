//! What a check has to say: how it stands, and what to do about it.

use serde::Serialize;

/// How it stands. The worst finding of a check is the check's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    /// Nothing to do, or nothing that could be looked at from here.
    Note,
    /// lockdoctor works, but knows less than it could.
    Warning,
    /// Something does not work.
    Failure,
}

impl Level {
    /// Somebody has to know of it: doctor's exit code is 1.
    pub fn needs_attention(self) -> bool {
        self >= Self::Warning
    }
}

/// What one check has to say.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    pub level: Level,
    pub text: String,
    pub details: Vec<String>,
    pub remedy: Option<Remedy>,
}

/// What to do about it, and what to type.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remedy {
    pub text: String,
    pub commands: Vec<String>,
}

impl Finding {
    pub(super) fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), details: Vec::new(), remedy: None }
    }

    pub(super) fn good(text: impl Into<String>) -> Self {
        Self::new(Level::Good, text)
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        Self::new(Level::Note, text)
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self::new(Level::Warning, text)
    }

    pub(super) fn failure(text: impl Into<String>) -> Self {
        Self::new(Level::Failure, text)
    }

    pub(super) fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    pub(super) fn with_remedy<const N: usize>(mut self, text: &str, commands: [String; N]) -> Self {
        self.remedy = Some(Remedy { text: text.to_owned(), commands: commands.into() });
        self
    }
}
