//! Has a transcript forked? Its lines form a tree by `parentId`; a message that no line of the active branch
//! descends from was written by a second writer, and the model never sees it again.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

/// Larger transcripts are not read for this.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(default)]
    r#type: String,
    id: Option<String>,
    parent_id: Option<String>,
}

/// Whether the transcript of session `id` in `directory` has messages off its active branch. It is read, never
/// opened for writing.
pub fn has_fork(directory: &Path, id: &str) -> bool {
    if id.contains('/') {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::open(directory.join(format!("{id}.jsonl")), flags, Mode::empty()) else {
        return false;
    };
    let file = std::fs::File::from(fd);
    let readable = file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    readable && has_stray_message(BufReader::new(file))
}

fn has_stray_message(transcript: impl BufRead) -> bool {
    let mut parents: HashMap<String, Option<String>> = HashMap::new();
    let mut messages = Vec::new();
    let mut last = None;
    for line in transcript.split(b'\n').map_while(Result::ok) {
        let Ok(Line { r#type, id: Some(id), parent_id }) = serde_json::from_slice(&line) else { continue };
        if r#type == "session" {
            continue;
        }
        if r#type == "message" {
            messages.push(id.clone());
        }
        parents.insert(id.clone(), parent_id);
        last = Some(id);
    }
    let mut active = HashSet::new();
    while let Some(id) = last {
        if !active.insert(id.clone()) {
            break;
        }
        last = parents.get(&id).cloned().flatten();
    }
    messages.iter().any(|id| !active.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_branch_is_a_fork_and_a_line_is_not() {
        let line =
            |id: &str, parent: &str| format!(r#"{{"type":"message","id":"{id}","parentId":{parent}}}"#);
        let straight = [line("a", "null"), line("b", r#""a""#), line("c", r#""b""#)].join("\n");
        assert!(!has_stray_message(straight.as_bytes()));
        let forked = [line("a", "null"), line("b", r#""a""#), line("c", r#""a""#)].join("\n");
        assert!(has_stray_message(forked.as_bytes()));
    }
}
