//! A walk over a directory of real logs, for whoever has one: `LOCKDOCTOR_LOG_SAMPLES=DIR cargo test --test
//! suite gatewaylog_samples -- --nocapture` lists what was read, and fails on a line that holds a known keyword but no
//! event.

use chrono::{FixedOffset, NaiveDate};
use lockdoctor::gatewaylog::{Dating, Scanner, read_line, recognise};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const KEYWORDS: &[&str] = &[
    "lane wait",
    "lane task",
    "stuck session",
    "stalled session",
    "long-running session",
    "liveness warning",
    "run timeout:",
    "session file lock",
    "store lock",
    "releasing lock",
    "stale session lock",
    "prompt lock",
    "lane enqueue",
    "lane dequeue",
    "run registered",
    "run cleared",
    "slow SQLite",
    "⇄ res",
    "handler failed",
    "listening on ws",
];

fn logs(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            logs(&path, found);
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let console = name.starts_with("console-")
            || matches!(name.as_str(), "stdout.txt" | "stderr.txt" | "typescript.txt");
        if console || path.extension().is_some_and(|kind| kind == "log") && !name.starts_with("fake_model") {
            found.push(path);
        }
    }
}

#[test]
fn every_keyword_line_of_the_samples_is_an_event() {
    let Some(dir) = std::env::var_os("LOCKDOCTOR_LOG_SAMPLES") else {
        eprintln!("SKIPPED: LOCKDOCTOR_LOG_SAMPLES names no directory of real logs");
        return;
    };
    let mut files = Vec::new();
    logs(Path::new(&dir), &mut files);
    let dating = Dating {
        date: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
        offset: FixedOffset::east_opt(0).unwrap(),
    };
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut missed = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let mut scanner = Scanner::new(bytes.as_slice(), Some(dating));
        let mut by_chunk = 0;
        while let Some(entry) = scanner.next_entry().unwrap() {
            by_chunk += 1;
            let debug = format!("{:?}", entry.event);
            let kind = debug.split([' ', '(']).next().unwrap().to_owned();
            *kinds.entry(kind).or_default() += 1;
            if std::env::var_os("LOCKDOCTOR_LOG_DUMP").is_some() {
                println!("{:?} {} {:?}", entry.when, entry.line, entry.event);
            }
        }
        let mut by_line = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(record) = read_line(line, Some(&dating)) else { continue };
            let event = recognise(&record);
            by_line += u64::from(event.is_some());
            let text = String::from_utf8_lossy(line);
            if event.is_none() && KEYWORDS.iter().any(|known| text.contains(known)) {
                missed.push(format!(
                    "{}: {}",
                    file.display(),
                    record.message.chars().take(200).collect::<String>()
                ));
            }
        }
        assert_eq!(by_chunk, by_line, "the prefilter lost events of {}", file.display());
        assert_eq!(scanner.counters().bytes, bytes.len() as u64);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
        assert_eq!(scanner.counters().lines, lines as u64, "{}", file.display());
    }
    println!("{} files: {kinds:#?}", files.len());
    assert!(missed.is_empty(), "{} lines missed:\n{}", missed.len(), missed.join("\n"));
}
