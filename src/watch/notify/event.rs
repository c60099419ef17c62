//! What a command reads on its standard input, and a web hook gets as its body: `lockdoctor/event/v1`.

use serde::Serialize;
use tracing::warn;

use crate::answer;
use crate::clock::Now;
use crate::door::{Door, Form};
use crate::redact::Redactor;
use crate::verdict::severity::Severity;
use crate::watch::findings::{Act, Finding};
use crate::words::{count, rfc3339};

pub(crate) const SCHEMA: &str = "lockdoctor/event/v1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Finding,
    Reclaimed,
    /// What was told of does not stand any more.
    Resolved,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Message<'a> {
    schema: &'static str,
    event: What,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    at: String,
    host: String,
    /// One line, for a heading or a notification.
    title: String,
    /// A few lines, for a chat.
    text: String,
    finding: &'a Finding,
    act: Option<&'a Act>,
}

/// One line of JSON, as it leaves the machine.
pub(super) fn body(
    what: What,
    finding: &Finding,
    act: Option<&Act>,
    redactor: Redactor,
    now: Now,
) -> Option<Vec<u8>> {
    let host = host();
    let event = Message {
        schema: SCHEMA,
        event: what,
        at: rfc3339(now.wall),
        title: title(what, finding, redactor, &host),
        text: text(what, finding, act),
        host,
        finding,
        act,
    };
    let mut line = Vec::new();
    match redactor.json(&event, Door::new(&mut line, Form::Json, false)) {
        Ok(()) => {
            line.push(b'\n');
            Some(line)
        }
        Err(error) => {
            warn!(%error, code = finding.code.as_str(), "a finding cannot be told");
            None
        }
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn title(what: What, finding: &Finding, redactor: Redactor, host: &str) -> String {
    let sign = match (what, finding.severity) {
        (What::Reclaimed | What::Resolved, _) => "✓",
        (What::Finding, Severity::Critical) => "✗",
        (What::Finding, Severity::Warning | Severity::Info) => "!",
    };
    let happened = match what {
        What::Finding => answer::title(finding.code).to_owned(),
        What::Reclaimed => "a lock was freed".to_owned(),
        What::Resolved => format!("no longer so: {}", answer::title(finding.code)),
    };
    let key = finding.session_key.as_deref().map(|key| redactor.key(key));
    let agent = finding.agent.as_deref().map(|agent| redactor.agent(agent));
    let chat = answer::called(key.as_deref(), None, agent.as_deref()).or(agent.map(Into::into));
    let whom = chat.map_or_else(String::new, |chat| format!("{chat}: "));
    format!("{sign} {whom}{happened} ({host})")
}

fn text(what: What, finding: &Finding, act: Option<&Act>) -> String {
    let mut lines = match what {
        What::Finding => vec![match finding.messages_failed {
            0 => finding.explanation.clone(),
            failed => format!("{} {} failed so far.", finding.explanation, count(failed, "message")),
        }],
        What::Reclaimed => vec![
            "lockdoctor freed the lock. Send the messages that failed again: OpenClaw does not retry them."
                .to_owned(),
        ],
        What::Resolved => vec!["This does not stand any more.".to_owned()],
    };
    lines.extend(act.and_then(|act| act.why.as_ref()).map(|why| format!("It could not be freed: {why}.")));
    if what == What::Finding {
        lines.extend(finding.advice.iter().map(|advice| advice.clone().into_owned()));
    }
    lines.join("\n")
}
