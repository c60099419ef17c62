//! What the daemon knows at the moment of a question.

use crate::clock::Now;
use crate::watch::directories::Directories;
use crate::watch::findings::Board;
use crate::watch::locks::Locks;
use crate::watch::options::Options;
use crate::watch::sources::Sources;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) now: Now,
    pub(crate) options: &'a Options,
    pub(crate) directories: &'a Directories,
    pub(crate) locks: &'a Locks,
    pub(crate) sources: &'a Sources,
    pub(crate) board: &'a Board,
    /// Whose end is waited for.
    pub(crate) processes: usize,
}
