//! `lockdoctor diagnose`: the whole story, from locks, logs and session stores.

use std::io::Write;
use std::path::PathBuf;

use chrono::{Local, Utc};
use clap::Args;

use super::logs::{LogArgs, look};
use super::outcome::{exit_of, say_unseen};
use super::{Common, Format, output};
use crate::exit::Exit;
use crate::report::blocks::View;
use crate::report::diagnosed::{self, Detail};

const EXAMPLES: &str = "\
Examples:
  lockdoctor diagnose                        every install, the logs of the last 24 hours
  lockdoctor diagnose --since 2h -v          the last two hours, with the log lines
  lockdoctor diagnose --log gateway.log      a log alone; no install is needed
  ssh host openclaw logs | lockdoctor diagnose --log -
  lockdoctor diagnose --journal user:openclaw-gateway.service";

/// Show the whole story: per chat, per lane, per gateway. Read-only.
///
/// Stuck runs, forgotten locks, waits, slow models, a blocked event loop. Each finding says what helps, and
/// whether removing a lock would. With --log or --journal and no PATH or --state-dir, only those logs are
/// read; no install is needed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiagnoseArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub logs: LogArgs,
    /// Show the log lines that each finding rests on, and each chat by itself.
    #[arg(long, short)]
    pub verbose: bool,
}

pub fn run(common: &Common, args: &DiagnoseArgs) -> anyhow::Result<Exit> {
    let (survey, examination) = look(common, &args.paths, &args.logs, common.redaction())?;
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            let document = diagnosed::document(&examination, Utc::now(), common.redaction());
            output::print_document(format, &document)?;
        }
        Format::Plain => write!(output::columns(), "{}", diagnosed::plain(&examination))?,
        Format::Table => {
            let view = View {
                answer: &examination.answer,
                findings: &examination.diagnosis.findings,
                now: examination.now.with_timezone(&Local),
                width: output::width(),
                masked: common.is_masked(),
            };
            let roots = survey.as_ref().map_or(&[][..], |survey| &survey.roots);
            let typed = (common.scope_as_typed(&args.paths), args.logs.as_typed());
            let detail = if args.verbose { Detail::Full } else { Detail::Usual };
            let text = diagnosed::for_people(&examination, view, roots, (&typed.0, &typed.1), detail);
            write!(output::stdout(), "{text}")?;
        }
    }
    say_unseen(common, &examination.answer)?;
    Ok(exit_of(&examination.answer))
}
