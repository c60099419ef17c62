//! Locks are held open while they settle. At most half of the descriptors that the process may have is spent on
//! that, shared evenly among the roots: a user with ten thousand stale locks delays that user's own. A lock that
//! finds no place waits for its turn, oldest first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::wakeups::ids::{LockId, RootId};

/// More at once would help nobody: a lock is done with in seconds.
const MOST: usize = 4096;

#[derive(Debug)]
pub(crate) struct Pins {
    places: usize,
    taken: Rc<RefCell<BTreeMap<RootId, usize>>>,
    waiting: BTreeMap<RootId, BTreeSet<LockId>>,
}

/// A place that is taken for as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    root: RootId,
    taken: Rc<RefCell<BTreeMap<RootId, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.borrow_mut().get_mut(&self.root) {
            *taken -= 1;
        }
    }
}

impl Pins {
    /// `descriptors`: as many as the process may have open.
    pub(crate) fn new(descriptors: usize) -> Self {
        Self { places: (descriptors / 2).min(MOST), taken: Rc::default(), waiting: BTreeMap::new() }
    }

    fn room(&self, root: RootId, roots: usize) -> usize {
        let share = (self.places / roots.max(1)).max(1);
        let taken = self.taken.borrow().get(&root).copied().unwrap_or_default();
        share.saturating_sub(taken)
    }

    /// `None`: every place of this root, of so many `roots`, is taken.
    pub(crate) fn take(&mut self, root: RootId, roots: usize) -> Option<Place> {
        if self.room(root, roots) == 0 {
            return None;
        }
        *self.taken.borrow_mut().entry(root).or_default() += 1;
        Some(Place { root, taken: Rc::clone(&self.taken) })
    }

    pub(crate) fn wait(&mut self, root: RootId, lock: LockId) {
        self.waiting.entry(root).or_default().insert(lock);
    }

    /// Those whose turn it is now.
    pub(crate) fn admit(&mut self, roots: usize) -> Vec<LockId> {
        let mut admitted = Vec::new();
        for (root, mut queue) in std::mem::take(&mut self.waiting) {
            for _ in 0..self.room(root, roots) {
                admitted.extend(queue.pop_first());
            }
            if !queue.is_empty() {
                self.waiting.insert(root, queue);
            }
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_and_those_who_wait_get_theirs_in_turn() {
        let (alice, bob) = (RootId::from(1), RootId::from(2));
        let mut pins = Pins::new(16);
        let mut taken: Vec<Place> = (0..9).filter_map(|_| pins.take(alice, 2)).collect();
        assert_eq!(taken.len(), 4, "half of the descriptors, and half of that");
        assert!(pins.take(bob, 2).is_some(), "one user's flood is that user's alone");
        for number in [7, 5, 6, 5] {
            pins.wait(alice, LockId::from(number));
        }
        assert_eq!(pins.admit(2), []);
        taken.truncate(2);
        assert_eq!(pins.admit(2), [LockId::from(5), LockId::from(6)]);
        drop(taken);
        assert_eq!(pins.admit(2), [LockId::from(7)]);
        assert_eq!(pins.admit(2), []);
    }
}
