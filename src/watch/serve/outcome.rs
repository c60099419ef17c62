//! What the open findings come to for people: one sentence, its severity, and causes with what to do about each.
//! Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use crate::answer::{self, Answer};
use crate::diagnosis::Remedy;
use crate::history::evidence::Line;
use crate::redact::Redactor;
use crate::verdict::severity::Severity;
use crate::watch::findings::{Code, Finding};
use crate::words::{count, rfc3339};

/// Causes that are shown; names of one.
const MOST_CAUSES: usize = 40;
const MOST_NAMES: usize = 40;

/// What stands in place of a healthy sentence where nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Surroundings {
    pub(super) at_work: usize,
    /// Locks that cannot be judged from here.
    pub(super) unclear: usize,
    /// None of the places that are watched is there yet.
    pub(super) awaited: bool,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) headline: String,
    pub(crate) severity: Option<Severity>,
    /// Whether everything that had to be looked at could be.
    pub(crate) whole: bool,
    pub(crate) causes: Vec<Cause>,
}

impl Outcome {
    /// The answer says it in its words, as `lockdoctor status` does, unless something happened since that is worse.
    pub(super) fn or_as(self, answer: Option<&Answer>) -> Self {
        let whole = self.whole && !answer.is_some_and(Answer::is_blind);
        match answer {
            Some(answer) if answer.severity >= self.severity => {
                Self { headline: answer.headline.clone(), severity: answer.severity, whole, ..self }
            }
            _ => Self { whole, ..self },
        }
    }
}

/// Findings with the same cause and the same remedy.
#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    /// Tells it from the others for as long as it stands.
    key: String,
    code: Code,
    severity: Severity,
    /// Whom it concerns, or how many.
    name: String,
    /// The cause in a few words.
    summary: String,
    since: Option<String>,
    explanation: String,
    /// Of several.
    names: Vec<String>,
    names_omitted: usize,
    action: Option<Action>,
    evidence: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Action {
    /// Typed as it is.
    command: Option<String>,
    text: String,
}

pub(super) fn of<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    surroundings: Surroundings,
    redactor: Redactor,
) -> Outcome {
    let serious: Vec<&Finding> = findings.filter(|finding| finding.severity > Severity::Info).collect();
    let severity = serious.iter().map(|finding| finding.severity).max();
    let headline = headline(&serious, surroundings);
    let mut groups: BTreeMap<(Code, Severity, Option<String>), Vec<&Finding>> = BTreeMap::new();
    for finding in serious {
        let remedy = action(finding).map(|action| general(&action.text));
        groups.entry((finding.code, finding.severity, remedy)).or_default().push(finding);
    }
    let mut causes: Vec<Cause> = groups.into_values().filter_map(|group| cause(&group, redactor)).collect();
    // The codes sort by nearness to a cause.
    causes.sort_by_key(|cause| (std::cmp::Reverse(cause.severity), cause.code));
    causes.truncate(MOST_CAUSES);
    let whole = surroundings.unclear == 0 && !surroundings.awaited;
    Outcome { headline, severity, whole, causes }
}

