//! The act in a process of its own: this program again, with the order on its standard input and the answer on its
//! standard output.
//!
//! Why: closing any descriptor of a database ends every lock that this process has on it (fcntl(2)), SQLite's too,
//! and code that reads databases, or asks who holds them, opens and closes them all the time. A process that does
//! nothing else does not lose them. If it hangs on a disk, `watch` does not.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use super::{Answer, Order, act};

/// The hidden command.
pub const COMMAND: &str = "lease-actor";
/// This program, even if it was replaced on disk.
pub const PROGRAM: &str = "/proc/self/exe";
/// An order is a path, a row's name and a few words.
const LONGEST: u64 = 256 * 1024;

impl Order {
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Has it done, and waits for it.
pub fn have_done(order: &Order) -> Answer {
    let failed = |error: io::Error| Answer::Failed { why: format!("a process of our own: {error}") };
    run(order).map_or_else(failed, |said| answer(&said))
}

fn run(order: &Order) -> io::Result<Vec<u8>> {
    let mut child =
        Command::new(PROGRAM).arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&order.to_bytes())?;
    }
    Ok(child.wait_with_output()?.stdout)
}

/// What it said before it ended.
pub fn answer(said: &[u8]) -> Answer {
    let ended = || "the process ended without an answer; the journal says how far it came".to_owned();
    serde_json::from_slice(said).unwrap_or_else(|_| Answer::Failed { why: ended() })
}

/// The other end: carries out the order on `input`.
pub fn serve(input: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(LONGEST).read_to_end(&mut text)?;
    let order: Order = serde_json::from_slice(&text)?;
    Ok(serde_json::to_vec(&act::carry_out(&order))?)
}
