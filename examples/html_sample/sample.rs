//! An invented day with one of everything, as a report's model. Shared by the example and the tests.

use chrono::{DateTime, Utc};
use lockdoctor::report::html::model::{
    Advice, Fact, Finding, Group, Headline, Lane, LaneHour, LaneStatistics, Lock, Mark, MarkKind, Period,
    Place, Quantiles, ReportModel, Row, Severity, Span, SpanKind, Timeline,
};

const SESSION: &str = "agent:main:telegram:direct:…3f9c";
const SESSION_ID: &str = "b2f4a6e0-1111-4222-8333-944445555666";

/// Seconds of the day.
pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_305_600 + second, 0).expect("a day of 2026")
}

fn clock(hour: i64, minute: i64, second: i64) -> i64 {
    hour * 3600 + minute * 60 + second
}

fn span(kind: SpanKind, from: i64, to: i64, label: &str, severity: Severity) -> Span {
    Span { kind, start: at(from), end: at(to), label: label.to_owned(), severity }
}

/// Numerical Recipes' generator: the same day in every run.
pub(crate) struct Dice(pub u32);

impl Dice {
    pub(crate) fn roll(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from(self.0 >> 8) % below.max(1)
    }
}

pub(crate) fn day() -> ReportModel {
    let end = clock(18, 41, 0);
    ReportModel {
        headline: Headline {
            sentence: "The gateway keeps the lock of a run that timed out 41 minutes ago; messages to that session fail."
                .to_owned(),
            severity: Some(Severity::Critical),
        },
        generated_at: at(end + 3),
        period: Some(Period { start: at(0), end: at(end) }),
        findings: findings(),
        timeline: timeline(end),
        lanes: lanes(),
        locks: locks(),
        environment: environment(),
        paste: PASTE.to_owned(),
    }
}

const PASTE: &str = "\
**lockdoctor 0.1.0**, OpenClaw 2026.3.13 (file era), Linux 6.1, Node 22.12

The gateway keeps the lock of a run that timed out 41 minutes ago; messages to that session fail.

| finding | severity | where | count |
|---|---|---|---|
| `leaked-lock` | critical | `agent:main:telegram:direct:…3f9c` | 1 |
| `event-loop-blocked` | warning | gateway | 4 |
| `stale-lock` | warning | `agent:main:discord:channel:…81d0` | 1 |
| `lane-wait` | info | `session:agent:main:main` | 3 |

```
2026-11-22T17:59:47.118Z WARN agent/embedded embedded run timeout: runId=0f6c… sessionId=b2f4a6e0-… timeoutMs=600000
2026-11-22T18:00:09.402Z ERROR diagnostic lane task error: lane=main durationMs=10534 error=\"Error: session file locked (timeout 10000ms): pid=5012 …/b2f4a6e0-….jsonl.lock\"
```
";

fn finding(code: &str, severity: Severity, title: &str, explanation: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        title: title.to_owned(),
        chats: Vec::new(),
        explanation: explanation.to_owned(),
        place: Place::default(),
        first_seen: None,
        last_seen: None,
        count: 1,
        evidence: Vec::new(),
        advice: Vec::new(),
        removing_lock_helps: None,
    }
}

fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn findings() -> Vec<Finding> {
    vec![
        Finding {
            place: Place {
                agent: Some("main".to_owned()),
                session: Some(SESSION.to_owned()),
                lane: Some(format!("session:{SESSION}")),
                lock: Some(format!("~/.openclaw/agents/main/sessions/{SESSION_ID}.jsonl.lock")),
                row: Some("s:telegram".to_owned()),
            },
            first_seen: Some(at(clock(17, 59, 47))),
            last_seen: Some(at(clock(18, 40, 58))),
            count: 4,
            evidence: texts(&[
                "2026-11-22T17:59:47.118Z WARN agent/embedded embedded run timeout: runId=0f6c22d1-9be4-4c53-8f1b-7f30f5f1a3c2 sessionId=b2f4a6e0-1111-4222-8333-944445555666 timeoutMs=600000",
                "2026-11-22T17:59:57.121Z WARN agent/embedded embedded run abort still streaming: runId=0f6c22d1-9be4-4c53-8f1b-7f30f5f1a3c2 sessionId=b2f4a6e0-1111-4222-8333-944445555666",
                "2026-11-22T18:07:20.402Z ERROR diagnostic lane task error: lane=main durationMs=10534 error=\"Error: session file locked (timeout 10000ms): pid=5012 ~/.openclaw/agents/main/sessions/b2f4a6e0-1111-4222-8333-944445555666.jsonl.lock\"",
                "lock: created 17:49:47, pid 5012 (openclaw-gateway) is alive, same process; nobody has the file open for writing (seen twice, 5 s apart)",
            ]),
            advice: vec![
                Advice::from(
                    "Free the lock; the next message to the session then goes through:\n    lockdoctor reclaim --id 7c1e09d4a2 --yes",
                ),
                Advice::from(
                    "If messages to this session still wait after that, its lane is stuck in memory, and only a restart empties it:\n    systemctl --user restart openclaw-gateway",
                ),
            ],
            removing_lock_helps: Some(true),
            ..finding(
                "leaked-lock",
                Severity::Critical,
                "A live gateway let go of a lock without removing it",
                "The run timed out at its limit of 600 s and did not unwind. The gateway has closed the lock file since, \
                 but the file is still there, so every message to this session waits 10 s and fails.",
            )
        },
        Finding {
            place: Place {
                lane: Some("main".to_owned()),
                row: Some("gateway".to_owned()),
                ..Place::default()
            },
            first_seen: Some(at(clock(16, 2, 10))),
            last_seen: Some(at(clock(16, 6, 40))),
            count: 4,
            evidence: texts(&[
                "2026-11-22T16:02:41.006Z WARN diagnostic liveness warning: reasons=event_loop_delay,cpu interval=30s eventLoopDelayP99Ms=4211.1 eventLoopDelayMaxMs=9861.0 eventLoopUtilization=0.998 cpuCoreRatio=1.004 active=3 waiting=1 queued=2",
                "2026-11-22T16:04:41.318Z WARN diagnostic liveness warning: reasons=event_loop_delay interval=30s eventLoopDelayP99Ms=2950.4 eventLoopDelayMaxMs=6021.9 eventLoopUtilization=0.981 cpuCoreRatio=0.977 active=3 waiting=1 queued=2",
                "2026-11-22T16:05:02.930Z WARN ws ⇄ res ✓ sessions.list 8122ms conn=4f1a…90 id=77…",
                "pid 5012: 0.99 core over 250 ms, state R, 41 min of CPU time",
            ]),
            advice: vec![Advice::from(
                "sessions.json of agent main has 14.2 MB and is parsed at every message. Prune old sessions:\n    openclaw sessions cleanup --agent main",
            )],
            ..finding(
                "event-loop-blocked",
                Severity::Warning,
                "The gateway's event loop stood still for up to 9.9 s",
                "While it did, no timer ran and no request was answered. Lock waits that failed in these minutes are its \
                 consequence, not its cause.",
            )
        },
        Finding {
            place: Place {
                agent: Some("main".to_owned()),
                session: Some("agent:main:discord:channel:…81d0".to_owned()),
                lock: Some(
                    "~/.openclaw/agents/main/sessions/4ce01f77-51a2-4b0e-9c1d-20b7f6a1d9aa.jsonl.lock"
                        .to_owned(),
                ),
                row: Some("s:discord".to_owned()),
                ..Place::default()
            },
            first_seen: Some(at(clock(9, 13, 52))),
            last_seen: Some(at(clock(9, 13, 52))),
            evidence: texts(&[
                "lock: pid 4417 is gone (this PID namespace), created 09:12:30, nobody has the file open",
                "2026-11-22T09:14:02.551Z INFO gateway listening on ws://127.0.0.1:18789 (PID 5012)",
            ]),
            advice: vec![Advice::from(
                "OpenClaw removes it itself at the next message to that session. To tidy up now:\n    lockdoctor reclaim --id 1fa2b0c7e3 --yes",
            )],
            removing_lock_helps: Some(true),
            ..finding(
                "stale-lock",
                Severity::Warning,
                "A lock of a process that was killed",
                "The gateway with pid 4417 ended without a word at 09:13:52 (no signal line, a new start 10 s later) and \
                 left this lock.",
            )
        },
        Finding {
            place: Place {
                lane: Some("session:agent:main:main".to_owned()),
                session: Some("agent:main:main".to_owned()),
                row: Some("l:session".to_owned()),
                ..Place::default()
            },
            first_seen: Some(at(clock(11, 20, 4))),
            last_seen: Some(at(clock(14, 31, 46))),
            count: 3,
            evidence: texts(&[
                "2026-11-22T14:31:46.102Z WARN diagnostic lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=0",
                "2026-11-22T14:31:46.090Z DEBUG diagnostic lane task done: lane=main durationMs=170756 active=1 queued=0",
            ]),
            advice: vec![Advice::from("Nothing to do: a second message waits until the first is answered.")],
            ..finding(
                "lane-wait",
                Severity::Info,
                "A message waited 1m 42s for the reply before it",
                "Turns of one conversation run one after the other. The run ahead was healthy and ended by itself.",
            )
        },
        Finding {
            place: Place {
                session: Some("agent:main:main".to_owned()),
                row: Some("s:main".to_owned()),
                ..Place::default()
            },
            first_seen: Some(at(clock(14, 28, 55))),
            last_seen: Some(at(clock(14, 31, 46))),
            evidence: texts(&[
                "2026-11-22T14:31:12.420Z WARN diagnostic stuck session: sessionId=8be29b9e-77aa-4b0e-9d11-000000000001 sessionKey=unknown state=processing age=137s queueDepth=1",
            ]),
            advice: vec![Advice::from(
                "Nothing to do. A faster model, or a shorter context, makes such turns shorter.",
            )],
            ..finding(
                "slow-model-call",
                Severity::Info,
                "One turn spent 2m 31s of its 2m 51s in a model call",
                "The log called the session stuck after 120 s; it was waiting for the model.",
            )
        },
    ]
}

