//! Parse, dispatch, exit.

use std::io::Write;
use std::process::ExitCode;

use lockdoctor::exit::Exit;
use lockdoctor::settings::{self, SettingsError};
use lockdoctor::{cli, door, sys};

fn main() -> ExitCode {
    sys::ignore_lease_break_signal();
    let cli = match settings::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(SettingsError::Usage(error)) => return cli::usage_error(error, std::env::args_os()).into(),
        Err(error) => {
            say(&format!("{error}"));
            return cli::trouble(&error.to_string(), std::env::args_os()).into();
        }
    };
    match cli::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) if cli::is_broken_pipe(&error) => Exit::Clean.into(),
        Err(error) => {
            say(&format!("{error:#}"));
            Exit::Trouble.into()
        }
    }
}

/// An error, to standard error; if nobody reads that, there is nobody to tell.
fn say(error: &str) {
    let _ = writeln!(door::stderr(), "lockdoctor: {error}");
}
