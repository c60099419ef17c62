//! OpenClaw's calendar versions, and the eras that differ in how they lock.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::lock_kind::LockKind;
use super::payload::{Ending, Payload};

/// `2026.5.22`, `2026.1.24-3`, `2026.7.2-beta.7`. Suffixes are kept for display; a beta sorts before its
/// release, a numbered rebuild (`-3`) counts as the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    year: u16,
    month: u16,
    patch: u16,
    suffix: String,
}

impl Version {
    pub const fn release(month: u16, patch: u16) -> Self {
        Self { year: 2026, month, patch, suffix: String::new() }
    }

    fn key(&self) -> (u16, u16, u16, bool) {
        (self.year, self.month, self.patch, !self.suffix.starts_with("beta"))
    }

    /// This version is `2026.month.patch` or later.
    pub fn at_least(&self, month: u16, patch: u16) -> bool {
        *self >= Self::release(month, patch)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key()).then_with(|| self.suffix.cmp(&other.suffix))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not an OpenClaw version such as 2026.5.22")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let wrong = || NotAVersion(text.to_owned());
        let (numbers, suffix) =
            text.trim().trim_start_matches('v').split_once('-').unwrap_or((text.trim(), ""));
        let mut parts = numbers.trim_start_matches('v').split('.').map(str::parse::<u16>);
        let mut next = || parts.next().and_then(Result::ok).ok_or_else(wrong);
        let version = Self { year: next()?, month: next()?, patch: next()?, suffix: suffix.to_owned() };
        if parts.next().is_some() || !(2024..2100).contains(&version.year) {
            return Err(wrong());
        }
        Ok(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.year, self.month, self.patch)?;
        if self.suffix.is_empty() { Ok(()) } else { write!(out, "-{}", self.suffix) }
    }
}

/// Where an install keeps its sessions, and with them its session locks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// Transcripts are files guarded by lock files: up to 2026.7.35.
    File,
    /// Sessions live in SQLite: 2026.8.1 and later. A scan that finds no lock file means nothing here.
    Sqlite,
    #[default]
    Unknown,
}

impl Era {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Sqlite => "sqlite",
            Self::Unknown => "unknown",
        }
    }
}

/// The versions whose code writes a session or store lock with exactly this form, oldest and newest.
/// `None` where the form belongs to another lock kind, which says nothing about the version.
pub fn versions_writing(kind: LockKind, payload: &Payload) -> Option<(Version, Version)> {
    use super::payload::Layout;
    let (first, last) = match (kind, payload.format.layout, payload.format.ending) {
        (LockKind::Store, Layout::Compact, _) => ((1, 24), (2, 12)),
        (LockKind::Store, ..) => ((2, 17), (4, 29)),
        (LockKind::Session, _, Ending::Newline | Ending::Token) if payload.max_hold_ms.is_some() => {
            ((5, 22), (7, 35))
        }
        (LockKind::Session, _, Ending::Newline | Ending::Token) => ((5, 12), (5, 20)),
        (LockKind::Session, _, Ending::Bare) if payload.start_ticks.is_some() => ((3, 2), (5, 7)),
        // Without a start time: written before 2026.3.2, or later on another system than Linux.
        (LockKind::Session, _, Ending::Bare) => ((1, 24), (3, 1)),
        _ => return None,
    };
    Some((Version::release(first.0, first.1), Version::release(last.0, last.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_sort_by_date_and_betas_before_their_release() {
        let sorted = ["2026.1.24-3", "2026.2.6-3", "2026.3.13", "2026.7.2-beta.1", "2026.7.2", "2026.7.35"];
        for pair in sorted.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{pair:?}");
        }
        assert!(v("2026.1.24-3").at_least(1, 24));
        assert!(!v("2026.7.2-beta.7").at_least(7, 2));
        assert_eq!(v("v2026.5.22").to_string(), "2026.5.22");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1.2", "2026.1", "2026.1.x", "99999.1.1", "2026.1.2.3"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
