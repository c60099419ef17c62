//! Who holds what OpenClaw's processes keep from one another: what OpenClaw itself cannot print.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::style::{BOLD, DIM};
use crate::leases::holders::{HolderProcess, Thing};
use crate::leases::{Held, Workings};
use crate::words::{self, count, duration, printable, rfc3339};

/// A line a process. Writing to a String cannot fail, so the results of `write!` are dropped in this module.
pub fn lines(workings: &Workings, now: DateTime<Utc>, width: usize) -> String {
    let mut out = String::new();
    for held in workings.held() {
        let text = format!("{}: {}", who(&held, now), what(&held));
        for (at, line) in words::wrapped(&text, width.saturating_sub(4)).iter().enumerate() {
            let _ = writeln!(out, "  {} {line}", if at == 0 { '·' } else { ' ' });
        }
    }
    out
}

fn who(held: &Held, now: DateTime<Utc>) -> String {
    let Some(process) = &held.process else { return "a process that cannot be seen from here".to_owned() };
    let since = process.since.and_then(|since| (now - since).to_std().ok());
    let since = since.map_or_else(String::new, |since| format!(", for {}", duration(since)));
    format!("{}{since}", printable(&process.described()))
}

fn what(held: &Held) -> String {
    let things: Vec<&str> = held.things.iter().map(|(thing, _)| thing.as_str()).collect();
    let databases = match held.databases.len() {
        0 => None,
        number => Some(format!("has {} open", count(number, "database"))),
    };
    let holds = (!things.is_empty()).then(|| format!("holds {}", things.join(", ")));
    holds.into_iter().chain(databases).collect::<Vec<_>>().join("; ")
}

/// All that is known of one of them.
pub fn explain(held: &Held, now: DateTime<Utc>, width: usize) -> String {
    let mut out = format!("{BOLD}{}{BOLD:#}\n", who(held, now));
    let mut paragraph = |heading: &str, sentences: Vec<String>| {
        if sentences.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{DIM}{heading}{DIM:#}");
        for line in sentences.iter().flat_map(|sentence| words::wrapped(sentence, width.saturating_sub(2))) {
            let _ = writeln!(out, "  {line}");
        }
    };
    let holds =
        |(thing, file): &(Thing, std::path::PathBuf)| format!("{}: {}", thing.as_str(), words::path(file));
    paragraph("It holds", held.things.iter().map(holds).collect());
    let keeps_out = |(thing, _): &(Thing, _)| format!("{}: {}", thing.as_str(), thing.keeps_out());
    paragraph("That keeps out", held.things.iter().map(keeps_out).collect());
    let open = held.databases.iter().map(|database| words::path(database).clone());
    paragraph("It has open", open.collect());
    let next = match &held.process {
        None => "Run lockdoctor on the host: it names the process.".to_owned(),
        Some(process) if process.is_stopped() => {
            format!("It does nothing until it goes on: kill -CONT {}", process.pid)
        }
        Some(process) if process.is_gateway() => {
            "nothing to do: a gateway holds these for as long as it runs".to_owned()
        }
        Some(_) if held.things.is_empty() => "nothing to do".to_owned(),
        Some(process) => format!(
            "It lets go when it ends. If it hangs: kill {} (never delete the *.lock.sqlite files: they are permanent)",
            process.pid
        ),
    };
    paragraph("Next", vec![next]);
    out
}

/// The same for a program.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    /// Null: it is where it cannot be seen from here.
    pid: Option<u32>,
    name: Option<String>,
    /// `S`, `T`, `D`, as `/proc` has it.
    process_state: Option<char>,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    since: Option<String>,
    /// Whoever started it is gone.
    orphan: Option<bool>,
    holds: Vec<Hold>,
    /// Databases that it has open.
    databases: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Hold {
    what: Thing,
    file: String,
    keeps_out: &'static str,
}

pub fn json(held: Held) -> Holder {
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let process = held.process.as_ref();
    let hold =
        |(thing, file): (Thing, _)| Hold { what: thing, file: text(file), keeps_out: thing.keeps_out() };
    Holder {
        pid: process.map(|process| process.pid),
        name: process.map(|process| process.name.clone()),
        process_state: process.map(|process| process.state),
        since: process.and_then(|process| process.since).map(rfc3339),
        orphan: process.map(HolderProcess::is_orphan),
        holds: held.things.into_iter().map(hold).collect(),
        databases: held.databases.into_iter().map(text).collect(),
    }
}
