//! The cron job that lockdoctor replaces: `find … -name "*.lock" -mmin +2 -delete`. It deletes live locks, and
//! two writers then fork a transcript in silence.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cron_line::{deletes_locks, scripts, shown};
use super::identity::{Identity, uid_with_name};
use super::{Finding, Surroundings};
use crate::evidence::identity::name_of;
use crate::install::environment::Environment;

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

/// A line that deletes locks, and where it stands.
struct Job {
    place: String,
    line: String,
    remove: String,
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
    let mut findings: Vec<Finding> = search.jobs.iter().map(|job| finding(job, &user)).collect();
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
pub fn deleters(state_dirs: Vec<PathBuf>) -> Vec<String> {
    let environment = Environment::of_this_process();
    let search = Search::of_this_machine(state_dirs, &environment, Identity::of_this_process());
    search.jobs.iter().map(|job| format!("{}: {}", job.place, shown(&job.line))).collect()
}

/// Whom the timer has to run as.
fn owner(state_dirs: &[PathBuf]) -> String {
    let uid = state_dirs.first().and_then(|path| path.metadata().ok()).map(|found| found.uid());
    uid.and_then(name_of).unwrap_or_else(|| "USER".to_owned())
}

fn finding(job: &Job, user: &str) -> Finding {
    Finding::failure(format!("{} deletes locks, live ones too", job.place))
        .with_details([shown(&job.line)])
        .with_remedy(
            "take the line out, and let the timer free what is proven stale",
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
            Ok(Some(text)) => self.lines(&text, &place, &remove),
            Err(ErrorKind::PermissionDenied) => self.unreadable.push(place),
            Ok(None) | Err(_) => {}
        }
    }

    fn lines(&mut self, text: &str, place: &str, remove: &str) {
        let dirs: Vec<PathBuf> = self.state_dirs.clone();
        let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
        let mut add = |place: String, line: &str| {
            self.jobs.push(Job { place, line: line.to_owned(), remove: remove.to_owned() });
        };
        for line in text.lines() {
            if deletes_locks(line, &dirs) {
                add(place.to_owned(), line);
                continue;
            }
            if line.trim_start().starts_with('#') {
                continue;
            }
            // A job that runs a script which does it.
            for script in scripts(line) {
                let Ok(Some(text)) = read_small(Path::new(script)) else { continue };
                if let Some(found) = text.lines().find(|line| deletes_locks(line, &dirs)) {
                    add(format!("{place} runs {script}, which"), found);
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
                        self.lines(&text, &format!("the crontab of {user}"), &remove);
                    }
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    self.unreadable.push(directory.display().to_string());
                }
                Err(_) => {}
            }
        }
        if !seen_any && let Some(text) = own_crontab() {
            self.lines(&text, &format!("the crontab of uid {}", uid_with_name(uid)), "crontab -e");
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
