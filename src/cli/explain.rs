//! `lockdoctor explain`: everything that is known about one lock, or one row of a database.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use super::{CliError, Common, Format, output, scan};
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::report::{explain, json};
use crate::survey::{Scope, survey};
use crate::words;

/// Shows all the evidence for one lock, the rule that decided, what would change it, and what OpenClaw
/// itself would do with it. Nothing is changed.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The lock file; or a lease as `scan` names it: `…/openclaw.sqlite#state_leases/SCOPE/KEY`.
    #[arg(value_name = "LOCK")]
    pub lock: PathBuf,
}

pub fn run(common: &Common, args: &ExplainArgs) -> anyhow::Result<Exit> {
    if let Some((database, row)) = row_of_database(&args.lock) {
        return lease(common, &args.lock, &database, &row);
    }
    let mut view = SystemView::open();
    let scope = Scope::resolve(std::slice::from_ref(&args.lock), &[], &view)?;
    let survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let wanted = std::path::absolute(&args.lock)?;
    let Some(lock) = survey.locks.iter().find(|lock| lock.path() == wanted) else {
        if wanted.symlink_metadata().is_err() {
            bail!("{}: it is gone; it was released in the meantime", words::path(&args.lock));
        }
        let error = CliError::usage(format!("{}: not a lock of OpenClaw", words::path(&args.lock)));
        return Err(error.with_hint("`lockdoctor scan --all` lists them").into());
    };
    let root = &survey.roots[lock.root];
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            output::print_document(format, &json::lock(lock, root, common.redaction()))?;
        }
        Format::Table | Format::Plain => {
            write!(output::stdout(), "{}", explain::explain(lock, root, common.redaction()))?;
        }
    }
    Ok(Exit::Clean)
}

/// `…/state/openclaw.sqlite#TABLE/ROW`, unless it is the name of a file.
fn row_of_database(path: &Path) -> Option<(PathBuf, String)> {
    let (database, row) = path.to_str()?.split_once("openclaw.sqlite#")?;
    let named = path.symlink_metadata().is_err() && (database.is_empty() || database.ends_with('/'));
    named.then(|| (Path::new(database).join("openclaw.sqlite"), row.to_owned()))
}

fn lease(common: &Common, typed: &Path, database: &Path, row: &str) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let database = std::path::absolute(database)?;
    let state = database.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
    let scope = Scope::resolve(&[], &[state], &view)?;
    let survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let wanted = format!("{}#{row}", database.display());
    let Some(lease) = survey.leases.iter().find(|lease| lease.path == wanted) else {
        if database.symlink_metadata().is_err() {
            bail!("{}: there is no such database", words::path(&database));
        }
        let there: Vec<&str> =
            survey.leases.iter().filter_map(|lease| Some(lease.path.split_once('#')?.1)).collect();
        let rows = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        let error = CliError::usage(format!("{}: no such lease, or it was let go", words::path(typed)));
        return Err(error.with_hint(format!("leases in that database: {rows}")).into());
    };
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            output::print_document(format, &json::lease(lease, &survey))?;
        }
        Format::Table | Format::Plain => {
            let root = &survey.roots[lease.root];
            write!(output::stdout(), "{}", explain::lease(lease, root, output::width()))?;
        }
    }
    Ok(Exit::Clean)
}
