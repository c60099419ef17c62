//! One lock, or one lease, at length: the verdict in a sentence, each piece of evidence, the rule, what would change it.

use std::fmt::Write;

use anstyle::Style;

use super::blocks::{alone, beside, prose};
use super::style::{BOLD, DIM};
use super::table::{self, style, symbol};
use crate::evidence::process::Process;
use crate::evidence::transcript::{LastLine, Transcript};
use crate::evidence::{Content, Evidence, Owner, PidDomain, Shape, Writer, transcript};
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::redact::Redactor;
use crate::report::lock_words::owner;
use crate::survey::claims::SurveyedLease;
use crate::survey::{Guarded, SurveyedLock, SurveyedRoot};
use crate::verdict::self_heal;
use crate::verdict::{Reason, Verdict};
use crate::words::{self, capitalised, duration, printable, rfc3339, shell_word};

/// Where the values of the evidence begin.
const VALUES: usize = 15;

/// Writing to a String cannot fail, so the results of `write!` are dropped in this module.
pub fn explain(lock: &SurveyedLock, root: &SurveyedRoot, redaction: Redactor, width: usize) -> String {
    let judgement = &lock.judgement;
    let verdict = judgement.verdict;
    let colour = style(verdict);
    let mut out = String::new();
    alone(&mut out, &lock.path().to_string_lossy(), width, 0, BOLD);
    let reasons: Vec<&str> = judgement.reasons.iter().copied().map(Reason::as_str).collect();
    let because = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let _ = writeln!(out, "{colour}{} {}{colour:#}{because}", symbol(verdict), verdict.as_str());
    out.push('\n');
    prose(&mut out, judgement.sentence(), width, 0, Style::new());
    if let Some(note) = lock.note() {
        prose(&mut out, &format!("{}.", capitalised(&note)), width, 0, Style::new());
    }
    let _ = writeln!(out, "\n{DIM}Evidence{DIM:#}");
    for (name, value) in evidence_rows(lock, root, redaction) {
        beside(&mut out, &format!("  {name:<12} "), VALUES, &value, width);
    }
    let version = root.install.as_ref().and_then(|install| install.version.as_ref());
    let heal = self_heal::predict(&lock.evidence, verdict, &judgement.reasons, version);
    for (heading, text) in
        [("What would change it", what_would_change(lock)), ("OpenClaw itself", &heal.sentence())]
    {
        let _ = writeln!(out, "\n{DIM}{heading}{DIM:#}");
        prose(&mut out, text, width, 2, Style::new());
    }
    let _ = writeln!(out, "\n{DIM}Next{DIM:#}");
    let (command, text) = next_step(lock);
    if let Some(command) = command {
        alone(&mut out, &command, width, 2, BOLD);
    }
    prose(&mut out, text, width, 2, Style::new());
    out
}

/// A row of a database; what is known of it was put into sentences where it was judged.
pub fn lease(lease: &SurveyedLease, root: &SurveyedRoot, width: usize) -> String {
    let said = &lease.explanation;
    let (colour, sign) = table::lease_style(lease);
    let mut out = format!("{BOLD}{}{BOLD:#}\n", printable(&lease.path));
    let reasons: Vec<&str> = lease.verdict.reasons.iter().map(|reason| reason.as_str()).collect();
    let because = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let _ = writeln!(out, "{colour}{sign} {}{colour:#}{because}\n", lease.verdict.verdict.as_str());
    let mut paragraph = |heading: &str, sentences: &[String]| {
        if sentences.is_empty() {
            return;
        }
        let _ = writeln!(out, "{DIM}{heading}{DIM:#}");
        for line in sentences.iter().flat_map(|sentence| words::wrapped(sentence, width.saturating_sub(2))) {
            let _ = writeln!(out, "  {line}");
        }
        out.push('\n');
    };
    paragraph("What it is", std::slice::from_ref(&said.state));
    let mut evidence = said.because.clone();
    evidence.extend(lease_facts(lease, root));
    paragraph("Evidence", &evidence);
    paragraph("OpenClaw itself", std::slice::from_ref(&said.openclaw));
    let nothing = ["nothing to do".to_owned()];
    paragraph("Next", if said.advice.is_empty() { &nothing } else { &said.advice });
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn lease_facts(lease: &SurveyedLease, root: &SurveyedRoot) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(process) = lease.process.process() {
        facts.push(format!(
            "pid {} is {} here, since tick {}",
            process.pid,
            printable(&process.comm),
            process.start_ticks
        ));
    }
    if let Some(ticks) = lease.owner.started_at {
        facts.push(format!("the row records start tick {ticks}"));
    }
    if let Some(at) = lease.since {
        facts.push(format!("taken {}", rfc3339(at)));
    }
    if let Some(at) = lease.expires_at {
        facts.push(format!("expires {}", rfc3339(at)));
    }
    if let Some(install) = &root.install {
        facts.push(format!("gateway {}: {}", install.gateway.state.as_str(), install.gateway.how));
    }
    facts
}

