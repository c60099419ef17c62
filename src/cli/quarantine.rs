//! `lockdoctor quarantine`: what was reclaimed; put it back; drop it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anstyle::Style;
use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, Common, Format, output};
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::install::Install;
use crate::install::trace::{self, Trace};
use crate::reclaim::entry::Subject;
use crate::reclaim::homes;
use crate::reclaim::quarantine::{self, Quarantined};
use crate::reclaim::store::Store;
use crate::report::blocks::{alone, prose};
use crate::report::style::DIM;
use crate::settings::bounds::duration;
use crate::survey::Scope;
use crate::survey::scope::Target;
use crate::words::{self, ago, count, printable, rfc3339};

pub(super) const SCHEMA: &str = "lockdoctor/quarantine/v1";

/// What a program gets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document {
    schema: &'static str,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum What {
    /// What is kept, oldest first.
    Locks(Vec<Quarantined>),
    /// What was put back.
    Restored(Vec<Restored>),
    /// The ids of what was dropped.
    Purged(Vec<String>),
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Restored {
    id: String,
    subject: Subject,
}

impl Document {
    fn of(what: What) -> Self {
        Self { schema: SCHEMA, what }
    }
}

const EXAMPLES: &str = "\
Examples:
  lockdoctor quarantine                      what is kept
  lockdoctor quarantine restore 20261122T140501.123Z-9e2d7c
  lockdoctor quarantine purge --older-than 30d";

/// List what was reclaimed, put it back, or drop it.
///
/// Every lock that lockdoctor freed is kept, with its bytes unchanged, in lockdoctor/quarantine/ of its
/// state directory; lockdoctor/journal.jsonl beside it says who freed what, when, and why.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct QuarantineArgs {
    /// Default: list.
    #[command(subcommand)]
    pub command: Option<QuarantineCommand>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// Show what is kept, oldest first.
    List,
    /// Put a lock back under its name; only over lockdoctor's own marker, or where the name is free.
    Restore {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Remove for good what has been kept for longer than this.
    Purge {
        /// Drop what has lain there for longer than this.
        #[arg(long, value_name = "DUR", default_value = "7d", value_parser = duration)]
        older_than: Duration,
    },
}

pub fn run(common: &Common, args: &QuarantineArgs) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    // A bare sessions directory has a quarantine of its own.
    let shows_state =
        |path: &PathBuf| trace::of_state_directory(path).is_ok_and(|trace| trace == Trace::Found);
    let (states, others): (Vec<_>, Vec<_>) = common.state_dir.iter().cloned().partition(shows_state);
    let scope = Scope::resolve(&others, &states, &view)?;
    let mut homes = Vec::new();
    for target in scope.targets {
        match target {
            Target::State { path, .. } => {
                let install = Install::open(&path, &mut view).with_context(|| words::path(&path))?;
                homes.extend(homes::of_install(&install));
            }
            Target::Directory { path, .. } => homes.extend(homes::of_directory(&path)),
        }
    }
    match &args.command {
        None | Some(QuarantineCommand::List) => list(common, &homes),
        Some(QuarantineCommand::Restore { id }) => restore(common, &homes, id, &mut view.leases),
        Some(QuarantineCommand::Purge { older_than }) => purge(common, &homes, *older_than, &mut view.leases),
    }
}

fn list(common: &Common, homes: &[Arc<Directory>]) -> anyhow::Result<Exit> {
    let mut files: Vec<Quarantined> = Vec::new();
    for home in homes {
        if let Some(store) = Store::look(home)? {
            files.extend(quarantine::list(&store)?);
        }
    }
    match common.format() {
        Format::Json => output::print_json(&Document::of(What::Locks(files)))?,
        Format::Ndjson => output::print_ndjson(&files)?,
        Format::Plain => plain(&files)?,
        Format::Table => for_people(&files)?,
    }
    Ok(Exit::Clean)
}

/// Id, time, verdict, reasons, lock: tab-separated, a line each.
fn plain(files: &[Quarantined]) -> anyhow::Result<()> {
    let mut out = output::columns();
    for file in files {
        let at = file.at.map_or_else(|| "-".to_owned(), rfc3339);
        let Subject { verdict, reasons, lock, .. } = &file.subject;
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        writeln!(out, "{}\t{at}\t{verdict}\t{}\t{}", file.id, reasons.join(","), printable(lock))?;
    }
    Ok(())
}

fn for_people(files: &[Quarantined]) -> anyhow::Result<()> {
    let (mut text, width) = (String::new(), output::width());
    for file in files {
        let at = file.at.map_or_else(String::new, |at| format!(", freed {}", ago(at, Utc::now())));
        let facts = format!("{}  {}{at}", file.id, file.subject.verdict);
        prose(&mut text, &facts, width, 0, Style::new());
        alone(&mut text, &file.subject.lock, width, 2, DIM);
    }
    let last = if files.is_empty() {
        "The quarantine is empty."
    } else {
        "Put one back: lockdoctor quarantine restore ID"
    };
    prose(&mut text, last, width, 0, Style::new());
    write!(output::stdout(), "{text}")?;
    Ok(())
}

fn restore(common: &Common, homes: &[Arc<Directory>], id: &str, leases: &mut Leases) -> anyhow::Result<Exit> {
    for home in homes {
        let Some(seen) = Store::look(home)? else { continue };
        if seen.quarantined()?.iter().any(|name| name == id) {
            let subject = quarantine::restore(home, id, leases, Utc::now())?;
            let said = format!("{} is back.", subject.lock);
            let restored = vec![Restored { id: id.to_owned(), subject }];
            report(common, &said, What::Restored(restored))?;
            return Ok(Exit::Clean);
        }
    }
    let error = CliError::usage(format!("{}: not in the quarantine", printable(id)));
    Err(error
        .with_hint(format!("`lockdoctor quarantine list{}` shows what is", common.scope_as_typed(&[])))
        .into())
}

fn purge(
    common: &Common,
    homes: &[Arc<Directory>],
    older_than: Duration,
    leases: &mut Leases,
) -> anyhow::Result<Exit> {
    let mut dropped = Vec::new();
    for home in homes {
        dropped.extend(quarantine::purge(home, older_than, leases, Utc::now())?);
    }
    let said = format!("{} dropped.", count(dropped.len(), "lock"));
    report(common, &said, What::Purged(dropped))?;
    Ok(Exit::Clean)
}

/// What was done, as a sentence or as a document.
fn report(common: &Common, sentence: &str, what: What) -> anyhow::Result<()> {
    match common.format() {
        Format::Table | Format::Plain => writeln!(output::stdout(), "{sentence}")?,
        format => output::print_document(format, &Document::of(what))?,
    }
    Ok(())
}
