//! `lockdoctor quarantine`: what was reclaimed; put it back; drop it.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, Format, output};
use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::reclaim::quarantine::{self, Quarantined};
use crate::reclaim::store::Store;
use crate::report::words::{count, rfc3339};
use crate::survey::Scope;

/// Lists what was reclaimed, puts it back, or drops it.
///
/// Every lock that lockdoctor freed is kept, with its bytes unchanged, in lockdoctor/quarantine/ of its
/// state directory; lockdoctor/journal.jsonl beside it says who freed what, when, and why.
#[derive(Debug, Clone, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// Show what is kept, oldest first.
    List,
    /// Put a lock back under its name; only over lockdoctor's own tombstone, or where the name is free.
    Restore {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Remove for good what has been kept for longer than this.
    Purge {
        #[arg(long, value_name = "DUR", default_value = "7d", value_parser = humantime::parse_duration)]
        older_than: Duration,
    },
}

pub fn run(common: &Common, args: &QuarantineArgs) -> anyhow::Result<Exit> {
    let view = SystemView::open();
    let scope = Scope::resolve(&[], &common.state_dir, &view)?;
    let mut stores = Vec::new();
    for target in scope.targets {
        let path = target.path();
        let home = Rc::new(Directory::open_root(path).with_context(|| path.display().to_string())?);
        stores.extend(Store::open_existing(&home)?);
    }
    match &args.command {
        QuarantineCommand::List => list(common, &stores),
        QuarantineCommand::Restore { id } => restore(&mut stores, id),
        QuarantineCommand::Purge { older_than } => purge(&mut stores, *older_than),
    }
}

fn list(common: &Common, stores: &[Store]) -> anyhow::Result<Exit> {
    let mut files: Vec<Quarantined> = Vec::new();
    for store in stores {
        files.extend(quarantine::list(store)?);
    }
    match common.format() {
        Format::Json => output::print_json(&json!({ "schema": "lockdoctor/quarantine/v1", "locks": files }))?,
        Format::Ndjson => output::print_ndjson(&files)?,
        Format::Table | Format::Plain => {
            let mut out = output::stdout();
            if files.is_empty() {
                writeln!(out, "The quarantine is empty.")?;
            }
            for file in &files {
                let at = file.at.map_or_else(|| "-".to_owned(), rfc3339);
                let (verdict, reasons) = (&file.subject.verdict, file.subject.reasons.join(","));
                writeln!(out, "{}  {at}  {verdict} ({reasons})  {}", file.id, file.subject.lock)?;
            }
        }
    }
    Ok(Exit::Clean)
}

fn restore(stores: &mut [Store], id: &str) -> anyhow::Result<Exit> {
    let holds =
        |store: &&mut Store| store.quarantined().is_ok_and(|names| names.iter().any(|name| name == id));
    let Some(store) = stores.iter_mut().find(holds) else {
        bail!("{id}: not in the quarantine; see `lockdoctor quarantine list`");
    };
    let subject = quarantine::restore(store, id, Utc::now())?;
    writeln!(output::stdout(), "{} is back.", subject.lock)?;
    Ok(Exit::Clean)
}

fn purge(stores: &mut [Store], older_than: Duration) -> anyhow::Result<Exit> {
    let mut dropped = 0;
    for store in stores {
        dropped += quarantine::purge(store, older_than, Utc::now())?.len();
    }
    writeln!(output::stdout(), "{} dropped.", count(dropped, "lock"))?;
    Ok(Exit::Clean)
}