fn timeline(end: i64) -> Timeline {
    let mut rows = vec![
        Row { id: "gateway".to_owned(), label: "gateway".to_owned(), group: Group::Gateway, spans: stalls() },
        main_lane(),
        Row {
            id: "l:session".to_owned(),
            label: "session:agent:main:main".to_owned(),
            group: Group::Lane,
            spans: session_lane(),
        },
        cron_lane(end),
    ];
    rows.extend(sessions(end));
    Timeline {
        start: at(0),
        end: at(end),
        rows,
        marks: vec![
            Mark {
                kind: MarkKind::Restart,
                at: at(clock(9, 13, 52)),
                label: "gateway pid 4417 ended without a word, pid 5012 started at 09:14:02".to_owned(),
                severity: Severity::Warning,
                row: None,
            },
            Mark {
                kind: MarkKind::Timeout,
                at: at(clock(17, 59, 47)),
                label: "embedded run timeout: 600 s".to_owned(),
                severity: Severity::Critical,
                row: Some("s:telegram".to_owned()),
            },
        ],
    }
}

fn stalls() -> Vec<Span> {
    let stall = |from: i64, seconds: i64| {
        span(
            SpanKind::EventLoopDelay,
            from,
            from + seconds,
            "p99 4.2s, worst 9.9s, 1.0 core",
            Severity::Warning,
        )
    };
    vec![
        span(SpanKind::Life, 0, clock(9, 13, 52), "pid 4417", Severity::Info),
        span(SpanKind::Life, clock(9, 14, 2), clock(18, 41, 0), "pid 5012", Severity::Info),
        stall(clock(16, 2, 10), 31),
        stall(clock(16, 4, 10), 31),
        stall(clock(16, 6, 9), 31),
        span(
            SpanKind::EventLoopDelay,
            clock(9, 14, 2),
            clock(9, 14, 44),
            "start-up, module loading",
            Severity::Info,
        ),
    ]
}

fn main_lane() -> Row {
    let mut dice = Dice(7);
    let mut spans = Vec::new();
    let mut second = clock(6, 30, 0);
    while second < clock(18, 0, 0) {
        second += 20 + dice.roll(700);
        let length = 3 + dice.roll(40) + if dice.roll(9) == 0 { dice.roll(180) } else { 0 };
        spans.push(span(SpanKind::Run, second, second + length, "", Severity::Info));
    }
    let stuck = "timed out at its limit of 600 s; the lane is still occupied";
    spans.push(span(
        SpanKind::Run,
        clock(14, 28, 55),
        clock(14, 31, 46),
        "durationMs=170756",
        Severity::Info,
    ));
    spans.push(span(SpanKind::Run, clock(17, 49, 47), clock(18, 41, 0), stuck, Severity::Critical));
    Row { id: "l:main".to_owned(), label: "main".to_owned(), group: Group::Lane, spans }
}

