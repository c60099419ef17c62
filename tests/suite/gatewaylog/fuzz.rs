//! What must hold for any bytes, and for any known message in any container.

use super::catalogue::messages;
use super::containers::{CONTAINERS, dating};
use lockdoctor::gatewaylog::{Entry, Scanner, read_line, recognise};
use proptest::prelude::*;

fn scan(bytes: &[u8]) -> (Vec<Entry>, lockdoctor::gatewaylog::Counters) {
    let mut scanner = Scanner::new(bytes, Some(dating()));
    let mut entries = Vec::new();
    while let Some(entry) = scanner.next_entry().unwrap() {
        entries.push(entry);
    }
    (entries, scanner.counters())
}

/// Bytes that look like a log often enough to get deep into the parser.
fn loglike() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "lane wait exceeded: lane=",
        " waitedMs=",
        "9",
        " ",
        "\"",
        "{\"0\":\"",
        "}",
        "\\",
        "\n",
        "[",
        "] ",
        "2026-11-22T14:07:28.500Z ",
        "Nov 22 09:07:28 h u[1]: ",
        "sessionId=",
        " sessionKey=",
        "error=\"",
        "session file locked (timeout ",
        "ms): ",
        "\u{1b}[",
        "31m",
        "é",
        "\0",
        "pid=",
        ".jsonl.lock",
        "_meta",
        "MESSAGE",
        ":[1,2]",
        "stuck session: ",
        "age=",
        "s",
        "24:00:00 ",
        "⇄ res ✗ ",
        "-",
        "liveness warning: ",
    ]);
    let word = prop_oneof![
        4 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in loglike()) {
        let _ = read_line(&bytes, Some(&dating())).map(|record| recognise(&record));
        let _ = read_line(&bytes, None).map(|record| recognise(&record));
        let (entries, counters) = scan(&bytes);
        prop_assert_eq!(counters.parsed, entries.len() as u64);
        prop_assert!(counters.parsed + counters.skipped <= counters.lines);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
        prop_assert_eq!(counters.lines, lines as u64);
    }

    #[test]
    fn noise_around_messages_changes_nothing(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[a-z \\{\\[]{0,40}"), 1..40),
    ) {
        let catalogue = messages();
        let mut log = Vec::new();
        let mut expected = Vec::new();
        let dated: Vec<_> = CONTAINERS.iter().filter(|container| container.exact_ms == Some(1)).collect();
        for (message, container, noise) in picks {
            let message = message.get(&catalogue);
            let line = (container.get(&dated).wrap)(message.subsystem, message.text);
            log.extend_from_slice(noise.as_bytes());
            log.push(b'\n');
            log.extend_from_slice(line.as_bytes());
            log.push(b'\n');
            expected.push(message.event.clone());
        }
        let (entries, counters) = scan(&log);
        prop_assert_eq!(entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>(), expected);
        prop_assert_eq!(counters.skipped, 0);
    }
}
