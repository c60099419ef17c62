//! `lockdoctor status`, and `lockdoctor` alone: the answer.

use std::io::Write;
use std::path::PathBuf;

use chrono::Local;
use clap::Args;

use super::logs::{LogArgs, look};
use super::outcome::{exit_of, say_unseen};
use super::{Common, Format, output};
use crate::answer::ChatState;
use crate::diagnosis::Code;
use crate::examination::Examination;
use crate::exit::Exit;
use crate::report::blocks::View;
use crate::report::json;
use crate::report::status::document::{self, Nothing, Parts};
use crate::report::status::text;
use crate::survey::Survey;
use crate::words::rfc3339;

const EXAMPLES: &str = "\
Examples:
  lockdoctor                                 which chat gets no answer, and what to type
  lockdoctor status --json                   the same for a script or a dashboard
  lockdoctor status --state-dir /srv/claw    of one install
  lockdoctor status --since 2h               reads the logs of the last two hours only";

/// Show which chat gets no answer, why, and what to type. Read-only.
///
/// `lockdoctor` alone does the same. Reads the locks, the databases and the logs of the last 24 hours.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub logs: LogArgs,
}

pub fn run(common: &Common, args: &StatusArgs) -> anyhow::Result<Exit> {
    let (survey, examination) = look(common, &args.paths, &args.logs, common.redaction())?;
    let roots = survey.as_ref().map_or(&[][..], |survey| &survey.roots);
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            output::print_document(format, &status(common, survey.as_ref(), &examination))?;
        }
        Format::Plain => plain(&examination)?,
        Format::Table => {
            let view = View {
                answer: &examination.answer,
                findings: &examination.diagnosis.findings,
                now: examination.now.with_timezone(&Local),
                width: output::width(),
                masked: common.is_masked(),
            };
            let page = text::page(view, roots, &common.scope_as_typed(&args.paths));
            write!(output::stdout(), "{page}")?;
        }
    }
    say_unseen(common, &examination.answer)?;
    Ok(exit_of(&examination.answer))
}

fn status<'a>(
    common: &Common,
    survey: Option<&'a Survey>,
    examination: &'a Examination,
) -> document::Document<'a, Vec<json::Lock>, Nothing> {
    let redaction = common.redaction();
    let gateways = &examination.facts.gateways;
    let roots = survey.iter().flat_map(|survey| &survey.roots);
    let installs = roots.filter_map(|root| Some((&root.path, root.install.as_ref()?)));
    let gateways = installs
        .zip(gateways)
        .map(|((path, install), fact)| document::gateway(path, install, Some(fact), examination.now));
    let locks = survey.map_or_else(Vec::new, |survey| json::locks(survey, redaction).collect());
    let (answer, diagnosis) = (&examination.answer, &examination.diagnosis);
    document::document(Parts {
        now: examination.now,
        headline: &answer.headline,
        severity: answer.severity,
        gateways: gateways.collect(),
        chats: &answer.chats,
        findings: diagnosis.findings.iter().collect(),
        locks,
        lanes: diagnosis.lanes.iter().collect(),
        blind_spots: &answer.blind_spots,
        more: Nothing {},
    })
}

/// State, severity, since, failed, waiting, finding, key: tab-separated, a line a chat.
fn plain(examination: &Examination) -> anyhow::Result<()> {
    let mut out = output::columns();
    for chat in &examination.answer.chats {
        let state = match chat.state {
            ChatState::Answered => "answered",
            ChatState::Unknown => "unknown",
            ChatState::Waiting => "waiting",
            ChatState::Blocked => "blocked",
            ChatState::Stuck => "stuck",
            ChatState::Failing => "failing",
        };
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        writeln!(
            out,
            "{state}\t{}\t{}\t{}\t{}\t{}\t{}",
            chat.severity.as_str(),
            or_dash(chat.since.map(rfc3339).as_deref()),
            chat.failed,
            chat.waiting,
            or_dash(chat.cause.map(Code::as_str)),
            or_dash(chat.session_key.as_deref().or(chat.session_id.as_deref())),
        )?;
    }
    Ok(())
}
