//! What a person asks for in the live view, run as the command that they would type: the same words, the same care,
//! and no second way to free a lock.

use std::ffi::OsStr;
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
        let mut command = self.command(&ask);
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

    fn command(&self, ask: &Ask) -> Command {
        let mut command = Command::new(&self.program);
        let (words, operand) = words(ask);
        command.args(words).args(["--color", "never", "--format", "table", "--no-redact"]);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        // A plan is a plan, and what was asked for is shown, whatever variables and files say. A name of others is no
        // option.
        command.env("LOCKDOCTOR_YES", "0").env("LOCKDOCTOR_QUIET", "0").arg("--").arg(operand);
        command
    }

    pub(super) fn answered(&self) -> Option<Answered> {
        self.answers.try_recv().ok()
    }
}

/// The command, and what it is about.
fn words(ask: &Ask) -> (&'static [&'static str], &OsStr) {
    match ask {
        Ask::Explain(what) => (&["explain"], OsStr::new(what)),
        Ask::Plan(lock) => (&["reclaim"], lock.as_os_str()),
        Ask::Free(lock) => (&["reclaim", "--yes"], lock.as_os_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_others_names_is_no_option() {
        let commands = Commands::new(None).expect("this program");
        let command = commands.command(&Ask::Explain("--config=/tmp/theirs".to_owned()));
        let words: Vec<&OsStr> = command.get_args().collect();
        assert!(words.ends_with(&[OsStr::new("--"), OsStr::new("--config=/tmp/theirs")]), "{words:?}");
    }
}