fn evidence_rows(
    lock: &SurveyedLock,
    root: &SurveyedRoot,
    redaction: Redactor,
) -> Vec<(&'static str, String)> {
    let evidence = &lock.evidence;
    let mut rows = vec![("kind", kind(lock.kind).to_owned())];
    if let Some(key) = &lock.session_key {
        rows.push(("session", printable(&redaction.key(key)).into_owned()));
    }
    rows.push(("content", content(evidence)));
    rows.push(("writer", writer(evidence.writer)));
    rows.push(("owner", owner_at_length(evidence)));
    rows.push(("pid domain", domain(&evidence.domain)));
    rows.push(("file system", evidence.filesystem.as_str().to_owned()));
    rows.push(("age", age(evidence)));
    if let Some(limit) = evidence.limit.as_ref().filter(|_| evidence.shape == Shape::Regular) {
        rows.push(("limit", format!("{} ({})", duration(limit.after), limit.source)));
    }
    if lock.kind == LockKind::Session {
        rows.push(("transcript", transcript_text(&transcript::look(&lock.directory, &lock.name))));
    }
    if lock.guarded == Guarded::Yes {
        rows.push(("guard", "a .reclaim guard stands beside it: every acquirer waits".to_owned()));
    }
    if let Some(facts) = &lock.facts {
        let (uid, mode) = (facts.uid, facts.mode & 0o7777);
        rows.push(("file", format!("inode {}, {} bytes, uid {uid}, mode {mode:04o}", facts.ino, facts.size)));
    }
    if let Some(install) = &root.install {
        let version = install.version.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        rows.push(("openclaw", format!("version {version}, era {}", install.era.as_str())));
        rows.push(("gateway", format!("{}: {}", install.gateway.state.as_str(), install.gateway.how)));
    }
    rows.push(("fingerprint", lock.fingerprint.clone()));
    rows
}

fn kind(kind: LockKind) -> &'static str {
    match (kind, kind.management()) {
        (LockKind::Session, _) => "session lock: guards one transcript",
        (LockKind::Store, _) => "store lock: guards sessions.json of one agent",
        (LockKind::Gateway, _) => "gateway lock: one gateway for each configuration (reported only)",
        (LockKind::Guard, _) => "reclaim guard of fs-safe (reported only)",
        (_, Management::Managed) => kind.as_str(),
        (_, Management::ReportOnly) => "a lock of another part of OpenClaw (reported only)",
    }
}

fn content(evidence: &Evidence) -> String {
    match &evidence.content {
        Content::Empty => "empty".to_owned(),
        Content::Malformed(why) => format!("unreadable: {why}"),
        Content::NotRead => "not read".to_owned(),
        Content::Parsed(payload) => {
            let mut text = format!("pid {}", payload.pid);
            if let Some(at) = payload.created_at {
                let _ = write!(text, ", created {}", rfc3339(at));
            }
            if let Some(ticks) = payload.start_ticks {
                let _ = write!(text, ", start tick {ticks}");
            }
            if let Some(ms) = payload.max_hold_ms {
                let _ = write!(text, ", maxHoldMs {ms}");
            }
            text
        }
    }
}

fn writer(writer: Writer) -> String {
    match writer {
        Writer::Open => "a process has the file open for writing (asked of the kernel by a lease)".to_owned(),
        Writer::NoneOpen => "no process on this kernel has the file open for writing".to_owned(),
        Writer::Unknown(why) => format!("unknown: {}", why.sentence()),
    }
}

