//! How a lock went.

/// What ended a lock, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Unlinked: its owner released it, or another removed it.
    Deleted,
    /// Another file has its name now (a takeover by rename).
    Replaced,
    /// lockdoctor put a tombstone in its place.
    Reclaimed,
    /// It was gone when it was looked at, or when its directory was listed.
    Unseen,
    /// Its directory is gone.
    DirectoryLost,
}

impl Release {
    pub(crate) const ALL: [Self; 5] =
        [Self::Deleted, Self::Replaced, Self::Reclaimed, Self::Unseen, Self::DirectoryLost];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Reclaimed => "reclaimed",
            Self::Unseen => "unseen",
            Self::DirectoryLost => "directory-lost",
        }
    }
}
