//! `lockdoctor report`: the diagnosis as one self-contained page.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;
use clap::Args;

use super::diagnose::{LogArgs, examination};
use super::{Common, output};
use crate::exit::Exit;
use crate::report::{html, page};
use crate::words;

/// Writes the diagnosis as one self-contained HTML page: findings, a timeline of lanes and sessions, locks, and
/// a redacted block to paste into an issue. It loads nothing from elsewhere.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The page to write; - is standard output.
    #[arg(long, short, value_name = "FILE.html")]
    pub output: PathBuf,
    #[command(flatten)]
    pub logs: LogArgs,
}

pub fn run(common: &Common, args: &ReportArgs) -> anyhow::Result<Exit> {
    let redactor = common.redaction_to_share();
    let (survey, examination) = examination(common, &args.paths, &args.logs, redactor)?;
    let model = page::model(survey.as_ref(), &examination, Utc::now(), redactor);
    let text = html::render(&model);
    if args.output.as_os_str() == "-" {
        output::columns().write_all(text.as_bytes())?;
        return Ok(Exit::Clean);
    }
    std::fs::write(&args.output, text).with_context(|| format!("writing {}", words::path(&args.output)))?;
    writeln!(output::stdout(), "{}\nWritten to {}.", model.headline.sentence, words::path(&args.output))?;
    Ok(Exit::Clean)
}
