//! Who holds what OpenClaw's processes keep from one another, by pid: what OpenClaw itself cannot print.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::peek::{Sizes, WalState};

/// A process, and one thing that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub thing: Thing,
    pub file: PathBuf,
    /// `None`: it is in a PID namespace that is not visible from here.
    pub process: Option<HolderProcess>,
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// Held for a gateway's whole life, and by `openclaw doctor --fix` while it works: one at a time.
    GatewayLifecycle,
    /// Held for moments, by whoever opens or changes the databases as a whole.
    StateLifecycle,
    /// Held while a database is opened or copied.
    StateHandles,
    /// The lock of the state directory itself, beside `gateway.state.lock`.
    #[serde(rename = "gateway.state.lock")]
    GatewayLock,
}

impl Thing {
    pub const COORDINATORS: [Self; 3] = [Self::GatewayLifecycle, Self::StateLifecycle, Self::StateHandles];

    /// As OpenClaw calls it in its refusals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GatewayLifecycle => "gateway-lifecycle",
            Self::StateLifecycle => "state-lifecycle",
            Self::StateHandles => "state-handles",
            Self::GatewayLock => "gateway.state.lock",
        }
    }

    pub fn keeps_out(self) -> &'static str {
        match self {
            Self::GatewayLifecycle | Self::GatewayLock => "every other gateway, and `openclaw doctor --fix`",
            Self::StateLifecycle => "every start of a gateway, and every command that opens the databases",
            Self::StateHandles => "whoever wants to replace or restore a database",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderProcess {
    pub pid: u32,
    /// Its title: `openclaw-doctor`, `sqlite3`.
    pub name: String,
    /// `R`, `S`, `D`, `T` … as `/proc` says.
    pub state: char,
    pub since: Option<DateTime<Utc>>,
    pub parent: Option<u32>,
}

impl HolderProcess {
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    pub fn is_gateway(&self) -> bool {
        self.name.contains("-gatewa")
    }

    /// Whoever started it is gone, or is the service manager.
    pub fn is_orphan(&self) -> bool {
        self.parent == Some(1)
    }

    /// `openclaw-doctor (pid 847, stopped, no parent)`.
    pub fn described(&self) -> String {
        let state = match self.state {
            'T' | 't' => ", stopped",
            'D' => ", waits for a disk",
            'Z' | 'X' => ", ended",
            _ => "",
        };
        let parent = if self.is_orphan() { ", no parent" } else { "" };
        format!("`{}` (pid {}{state}{parent})", self.name, self.pid)
    }
}

/// The write-ahead log of one database, and who keeps it from being started over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub database: PathBuf,
    pub agent: Option<String>,
    pub sizes: Sizes,
    pub state: Option<WalState>,
    /// Who has the database open; `None` where the kernel could not be asked.
    pub open: Option<Vec<Option<HolderProcess>>>,
    /// Who was in the same old read transaction at two looks.
    pub pinned_by: Vec<HolderProcess>,
}
