//! `lockdoctor report`: the diagnosis as one self-contained page.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;
use clap::Args;

use super::logs::{LogArgs, look};
use super::{Common, output};
use crate::exit::Exit;
use crate::report::{html, page};
use crate::words;

const EXAMPLES: &str = "\
Examples:
  lockdoctor report                          writes lockdoctor-report.html
  lockdoctor report -o - | ssh me@desk 'cat > report.html'
  lockdoctor report --log gateway.log        of a log that somebody sent";

/// Write the diagnosis as one self-contained HTML page, to read or to share.
///
/// What is wrong, what to do, and why; a timeline of lanes and chats; locks; and a block to paste into an
/// issue. Chat ids, paths and message text are masked. The page loads nothing from elsewhere.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The page to write; - is standard output.
    #[arg(long, short, value_name = "FILE.html", default_value = "lockdoctor-report.html")]
    pub output: PathBuf,
    #[command(flatten)]
    pub logs: LogArgs,
}

pub fn run(common: &Common, args: &ReportArgs) -> anyhow::Result<Exit> {
    let redactor = common.redaction_to_share();
    let (survey, examination) = look(common, &args.paths, &args.logs, redactor)?;
    let model = page::model(survey.as_ref(), &examination, Utc::now(), redactor);
    let text = html::render(&model);
    if args.output.as_os_str() == "-" {
        let mut out = output::columns();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    } else {
        std::fs::write(&args.output, text).with_context(|| format!("writing {}", args.output.display()))?;
        let mut out = output::stdout();
        writeln!(out, "{}", words::printable(&model.headline.sentence))?;
        writeln!(out, "Written to {}.", words::path(&args.output))?;
    }
    // The page was written: that it is not whole stands in it, and decides the exit status.
    Ok(if examination.answer.is_blind() { Exit::Trouble } else { Exit::Clean })
}