fn session_lane() -> Vec<Span> {
    let mut spans = Vec::new();
    for (from, waited, ran) in [
        (clock(11, 19, 20), 44, 61),
        (clock(12, 2, 0), 0, 35),
        (clock(13, 47, 9), 28, 90),
        (clock(14, 30, 4), 102, 48),
    ] {
        let run = from + waited;
        spans.push(span(SpanKind::Run, run - 70.max(waited + 69), run, "", Severity::Info));
        if waited > 0 {
            spans.push(span(
                SpanKind::Wait,
                from,
                run,
                "behind one run of the same conversation",
                Severity::Info,
            ));
        }
        spans.push(span(SpanKind::Run, run, run + ran, "", Severity::Info));
    }
    spans
}

fn cron_lane(end: i64) -> Row {
    let spans = (0..)
        .map(|nth| clock(0, 10, 0) + nth * 1800)
        .take_while(|from| *from < end)
        .map(|from| span(SpanKind::Run, from, from + 25 + from % 37, "heartbeat job", Severity::Info));
    Row { id: "l:cron".to_owned(), label: "cron".to_owned(), group: Group::Lane, spans: spans.collect() }
}

fn sessions(end: i64) -> Vec<Row> {
    let turn = |spans: &mut Vec<Span>, from: i64, length: i64, model: i64| {
        spans.push(span(SpanKind::Run, from, from + length, "", Severity::Info));
        spans.push(span(SpanKind::Hold, from, from + length, "released with its run", Severity::Info));
        spans.push(span(SpanKind::ModelCall, from + 2, from + 2 + model, "anthropic/claude", Severity::Info));
    };
    let mut telegram = Vec::new();
    for nth in 0..9 {
        turn(&mut telegram, clock(10, 4, 0) + nth * 2900, 30 + nth * 9, 20 + nth * 8);
    }
    telegram.push(span(
        SpanKind::Run,
        clock(17, 49, 47),
        clock(17, 59, 47),
        "reached its limit of 600 s",
        Severity::Critical,
    ));
    telegram.push(span(
        SpanKind::ModelCall,
        clock(17, 49, 49),
        clock(17, 59, 57),
        "still streaming 10 s after the abort",
        Severity::Warning,
    ));
    telegram.push(span(
        SpanKind::Hold,
        clock(17, 49, 47),
        end,
        "still there, and nobody has it open",
        Severity::Critical,
    ));
    for minute in [7, 18, 33] {
        let from = clock(18, minute, 10);
        telegram.push(span(SpanKind::Wait, from, from + 10, "for the lock", Severity::Warning));
        let error = "session file locked (timeout 10000ms)";
        telegram.push(span(SpanKind::Notice, from + 10, from + 10, error, Severity::Warning));
    }
    let mut main = Vec::new();
    for (from, length, model) in [
        (clock(8, 2, 0), 40, 31),
        (clock(11, 18, 14), 110, 70),
        (clock(12, 2, 0), 35, 22),
        (clock(13, 46, 0), 97, 80),
        (clock(14, 28, 55), 171, 151),
        (clock(14, 31, 46), 48, 30),
    ] {
        turn(&mut main, from, length, model);
    }
    let discord = vec![
        span(SpanKind::Run, clock(9, 12, 30), clock(9, 13, 52), "ended with its gateway", Severity::Warning),
        span(SpanKind::Hold, clock(9, 12, 30), end, "left by pid 4417", Severity::Warning),
    ];
    let named = |id: &str, label: &str, spans| Row {
        id: id.to_owned(),
        label: label.to_owned(),
        group: Group::Session,
        spans,
    };
    let mut rows = vec![
        named("s:main", "agent:main:main", main),
        named("s:telegram", SESSION, telegram),
        named("s:discord", "agent:main:discord:channel:…81d0", discord),
    ];
    let mut dice = Dice(11);
    for nth in 0..14 {
        let mut spans = Vec::new();
        let mut from = clock(7, 0, 0) + dice.roll(9000);
        while from < end - 400 {
            let length = 6 + dice.roll(70);
            turn(&mut spans, from, length, length * 3 / 4);
            from += 900 + dice.roll(7000);
        }
        let label = match nth % 3 {
            0 => format!("agent:main:whatsapp:direct:…{:04x}", 0x2b1c + nth * 977),
            1 => format!("agent:research:discord:channel:…{:04x}", 0x81d0 + nth * 431),
            _ => format!("agent:main:cron:5dd6c97c-7d95-47ad-b732-0808{:08x}", 0x40c1_44ca + nth),
        };
        rows.push(named(&format!("s:{nth}"), &label, spans));
    }
    rows
}

