//! Findings: from real gateways' logs and what was seen beside them.

mod captures;
mod findings_page;
mod model;
mod pastes;
mod secrets;
mod stories;

use chrono::{DateTime, FixedOffset, Utc};
use lockdoctor::diagnosis::input::{Facts, Verdict};
use lockdoctor::diagnosis::{Diagnosis, Model};
use lockdoctor::gatewaylog::{Merged, Reading, Source, Stream};
use lockdoctor::redact::Redactor;
use lockdoctor::verdict::severity::Effect;
use std::path::{Path, PathBuf};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-22T15:00:00+00:00").unwrap()
}

/// The model of some files, with the session store's keys known beforehand.
fn model_of(files: &[PathBuf], facts: &Facts) -> Model {
    let reading = Reading::new(now(), None);
    let streams =
        files.iter().map(|file| Stream::open(&Source::File(file.clone()), &reading).unwrap()).collect();
    let mut model = Model::default();
    model.know_sessions(facts.sessions.iter().map(|session| (session.key.as_str(), session.id.as_deref())));
    for (source, entry) in Merged::new(streams) {
        model.push(source, &entry);
    }
    model
}

/// The model of a log that is written in the test.
fn model_of_text(log: &str, facts: &Facts) -> Model {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::write(&path, log).unwrap();
    model_of(&[path], facts)
}

fn diagnose(log: &str, facts: &Facts) -> Diagnosis {
    model_of_text(log, facts).diagnose(facts, now().into(), Redactor::On)
}

/// A capture's files: `S2-console-1.txt`, `S2-console-2.txt` ...
fn capture(version: &str, scenario: &str, kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs").join(version);
    let prefix = format!("{scenario}-{kind}");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix));
    files.sort();
    assert!(!files.is_empty(), "{version} {prefix}");
    files
}

fn codes(diagnosis: &Diagnosis) -> Vec<&'static str> {
    diagnosis.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// What a lock of this verdict does where OpenClaw does not free it by itself.
fn effect(verdict: Verdict) -> Effect {
    match verdict {
        Verdict::Stale | Verdict::Leaked | Verdict::StuckGuard => Effect::NextMessageFails,
        Verdict::Overdue => Effect::WaitsPastLimit,
        _ => Effect::Untidy,
    }
}
