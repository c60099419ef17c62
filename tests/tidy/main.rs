//! The invariants that ARCHITECTURE.md marks with ⚙, held against the source itself. A rule that has to give way
//! is given an exception here, with its reason, where a reviewer sees it.

mod layers;

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;
/// Longer, as they are tables.
const TABLES: [&str; 1] = ["src/gatewaylog/event.rs"];

/// One source file, its tests and comments set aside.
struct Source {
    path: String,
    text: String,
    code: String,
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files_below(&root.join("src"), &mut found);
    assert!(found.len() > 60, "the sources were not found");
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source");
        let path = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
        let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
        let code = if is_test { String::new() } else { without_tests_and_comments(&text) };
        Source { path, text, code }
    };
    found.into_iter().map(source).collect()
}

/// What stands before the test module, without comments.
fn without_tests_and_comments(text: &str) -> String {
    let before = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let code = |line: &&str| !line.trim_start().starts_with("//");
    before.lines().filter(code).collect::<Vec<_>>().join("\n")
}

/// Every place where one of `words` stands in a file that no exception covers.
fn offences(words: &[&str], exceptions: &[(&str, &str)]) -> Vec<String> {
    let sources = sources();
    for (path, reason) in exceptions {
        let covered = sources.iter().any(|source| source.path.starts_with(path));
        assert!(covered && !reason.is_empty(), "the exception for {path} covers nothing");
    }
    let mut found = Vec::new();
    for source in sources {
        if exceptions.iter().any(|(path, _)| source.path.starts_with(path)) {
            continue;
        }
        for line in source.code.lines() {
            if let Some(word) = words.iter().find(|word| stands_in(line, word)) {
                found.push(format!("{}: `{word}` in: {}", source.path, line.trim()));
            }
        }
    }
    found
}

/// `word` is there, and not as the end of a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(before.is_some_and(|c| c.is_alphanumeric() || c == '_') && word.starts_with(char::is_alphabetic))
    })
}

/// Parts that are told times and facts, and ask nobody.
const PURE: [&str; 4] = ["src/verdict/", "src/history/", "src/diagnosis/", "src/answer/"];

