//! What OpenClaw keeps in SQLite: the readers against databases of real gateways, beside a busy writer, and
//! against everything that is not what it claims to be.

mod beside;
mod busy;
mod commands;
mod driver;
mod gateway;
mod lease_act;
mod readers;
mod refused;
mod stand_in;
mod today;
