//! The hidden command behind `reclaim --leases`: one act on one row, in a process of its own.

use std::io::Write;

use super::output;
use crate::exit::Exit;
use crate::reclaim::leases::child;

pub fn run() -> anyhow::Result<Exit> {
    let answer = child::serve(std::io::stdin())?;
    output::stdout().write_all(&answer)?;
    Ok(Exit::Clean)
}
