//! The daemon: learns at once what happens to locks, and costs nothing while nothing does.
//!
//! One thread and one loop wait for everything: names that come and go (inotify), the close of a lock by its
//! holder, the end of an owner (pidfd), the next deadline (a timer on the boot clock), signals, and readers of
//! the status page. Nothing is polled where the kernel can tell.
//!
//! It stands on [`crate::wakeups`] (what wakes the loop) and [`crate::directories`] (events in, changes of locks out).
//! Its rooms, from the ground up: [`locks`] (what each known lock is going through), [`sources`] (logs and databases),
//! [`findings`] (what people have to know), [`notify`] and [`serve`] (how they learn of it), and [`daemon`], the loop
//! that leads them.

mod daemon;
mod findings;
pub mod live;
mod locks;
pub mod log;
pub mod mandate;
pub mod notify;
pub mod options;
mod serve;
mod sources;

pub use daemon::{Daemon, Ended, Reread};
pub use options::Options;
