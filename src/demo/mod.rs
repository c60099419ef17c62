//! A throw-away state directory with real processes in every state, for `lockdoctor demo`: what a newcomer sees
//! first. It needs no OpenClaw, no root and no network, and touches nothing outside its own directory.
//!
//! The processes are lockdoctor itself, started again as [`actor`]s. They are told what to do through a pipe and
//! end when it closes, so that nobody has to be signalled, however the demo itself ends.

pub mod actor;
pub mod cast;
pub mod stage;
