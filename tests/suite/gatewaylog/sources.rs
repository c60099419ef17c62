//! Files, gzip, several sources at once, following across rotation.

use chrono::{DateTime, FixedOffset, Utc};
use lockdoctor::gatewaylog::{
    Access, Begin, Dating, Entry, Event, Followed, Follower, Journal, Merged, Owners, Places, Reading,
    Source, Stream, Tail,
};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

fn now() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-22T15:00:00+00:00").unwrap()
}

fn wait(at: &str, waited: u64) -> String {
    format!("{at} [diagnostic] lane wait exceeded: lane=main waitedMs={waited} queueAhead=0\n")
}

fn waits(entries: impl IntoIterator<Item = Entry>) -> Vec<u64> {
    let waited = |entry: Entry| match entry.event {
        Event::LaneWait { waited_ms, .. } => waited_ms,
        other => panic!("{other:?}"),
    };
    entries.into_iter().map(waited).collect()
}

fn open(path: &Path, since: Option<&str>) -> Stream {
    let since = since.map(|since| since.parse::<DateTime<Utc>>().unwrap());
    Stream::open(&Source::named(path), &Reading::new(now(), since)).unwrap()
}

#[test]
fn gzip_is_read_by_its_content_not_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("openclaw-2026-11-21.log");
    let mut packed = Vec::new();
    for part in 1..=2 {
        // Two members, as `cat a.gz b.gz` makes them.
        let mut gz = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
        gz.write_all(wait("2026-11-21T10:00:00.000Z", part * 1000).as_bytes()).unwrap();
        gz.finish().unwrap();
    }
    fs::write(&path, packed).unwrap();
    let merged = Merged::new(vec![open(&path, None)]);
    assert_eq!(waits(merged.map(|(_, entry)| entry)), [1000, 2000]);
}

#[test]
fn sources_are_merged_by_time_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.log");
    let console = dir.path().join("console.log");
    let meta = |at: &str| format!("\"_meta\":{{\"date\":\"{at}\",\"logLevelName\":\"WARN\"}}");
    let record = |at: &str, waited: u64| {
        format!(
            "{{\"0\":\"{{\\\"subsystem\\\":\\\"diagnostic\\\"}}\",\"1\":\"lane wait exceeded: lane=main waitedMs={waited} queueAhead=0\",{}}}\n",
            meta(at)
        )
    };
    fs::write(&file, record("2026-11-22T10:00:00.500Z", 1) + &record("2026-11-22T10:00:04.000Z", 3)).unwrap();
    // The same two, one cut to the second and local; and one that only the console has.
    fs::write(
        &console,
        wait("2026-11-22T05:00:00-05:00", 1)
            + &wait("2026-11-22T05:00:02.000-05:00", 2)
            + &wait("2026-11-22T05:00:04.001-05:00", 3),
    )
    .unwrap();
    let mut merged = Merged::new(vec![open(&file, None), open(&console, None)]);
    let mut entries = Vec::new();
    for (_, entry) in merged.by_ref() {
        entries.push(entry);
    }
    assert_eq!(waits(entries), [1, 2, 3]);
    assert_eq!(merged.duplicates(), 2);
    let summaries = merged.summaries();
    assert_eq!((summaries[0].counters.parsed, summaries[1].counters.parsed), (2, 3));
}

#[test]
fn newest_first_and_joined_in_the_wrong_order_are_put_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    let lines: Vec<String> = (1..=9).map(|n| wait(&format!("2026-11-22T10:0{n}:00.000Z"), n)).collect();
    let in_order: Vec<u64> = (1..=9).collect();
    let newest_first: String = lines.iter().rev().cloned().collect();
    let joined = [&lines[5..], &lines[..5]].concat().concat();
    for text in [newest_first, joined, lines.concat()] {
        fs::write(&path, &text).unwrap();
        assert_eq!(waits(Merged::new(vec![open(&path, None)]).map(|(_, entry)| entry)), in_order, "{text}");
    }
}

#[test]
fn what_powershell_redirects_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.txt");
    let text = wait("2026-11-22T10:00:00.000Z", 1) + &wait("2026-11-22T10:00:01.000Z", 2);
    let units = [0xfeff].into_iter().chain(text.encode_utf16());
    fs::write(&path, units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    assert_eq!(waits(Merged::new(vec![open(&path, None)]).map(|(_, entry)| entry)), [1, 2]);
}