fn lanes() -> Vec<Lane> {
    let lane = |name: &str, per_hour: &[u64], whole: LaneStatistics| Lane {
        lane: name.to_owned(),
        whole,
        per_hour: per_hour
            .iter()
            .enumerate()
            .filter(|(_, tasks)| **tasks > 0)
            .map(|(hour, tasks)| LaneHour {
                hour: at(clock(hour as i64, 0, 0)),
                statistics: LaneStatistics {
                    tasks: *tasks,
                    run_ms: Some(Quantiles {
                        p50: 9_000 + tasks * 300,
                        p95: 40_000 + tasks * 900,
                        max: 170_756,
                    }),
                    ..LaneStatistics::default()
                },
            })
            .collect(),
    };
    vec![
        lane(
            "main",
            &[0, 0, 0, 0, 0, 0, 4, 11, 14, 9, 17, 21, 19, 12, 25, 16, 22, 13, 3],
            LaneStatistics {
                tasks: 186,
                errors: 4,
                run_ms: Some(Quantiles { p50: 18_400, p95: 96_200, max: 600_012 }),
                waits: 2,
                wait_ms: Some(Quantiles { p50: 4_100, p95: 9_870, max: 9_870 }),
                queue_max: Some(2),
            },
        ),
        lane(
            "session:agent:main:main",
            &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 2, 3, 0, 0, 0, 0],
            LaneStatistics {
                tasks: 9,
                errors: 0,
                run_ms: Some(Quantiles { p50: 61_000, p95: 170_756, max: 170_756 }),
                waits: 3,
                wait_ms: Some(Quantiles { p50: 44_020, p95: 101_778, max: 101_778 }),
                queue_max: Some(1),
            },
        ),
        lane(
            "cron",
            &[2; 19],
            LaneStatistics {
                tasks: 37,
                errors: 0,
                run_ms: Some(Quantiles { p50: 41_000, p95: 58_000, max: 61_000 }),
                waits: 0,
                wait_ms: None,
                queue_max: Some(0),
            },
        ),
        lane("subagent", &[], LaneStatistics { waits: 1, ..LaneStatistics::default() }),
    ]
}

fn locks() -> Vec<Lock> {
    let lock =
        |verdict: &str, reasons: &[&str], severity, session: &str, owner: &str, age_s: u64, file: &str| {
            Lock {
                verdict: verdict.to_owned(),
                reasons: texts(reasons),
                severity,
                path: format!("~/.openclaw/agents/main/sessions/{file}.jsonl.lock"),
                session: Some(session.to_owned()),
                owner: Some(owner.to_owned()),
                age_ms: Some(age_s * 1000),
                limit_ms: Some(720_000),
            }
        };
    vec![
        lock(
            "leaked",
            &["no-writer"],
            Some(Severity::Critical),
            SESSION,
            "pid 5012 (openclaw-gateway)",
            3076,
            SESSION_ID,
        ),
        lock(
            "stale",
            &["dead-pid"],
            Some(Severity::Warning),
            "agent:main:discord:channel:…81d0",
            "pid 4417, gone",
            34_113,
            "4ce01f77-51a2-4b0e-9c1d-20b7f6a1d9aa",
        ),
        lock(
            "held",
            &[],
            None,
            "agent:main:main",
            "pid 5012 (openclaw-gateway)",
            14,
            "8be29b9e-77aa-4b0e-9d11-000000000001",
        ),
    ]
}

fn environment() -> Vec<Fact> {
    [
        ("OpenClaw", "2026.3.13, file era"),
        ("Gateway", "running, pid 5012, up 9h 27m"),
        ("State directory", "~/.openclaw (ext4, local)"),
        ("Run timeout", "600 s (default of this version)"),
        ("Watchdog", "12m + 60 s, in the gateway"),
        ("System", "Linux 6.1.0, one PID namespace, Node 22.12"),
        ("Logs", "/tmp/openclaw/openclaw-2026-11-22.log: 48 211 lines, 48 190 parsed, 21 skipped"),
        ("Lease self-test", "works"),
        ("Cron job that deletes locks", "none found"),
        ("lockdoctor", "0.1.0"),
    ]
    .map(|(key, value)| Fact { key: key.to_owned(), value: value.to_owned() })
    .to_vec()
}
