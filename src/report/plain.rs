//! One line a lock, tab-separated: verdict, action, reasons, kind, pid, age in ms, session key,
//! path. `-` stands for what is not known.

use std::fmt::Write;

use crate::redact::Redactor;
use crate::survey::Survey;
use crate::verdict::Reason;
use crate::words::{self, millis, printable};

pub fn locks(survey: &Survey, redaction: Redactor) -> String {
    let mut out = String::new();
    for lock in &survey.locks {
        let reasons: Vec<&str> = lock.judgement.reasons.iter().copied().map(Reason::as_str).collect();
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            lock.judgement.verdict.as_str(),
            lock.judgement.action.as_str(),
            if reasons.is_empty() { "-".to_owned() } else { reasons.join(",") },
            lock.kind.as_str(),
            or_dash(lock.evidence.payload().map(|payload| payload.pid.to_string())),
            or_dash(lock.evidence.age.map(|age| millis(age).to_string())),
            or_dash(lock.session_key.as_deref().map(|key| printable(&redaction.key(key)).into_owned())),
            words::path(&lock.path()),
        );
    }
    out
}
