//! What the daemon knows at the moment of a question.

use super::outcome::{self, Outcome, Surroundings};
use crate::answer::Answer;
use crate::clock::Now;
use crate::directories::Directories;
use crate::verdict::Verdict;
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

impl<'a> Picture<'a> {
    /// As of the last diagnosis; none while nothing that is watched is there.
    pub(crate) fn answer(&self) -> Option<&'a Answer> {
        self.board.answer.as_ref().filter(|_| !self.is_awaited())
    }

    fn is_awaited(&self) -> bool {
        self.directories.roots().all(|root| root.standing.is_none())
    }

    /// What it all comes to for people.
    pub(crate) fn outcome(&self) -> Outcome {
        let verdicts = || self.locks.table.iter().filter_map(|(_, lock)| lock.verdict());
        let is = |wanted: &[Verdict]| verdicts().filter(|verdict| wanted.contains(verdict)).count();
        let surroundings = Surroundings {
            at_work: is(&[Verdict::Held]),
            unclear: is(&[Verdict::Foreign, Verdict::Indeterminate]),
            awaited: self.is_awaited(),
        };
        outcome::of(self.board.open(), surroundings, self.options.redaction).or_as(self.answer())
    }
}
