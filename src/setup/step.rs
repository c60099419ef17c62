//! What setup does, one thing at a time: shown first, carried out as shown.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::crontab;
use crate::doctor::cron::Table;
use crate::words;

/// One change, or one check.
#[derive(Debug)]
pub enum Step {
    Write { path: PathBuf, text: String },
    Delete { path: PathBuf },
    Systemctl { as_user: bool, words: Vec<String> },
    Retire { table: Table, lines: Vec<String> },
    Restore { table: Table },
}

impl Step {
    /// A line for people.
    pub fn tells(&self) -> String {
        match self {
            Self::Write { path, .. } => format!("write   {}", words::path(path)),
            Self::Delete { path } => format!("delete  {}", words::path(path)),
            Self::Systemctl { as_user, words } => {
                format!("run     systemctl {}{}", if *as_user { "--user " } else { "" }, words.join(" "))
            }
            Self::Retire { table, .. } => format!("comment out, in {table}"),
            Self::Restore { table } => format!("bring back, in {table}"),
        }
    }

    /// What is worth showing below it.
    pub fn details(&self) -> Vec<String> {
        match self {
            // A drop-in is short; the unit is that of the package but for the program.
            Self::Write { path, text } if path.extension().is_some_and(|suffix| suffix == "conf") => {
                text.lines().skip(1).map(str::to_owned).collect()
            }
            Self::Retire { lines, .. } => lines.clone(),
            Self::Restore { table } => {
                read(table).map(|text| crontab::retired_lines(&text)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    pub fn carry_out(&self) -> anyhow::Result<()> {
        match self {
            Self::Write { path, text } => write(path, text),
            Self::Delete { path } => delete(path),
            Self::Systemctl { as_user, words } => systemctl(*as_user, words),
            Self::Retire { table, lines } => {
                let text = read(table)?;
                let Some(text) = crontab::retired(&text, lines) else {
                    bail!("{table} has changed since it was looked at; run this again");
                };
                replace(table, &text)
            }
            Self::Restore { table } => replace(table, &crontab::restored(&read(table)?)),
        }
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().context("a file without a directory")?;
    let wrong = || format!("{} cannot be written", words::path(path));
    fs::create_dir_all(directory).with_context(wrong)?;
    fs::write(path, text).with_context(wrong)
}

fn delete(path: &Path) -> anyhow::Result<()> {
    fs::remove_file(path).with_context(|| format!("{} cannot be deleted", words::path(path)))?;
    // A directory of drop-ins that held others stays.
    if let Some(directory) = path.parent().filter(|parent| parent.extension().is_some_and(|it| it == "d")) {
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

fn systemctl(as_user: bool, words: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new("systemctl");
    command.args(as_user.then_some("--user")).args(words).stdin(Stdio::null());
    let output = command.output().context("systemctl does not run")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let mut text = format!("`systemctl {}` failed: {said}", words.join(" "));
    if let Some(unit) = words.last().filter(|word| word.starts_with("lockdoctor")) {
        text.push_str(&journal(as_user, unit));
    }
    bail!(text)
}

/// Whether a question to systemctl is answered with yes.
pub fn answers(as_user: bool, words: &[&str]) -> bool {
    let mut command = Command::new("systemctl");
    command.args(as_user.then_some("--user")).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The unit's last lines, which say why it did not start.
fn journal(as_user: bool, unit: &str) -> String {
    let which = if as_user { "--user-unit" } else { "--unit" };
    let words = [which, unit, "--no-pager", "--lines=8", "--output=cat"];
    let output = Command::new("journalctl").args(words).stdin(Stdio::null()).output();
    let lines = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    lines.lines().map(|line| format!("\n    {line}")).collect()
}

/// The text of a table of cron's.
pub fn read(table: &Table) -> anyhow::Result<String> {
    let Table::File(path) = table else {
        let output = crontab_command(table).arg("-l").output().context("crontab does not run")?;
        ensure!(output.status.success(), "{table} cannot be read");
        return Ok(String::from_utf8(output.stdout)?);
    };
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", words::path(path)))
}

fn replace(table: &Table, text: &str) -> anyhow::Result<()> {
    let Table::File(path) = table else {
        let mut child = crontab_command(table).arg("-").stdin(Stdio::piped()).spawn()?;
        child.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
        ensure!(child.wait()?.success(), "crontab refused the new table of {table}");
        return Ok(());
    };
    // Whole or not at all; cron skips names with a dot at the front.
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.lockdoctor"));
    let replaced = (|| {
        let now = fs::symlink_metadata(path)?;
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(now.permissions().mode() & 0o7777))?;
        chown(&beside, Some(now.uid()), Some(now.gid()))?;
        fs::rename(&beside, path)
    })();
    replaced.with_context(|| format!("{} cannot be written", words::path(path)))
}

fn crontab_command(table: &Table) -> Command {
    let mut command = Command::new("crontab");
    if let Table::User(user) = table {
        command.args(["-u", user]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}
