//! `lockdoctor explain`: everything that is known about one lock.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::{Common, Format, output, scan};
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::report::{explain, json};
use crate::survey::{Scope, survey};

/// Shows all the evidence for one lock, the rule that decided, what would change it, and what OpenClaw
/// itself would do with it. Nothing is changed.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The lock file.
    #[arg(value_name = "LOCK")]
    pub lock: PathBuf,
}

pub fn run(common: &Common, args: &ExplainArgs) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(std::slice::from_ref(&args.lock), &[], &view)?;
    let survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let wanted = std::path::absolute(&args.lock)?;
    let Some(lock) = survey.locks.iter().find(|lock| lock.path() == wanted) else {
        if wanted.symlink_metadata().is_err() {
            bail!("{}: it is gone; somebody released it while it was looked at", args.lock.display());
        }
        bail!("{}: not a lock of OpenClaw (see `man lockdoctor` for the kinds)", args.lock.display());
    };
    let root = &survey.roots[lock.root];
    match common.format() {
        Format::Json | Format::Ndjson => output::print_json(&json::lock(lock, root, common.redaction()))?,
        Format::Table | Format::Plain => {
            write!(output::stdout(), "{}", explain::explain(lock, root, common.redaction()))?;
        }
    }
    Ok(Exit::Clean)
}
