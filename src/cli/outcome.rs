//! How a command ends that looked at something: what could not be seen is said, and the answer decides the status.

use std::io::Write;

use super::{Common, Format, output};
use crate::answer::Answer;
use crate::exit::Exit;
use crate::words::printable;

/// 2 if something that had to be looked at could not be, 1 if something is at `warning` or above, else 0.
pub fn exit_of(answer: &Answer) -> Exit {
    match (answer.is_blind(), answer.needs_attention()) {
        (true, _) => Exit::Trouble,
        (false, true) => Exit::Findings,
        (false, false) => Exit::Clean,
    }
}

/// What could not be looked at goes to standard error where standard output is for programs.
pub fn say_unseen(common: &Common, answer: &Answer) -> anyhow::Result<()> {
    if common.format() == Format::Table {
        return Ok(());
    }
    let mut err = output::stderr();
    for spot in &answer.blind_spots {
        writeln!(err, "lockdoctor: {}", printable(&spot.text))?;
    }
    Ok(())
}

/// Locks that cannot be judged make an act incomplete; people read of them in its last line.
pub fn say_unjudged(common: &Common, answer: &Answer) -> anyhow::Result<()> {
    if common.format() == Format::Table {
        return Ok(());
    }
    let mut err = output::stderr();
    for spot in &answer.blind_spots {
        if let Some(command) = &spot.command {
            writeln!(err, "lockdoctor: {} See: {command}", printable(&spot.text))?;
        }
    }
    Ok(())
}
