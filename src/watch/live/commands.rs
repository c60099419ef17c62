//! What a person asks for in the live view, run as the command that they would type: the same words, the same care,
//! and no second way to free a lock.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

/// One command of lockdoctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Explain(String),
    /// What `Free` would do.
    Plan(PathBuf),
    Free(PathBuf),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) to: Ask,
    pub(super) text: String,
}

/// Runs commands, one thread each: they may take as long as they need.
#[derive(Debug)]
pub struct Commands {
    program: PathBuf,
    config: Option<PathBuf>,
    answers: Receiver<Answered>,
    answer: Sender<Answered>,
}

impl Commands {
    /// `config`: as it was typed for the daemon.
    pub fn new(config: Option<PathBuf>) -> std::io::Result<Self> {
        let (answer, answers) = channel();
        Ok(Self { program: std::env::current_exe()?, config, answers, answer })
    }

    pub(super) fn run(&self, ask: Ask, width: u16) {
        let mut command = Command::new(&self.program);
        command.args(arguments(&ask)).args(["--color", "never", "--format", "table", "--no-redact"]);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.env("COLUMNS", width.to_string()).stdin(Stdio::null());
        let answer = self.answer.clone();
        std::thread::spawn(move || {
            let text = match command.output() {
                Ok(output) => {
                    let both = [output.stdout, output.stderr].concat();
                    String::from_utf8_lossy(&both).trim_end().to_owned()
                }
                Err(error) => format!("lockdoctor could not be run: {error}"),
            };
            // Nobody is left to hear of it once the view has ended.
            let _ = answer.send(Answered { to: ask, text });
        });
    }

    pub(super) fn answered(&self) -> Option<Answered> {
        self.answers.try_recv().ok()
    }
}

fn arguments(ask: &Ask) -> Vec<OsString> {
    match ask {
        Ask::Explain(what) => vec!["explain".into(), what.into()],
        Ask::Plan(lock) => vec!["reclaim".into(), lock.into()],
        Ask::Free(lock) => vec!["reclaim".into(), lock.into(), "--yes".into()],
    }
}
