//! The cron job that lockdoctor replaces: `find … -name "*.lock" -mmin +2 -delete`. It deletes live locks, and
//! two writers then fork a transcript in silence.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cron_line::{deletes_locks, scripts};
use super::identity::{Identity, uid_with_name};
use super::{Finding, Surroundings};
use crate::evidence::identity::name_of;
use crate::install::environment::Environment;
use crate::redact::Redactor;
use crate::words;

/// Crontabs of users, by distribution: Debian, Red Hat and Arch, SUSE, Alpine.
const USER_TABS: &[&str] =
    &["/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs", "/etc/crontabs"];
/// Files, or directories of files, that cron or systemd read.
const SYSTEM: &[&str] = &[
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
    "/etc/periodic/daily",
    "/etc/systemd/system",
];
/// Whatever is longer than this is no crontab and no script of a few lines.
const MAX_BYTES: u64 = 256 * 1024;

/// A table that cron reads, whose lines can be changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Own,
    User(String),
    File(PathBuf),
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("your crontab"),
            Self::User(user) => write!(f, "the crontab of {user}"),
            Self::File(path) => f.write_str(&words::path(path)),
        }
    }
}

/// A line that deletes locks, where it stands, and how it is taken out by hand.
#[derive(Debug)]
pub struct Job {
    pub place: String,
    pub line: String,
    pub remove: String,
    /// `None` for a script that a job runs, and for a unit.
    pub table: Option<Table>,
}

#[derive(Default)]
struct Search {
    jobs: Vec<Job>,
    unreadable: Vec<String>,
    state_dirs: Vec<PathBuf>,
}

pub(super) fn jobs(around: &mut Surroundings) -> Vec<Finding> {
    let state_dirs = around.places.iter().map(|place| place.path.clone()).collect();
    let search = Search::of_this_machine(state_dirs, &around.environment, around.us);
    let user = owner(&search.state_dirs);
    let redactor = around.redactor;
    let mut findings: Vec<Finding> = search.jobs.iter().map(|job| finding(job, &user, redactor)).collect();
    if findings.is_empty() {
        findings.push(Finding::good("no cron job and no unit deletes locks"));
    }
    if !search.unreadable.is_empty() {
        let finding = Finding::note("other users' crontabs cannot be read by this user");
        findings.push(
            finding
                .with_details(search.unreadable)
                .with_remedy("ask as root", ["sudo lockdoctor doctor cron".to_owned()]),
        );
    }
    findings
}

/// What deletes locks below these directories, a line each: where it stands, and how it reads.
pub fn deleters(state_dirs: Vec<PathBuf>, redactor: Redactor) -> Vec<String> {
    let told = |job: &Job| format!("{}: {}", job.place, redactor.command(&job.line));
    jobs_that_delete(state_dirs).iter().map(told).collect()
}

/// The jobs that delete locks below these directories.
pub fn jobs_that_delete(state_dirs: Vec<PathBuf>) -> Vec<Job> {
    let environment = Environment::of_this_process();
    Search::of_this_machine(state_dirs, &environment, Identity::of_this_process()).jobs
}

/// Every table that this user may change.
pub fn tables(uid: u32) -> Vec<Table> {
    if uid != 0 {
        return vec![Table::Own];
    }
    let files = |directory: &&str| std::fs::read_dir(directory).into_iter().flatten().flatten();
    let of_users = USER_TABS.iter().flat_map(files).filter(|entry| entry.path().is_file());
    let of_users = of_users.map(|entry| Table::User(entry.file_name().to_string_lossy().into_owned()));
    let of_system = files(&"/etc/cron.d").map(|entry| Table::File(entry.path()));
    let all: BTreeSet<Table> =
        of_users.chain(of_system).chain([Table::File("/etc/crontab".into())]).collect();
    all.into_iter().collect()
}

/// Whom the timer has to run as.
fn owner(state_dirs: &[PathBuf]) -> String {
    let uid = state_dirs.first().and_then(|path| path.metadata().ok()).map(|found| found.uid());
    uid.and_then(name_of).unwrap_or_else(|| "USER".to_owned())
}

