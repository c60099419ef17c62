//! What OpenClaw keeps in SQLite: the readers against databases of real gateways, beside a busy writer, and
//! against everything that is not what it claims to be.

#[path = "sqlite/beside.rs"]
mod beside;
#[path = "sqlite/busy.rs"]
mod busy;
#[path = "sqlite/commands.rs"]
mod commands;
#[path = "sqlite/driver.rs"]
mod driver;
#[path = "support/mod.rs"]
mod env;
#[path = "sqlite/gateway.rs"]
mod gateway;
#[path = "sqlite/readers.rs"]
mod readers;
#[path = "sqlite/refused.rs"]
mod refused;
#[path = "sqlite/support.rs"]
mod support;
