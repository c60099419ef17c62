//! Parse, dispatch, exit.

use std::process::ExitCode;

use lockdoctor::exit::Exit;
use lockdoctor::settings::{self, SettingsError};
use lockdoctor::{cli, sys};

fn main() -> ExitCode {
    sys::ignore_lease_break_signal();
    let cli = match settings::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(SettingsError::Usage(error)) => return cli::usage_error(&error, std::env::args_os()).into(),
        Err(error) => {
            anstream::eprintln!("lockdoctor: {error}");
            return cli::trouble(&error.to_string(), std::env::args_os()).into();
        }
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