fn finding(job: &Job, user: &str, redactor: Redactor) -> Finding {
    Finding::failure(format!("{} deletes locks, live ones too", job.place))
        .with_details([redactor.command(&job.line).into_owned()])
        .with_remedy(
            "remove the line, and let the timer free what is proven stale",
            [
                job.remove.clone(),
                format!("sudo systemctl enable --now lockdoctor-reclaim@{user}.timer"),
                "systemctl --user enable --now lockdoctor-reclaim.timer   # a gateway that runs as your user"
                    .to_owned(),
            ],
        )
}

impl Search {
    fn of_this_machine(state_dirs: Vec<PathBuf>, environment: &Environment, us: Identity) -> Self {
        let mut search = Self { state_dirs, ..Self::default() };
        for path in SYSTEM {
            search.look_at(Path::new(path));
        }
        if let Some(home) = environment.get("HOME") {
            search.look_at(&Path::new(home).join(".config/systemd/user"));
        }
        search.user_tabs(us.uid);
        search
    }

    /// A file, or the files in a directory and its drop-ins.
    fn look_at(&mut self, path: &Path) {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotADirectory => return self.file(path),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return self.unreadable.push(path.display().to_string());
            }
            Err(_) => return,
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let below = path.extension().is_some_and(|suffix| suffix == "d") && path.is_dir();
            if below { self.look_at(&path) } else { self.file(&path) }
        }
    }

    fn file(&mut self, path: &Path) {
        let place = path.display().to_string();
        let remove = format!("sudoedit {place}");
        match read_small(path) {
            Ok(Some(text)) => {
                let of_cron = path.starts_with("/etc/cron.d") || path == Path::new("/etc/crontab");
                let table = of_cron.then(|| Table::File(path.to_owned()));
                self.lines(&text, &place, &remove, table.as_ref());
            }
            Err(ErrorKind::PermissionDenied) => self.unreadable.push(place),
            Ok(None) | Err(_) => {}
        }
    }

    fn lines(&mut self, text: &str, place: &str, remove: &str, table: Option<&Table>) {
        let dirs: Vec<PathBuf> = self.state_dirs.clone();
        let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
        let mut add = |place: String, line: &str, table: Option<&Table>| {
            let (line, remove) = (line.to_owned(), remove.to_owned());
            self.jobs.push(Job { place, line, remove, table: table.cloned() });
        };
        for line in text.lines() {
            if deletes_locks(line, &dirs) {
                add(place.to_owned(), line, table);
                continue;
            }
            if line.trim_start().starts_with('#') {
                continue;
            }
            // A job that runs a script which does it.
            for script in scripts(line) {
                let Ok(Some(text)) = read_small(Path::new(script)) else { continue };
                if let Some(found) = text.lines().find(|line| deletes_locks(line, &dirs)) {
                    add(format!("{place} runs {script}, which"), found, None);
                }
            }
        }
    }

    /// Every user's crontab for root; our own through crontab(1), which may read what we may not.
    fn user_tabs(&mut self, uid: u32) {
        let mut seen_any = false;
        for directory in USER_TABS.iter().map(Path::new) {
            match std::fs::read_dir(directory) {
                Ok(entries) => {
                    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
                        let Ok(Some(text)) = read_small(&path) else { continue };
                        seen_any = true;
                        let user = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        let remove = format!("sudo crontab -e -u {user}");
                        let table = Table::User(user);
                        self.lines(&text, &table.to_string(), &remove, Some(&table));
                    }
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    self.unreadable.push(directory.display().to_string());
                }
                Err(_) => {}
            }
        }
        if !seen_any && let Some(text) = own_crontab() {
            self.lines(
                &text,
                &format!("the crontab of uid {}", uid_with_name(uid)),
                "crontab -e",
                Some(&Table::Own),
            );
        }
    }
}

fn own_crontab() -> Option<String> {
    let output =
        Command::new("crontab").arg("-l").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `Ok(None)`: not a regular file, or too long. Links are followed: units are often links.
fn read_small(path: &Path) -> Result<Option<String>, ErrorKind> {
    let metadata = std::fs::metadata(path).map_err(|error| error.kind())?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|error| error.kind())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
