//! Lines as gateways write them, and the rule behind them: no number of a person survives, every measure does.

use proptest::prelude::*;

use super::*;

const UUID: &str = "3f0d8c1e-9d0b-4b61-9a6e-012345678901";

fn on(text: &str) -> String {
    Redactor::On.text(text).into_owned()
}

#[test]
fn whatever_names_a_secret_hides_its_value() {
    for line in [
        "token: hunter2",
        "x-api-key: hunter2",
        "cookie: hunter2",
        "password: hunter2",
        r#"{"apiKey":"hunter2"}"#,
        r#"{"botToken": "hunter2"}"#,
        r#"text="hello" and text="hunter2 here""#,
        r#"{"text":"dear hunter2"}"#,
        "see https://example.com/cb#access_token=hunter2",
        r#"token="hunter2""#,
        r#"password="hunter2""#,
        r#"authorization="Bearer hunter2""#,
        "token='a hunter2'",
        "token = hunter2",
        "\"token\": \"a b hunter2\"",
        r#"secret="a \" hunter2""#,
        r#"{\"token\":\"a hunter2\"}"#,
        "cookie: a=b; c=hunter2",
        "set-cookie=a; c=hunter2",
        "cookie: a=b; c=hunter2\nstate=idle",
        "token=\"a hunter2",
        "at file:///home/hunter2/.npm-global/lib/node_modules/openclaw/dist/x.js:1:2",
    ] {
        assert!(!on(line).contains("hunter2"), "{}", on(line));
    }
    assert_eq!(on("cookie: a=b; c=d\nstate=idle"), "cookie: …\nstate=idle");
    assert_eq!(on(r#"token="a b" state=idle"#), r#"token="…" state=idle"#);
    for empty in [r#"token="" state=idle"#, "token= state=idle", r#"from="" to= state="a b""#] {
        assert_eq!(on(empty), empty);
    }
    assert_eq!(on("tokens: 1234 used, cached=12"), "tokens: 1234 used, cached=12");
}

#[test]
fn secrets_of_every_shape_go() {
    for (line, secret) in [
        ("error=\"401 invalid key sk-ant-api03-AbCdEf0123456789\"", "sk-ant"),
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh"),
        ("url=https://api.telegram.org/bot8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getUpdates", "AAHdq"),
        ("token 8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "AAHdq"),
        ("slack xoxb-123456789012-abcdefABCDEF", "xoxb"),
        ("https://user:hunter2@example.org/x?token=abc", "hunter2"),
        ("https://example.org/x?key=abcdef", "abcdef"),
        ("gatewayToken=s3cr3t", "s3cr3t"),
        ("password=hunter2", "hunter2"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", "eyJhb"),
        ("hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "9f86d081884c"),
        ("call +49 170 1234567 or +491701234567", "1701234567"),
        ("from anna.muster@example.org", "anna"),
        ("sessionKey=agent:main:telegram:direct:123456789 state=idle", "123456789"),
        ("lane=session:agent:main:discord:channel:1465000000000000000 waitedMs=5", "146500"),
        ("/home/anna/.openclaw/agents/main/sessions/x.jsonl.lock", "anna"),
        ("/Users/anna/.openclaw/x.jsonl", "anna"),
        ("C:\\Users\\anna\\.openclaw\\x.jsonl", "anna"),
        ("lastAssistant=\"dear \\\"bob\\\", the code is 4711\" recovery=none", "bob"),
        ("chatId=4711 messageId=99", "4711"),
        ("/home/node/x/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42-topic-998877665544.jsonl", "998877665544"),
    ] {
        let shown = on(line);
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_the_line_is_about_stays() {
    for line in [
        "lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=0",
        "embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=172800000",
        "liveness warning: reasons=event_loop_delay interval=30s eventLoopDelayP99Ms=1811.9 eventLoopDelayMaxMs=3804.2",
        "memory pressure: level=critical rssBytes=3221225472",
        "session file locked (timeout 10000ms): pid=4194305 /root/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock",
        "removed stale session lock: /var/lib/sessions.json.lock (dead-pid, too-old)",
        "log file: /tmp/openclaw/openclaw-2026-11-22.log",
        "2026-11-22T14:07:28.500Z [diagnostic] x",
        "listening on ws://127.0.0.1:18789 (PID 6580)",
        "boot-2026-02-14_08-22-48-951-a9b43071.jsonl and openclaw-20261122140728.log at 05.11.2026 14:07",
        "tick 1234567890 of inode 123456789012, 3221225472 bytes, 172800000 ms, createdAt=1763820448500",
        r#"{"createdAt":1763820448500,"starttime":987654321,"rssBytes": 3221225472}"#,
        "3f0d8c1e-9d0b-4b61-9a6e-012345678901.jsonl.lock, fingerprint 0123456789abcdef",
        "version 2026.11.22 of 127.0.0.1 at 14:07:08 2026-11-22, load 0.123456789",
        "lock wait elapsedMs=116.88468499999726 operation=state.write",
        "[telegram:default] telegram: polling, killed by signal:9",
    ] {
        assert_eq!(on(line), line);
    }
}

#[test]
fn a_key_keeps_its_shape_and_two_rows_of_it_match() {
    let one = Redactor::On.key("agent:main:telegram:direct:123456789").into_owned();
    assert!(
        one.starts_with("agent:main:telegram:direct:…")
            && one.len() == "agent:main:telegram:direct:…".len() + 4,
        "{one}"
    );
    assert_eq!(one, on("agent:main:telegram:direct:123456789"));
    assert_eq!(on(&one), one);
    assert_ne!(one, Redactor::On.key("agent:main:telegram:direct:123456780"));
    assert_eq!(Redactor::OwnPaths.key("agent:work:main"), "agent:work:main");
    assert!(!Redactor::On.key("agent:work:main").contains("work"));
    assert_eq!(Redactor::On.lane("session:agent:main:main"), "session:agent:main:main");
    assert_eq!(
        Redactor::On.key("agent:main:cron:5b6f9c1a-aaaa-4bbb-8ccc-0123456789ab"),
        "agent:main:cron:5b6f9c1a…"
    );
    assert_eq!(Redactor::Off.key("agent:main:telegram:direct:1"), "agent:main:telegram:direct:1");
}

#[test]
fn what_is_marked_is_shown_as_far_as_its_reader_may_know_it() {
    let text =
        format!("A {} of {} ({})", foreign("lane task error: hunter2"), local("joedoe-bot"), local("main"));
    assert_eq!(Redactor::Off.text(&text), "A lane task error: hunter2 of joedoe-bot (main)");
    assert_eq!(Redactor::OwnPaths.text(&text), "A lane task error: … of joedoe-bot (main)");
    let shared = on(&text);
    assert!(shared.starts_with("A lane task error: … of …") && shared.ends_with("(main)"), "{shared}");
    assert!(!on(&local("\u{2}joe\u{3}doe")).contains("joe"));
    let path = on(&local("/home/joe doe/.openclaw/agents/main/sessions/joe doe.jsonl.lock"));
    assert!(path.ends_with(".jsonl.lock") && !path.contains("doe") && !path.contains(' '), "{path}");
}

#[test]
fn redacting_twice_changes_nothing() {
    for line in [
        "chatId=4711 x@y.org +491701234567 /home/anna/x",
        "lastAssistant=\"a\" sessionKey=agent:main:slack:channel:C0123ABCD",
    ] {
        assert_eq!(on(&on(line)), on(line));
    }
}

#[test]
fn one_number_has_one_mask_however_it_is_written() {
    let mask = Redactor::On.key("agent:main:whatsapp:direct:+491701234567").into_owned();
    let mask = mask.rsplit(':').next().expect("a part");
    for line in [
        "to +49 170 1234567",
        "to +491701234567 at 14:07",
        "id491701234567",
        "from=491701234567",
        "from=+491701234567",
        "jid 491701234567@s.whatsapp.net",
        "to=491701234567@s.whatsapp.net",
        "sessionKey=whatsapp:direct:+491701234567",
        "credentials/sender-key-491701234567.json",
    ] {
        assert!(on(line).contains(mask), "{mask}: {}", on(line));
    }
    assert_eq!(on("491701234567@s.whatsapp.net"), format!("{mask}@s.whatsapp.net"));
    assert_eq!(Redactor::On.key("telegram:-1001234567890"), on("telegram:-1001234567890"));
}

#[test]
fn whatever_names_a_person_hides_who_it_is() {
    for (line, who) in [
        ("userId=0f3c2b1a-1111-2222-3333-444455556666", "3c2b1a"),
        ("from=0x71c7…976f", "71c7"),
        ("sender=+12345", "12345"),
        ("sender=+12345 17", "12345"),
        ("from=\"joe doe\" state=idle", "doe"),
        ("peer='joe doe'", "doe"),
        ("rate 1.491701234567", "4917"),
    ] {
        let shown = on(line);
        assert!(!shown.contains(who), "{shown}");
        assert_eq!(on(&shown), shown);
    }
    assert!(on("from=\"joe doe\" state=idle").ends_with("\" state=idle"));
    let moved = on("moved from=\"/var/lib/a b\" to=\"unknown\"");
    assert!(moved.starts_with("moved from=\"/var/lib/") && moved.ends_with(" b\" to=\"unknown\""), "{moved}");
}

#[test]
fn ids_of_slack_go() {
    let (upper, lower) = ("slack:channel:C0123ABCD", "agent:main:slack:channel:c0123abcd");
    let mask = Redactor::On.key(lower).rsplit(':').next().expect("a part").to_owned();
    for line in [
        upper,
        lower,
        "sessionKey=slack:channel:C0123ABCD",
        "user C0123ABCD wrote",
        "lane=session:slack:C0123ABCD",
    ] {
        assert!(on(line).ends_with(&mask) || on(line).contains(&format!("{mask} ")), "{}", on(line));
    }
    assert_eq!(on("code ECONNRESET, TIMEOUT2000, B1"), "code ECONNRESET, TIMEOUT2000, B1");
}

#[test]
fn paths_of_this_machine_can_be_shown_whole() {
    let path = "/home/anna/.openclaw/agents/main/sessions/x-topic-998877665544.jsonl.lock";
    assert_eq!(Redactor::OwnPaths.path(path), path);
    assert!(!Redactor::On.path(path).contains("anna"));
    assert!(!Redactor::OwnPaths.text("call +49 170 1234567").contains("170"));
}

/// Telephone numbers as people and programs write them, with the digits that they are made of.
fn phone() -> impl Strategy<Value = String> {
    let area = 151..180_u32;
    let line = 1_000_000..9_999_999_u32;
    (area, line, 0..12_usize).prop_map(|(area, line, style)| {
        let (a, b) = (line / 10_000, line % 10_000);
        match style {
            0 => format!("+49{area}{line}"),
            1 => format!("+49 {area} {line}"),
            2 => format!("+49 {area} {a} {b:04}"),
            3 => format!("+49-{area}-{line}"),
            4 => format!("+49 (0){area} {line}"),
            5 => format!("0049 {area} {line}"),
            6 => format!("0{area} {a} {b:04}"),
            7 => format!("0{area}/{line}"),
            8 => format!("0{area}-{line}"),
            9 => format!("49{area}{line}"),
            10 => format!("0{area}{line}"),
            _ => format!("({}) {a}-{b:04}", area + 100),
        }
    })
}

const NEUTRAL: [(&str, &str); 7] = [
    ("", ""),
    ("call ", " now"),
    ("(", ")"),
    ("wrote to ", ", then stopped."),
    ("2026-11-22T14:07:28.500Z [whatsapp] ", " 2026-11-22 14:07"),
    ("pid 7 took 12345ms for ", "; pid 8"),
    ("sessions/", ".json"),
];

/// These say that a person comes.
const NAMED: [(&str, &str); 5] =
    [("from=", " state=idle"), ("from=\"", "\""), ("{\"to\":\"", "\"}"), ("chat:", ""), ("tel-", "")];

fn measure() -> impl Strategy<Value = String> {
    let ticks = 0..u64::MAX / 2;
    (ticks, 1_500_000_000_000..1_999_999_999_999_u64, any::<[u8; 16]>(), 0..14_usize).prop_map(
        |(n, epoch, uuid, style)| {
            let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
            let decimal: String = uuid.iter().map(|byte| char::from(b'0' + byte % 10)).collect();
            let at = chrono::DateTime::from_timestamp_millis(epoch as i64).expect("in range");
            match style {
                0 => format!("inode {n}"),
                1 => format!("pid {}", n % 4_194_304),
                2 => format!("timeoutMs={n}"),
                3 => format!("{n}ms"),
                4 => format!("\"createdAt\":{epoch}"),
                5 => epoch.to_string(),
                6 => at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
                7 => at.format("%Y-%m-%d %H:%M:%S").to_string(),
                8 => at.format("%d.%m.%Y %H:%M").to_string(),
                9 => format!(
                    "{}-{}-{}-{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[12..16],
                    &hex[16..20],
                    &decimal[..12]
                ),
                10 => format!("/proc/{}/root/var/lib/openclaw/agents/main", n % 4_000_000),
                11 => format!("boot-{}.jsonl", at.format("%Y-%m-%d_%H-%M-%S-%3f-a9b43071")),
                12 => format!("tick {n}, {n} bytes"),
                _ => format!("v2026.{}.{}", n % 12, n % 31),
            }
        },
    )
}

proptest! {
    #[test]
    fn no_digits_of_a_telephone_number_survive(
        phone in phone(),
        (before, after) in proptest::sample::select([&NEUTRAL[..], &NAMED[..]].concat()),
    ) {
        // No file has such a name.
        prop_assume!(!(before.ends_with('/') && phone.contains('/')));
        let shown = on(&format!("{before}{phone}{after}"));
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let left: String = shown.chars().filter(char::is_ascii_digit).collect();
        for part in digits.as_bytes().windows(6) {
            let part = std::str::from_utf8(part).expect("digits");
            prop_assert!(!left.contains(part), "{phone} in {shown}");
        }
        prop_assert_eq!(on(&shown), shown);
    }

    #[test]
    fn what_measures_survives(
        measure in measure(),
        (before, after) in proptest::sample::select(NEUTRAL.to_vec()),
    ) {
        let text = format!("{before}{measure}{after}");
        prop_assert_eq!(on(&text), text);
        prop_assert_eq!(on(UUID), UUID);
    }

    #[test]
    fn names_and_quotes_in_any_order_upset_nothing(
        parts in proptest::collection::vec("token|cookie|from|to|[=:;/+.a-z]|[0-9]{1,5}|[ \n\"'\\\\]|…|ü", 0..16),
    ) {
        let once = on(&parts.concat());
        prop_assert_eq!(on(&once), once);
    }

    #[test]
    fn any_text_is_redacted_without_a_fall_and_once_is_enough(text in any::<String>()) {
        let once = on(&text);
        prop_assert_eq!(on(&once), once);
    }
}

#[test]
fn a_quotation_of_which_nothing_may_be_shown_is_left_out() {
    let text = format!("1 message failed.{}", quotation("hunter2 hunter3"));
    assert_eq!(Redactor::On.text(&text), "1 message failed.");
    assert!(Redactor::Off.text(&text).contains("hunter2"));
}
