//! `lockdoctor explain`: everything that is known about one lock, or one row of a database.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{CliError, Common, Format, output, scan};
use crate::evidence::view::SystemView;
use crate::exit::Exit;
use crate::leases::Held;
use crate::report::{explain, holders, json};
use crate::survey::claims::SurveyedLease;
use crate::survey::{Scope, Survey, SurveyedLock, survey};
use crate::words;

const EXAMPLES: &str = "\
Examples:
  lockdoctor explain ~/.openclaw/agents/main/sessions/5dd6c97c.jsonl.lock
  lockdoctor explain agent:main:telegram:direct:12345678
  lockdoctor explain 5dd6c97c                the beginning of a session id is enough
  lockdoctor explain gateway-owner           a lease, by a part of its name
  lockdoctor explain gateway-lifecycle       who holds it, and what that keeps out; 847: what that process holds";

/// Show all evidence for one lock or chat. Read-only.
///
/// The rule that decided, what would change it, and what OpenClaw itself would do with it.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// A lock file, session id, session key, fingerprint, lease, or who holds something: a pid, or what it holds.
    #[arg(value_name = "WHAT")]
    pub what: PathBuf,
}

pub(super) const SCHEMA: &str = "lockdoctor/explain/v1";

/// A lock, or a lease, as `scan` has it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Explained {
    schema: &'static str,
    #[serde(flatten)]
    lock: json::Lock,
}

pub(super) const HOLDER_SCHEMA: &str = "lockdoctor/holder/v1";

/// A process, as `scan` has it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ExplainedHolder {
    schema: &'static str,
    #[serde(flatten)]
    holder: holders::Holder,
}

pub fn run(common: &Common, args: &ExplainArgs) -> anyhow::Result<Exit> {
    if let Some((database, row)) = row_of_database(&args.what) {
        return lease(common, &args.what, &database, &row);
    }
    let name = args.what.to_str().filter(|_| args.what.symlink_metadata().is_err());
    if let Some(name) = name.filter(|name| !name.contains('/')) {
        return named(common, name);
    }
    let mut view = SystemView::open();
    let scope = Scope::resolve(std::slice::from_ref(&args.what), &[], &view)?;
    let survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let wanted = std::path::absolute(&args.what)?;
    let Some(lock) = survey.locks.iter().find(|lock| lock.path() == wanted) else {
        if wanted.symlink_metadata().is_err() {
            bail!("{}: it is gone; it was released in the meantime", words::path(&args.what));
        }
        let error = CliError::usage(format!("{}: not a lock of OpenClaw", words::path(&args.what)));
        return Err(error.with_hint("`lockdoctor scan --all` lists them").into());
    };
    show(common, lock, &survey)
}

fn show(common: &Common, lock: &SurveyedLock, survey: &Survey) -> anyhow::Result<Exit> {
    let root = &survey.roots[lock.root];
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            let lock = json::lock(lock, root, common.redaction());
            output::print_document(format, &Explained { schema: SCHEMA, lock })?;
        }
        Format::Table | Format::Plain => {
            write!(
                output::stdout(),
                "{}",
                explain::explain(lock, root, common.redaction(), output::width())
            )?;
        }
    }
    Ok(Exit::Clean)
}

/// What a session id or the beginning of one, a session key, a fingerprint, or a part of a lease's name names.
fn named(common: &Common, name: &str) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(&[], &common.state_dir, &view)?;
    let survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let is_named = |lock: &&SurveyedLock| {
        let key = lock.session_key.as_deref();
        lock.fingerprint == name
            || key.is_some_and(|key| key == name || common.redaction().key(key) == name)
            || lock.session_id.as_deref().is_some_and(|id| name.len() >= 4 && id.starts_with(name))
    };
    let locks: Vec<&SurveyedLock> = survey.locks.iter().filter(is_named).collect();
    let leases: Vec<_> = survey.leases.iter().filter(|lease| lease.path.contains(name)).collect();
    match (&locks[..], &leases[..]) {
        ([lock], _) => show(common, lock, &survey),
        ([], [found]) => show_lease(common, found, &survey),
        ([], []) if show_holders(common, name, &survey)? => Ok(Exit::Clean),
        ([], []) => {
            let error = CliError::usage(format!("{}: no lock or lease of that name", words::printable(name)));
            let hint = format!(
                "a chat without a lock has none to explain; what was found about it: `lockdoctor diagnose{}`",
                common.scope_as_typed(&[])
            );
            Err(error.with_hint(hint).into())
        }
        _ => {
            let paths = locks.iter().map(|lock| words::path(&lock.path()));
            let rows = leases.iter().map(|lease| words::printable(&lease.path).into_owned());
            let all = paths.chain(rows).collect::<Vec<_>>().join(", ");
            Err(CliError::usage(format!("{}: that is more than one: {all}", words::printable(name))).into())
        }
    }
}

/// Who is named by a pid, a program's name or what it holds. `false`: nobody.
fn show_holders(common: &Common, name: &str, survey: &Survey) -> anyhow::Result<bool> {
    let is_named = |held: &Held| {
        let process = held.process.as_ref();
        process.is_some_and(|process| process.pid.to_string() == name || process.name == name)
            || held.things.iter().any(|(thing, _)| thing.as_str() == name)
    };
    let workings = survey.workings.iter().flat_map(|(_, workings)| workings.held());
    let found: Vec<Held> = workings.filter(is_named).collect();
    let some = !found.is_empty();
    for (at, held) in found.into_iter().enumerate() {
        match common.format() {
            format @ (Format::Json | Format::Ndjson) => {
                let holder = holders::json(held);
                output::print_document(format, &ExplainedHolder { schema: HOLDER_SCHEMA, holder })?;
            }
            Format::Table | Format::Plain => {
                let gap = if at > 0 { "\n" } else { "" };
                let text = holders::explain(&held, survey.now.wall, output::width());
                write!(output::stdout(), "{gap}{text}")?;
            }
        }
    }
    Ok(some)
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
    show_lease(common, lease, &survey)
}

fn show_lease(common: &Common, lease: &SurveyedLease, survey: &Survey) -> anyhow::Result<Exit> {
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            let lock = json::lease(lease, survey);
            output::print_document(format, &Explained { schema: SCHEMA, lock })?;
        }
        Format::Table | Format::Plain => {
            let root = &survey.roots[lease.root];
            write!(output::stdout(), "{}", explain::lease(lease, root, output::width()))?;
        }
    }
    Ok(Exit::Clean)
}
