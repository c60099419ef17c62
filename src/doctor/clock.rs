//! Clocks carry no verdict, but a wrong one makes healthy locks look overdue, and future ones never so.

use std::os::unix::fs::MetadataExt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, Surroundings};
use crate::words::rfc3339;

/// Clocks of machines that share a directory differ by less.
const SLACK: TimeDelta = TimeDelta::seconds(60);

pub(super) fn sane(around: &mut Surroundings) -> Vec<Finding> {
    let now = around.view.now.wall;
    let ahead = around
        .directories()
        .filter_map(|(directory, _)| {
            let metadata = std::fs::metadata(&directory.path).ok()?;
            let changed = DateTime::from_timestamp(metadata.mtime(), 0)?;
            (changed > now + SLACK).then(|| (directory.path.display().to_string(), changed))
        })
        .max_by_key(|(_, changed)| *changed);
    let finding = match ahead {
        Some((path, changed)) => Finding::warning(format!(
            "the clock is behind what was written before: {path} was changed at {}, now it is {}",
            rfc3339(changed),
            rfc3339(now)
        ))
        .with_remedy("set the clock; ages of locks are wrong until then", ["timedatectl status".to_owned()]),
        None if around.view.now.booted_at() > now => {
            Finding::warning("the machine booted in the future, to judge by its clocks")
        }
        None => Finding::good(now_in_words(now)),
    };
    vec![finding]
}

fn now_in_words(now: DateTime<Utc>) -> String {
    format!("{}, not behind anything that was written", rfc3339(now))
}
