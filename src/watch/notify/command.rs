//! Commands that lockdoctor starts: no shell unless asked for, the message on standard input, a time limit,
//! and their end as an event of the loop. The only processes that lockdoctor ever signals are these.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::delivery::{Channel, Delivery, Sent};
use crate::clock::Now;
use crate::wakeups::ids::RootId;
use crate::wakeups::poller::{Interest, Poller, Source};
use crate::watch::findings::Key;

/// A command as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Split into words; quotes keep words together, nothing else is special.
    Words(Vec<String>),
    /// For `sh -c`.
    Shell(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    #[error("names no program")]
    Empty,
    #[error("has a quote that is not closed")]
    OpenQuote,
}

impl FromStr for CommandLine {
    type Err = CommandLineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = split(text)?;
        if words.is_empty() { Err(CommandLineError::Empty) } else { Ok(Self::Words(words)) }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => out.write_str(&words.join(" ")),
            Self::Shell(line) => out.write_str(line),
        }
    }
}

impl CommandLine {
    fn command(&self) -> Command {
        match self {
            Self::Words(words) => {
                let mut words = words.iter();
                let mut command = Command::new(words.next().map_or("", String::as_str));
                command.args(words);
                command
            }
            Self::Shell(line) => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", line]);
                command
            }
        }
    }
}

fn split(text: &str) -> Result<Vec<String>, CommandLineError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for each in text.chars() {
        match (quote, each) {
            (Some(open), _) if each == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(each);
                word.get_or_insert_default();
            }
            (None, _) if each.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(each),
        }
    }
    if quote.is_some() {
        return Err(CommandLineError::OpenQuote);
    }
    words.extend(word);
    Ok(words)
}

/// What a command was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    Finding(Key),
    Restart,
    /// This program itself, with a row to remove.
    Lease(RootId),
}

impl Job {
    pub(crate) fn delivery(&self, result: Sent) -> Option<Delivery> {
        let channel = match self {
            Self::Finding(_) => Channel::Command,
            Self::Restart => Channel::Restart,
            // It notifies no channel.
            Self::Lease(_) => return None,
        };
        Some(Delivery { channel, result })
    }
}

impl fmt::Display for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finding((code, _)) => out.write_str(code.as_str()),
            Self::Restart => out.write_str("restart-gateway"),
            Self::Lease(_) => out.write_str("reclaim-leases"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) job: Job,
    pub(crate) result: Sent,
    pub(crate) took: Duration,
    /// What it wrote, where that is listened to.
    pub(crate) said: Vec<u8>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    // Closing it ends the wait too.
    _pidfd: OwnedFd,
    job: Job,
    answer: Option<File>,
    started: Duration,
    until: Duration,
    timed_out: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Children {
    running: HashMap<u32, Running>,
    next_id: u32,
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_running(&self, job: &Job) -> bool {
        self.running.values().any(|running| running.job == *job)
    }

    /// The next time limit.
    pub(crate) fn next_limit(&self) -> Option<Duration> {
        self.running.values().filter(|running| !running.timed_out).map(|running| running.until).min()
    }

    pub(crate) fn start(
        &mut self,
        job: Job,
        command: &CommandLine,
        input: &[u8],
        until: Duration,
        poller: &Poller,
    ) -> std::io::Result<()> {
        // A file in memory and not a pipe: writing it never waits for the reader.
        let mut stdin = File::from(memfd_create("lockdoctor-event", MemfdFlags::CLOEXEC)?);
        stdin.write_all(input)?;
        stdin.rewind()?;
        let answer = match &job {
            Job::Lease(_) => Some(File::from(memfd_create("lockdoctor-answer", MemfdFlags::CLOEXEC)?)),
            _ => None,
        };
        let stdout = match &answer {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::null(),
        };
        let mut child = command
            .command()
            // What is ours alone: the address of the web hook may hold a token.
            .env_remove("LOCKDOCTOR_WEBHOOK")
            .env_remove("LOCKDOCTOR_PING")
            .stdin(stdin)
            .stdout(stdout)
            // A group of its own, so that the time limit reaches what it starts.
            .process_group(0)
            .spawn()?;
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let watched = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .and_then(|pidfd| poller.add(&pidfd, Source::Child(id), Interest::Read).map(|()| pidfd));
        let pidfd = match watched {
            Ok(pidfd) => pidfd,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error.into());
            }
        };
        let started = Now::read().boot;
        self.running
            .insert(id, Running { child, _pidfd: pidfd, job, answer, started, until, timed_out: false });
        Ok(())
    }

    /// The command behind `id` has ended: collects it.
    pub(crate) fn ended(&mut self, id: u32) -> Option<Ended> {
        let mut running = self.running.remove(&id)?;
        let result = match running.child.wait() {
            _ if running.timed_out => Sent::TimedOut,
            Ok(status) if status.success() => Sent::Ok,
            _ => Sent::Failed,
        };
        let mut said = Vec::new();
        if let Some(mut answer) = running.answer {
            // What cannot be read is no answer.
            let _ = answer.rewind().and_then(|()| answer.read_to_end(&mut said));
        }
        let took = Now::read().boot.saturating_sub(running.started);
        Some(Ended { job: running.job, result, took, said })
    }

    /// Ends commands that have run too long, with all that they started.
    pub(crate) fn enforce_limits(&mut self, now: Duration) {
        for running in self.running.values_mut().filter(|running| !running.timed_out && now >= running.until)
        {
            running.timed_out = true;
            // It may have ended by itself in this instant.
            let _ = kill_process_group(Pid::from_child(&running.child), Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        let words = |text: &str| split(text).expect("well formed");
        assert_eq!(words("notify --to ops"), ["notify", "--to", "ops"]);
        assert_eq!(
            words(r#"/opt/my "two words" '' 'a"b' c"d e"f"#),
            ["/opt/my", "two words", "", "a\"b", "cd ef"]
        );
        assert_eq!(words("a;b $(c) | d"), ["a;b", "$(c)", "|", "d"]);
        assert_eq!(split("a 'b"), Err(CommandLineError::OpenQuote));
        assert_eq!("  ".parse::<CommandLine>(), Err(CommandLineError::Empty));
    }
}