#[test]
fn an_error_written_twice_is_one_and_two_waits_are_two() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    let error =
        "2026-11-22T10:00:00.001Z [diagnostic] lane task error: lane=main durationMs=5 error=\"Error: x\"\n";
    fs::write(
        &path,
        [error, error, &wait("2026-11-22T10:00:01.000Z", 1), &wait("2026-11-22T10:00:01.001Z", 1)].concat(),
    )
    .unwrap();
    let mut merged = Merged::new(vec![open(&path, None)]);
    assert_eq!(merged.by_ref().count(), 3);
    assert_eq!(merged.duplicates(), 1);
}

#[test]
fn since_cuts_and_a_missing_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    fs::write(&path, wait("2026-11-22T10:00:00.000Z", 1) + &wait("2026-11-22T12:00:00.000Z", 2)).unwrap();
    let mut stream = open(&path, Some("2026-11-22T11:00:00Z"));
    assert_eq!(waits(stream.next_entry().unwrap()), [2]);
    assert!(stream.next_entry().unwrap().is_none());
    assert!(Stream::open(&Source::File(dir.path().join("none")), &Reading::new(now(), None)).is_err());
    assert!(Stream::open(&Source::Found(dir.path().to_owned()), &Reading::new(now(), None)).is_err());
}

#[test]
fn a_pretty_log_is_dated_from_its_last_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("typescript");
    fs::write(
        &path,
        "23:59:59 [diagnostic] lane wait exceeded: lane=main waitedMs=1 queueAhead=0\n00:00:10 [gateway] x\n",
    )
    .unwrap();
    let changed: DateTime<Utc> = "2026-11-20T00:00:11Z".parse().unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(changed.into()).unwrap();
    let entry = open(&path, None).next_entry().unwrap().unwrap();
    assert_eq!(entry.when.time().unwrap().to_rfc3339(), "2026-11-19T23:59:59+00:00");
}

#[test]
fn progress_counts_the_bytes_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    fs::write(&path, wait("2026-11-22T10:00:00.000Z", 1).repeat(1000)).unwrap();
    let reading = Reading::new(now(), None);
    let mut stream = Stream::open(&Source::File(path.clone()), &reading).unwrap();
    while stream.next_entry().unwrap().is_some() {}
    assert_eq!(
        reading.progress.load(std::sync::atomic::Ordering::Relaxed),
        fs::metadata(&path).unwrap().len()
    );
}

#[test]
fn a_tail_survives_rotation_truncation_and_half_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.log");
    let append = |text: &str| {
        fs::File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    append(&wait("2026-11-22T10:00:00.000Z", 1));
    let mut tail = Tail::open(&path, Access::Named, Begin::AtEnd, None).unwrap();
    assert!(waits(tail.advance().unwrap()).is_empty());

    let line = wait("2026-11-22T10:00:01.000Z", 2);
    append(&line[..40]);
    assert!(waits(tail.advance().unwrap()).is_empty());
    append(&line[40..]);
    assert_eq!(waits(tail.advance().unwrap()), [2]);

    // Rotation: more is written to the old file, which ends without a newline; then there is a new one.
    append(&wait("2026-11-22T10:00:02.000Z", 3));
    append(wait("2026-11-22T10:00:03.000Z", 4).trim_end());
    fs::rename(&path, dir.path().join("gateway.log.1")).unwrap();
    assert_eq!(waits(tail.advance().unwrap()), [3]);
    append(&wait("2026-11-22T10:00:04.000Z", 5));
    assert_eq!(waits(tail.advance().unwrap()), [4, 5]);

    // copytruncate.
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(waits(tail.advance().unwrap()).is_empty());
    append(&wait("2026-11-22T10:00:05.000Z", 6));
    assert_eq!(waits(tail.advance().unwrap()), [6]);
    // Cut, and as long as before when somebody looks; cut, and longer.
    for (size, line) in [(7, 1), (8, 2)] {
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        append(&wait("2026-11-22T10:00:06.000Z", size).repeat(line));
        assert_eq!(waits(tail.advance().unwrap()), vec![size; line]);
    }
    assert!(waits(tail.advance().unwrap()).is_empty());
}

#[test]
fn a_unit_is_named_with_its_manager() {
    assert_eq!(Journal::named("openclaw-gateway").to_string(), "journal:user:openclaw-gateway");
    assert_eq!(Journal::named("system:openclaw.service").to_string(), "journal:system:openclaw.service");
}

/// A directory of logs of the user 4242, and what follows it.
struct Logs {
    _temp: tempfile::TempDir,
    directory: PathBuf,
    places: Places,
}

