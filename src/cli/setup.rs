//! `lockdoctor setup`: a service that looks after the installs of this machine, in the place of the cron job.

use std::io::Write;

use anyhow::{Context, bail};
use clap::Args;

use super::{Common, Format, output};
use crate::doctor::Surroundings;
use crate::exit::Exit;
use crate::report::style::DIM;
use crate::setup::unit::Form;
use crate::setup::{self, Plan};
use crate::survey::ScopeError;
use crate::words;

const EXAMPLES: &str = "\
Examples:
  sudo lockdoctor setup                      the plan: a service for each user who owns an install
  sudo lockdoctor setup --yes                carries it out
  sudo lockdoctor setup --timer --yes        a look every two minutes in place of a daemon
  sudo lockdoctor setup --remove --yes       takes it away again";

/// Set up a service that looks after the installs found here, in place of the cron job.
///
/// Shows what it would do; with --yes it does it. As root it writes units of the machine, one for each user who owns an
/// install; as another user, units of that user's own systemd. Once the service runs, a crontab line that deletes locks
/// is commented out. In a container it says what to add to the compose file instead.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SetupArgs {
    /// Do what is shown.
    #[arg(long)]
    pub yes: bool,
    /// Look every two minutes instead of running a daemon.
    #[arg(long, conflicts_with = "remove")]
    pub timer: bool,
    /// Remove what setup wrote.
    #[arg(long)]
    pub remove: bool,
    /// With --remove: restore the crontab lines that setup commented out.
    #[arg(long, requires = "remove")]
    pub restore_cron: bool,
}

pub fn run(common: &Common, args: &SetupArgs) -> anyhow::Result<Exit> {
    if common.format() != Format::Table {
        bail!("setup is for people and has one format");
    }
    if let Some(why) = setup::obstacle() {
        bail!(why);
    }
    let around = Surroundings::gather(&[], &common.state_dir, common.redaction())?;
    let plan = if args.remove {
        setup::removal(&around, args.restore_cron)?
    } else {
        if around.places.is_empty() {
            return Err(
                ScopeError::NothingFound { looked_at: around.looked_at, contained: Vec::new() }.into()
            );
        }
        setup::plan(&around, if args.timer { Form::Timer } else { Form::Daemon })?
    };
    introduce(&plan, args)?;
    for step in &plan.steps {
        let mut out = output::stdout();
        writeln!(out, "  {}", words::printable(&step.tells()))?;
        for line in step.details() {
            writeln!(out, "          {DIM}{}{DIM:#}", words::printable(&line))?;
        }
        out.flush()?;
        drop(out);
        if args.yes {
            step.carry_out().context("stopped here; what is above is done")?;
        }
    }
    conclude(common, args, &plan)?;
    Ok(Exit::Clean)
}

fn introduce(plan: &Plan, args: &SetupArgs) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let how = if args.timer { "every two minutes" } else { "as a daemon" };
    for service in &plan.services {
        let directories: Vec<String> = service.state_dirs.iter().map(|path| words::path(path)).collect();
        writeln!(
            out,
            "{} looks after {}, as {}.",
            service.enabled(),
            directories.join(" and "),
            service.user
        )?;
        writeln!(out, "It runs {} {how}.\n", words::path(&service.program))?;
    }
    if plan.steps.is_empty() {
        writeln!(out, "Nothing of setup's is here.")?;
    }
    Ok(())
}

fn conclude(common: &Common, args: &SetupArgs, plan: &Plan) -> anyhow::Result<()> {
    let mut out = output::stdout();
    if !plan.by_hand.is_empty() {
        writeln!(out, "\nLeft to you:")?;
    }
    for line in &plan.by_hand {
        writeln!(out, "  {}", words::printable(line))?;
    }
    if plan.steps.is_empty() {
        return Ok(());
    }
    let typed = setup::as_typed()?;
    let mut options = common.scope_as_typed(&[]);
    for (given, option) in
        [(args.timer, " --timer"), (args.remove, " --remove"), (args.restore_cron, " --restore-cron")]
    {
        options.push_str(if given { option } else { "" });
    }
    match (args.yes, args.remove) {
        (false, _) => writeln!(out, "\nNothing is changed yet. To do it:\n    {typed} setup{options} --yes")?,
        (true, false) => writeln!(out, "\nDone, and it runs. To undo it:\n    {typed} setup --remove --yes")?,
        (true, true) => writeln!(out, "\nDone.")?,
    }
    Ok(())
}
