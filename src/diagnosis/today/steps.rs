//! Small parts that all findings of this folder are made of.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::super::finding::{Certainty, Finding, Remedy};
use crate::history::evidence::Line;
use crate::history::story::Step;
use crate::words;

/// `20:05:17`, with the date where it is another day's.
pub(super) fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let form = if at.date_naive() == now.date_naive() { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M UTC" };
    at.format(form).to_string()
}

pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    words::duration((to - from).to_std().unwrap_or_default())
}

impl Finding {
    /// Something to type, and what it does.
    pub(super) fn command(self, command: impl Into<Cow<'static, str>>, effect: &'static str) -> Self {
        self.act(if effect.is_empty() {
            Remedy::bare_command(command)
        } else {
            Remedy::command(command, effect)
        })
    }

    /// Something to do that is no command.
    pub(super) fn hint(self, text: impl Into<Cow<'static, str>>) -> Self {
        self.act(Remedy::hint(text))
    }

    pub(super) fn step(mut self, at: DateTime<Utc>, text: impl Into<String>) -> Self {
        self.story.push(Step { at: Some(at), text: text.into() });
        self
    }

    pub(super) fn saw(mut self, text: impl Into<String>) -> Self {
        self.evidence.push(Line::seen(text));
        self
    }

    /// By the kernel, or by OpenClaw's own row; and no lock file has a part in it.
    pub(super) fn proven(mut self) -> Self {
        self.certainty = Certainty::Proven;
        self.removing_lock_helps = Some(false);
        self
    }

    pub(super) fn likely(mut self) -> Self {
        self.certainty = Certainty::Likely;
        self.removing_lock_helps = Some(false);
        self
    }

    pub(super) fn between(self, first: DateTime<Utc>, last: DateTime<Utc>, count: usize) -> Self {
        self.seen(Some(first), Some(last), count as u64)
    }
}
