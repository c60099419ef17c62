//! Why a database could not be read, as sentences for people.
//!
//! One variant for each thing that the reader of the message would do something different about.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },

    #[error("{} is a symbolic link; lockdoctor follows no links below a state directory", path.display())]
    Symlink { path: PathBuf },

    #[error("{} is {what}, not a regular file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },

    #[error("no permission to read {}; run lockdoctor as the user that runs the gateway", path.display())]
    Permission { path: PathBuf },

    #[error("{} could not be read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },

    #[error("{} is empty: OpenClaw has not written its tables yet", path.display())]
    Empty { path: PathBuf },

    #[error("{} is not a SQLite database", path.display())]
    NotSqlite { path: PathBuf },

    #[error("{} is damaged: {what}; `openclaw doctor` checks and repairs databases", path.display())]
    Corrupt { path: PathBuf, what: String },

    #[error("{} is a SQLite database, but not OpenClaw's: it has no table {table}", path.display())]
    Foreign { path: PathBuf, table: &'static str },

    #[error("{} uses {what}, which lockdoctor does not read", path.display())]
    Unsupported { path: PathBuf, what: String },

    #[error(
        "{} has a rollback journal beside it: a writer is in the middle of a transaction, or died in one \
         (OpenClaw rolls it back at its next start)",
        path.display()
    )]
    Journal { path: PathBuf },

    #[error("{} was not read to its end: {what}, more than any of OpenClaw's takes", path.display())]
    TooMuch { path: PathBuf, what: &'static str },

    #[error("{} changed under each of {attempts} readings; try again", path.display())]
    Busy { path: PathBuf, attempts: u32 },

    #[error("{}: table {table} {what}; this OpenClaw is newer or older than the ones lockdoctor knows",
        path.display())]
    Schema { path: PathBuf, table: String, what: String },
}

pub(crate) type Result<T> = std::result::Result<T, ReadError>;
