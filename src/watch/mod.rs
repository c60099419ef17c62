//! The daemon: learns at once what happens to locks, and costs nothing while nothing does.
//!
//! One thread and one loop wait for everything: names that come and go (inotify), the close of a lock by its
//! holder, the end of an owner (pidfd), the next deadline (a timer on the boot clock), signals, and readers of
//! the status page. Nothing is polled where the kernel can tell.

mod acts;
mod changes;
mod daemon;
mod databases;
pub mod findings;
mod ground;
mod hints;
mod holds;
mod http;
mod inotify;
mod lock_findings;
pub mod log;
mod logs;
mod looks;
mod metrics;
pub mod options;
mod owners;
mod page;
mod poller;
mod polling;
mod process_stats;
mod release;
mod reload;
mod root;
mod roots;
mod serve;
mod service;
mod signals;
mod spot;
mod status;
mod table;
pub mod tell;
mod timer;
mod told;
mod weigh;

pub use daemon::{Daemon, Ended, Reread};
pub use options::Options;
