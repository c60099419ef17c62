//! `lockdoctor completions`: the completion script of a shell, made from the same definitions as `--help`.

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;
use crate::exit::Exit;

/// Prints the completion script for a shell.
///
/// bash: `lockdoctor completions bash > ~/.local/share/bash-completion/completions/lockdoctor`.
/// zsh: into a directory of $fpath, as `_lockdoctor`. fish: into ~/.config/fish/completions/lockdoctor.fish.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn run(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "lockdoctor", &mut script);
    std::io::Write::write_all(&mut output::columns(), &script)?;
    Ok(Exit::Clean)
}
