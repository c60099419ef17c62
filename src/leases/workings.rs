//! How an install of 2026.8 or later works, beside its leases: its starts, its queues, and who holds what.

use super::boots::Boot;
use super::holders::{Holder, Log};
use super::queues::Queues;

#[derive(Debug, Clone, Default)]
pub struct Workings {
    /// In the order of their starts.
    pub boots: Vec<Boot>,
    pub queues: Queues,
    pub holders: Vec<Holder>,
    pub logs: Vec<Log>,
    /// The host name that the owner's lease names.
    pub host: Option<String>,
}