/// Chats that get no answer first, then those that will not.
fn headline(serious: &[&Finding], surroundings: Surroundings) -> String {
    if serious.iter().any(|finding| finding.code == Code::GatewayDown) {
        return "The gateway is down: nobody gets an answer".to_owned();
    }
    let about = |severity: Severity| {
        let mut names: Vec<String> = serious
            .iter()
            .filter(|finding| finding.severity == severity)
            .map(|finding| name(finding, Redactor::Off))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    let (failing, threatened) = (about(Severity::Critical), about(Severity::Warning));
    let get = if failing == 1 { "gets" } else { "get" };
    match (failing, threatened) {
        (0, 0) if surroundings.awaited => "Waiting for an install to appear".to_owned(),
        (0, 0) if surroundings.unclear > 0 => {
            format!("{} cannot be judged from here", count(surroundings.unclear, "lock"))
        }
        (0, 0) if surroundings.at_work > 0 => {
            format!("All is well: {} at work", count(surroundings.at_work, "session"))
        }
        (0, 0) => "All is well".to_owned(),
        (0, threatened) => format!("{} in trouble soon, or waiting too long", count(threatened, "chat")),
        (failing, 0) => format!("{} {get} no answer", count(failing, "chat")),
        (failing, threatened) => {
            format!("{} {get} no answer · {threatened} more in trouble", count(failing, "chat"))
        }
    }
}

fn cause(group: &[&Finding], redactor: Redactor) -> Option<Cause> {
    let first = group.iter().min_by_key(|finding| finding.since)?;
    let mut names: Vec<String> = group.iter().map(|finding| called(finding, redactor)).collect();
    names.sort_unstable();
    names.dedup();
    let alone = names.len() == 1;
    let action =
        action(first).map(|action| if alone && is_whole(&action) { action } else { for_all(action) });
    let names_omitted = names.len().saturating_sub(MOST_NAMES);
    let heading = if alone { called(first, redactor) } else { count(names.len(), "chat") };
    if alone {
        names.clear();
    }
    names.truncate(MOST_NAMES);
    Some(Cause {
        key: key(first, &heading),
        code: first.code,
        severity: first.severity,
        name: heading,
        summary: summary(first.code),
        since: first.first_seen.map(rfc3339),
        explanation: first.explanation.clone(),
        names,
        names_omitted,
        action,
        evidence: if alone { first.evidence.iter().map(dated).collect() } else { Vec::new() },
    })
}

fn dated(line: &Line) -> String {
    match line.at {
        Some(at) => format!("{} {}", rfc3339(at), line.text),
        None => line.text.clone(),
    }
}

/// The same for as long as the cause stands; says nothing of what it is made of.
fn key(finding: &Finding, called: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (finding.code.as_str(), &finding.about, called).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Whom a finding concerns, as far as it is known and may be said.
fn name(finding: &Finding, redactor: Redactor) -> String {
    let key = finding.session_key.as_deref().map(|key| redactor.key(key));
    let session = || finding.session_id.as_deref().map(|id| redactor.session(id));
    let lane = || finding.lane.as_deref().map(|lane| redactor.lane(lane));
    let agent = || finding.agent.as_deref().map(|agent| redactor.agent(agent));
    let lock = || {
        let name = finding.lock.as_deref()?.rsplit('/').next()?;
        Some(redactor.path(name))
    };
    let named = key.or_else(session).or_else(lane).or_else(lock).or_else(agent);
    named.map_or_else(|| "the gateway".to_owned(), Cow::into_owned)
}

/// As it stands before `since`: a run has been past its limit for less than that.
fn summary(code: Code) -> String {
    let at_work = if code == Code::OverdueLock { ", at work" } else { "" };
    format!("{}{at_work}", answer::title(code))
}

/// The same, as its people know it.
fn called(finding: &Finding, redactor: Redactor) -> String {
    let key = finding.session_key.as_deref().map(|key| redactor.key(key));
    let agent = finding.agent.as_deref().map(|agent| redactor.agent(agent));
    answer::called(key.as_deref(), None, agent.as_deref()).unwrap_or_else(|| name(finding, redactor))
}

/// The first thing to do: a command, if there is one.
fn action(finding: &Finding) -> Option<Action> {
    let command = finding.actions.iter().find(|action| action.command.is_some());
    let Remedy { command, text, .. } = command.or(finding.actions.first())?.clone();
    Some(Action { command: command.map(Cow::into_owned), text: text.into_owned() })
}

/// Whether it can be typed: where paths are masked, it names no lock.
fn is_whole(action: &Action) -> bool {
    action.command.as_deref() != Some("lockdoctor explain LOCK")
}

/// A remedy without what it is for: the same for all that it helps.
fn general(text: &str) -> String {
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// One command for all, in place of one for each.
fn for_all(action: Action) -> Action {
    match action.command.as_deref().map(general).as_deref() {
        Some(command @ "lockdoctor reclaim") => {
            let command = format!("{command} --yes");
            Action { text: command.clone(), command: Some(command) }
        }
        Some(command @ ("lockdoctor diagnose" | "lockdoctor explain")) => {
            let command = if command.ends_with("explain") { "lockdoctor scan" } else { command };
            Action { text: command.to_owned(), command: Some(command.to_owned()) }
        }
        _ => action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::findings::tests::finding;

    const QUIET: Surroundings = Surroundings { at_work: 2, unclear: 0, awaited: false };

    fn told(findings: &[Finding]) -> Outcome {
        of(findings.iter(), QUIET, Redactor::Off)
    }

    #[test]
    fn who_gets_no_answer_stands_first_and_health_is_said_only_of_what_is_seen() {
        assert_eq!(told(&[]).headline, "All is well: 2 sessions at work");
        assert_eq!(told(&[]).severity, None);
        let blind = Surroundings { unclear: 3, ..QUIET };
        assert_eq!(of([].iter(), blind, Redactor::Off).headline, "3 locks cannot be judged from here");
        let mut warning = finding(Code::StaleLock, "/b");
        warning.found.severity = Severity::Warning;
        let outcome = told(&[finding(Code::LeakedLock, "/a"), warning]);
        assert_eq!(outcome.headline, "1 chat gets no answer · 1 more in trouble");
        assert_eq!(outcome.severity, Some(Severity::Critical));
        let down = told(&[finding(Code::GatewayDown, "/a")]);
        assert!(down.headline.starts_with("The gateway is down"));
    }

    #[test]
    fn what_has_one_cause_and_one_remedy_is_one_card_with_one_command() {
        let each = |path: &str| {
            let mut finding = finding(Code::StaleLock, path);
            let command = format!("lockdoctor reclaim {path}");
            finding.found = finding.found.act(Remedy::bare_command(command));
            finding
        };
        let outcome = told(&[each("/a"), each("/b"), each("/c"), finding(Code::OverdueLock, "/d")]);
        assert_eq!(outcome.causes.len(), 2);
        let commands: Vec<_> =
            outcome.causes.iter().filter_map(|cause| cause.action.as_ref()?.command.as_deref()).collect();
        assert_eq!(commands, ["lockdoctor reclaim --yes"]);
        let one = told(&[each("/a")]);
        assert_eq!(
            one.causes[0].action.as_ref().and_then(|action| action.command.as_deref()),
            Some("lockdoctor reclaim /a")
        );
    }
}
