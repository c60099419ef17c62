//! What a reclaim planned for leases, or did to them, for people and for programs.

use std::fmt::Write;

use anstyle::Style;
use serde::Serialize;

use super::blocks::{alone, beside, prose};
use super::style::{BOLD, DIM};
use super::table::style;
use crate::reclaim::leases::run::LeaseAttempt;
use crate::verdict::Verdict;
use crate::words::{count, printable, rfc3339};

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReclaimedLease {
    /// The database, and after `#` the table and the row.
    path: String,
    owner_pid: Option<u32>,
    owner_host: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    expires_at: Option<String>,
    /// `planned`, `reclaimed`, `vanished`, `changed`, `refused` or `failed`.
    result: &'static str,
    quarantine_id: Option<String>,
    /// Why it was not removed.
    error: Option<String>,
}

pub fn leases(attempts: &[LeaseAttempt]) -> Vec<ReclaimedLease> {
    let lease = |attempt: &LeaseAttempt| ReclaimedLease {
        path: attempt.path.clone(),
        owner_pid: attempt.owner.pid,
        owner_host: attempt.owner.host.clone(),
        expires_at: attempt.expires_at.map(rfc3339),
        result: attempt.result(),
        quarantine_id: attempt.quarantine_id().map(str::to_owned),
        error: attempt.why(),
    };
    attempts.iter().map(lease).collect()
}

/// Result, what it is, its path: as a lock's line has them.
pub fn plain(attempts: &[LeaseAttempt]) -> String {
    let line = |attempt: &LeaseAttempt| {
        format!("{}\tstale\tgateway-owner\t{}\n", attempt.result(), printable(&attempt.path))
    };
    attempts.iter().map(line).collect()
}

/// A line each, for timers; nothing where nothing was to be done.
pub fn in_short(attempts: &[LeaseAttempt]) -> String {
    let line = |attempt: &LeaseAttempt| {
        let whose = whose(attempt);
        let said = match (attempt.result(), attempt.why()) {
            ("planned", _) => format!("would remove the lease of {whose}"),
            ("reclaimed", _) => format!("removed the lease of {whose}: a gateway can start"),
            (_, Some(why)) => format!("the lease of {whose} stays: {why}"),
            _ => return None,
        };
        Some(format!("lockdoctor: {}\n", printable(&said)))
    };
    attempts.iter().filter_map(line).collect()
}

/// Where the sentences begin, as those of locks do.
const COLUMN: usize = 11;

pub fn text(attempts: &[LeaseAttempt], width: usize) -> String {
    let mut out = String::new();
    for attempt in attempts {
        let (word, colour, what) = match attempt.result() {
            "planned" => {
                ("would free", style(Verdict::Stale), "it keeps every gateway out, and its owner is gone")
            }
            "reclaimed" => ("freed", style(Verdict::Held), "a gateway can start"),
            "vanished" => ("gone", style(Verdict::Held), "it was removed in the meantime"),
            "changed" => ("in use", style(Verdict::Settling), "the row has changed; left alone"),
            "failed" => ("not freed", style(Verdict::Stale), "it stays"),
            _ => ("cannot", style(Verdict::Stale), "it stays"),
        };
        let until = attempt.expires_at.filter(|_| attempt.needs_attention());
        let until = until.map_or_else(String::new, |at| format!(", until {}", at.format("%H:%M:%S UTC")));
        let sentence = format!("The lease of {}{until}: {what}", whose(attempt));
        beside(&mut out, &format!("{colour}{word:<10}{colour:#} "), COLUMN, &printable(&sentence), width);
        if attempt.needs_attention() {
            alone(&mut out, &attempt.path, width, COLUMN, DIM);
        }
        if let Some(why) = attempt.why() {
            prose(&mut out, &printable(&why), width, COLUMN, Style::new());
        }
    }
    out
}

/// Sentences, each with the command that comes next.
pub fn conclusion(attempts: &[LeaseAttempt], scope: &str, width: usize) -> String {
    let number = |result: &str| attempts.iter().filter(|attempt| attempt.result() == result).count();
    let (planned, removed) = (number("planned"), number("reclaimed"));
    let mut out = String::new();
    let mut say = |sentence: String, command: String| {
        prose(&mut out, &sentence, width, 0, Style::new());
        alone(&mut out, &command, width, 2, BOLD);
    };
    if planned > 0 {
        let text = format!("{} would be removed; nothing was changed. To remove:", count(planned, "lease"));
        say(text, format!("lockdoctor reclaim{scope} --leases --yes"));
    }
    if removed > 0 {
        let text = format!("{} removed. Start the gateway, if nothing does:", count(removed, "lease"));
        say(text, "openclaw gateway start".to_owned());
        say("It is kept in quarantine:".to_owned(), "lockdoctor quarantine list".to_owned());
    }
    out
}

fn whose(attempt: &LeaseAttempt) -> String {
    let mut said =
        attempt.owner.pid.map_or_else(|| "a gateway".to_owned(), |pid| format!("the gateway with pid {pid}"));
    if let Some(host) = &attempt.owner.host {
        let _ = write!(said, " on {host}");
    }
    said
}
