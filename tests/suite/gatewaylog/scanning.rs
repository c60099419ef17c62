//! The stream: damaged, endless, undated input; counters; memory.

use super::containers::{AT, dating};
use lockdoctor::gatewaylog::{Dating, Entry, Event, Scanner, When};
use std::io::Read;

fn scan(bytes: impl Read, dating: Option<Dating>) -> (Vec<Entry>, lockdoctor::gatewaylog::Counters) {
    let mut scanner = Scanner::new(bytes, dating);
    let mut entries = Vec::new();
    while let Some(entry) = scanner.next_entry().unwrap() {
        entries.push(entry);
    }
    (entries, scanner.counters())
}

fn line(second: u32) -> String {
    format!(
        "2026-11-22T14:00:{second:02}.000Z [diagnostic] lane wait exceeded: lane=main waitedMs={second}000 queueAhead=0\n"
    )
}

#[test]
fn an_overlong_line_is_a_counter_and_nothing_else() {
    let head = std::io::Cursor::new(line(1));
    let long = std::io::repeat(b'x').take(100 << 20);
    let tail = std::io::Cursor::new(format!(": lane= sessionId=\n{}", line(2)));
    let (entries, counters) = scan(head.chain(long).chain(tail), None);
    assert_eq!(entries.len(), 2);
    assert_eq!((counters.lines, counters.parsed, counters.skipped), (3, 2, 1));
    assert_eq!(counters.bytes, (100 << 20) + 2 * line(1).len() as u64 + 19);
}

#[test]
fn an_overlong_last_line_without_newline_is_one_line() {
    let (entries, counters) =
        scan(std::io::Cursor::new(line(1)).chain(std::io::repeat(0).take(3 << 20)), None);
    assert_eq!((entries.len(), counters.lines, counters.skipped), (1, 2, 1));
}

#[test]
fn a_long_line_of_interest_below_the_limit_is_read() {
    let pad = "x".repeat(900_000);
    let log = format!(
        "{AT} [agent] {pad}\n{AT} [diagnostic] liveness warning: reasons=cpu interval=30s eventLoopDelayP99Ms=1 eventLoopDelayMaxMs=1 eventLoopUtilization=1 cpuCoreRatio=1 active=0 waiting=0 queued=0 work=[{pad}]\n{}",
        line(3)
    );
    let (entries, counters) = scan(log.as_bytes(), None);
    assert_eq!((entries.len(), counters.skipped), (2, 0));
}

#[test]
fn nuls_and_broken_utf8_are_mended_and_counted() {
    let mut log = b"\0\0\0\0".to_vec();
    log.extend(line(1).bytes());
    log.extend(b"\xff\xfe garbage \xc3\n");
    log.extend(b"2026-11-22T14:00:02.000Z [diagnostic] lane task error: lane=main durationMs=7 error=\"Error: \xff\"\n");
    let (entries, counters) = scan(log.as_slice(), None);
    assert_eq!((entries.len(), counters.mended, counters.skipped, counters.lines), (2, 2, 0, 3));
}

#[test]
fn broken_json_is_skipped_and_counted_only_where_it_matters() {
    let log =
        "{\"0\":\"quiet\n{\"0\":\"{\\\"subsystem\\\":\\\"diagnostic\\\"}\",\"1\":\"lane task done: lane=ma\n";
    let (entries, counters) = scan(log.as_bytes(), None);
    assert_eq!((entries.len(), counters.lines, counters.skipped), (0, 2, 1));
}

#[test]
fn lines_out_of_order_are_counted_and_kept() {
    let log = [line(5), line(3), line(9)].concat();
    let (entries, counters) = scan(log.as_bytes(), None);
    assert_eq!((entries.len(), counters.out_of_order), (3, 1));
    assert_eq!(counters.first.unwrap().to_rfc3339(), "2026-11-22T14:00:03+00:00");
    assert_eq!(counters.last.unwrap().to_rfc3339(), "2026-11-22T14:00:09+00:00");
}

#[test]
fn an_undated_line_is_after_the_dated_line_above_it() {
    let watchdog = "[session-write-lock] releasing lock held for 48298ms (max=20000ms): /s/a.jsonl.lock\n";
    let log = format!("{watchdog}{}nothing\n    at stack\n{watchdog}", line(7));
    let (entries, _) = scan(log.as_bytes(), None);
    assert_eq!(entries[0].when, When::Unknown);
    assert_eq!(entries[2].when, When::After("2026-11-22T14:00:07Z".parse().unwrap()));
    assert_eq!(entries[2].line, 5);
}

#[test]
fn the_dated_line_may_be_far_above_in_an_earlier_chunk() {
    let filler = "2026-11-22T14:30:00.000Z [agent] words of no interest at all\n".repeat(12_000);
    let log = format!(
        "{}{filler}[session-write-lock] releasing lock held for 1ms (max=1ms): /s/a.jsonl.lock\n",
        line(7)
    );
    let (entries, _) = scan(log.as_bytes(), None);
    assert_eq!(entries[1].when, When::After("2026-11-22T14:30:00Z".parse().unwrap()));
}

#[test]
fn pretty_style_goes_over_midnight_even_when_the_night_is_quiet() {
    let log = "23:59:58 [diagnostic] lane wait exceeded: lane=main waitedMs=2000 queueAhead=0\n\
               00:30:00 [gateway] quiet\n12:00:00 [gateway] quiet\n00:10:00 [gateway] quiet\n\
               09:07:28 [diagnostic] lane wait exceeded: lane=main waitedMs=2000 queueAhead=0\n";
    let (entries, counters) = scan(log.as_bytes(), Some(dating()));
    let days: Vec<_> = entries.iter().map(|entry| entry.when.time().unwrap().to_rfc3339()).collect();
    assert_eq!(days, ["2026-11-23T04:59:58+00:00", "2026-11-24T14:07:28+00:00"]);
    assert_eq!(counters.lines, 5);
}

#[test]
fn a_line_that_was_wrapped_before_its_fields_is_one() {
    let log = "[diagnostic] stalled session: \n  sessionId=5b0c7a11-2f6e-4d1c-8a35-7f10c2d40e11 sessionKey=agent:desk:main\n  \
               state=processing age=900s queueDepth=1 reason=active_work_without_progress\n    classification=stalled_agent_run recovery=none\n\
               [diagnostic] lane wait exceeded: lane=main waitedMs=2000 queueAhead=0\n  not a field\n";
    let (entries, counters) = scan(log.as_bytes(), None);
    let Event::Attention(attention) = &entries[0].event else { panic!("{entries:?}") };
    assert_eq!(attention.session.key.as_deref(), Some("agent:desk:main"));
    assert_eq!((attention.age_ms, attention.queue_depth), (900_000, 1));
    assert_eq!((entries.len(), counters.lines), (2, 6));
}

#[test]
fn counters_do_not_depend_on_how_the_bytes_arrive() {
    struct OneByOne<R>(R);
    impl<R: Read> Read for OneByOne<R> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let end = into.len().min(7);
            self.0.read(&mut into[..end])
        }
    }
    let log: Vec<String> = (0..60).flat_map(|second| [format!("noise {second}\n"), line(second)]).collect();
    let log = log.concat();
    let whole = scan(log.as_bytes(), None);
    let pieces = scan(OneByOne(log.as_bytes()), None);
    assert_eq!(whole, pieces);
    assert_eq!(whole.0[59].line, 120);
    assert!(matches!(whole.0[0].event, Event::LaneWait { .. }));
}
