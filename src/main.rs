//! The program: its arguments in, its exit status out.

use std::ffi::OsString;
use std::process::ExitCode;

use lockdoctor::{cli, redact, sys};

fn main() -> ExitCode {
    sys::ignore_lease_break_signal();
    redact::salt_with(&install_secret());
    let arguments: Vec<OsString> = std::env::args_os().collect();
    cli::main(&arguments).into()
}

/// What only this machine knows: its id (machine-id(5)), or in a container its boot's and its name.
fn install_secret() -> Vec<u8> {
    let read = |path: &str| std::fs::read(path).ok().filter(|bytes| !bytes.is_empty());
    read("/etc/machine-id").unwrap_or_else(|| {
        let parts = ["/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname"];
        parts.into_iter().filter_map(read).flatten().collect()
    })
}