impl Logs {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("openclaw-4242");
        fs::create_dir(&directory).unwrap();
        let temp_dirs = vec![temp.path().to_owned()];
        Self {
            directory,
            places: Places { uids: [4242].into(), temp_dirs, ..Places::default() },
            _temp: temp,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = fs::File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn follow(&self) -> Follower {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let what = Followed::Discovered(self.places.clone());
        Follower::new(what, Dating::of(now()), clock.as_secs().cast_signed())
    }
}

/// Everything that has come, names included.
fn look(follower: &mut Follower) -> Vec<u64> {
    assert!(follower.look_around(Dating::of(now())).is_empty());
    come(follower)
}

fn come(follower: &mut Follower) -> Vec<u64> {
    let mut budget = u64::MAX;
    waits(std::iter::from_fn(|| follower.next_within(&mut budget)).map(|(_, entry)| entry))
}

#[test]
fn a_follower_takes_new_days_and_leaves_rotated_parts_alone() {
    let logs = Logs::new();
    let today = "openclaw-2026-11-22.log";
    logs.append(today, &wait("2026-11-22T10:00:00.000Z", 1));
    logs.append("openclaw-2026-11-21.log.gz", "packed");
    let mut follower = logs.follow();
    assert_eq!(look(&mut follower), [1], "what happened lately");
    logs.append(today, &wait("2026-11-22T10:00:01.000Z", 2));
    // 4.25 and later: `.log` becomes `.1.log`, and a new `.log` begins.
    fs::rename(logs.path(today), logs.path("openclaw-2026-11-22.1.log")).unwrap();
    logs.append(today, &wait("2026-11-22T10:00:02.000Z", 3));
    // The tail goes on to the new file before anybody has looked at the names.
    follower.stirred(&logs.path(today), Dating::of(now())).unwrap();
    assert_eq!(come(&mut follower), [2, 3]);
    assert!(look(&mut follower).is_empty(), "the rotated part is known");
    logs.append("openclaw-2026-11-23.log", &wait("2026-11-23T00:00:00.000Z", 4));
    assert_eq!(look(&mut follower), [4]);
    logs.append(today, &wait("2026-11-22T23:59:59.000Z", 5));
    fs::remove_file(logs.path("openclaw-2026-11-22.1.log")).unwrap();
    assert_eq!(look(&mut follower), [5]);
    assert!(look(&mut follower).is_empty());
    let lines = follower.counters().lines;
    fs::remove_file(logs.path(today)).unwrap();
    assert!(look(&mut follower).is_empty());
    assert_eq!((follower.open_files(), follower.counters().lines), (1, lines));
}

#[test]
fn several_logs_are_told_in_the_order_of_time_and_within_a_budget() {
    let logs = Logs::new();
    for (name, seconds) in [("openclaw-2026-11-22.log", [1, 4]), ("openclaw-work-2026-11-22.log", [2, 3])] {
        for second in seconds {
            logs.append(name, &wait(&format!("2026-11-22T10:00:0{second}.000Z"), second));
        }
    }
    let mut follower = logs.follow();
    assert!(follower.next_within(&mut 0).is_none());
    assert!(follower.has_more(), "the budget was used up, not the logs");
    assert_eq!(come(&mut follower), [1, 2, 3, 4]);
    assert!(!follower.has_more());
}

#[test]
fn a_log_that_nobody_writes_is_opened_when_somebody_does() {
    let logs = Logs::new();
    let name = "openclaw-2026-11-01.log";
    logs.append(name, &wait("2026-11-01T10:00:00.000Z", 1));
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(5 * 24 * 3600);
    fs::File::options().append(true).open(logs.path(name)).unwrap().set_modified(old).unwrap();
    let mut follower = logs.follow();
    assert!(look(&mut follower).is_empty());
    assert_eq!((follower.open_files(), follower.paths().count()), (0, 1));
    logs.append(name, &wait("2026-11-22T10:00:00.000Z", 2));
    follower.stirred(&logs.path(name), Dating::of(now())).unwrap();
    assert_eq!(come(&mut follower), [2]);
}

#[test]
fn of_a_long_log_only_the_end_is_read_at_first() {
    let logs = Logs::new();
    let name = "openclaw-2026-11-22.log";
    logs.append(name, &"x".repeat(2 << 20));
    logs.append(name, &format!("\n{}", wait("2026-11-22T10:00:00.000Z", 7)));
    let mut follower = logs.follow();
    assert_eq!(look(&mut follower), [7]);
    assert_eq!(follower.counters().bytes, 1 << 20);
}

#[test]
fn a_strangers_log_is_not_followed() {
    let mut logs = Logs::new();
    logs.append("openclaw-2026-11-22.log", &wait("2026-11-22T10:00:00.000Z", 1));
    logs.places.owners = Owners::Only([4242].into());
    let mut follower = logs.follow();
    assert!(look(&mut follower).is_empty());
    assert_eq!(follower.paths().count(), 0);
}