fn owner_at_length(evidence: &Evidence) -> String {
    let mut text = owner(evidence);
    if let Owner::Alive(process) = &evidence.owner {
        let _ = write!(text, ", {}", identity(evidence, process));
        if evidence.names_another() {
            return text;
        }
        if let Some(facts) = crate::evidence::owner_display::read(process.pid) {
            let _ = write!(text, "\n{facts}");
        }
    }
    text
}

fn identity(evidence: &Evidence, process: &Process) -> String {
    let recorded = evidence.payload().and_then(|payload| payload.start_ticks);
    let started = rfc3339(process.started_at(evidence.booted_at));
    match recorded {
        Some(ticks) if ticks == process.start_ticks => format!("the same process (start tick {ticks})"),
        Some(_) => {
            format!("another process has that number here, from tick {} ({started})", process.start_ticks)
        }
        None if evidence.names_another() => {
            format!("which started after the lock was made ({started}; the lock records no start tick)")
        }
        None => format!("started {started}; the lock records no start tick"),
    }
}

fn domain(domain: &PidDomain) -> String {
    match domain {
        PidDomain::Shared(how) => format!("ours: {how}"),
        PidDomain::Presumed => "taken to be ours (nothing speaks against it)".to_owned(),
        PidDomain::Foreign { visible_as } => {
            format!("another PID namespace: the owner is pid {visible_as} here")
        }
        PidDomain::Unknown(why) => format!("unknown: {why}"),
    }
}

fn age(evidence: &Evidence) -> String {
    match evidence.age {
        Some(age) => {
            format!("{} (being old does not make a lock safe to delete)", duration(age))
        }
        None => "created in the future, by this machine's clock".to_owned(),
    }
}

fn transcript_text(transcript: &Transcript) -> String {
    match transcript {
        Transcript::Missing => "none beside the lock: the run ended before its first line".to_owned(),
        Transcript::Unknown(why) => why.clone(),
        Transcript::Present { bytes, changed_at, last_line } => {
            let changed = changed_at.map_or_else(|| "unknown".to_owned(), rfc3339);
            let line = match last_line {
                LastLine::Whole => "last line whole",
                LastLine::Torn => "last line torn: its writer died in the middle of it",
                LastLine::Unknown => "last line longer than what is read",
            };
            format!("{bytes} bytes, changed {changed}, {line}")
        }
    }
}

fn what_would_change(lock: &SurveyedLock) -> &'static str {
    match lock.judgement.verdict {
        Verdict::Held | Verdict::Overdue => {
            "Its owner removes it, or closes the file (a crash, a kill, a leak)."
        }
        Verdict::Initialising => "Its owner finishes writing it; or 30 s pass and nobody has it open.",
        Verdict::Settling => "A second look, a settle time later, that finds the same file and no writer.",
        Verdict::Stale | Verdict::Leaked => {
            "A process opening this very file for writing, which no version of OpenClaw does."
        }
        Verdict::Foreign | Verdict::Indeterminate => "The evidence that is named above as unknown.",
        Verdict::Refused => "An ordinary file in its place.",
        Verdict::Freed => "The next message to this chat: OpenClaw removes the marker and takes the lock.",
        Verdict::StuckGuard => "Removing the guard by hand, once no OpenClaw process runs.",
    }
}

/// A command, and what else there is to say.
fn next_step(lock: &SurveyedLock) -> (Option<String>, &'static str) {
    let path = shell_word(&lock.path().to_string_lossy());
    match lock.judgement.verdict {
        Verdict::Stale | Verdict::Leaked if lock.judgement.proof().is_some() => {
            (Some(format!("lockdoctor reclaim {path} --id {} --yes", lock.fingerprint)), "")
        }
        Verdict::Stale | Verdict::Leaked => {
            (None, "lockdoctor only reports locks of this kind; stop OpenClaw before you remove it by hand")
        }
        Verdict::Overdue => (
            Some(format!("lockdoctor diagnose {path}")),
            "Restarting the gateway releases it; removing it by hand lets two writers corrupt the chat history.",
        ),
        Verdict::Settling | Verdict::Initialising => (None, "look again in a few seconds"),
        Verdict::Foreign | Verdict::Indeterminate => (Some(format!("lockdoctor doctor {path}")), ""),
        Verdict::StuckGuard => (None, "stop OpenClaw, then remove the guard by hand"),
        Verdict::Held | Verdict::Freed | Verdict::Refused => (None, "nothing to do"),
    }
}
