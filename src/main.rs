//! The program: its arguments in, its exit status out.

use std::ffi::OsString;
use std::process::ExitCode;

use lockdoctor::{cli, sys};

fn main() -> ExitCode {
    sys::ignore_lease_break_signal();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    cli::main(&arguments).into()
}
