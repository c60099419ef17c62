//! What is logged about a place is logged once, not at each scan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::survey::Problem;

/// Then all of it may be said once more.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Said(BTreeSet<(PathBuf, String)>);

impl Said {
    pub(crate) fn once(&mut self, path: &Path, what: &str) {
        if self.0.len() == MOST {
            self.0.clear();
        }
        if self.0.insert((path.to_owned(), what.to_owned())) {
            warn!(path = %path.display(), "{what}");
        }
    }

    pub(crate) fn problem(&mut self, problem: &Problem) {
        self.once(&problem.path, &problem.what);
    }
}
