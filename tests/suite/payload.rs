//! The lock parser against the bytes that real versions write, and against bytes that nobody should.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use lockdoctor::evidence::Content;
use lockdoctor::openclaw::lock_kind::{LockKind, Place, recognise};
use lockdoctor::openclaw::payload::{Ending, Layout, OfGateway, Payload, parse};
use lockdoctor::openclaw::version::versions_writing;
use proptest::prelude::*;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/locks")
}

/// `(kind, version range and system, bytes)` of every fixture; each was written for pid 4242.
fn fixture_locks() -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for kind in std::fs::read_dir(fixtures()).expect("fixtures").flatten() {
        let Ok(files) = std::fs::read_dir(kind.path()) else { continue };
        for file in files.flatten() {
            let path = file.path();
            let range = path.file_stem().expect("named").to_string_lossy().into_owned();
            let kind = kind.file_name().to_string_lossy().into_owned();
            found.push((kind, range, std::fs::read(&path).expect("readable")));
        }
    }
    found.sort();
    found
}

fn kind_named(name: &str) -> LockKind {
    LockKind::ALL.into_iter().find(|kind| kind.as_str() == name).expect("a kind")
}

fn parsed(bytes: &[u8]) -> Payload {
    match parse(bytes) {
        Content::Parsed(payload) => payload,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn every_version_writes_what_we_read() {
    let locks = fixture_locks();
    assert_eq!(locks.len(), 20, "a fixture was lost");
    for (kind, range, bytes) in &locks {
        let text = String::from_utf8_lossy(bytes);
        let payload = parsed(bytes);
        let says = |word: &str| text.contains(word);
        assert_eq!(payload.pid, 4242, "{kind} {range}");
        let created_at = payload.created_at.expect(range).to_rfc3339_opts(SecondsFormat::Millis, true);
        let expected =
            if says("1770000000000") { "2026-02-02T02:40:00.000Z" } else { "2026-05-26T07:22:46.211Z" };
        assert_eq!(created_at, expected, "{kind} {range}");
        assert_eq!(payload.start_ticks, says("7204072").then_some(7_204_072), "{kind} {range}");
        let max_hold = [1_020_000, 720_000].into_iter().find(|ms| says(&format!("\"maxHoldMs\": {ms}")));
        assert_eq!(payload.max_hold_ms, max_hold, "{kind} {range}");
        assert_eq!(port(&payload), says("18789").then_some(18789), "{kind} {range}");
        let config = says("configPath").then_some("/home/u/.openclaw/openclaw.json");
        assert_eq!(of_gateway(&payload).config_path.as_deref(), config, "{kind} {range}");
        let ending = match text.trim_end().len() {
            length if length == text.len() => Ending::Bare,
            length if length + 1 == text.len() => Ending::Newline,
            _ => Ending::Token,
        };
        if payload.format.layout != Layout::PidColonMs {
            assert_eq!(payload.format.ending, ending, "{kind} {range}");
        }
    }
}

#[test]
fn the_bytes_of_a_session_lock_date_it() {
    for (kind, range, bytes) in fixture_locks() {
        // Without a start time the bytes of another system look like those of the first versions.
        if !matches!(kind.as_str(), "session" | "store") || range.ends_with("_macos") {
            continue;
        }
        let (oldest, newest) = versions_writing(kind_named(&kind), &parsed(&bytes)).expect("dated");
        let range = range.trim_end_matches("_linux");
        let (first, last) = range.split_once("-2026.").expect("a range");
        let dated = format!("{oldest}-{newest}");
        if kind == "session" {
            assert_eq!(dated, format!("{first}-2026.{last}"));
        } else {
            let contains = |v: &str| {
                let version: lockdoctor::openclaw::version::Version = v.parse().expect("a version");
                oldest <= version && version <= newest
            };
            assert!(contains(first) && contains(&format!("2026.{last}")), "{range} is not in {dated}");
        }
    }
}

/// One lock of each form that the lab saw real gateways write, with what a JSON reader of another language
/// found in it.
#[test]
fn captured_locks_read_as_another_reader_read_them() {
    let text = std::fs::read_to_string(fixtures().join("captured.jsonl")).expect("fixture");
    let mut kinds = BTreeSet::new();
    for line in text.lines() {
        let seen: Value = serde_json::from_str(line).expect("one object a line");
        let text_of = |key: &str| seen[key].as_str().expect(key);
        let (kind, name, bytes) = (text_of("kind"), text_of("name"), text_of("text").as_bytes());
        let place = if kind == "gateway" { Place::GatewayTmp } else { Place::Sessions };
        assert_eq!(recognise(place, name.as_bytes()).map(LockKind::as_str), Some(kind), "{name}");
        kinds.insert(kind.to_owned());
        match (parse(bytes), seen["pid"].as_u64()) {
            (Content::Parsed(payload), Some(pid)) => {
                assert_eq!(u64::from(payload.pid), pid, "{line}");
                let created_at = DateTime::parse_from_rfc3339(text_of("created_at")).expect("a time");
                assert_eq!(payload.created_at, Some(created_at.to_utc()), "{line}");
                assert_eq!(payload.start_ticks, seen["start_ticks"].as_u64(), "{line}");
                assert_eq!(payload.max_hold_ms, seen["max_hold_ms"].as_u64(), "{line}");
                assert_eq!(port(&payload).map(u64::from), seen["port"].as_u64(), "{line}");
            }
            (Content::Empty, None) => assert!(bytes.is_empty()),
            (Content::Malformed(_), None) => assert!(!bytes.is_empty()),
            other => panic!("{other:?}: {line}"),
        }
    }
    assert_eq!(kinds.len(), 3);
}

fn malformed(text: &str) {
    assert!(
        matches!(parse(text.as_bytes()), Content::Malformed(_)),
        "{:?} is {:?}",
        text,
        parse(text.as_bytes())
    );
}

#[test]
fn a_pid_is_a_positive_integer_that_a_kernel_could_hand_out() {
    for pid in ["0", "-1", "-0", "9223372036854775808", "18446744073709551616", "2147483648", "1.5", "1e99"] {
        malformed(&format!(r#"{{"pid": {pid}, "createdAt": "2026-05-26T07:22:46.211Z"}}"#));
    }
    for pid in [r#""12""#, "null", "true", "[12]", "{}", "NaN", "0x10", "+5"] {
        malformed(&format!(r#"{{"pid": {pid}, "createdAt": "2026-05-26T07:22:46.211Z"}}"#));
    }
    // JavaScript has one kind of number: these are integers to every reader of OpenClaw.
    for pid in ["12", "12.0", "1.2e1", "120e-1"] {
        assert_eq!(parsed(format!(r#"{{"pid":{pid}}}"#).as_bytes()).pid, 12, "{pid}");
    }
    assert_eq!(parsed(br#"{"pid":2147483647}"#).pid, 2_147_483_647);
}

#[test]
fn each_field_stands_alone() {
    let payload =
        parsed(br#"{"pid": 7, "createdAt": 5, "starttime": "5", "maxHoldMs": -1, "port": 70000, "new": {}}"#);
    assert_eq!(
        (payload.pid, payload.start_ticks, payload.max_hold_ms, port(&payload)),
        (7, None, None, None)
    );
    assert_eq!(payload.created_at.map(|at| at.timestamp_millis()), Some(5));
    let payload = parsed(br#"{"pid": 7, "createdAt": "yesterday", "starttime": 0}"#);
    assert_eq!((payload.created_at, payload.start_ticks), (None, Some(0)));
    // The last of two equal keys wins, as in JavaScript.
    assert_eq!(parsed(br#"{"pid": 1, "pid": 2}"#).pid, 2);
    malformed(r#"{"pid": 1, "pid": "2"}"#);
    // Node replaces what is no UTF-8 and reads on.
    assert_eq!(parsed(b"{\"pid\": 7, \"note\": \"\xff\xfe\"}").pid, 7);
    // Beyond the year 9999 no later arithmetic would be safe.
    assert!(parsed(br#"{"pid": 7, "startedAt": 253402300799999}"#).created_at.is_some());
    assert_eq!(parsed(br#"{"pid": 7, "startedAt": 8210266876799999}"#).created_at, None);
}

#[test]
fn hostile_bytes_are_malformed() {
    assert_eq!(parse(b""), Content::Empty);
    for text in [
        " \n\t",
        "{",
        "}",
        "null",
        "42",
        "\"pid\"",
        "[]",
        "[{\"pid\":1}]",
        "{}",
        "{\"pid\"",
        "{\"pid\":1",
        "\0",
        "{\"pid\":1}garbage",
        "{\"pid\":1}{\"pid\":2}",
        "{'pid':1}",
        "{pid:1}",
        "{\"PID\":1}",
        ":",
        "1:",
        ":1",
        "0:1",
        "-1:1",
        "4242:1770000000000:x",
        "99999999999:1",
        // A byte order mark: JSON.parse refuses it too.
        "\u{feff}{\"pid\":1}",
    ] {
        malformed(text);
    }
    assert!(matches!(parse(&[0xff, 0xfe, 0xfd]), Content::Malformed(_)));
    assert!(matches!(parse(&vec![0; 65_536]), Content::Malformed(_)));
    for open in ["[", "{\"a\":", "{\"pid\":["] {
        malformed(&open.repeat(100_000));
        malformed(&format!("{{\"pid\":1,\"deep\":{}", open.repeat(100_000)));
    }
}

/// How often the fuzzer tries; CI asks for a million.
fn fuzz_cases() -> u32 {
    std::env::var("LOCKDOCTOR_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Splice(usize, String),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let tokens = [
        "\"pid\":",
        "-1",
        "9223372036854775808",
        "1e308",
        "1e-308",
        "null",
        "{",
        "[",
        "\"",
        "\\ud800",
        "\u{feff}",
        ",",
        "\t ",
        "\n",
        "1:1",
        "\"lockdoctor\":1,",
        "\"startTime\":1,",
    ];
    prop_oneof![
        (0..500_usize, any::<u8>()).prop_map(|(at, byte)| Mutation::Flip(at, byte)),
        (0..500_usize, any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (0..500_usize).prop_map(Mutation::Remove),
        (0..500_usize).prop_map(Mutation::Cut),
        (0..500_usize, proptest::sample::select(tokens.to_vec()))
            .prop_map(|(at, token)| Mutation::Splice(at, token.to_owned())),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: Mutation) {
    let within = |at: usize| at % bytes.len().max(1);
    match mutation {
        Mutation::Flip(at, mask) => {
            let at = within(at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        Mutation::Insert(at, byte) => bytes.insert(within(at).min(bytes.len()), byte),
        Mutation::Remove(at) if !bytes.is_empty() => drop(bytes.remove(within(at))),
        Mutation::Remove(_) => {}
        Mutation::Cut(at) => bytes.truncate(within(at)),
        Mutation::Splice(at, token) => {
            let at = within(at).min(bytes.len());
            bytes.splice(at..at, token.into_bytes());
        }
    }
}

#[test]
fn no_bytes_upset_the_parser() {
    let seeds: Vec<Vec<u8>> = fixture_locks().into_iter().map(|(_, _, bytes)| bytes).collect();
    let mutated = (proptest::sample::select(seeds), proptest::collection::vec(mutations(), 0..6)).prop_map(
        |(mut bytes, mutations)| {
            mutations.into_iter().for_each(|mutation| apply(&mut bytes, mutation));
            bytes
        },
    );
    let bytes = prop_oneof![8 => mutated, 2 => proptest::collection::vec(any::<u8>(), 0..64)];
    let config =
        ProptestConfig { cases: fuzz_cases(), failure_persistence: None, ..ProptestConfig::default() };
    let parsed = std::cell::Cell::new(0_u32);
    let result = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        let content = parse(&bytes);
        prop_assert_eq!(matches!(content, Content::Empty), bytes.is_empty());
        prop_assert!(!matches!(content, Content::NotRead));
        if let Content::Parsed(payload) = content {
            parsed.set(parsed.get() + 1);
            prop_assert!(payload.pid >= 1 && i32::try_from(payload.pid).is_ok());
            let year = payload.created_at.map_or(2026, |at| chrono::Datelike::year(&at));
            prop_assert!((0..=9999).contains(&year), "{year}");
            prop_assert!(payload.max_hold_ms != Some(0) && port(&payload) != Some(0));
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    // Mutations that leave nothing readable would test one branch only.
    assert!(parsed.get() > fuzz_cases() / 10, "{} of {} were read", parsed.get(), fuzz_cases());
}

fn of_gateway(payload: &Payload) -> OfGateway {
    payload.gateway.as_deref().cloned().unwrap_or_default()
}

fn port(payload: &Payload) -> Option<u16> {
    of_gateway(payload).port
}