#[test]
fn the_core_is_pure() {
    let words = [
        "std::fs",
        "std::env",
        "std::process",
        "std::io",
        "std::net",
        "std::thread",
        "rustix",
        "libc",
        "sysinfo",
        "SystemTime",
        "Instant",
        "Utc::now",
        "Local::now",
        "clock::",
        "println!",
        "tracing::",
    ];
    let pure = sources().into_iter().filter(|source| PURE.iter().any(|part| source.path.starts_with(part)));
    let found: Vec<String> = pure
        .flat_map(|source| {
            let impure = source.code.lines().filter(|line| words.iter().any(|word| stands_in(line, word)));
            impure.map(|line| format!("{}: {line}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_reclaim_changes_a_watched_directory() {
    let words = [
        "fs::write",
        "fs::rename",
        "fs::remove",
        "fs::create_dir",
        "fs::hard_link",
        "fs::copy",
        "fs::set_permissions",
        "File::create",
        ".create(true)",
        ".create_new(true)",
        ".write(true)",
        ".append(true)",
        ".truncate(true)",
        "set_len(",
        "set_modified(",
        "symlink(",
        "renameat",
        "rename_with",
        "unlinkat",
        "unlink(",
        "mkdirat",
        "linkat",
        "symlinkat",
        "utimensat",
        "futimens",
        "fchmod",
        "chmodat",
        "chownat",
        "fchown",
        "ftruncate",
        "fallocate",
        "OFlags::WRONLY",
        "OFlags::RDWR",
        "OFlags::CREATE",
        "OFlags::TRUNC",
        "OFlags::APPEND",
        "OFlags::TMPFILE",
    ];
    let exceptions = [
        ("src/reclaim/", "the one place that may"),
        ("src/demo/", "a throw-away directory of its own"),
        ("src/setup/step.rs", "units and crontabs, when it is asked to"),
        (
            "src/evidence/lease.rs",
            "a nameless scratch file for the self-test: no entry, no change of the directory",
        ),
        ("src/doctor/swap.rs", "a scratch directory of its own, to try the swap in"),
        ("src/cli/man.rs", "writes the pages where --out names"),
        ("src/cli/report.rs", "writes the page that -o names"),
    ];
    let found = offences(&words, &exceptions);
    assert!(found.is_empty(), "{found:#?}");
}

/// Text of others reaches a terminal only through the door.
#[test]
fn nothing_is_printed_past_the_door() {
    let words = [
        "println!",
        "print!(",
        "eprintln!",
        "eprint!(",
        "io::stdout",
        "io::stderr",
        "stdout(",
        "stderr(",
        "/dev/tty",
        "/dev/stdout",
        "/dev/stderr",
        "indicatif",
    ];
    let ours = [
        "output::stdout(",
        "output::stderr(",
        "door::stdout(",
        "door::stderr(",
        "pub fn stdout(",
        "pub fn stderr(",
    ];
    let exceptions = [
        ("src/door.rs", "the door"),
        (
            "src/watch/log/mod.rs",
            "hands standard error to the writer of entries, each of which has passed the door",
        ),
        ("src/demo/actor.rs", "answers the demo through a pipe"),
        ("src/watch/live/terminal.rs", "draws cells of text that is spelt out, and moves the cursor"),
    ];
    let children = [".stdout(", ".stderr("];
    let mut found = offences(&words, &exceptions);
    found.retain(|line| !ours.iter().chain(&children).any(|call| line.contains(call)));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_signal_is_sent() {
    let words =
        ["kill(", "kill_process", "pidfd_send_signal", "test_kill", "tgkill", "libc::raise(", "Signal::Kill"];
    let exceptions = [
        ("src/gatewaylog/journal.rs", "ends the journalctl that it started"),
        ("src/watch/notify/command.rs", "ends the command that it started, past its time limit"),
    ];
    let found = offences(&words, &exceptions);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn unsafe_code_lives_in_one_file() {
    let found = offences(&["unsafe "], &[("src/sys.rs", "the raw system calls")]);
    assert!(found.is_empty(), "{found:#?}");
    let sys = sources().into_iter().find(|source| source.path == "src/sys.rs").expect("sys.rs").text;
    assert_eq!(sys.matches("unsafe {").count(), sys.matches("// SAFETY:").count());
}

/// Reading opens no connection; one act has SQLite to itself.
#[test]
fn sqlite_is_used_in_one_file() {
    let found = offences(&["rusqlite"], &[("src/reclaim/leases/row.rs", "the row of a dead gateway")]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn clocks_are_read_where_it_is_said() {
    let words = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "clock_gettime"];
    let exceptions = [
        ("src/clock.rs", "the one place for what is judged"),
        ("src/cli/", "a command stamps what it writes, and knows how long it has waited"),
        ("src/demo/", "makes locks of a certain age"),
        ("src/reclaim/", "stamps the journal; patience while it waits its turn"),
        ("src/examination/", "a document says when it was made"),
        ("src/peek/witness.rs", "a snapshot says when it was taken"),
        ("src/watch/live/", "shows ages that run, and times of day"),
        ("src/watch/log/mod.rs", "stamps its own log lines"),
        ("src/watch/sources/databases.rs", "its own CPU time is the price of a look"),
        ("src/watch/sources/logs.rs", "which day and zone a log without them means"),
    ];
    let found = offences(&words, &exceptions);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_module_says_what_it_is_for_and_stays_readable() {
    let mut found = Vec::new();
    for source in sources() {
        let is_test = source.path.contains("tests");
        if !is_test && !source.text.starts_with("//! ") {
            found.push(format!("{}: does not say what it is for", source.path));
        }
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE && !TABLES.contains(&source.path.as_str()) {
            found.push(format!("{}: {lines} lines", source.path));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// `unwrap` and `expect` end the program: only where a comment or the message says why they cannot fail.
#[test]
fn nothing_panics_without_a_reason() {
    let found = offences(&[".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!("], &[]);
    assert!(found.is_empty(), "{found:#?}");
}
