//! Chromium, and what a check in it needs from npm.

#![allow(unreachable_pub, reason = "shared by several test binaries")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn chromium() -> Result<PathBuf, String> {
    let named = std::env::var_os("LOCKDOCTOR_CHROMIUM").map(PathBuf::from);
    let usual =
        ["chromium", "chromium-browser", "google-chrome"].map(|name| Path::new("/usr/bin").join(name));
    named
        .into_iter()
        .chain(usual)
        .find(|path| path.exists())
        .ok_or_else(|| "no Chromium in /usr/bin; LOCKDOCTOR_CHROMIUM may name one".to_owned())
}

/// A directory with the checks in `script` and the packages that they use.
pub fn checks(script: &str) -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(script);
    fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    for file in ["package.json", "package-lock.json", script] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(file);
        fs::copy(&from, directory.join(file)).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm: {error}"))?;
    if installed.status.success() {
        Ok(directory)
    } else {
        Err(format!("npm ci: {}", String::from_utf8_lossy(&installed.stderr).trim()))
    }
}
