//! What OpenClaw keeps in SQLite since 2026.8.1: its rows as types, and whether a lease is held, and by whom.
//!
//! [`state_db`] and [`agent_db`] turn rows into types, [`judge`] says whether a lease is held, and by whom;
//! [`era`] tells file-era installs from SQLite-era ones. Deciding what to do, and printing, is not done here.

pub mod agent_db;
pub mod boots;
pub mod cells;
pub mod era;
pub mod explain;
pub mod gone;
pub mod holders;
pub mod judge;
pub mod owner;
pub mod queues;
pub mod scope;
pub mod state_db;
pub mod survey;
pub mod workings;

pub use agent_db::{AgentDb, SessionNode, SessionStatus, SessionWindow, Sessions};
pub use boots::Boot;
pub use cells::Section;
pub use era::{Era, Origin, origin};
pub use judge::{
    Action, ClaimKind, LeaseVerdict, OwnerFacts, PidState, Reason, StartTime, Tri, Verdict, judge_lease,
};
pub use owner::LeaseOwner;
pub use queues::Queues;
pub use scope::LeaseScope;
pub use state_db::{AgentDatabaseLease, Lease, MemoryLock, Migration, StateDb};
pub use survey::{Survey, survey};
pub use workings::{Held, Workings};
