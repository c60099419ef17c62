//! Parse, dispatch, exit.

use std::process::ExitCode;

use clap::Parser;
use lockdoctor::cli::{self, Cli};
use lockdoctor::exit::Exit;
use lockdoctor::sys;

fn main() -> ExitCode {
    sys::ignore_lease_break_signal();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::usage_error(&error, std::env::args_os()).into(),
    };
    match cli::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) if cli::is_broken_pipe(&error) => Exit::Clean.into(),
        Err(error) => {
            anstream::eprintln!("lockdoctor: {error:#}");
            Exit::Trouble.into()
        }
    }
}
