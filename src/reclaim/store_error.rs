//! Why the store cannot be used.

use std::path::Path;

use rustix::io::Errno;

use super::trust::Distrust;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {what}: {error}")]
    System { path: String, what: &'static str, error: Errno },
    #[error("another lockdoctor is at work in {path}")]
    Busy { path: String },
    #[error("{path} is not what lockdoctor made (a link, or not its own file); remove it, then try again")]
    Tampered { path: String },
    #[error("{0}")]
    NotTrusted(#[from] Distrust),
}

impl StoreError {
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { error, .. } => Some(*error),
            _ => None,
        }
    }
}

pub(super) fn failed(path: &Path, what: &'static str, error: Errno) -> StoreError {
    StoreError::System { path: path.display().to_string(), what, error }
}
