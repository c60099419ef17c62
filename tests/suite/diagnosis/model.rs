//! Rules one by one, on lines written for them; and the shape of the output.

use super::{at, capture, codes, diagnose, effect, model_of, model_of_text, now};
use lockdoctor::diagnosis::Severity;
use lockdoctor::diagnosis::input::{
    DeletedLock, Facts, GatewayFact, GatewayState, LeaseEffect, LeaseFact, LoadSample, LockFact, LockKind,
    SessionFact, Verdict,
};
use lockdoctor::redact::Redactor;
use lockdoctor::verdict::severity::Effect;
use std::fmt::Write as _;

const SID: &str = "3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42";
const LOCK: &str =
    "/home/anna/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock";

fn line(time: &str, text: &str) -> String {
    format!("2026-11-22T{time}.000Z {text}\n")
}

fn timeout(time: &str) -> String {
    line(time, &format!("[agent/embedded] embedded run timeout: runId=r1 sessionId={SID} timeoutMs=600000"))
}

fn lock(verdict: Verdict, created: &str) -> LockFact {
    LockFact {
        path: LOCK.into(),
        session_id: Some(SID.into()),
        session_key: Some("agent:main:main".into()),
        verdict,
        effect: effect(verdict),
        owner_pid: Some(4711),
        owner_alive: Some(true),
        created_at: Some(at(created)),
        ..LockFact::default()
    }
}

fn with_lock(lock: LockFact) -> Facts {
    Facts { locks: vec![lock], scanned: true, ..Facts::default() }
}

#[test]
fn a_lock_that_outlived_its_run_is_leaked_or_a_stuck_run_by_whether_it_is_open() {
    let log = timeout("14:00:00");
    let created = "2026-11-22T13:50:00Z";
    let leaked = diagnose(&log, &with_lock(lock(Verdict::Leaked, created)));
    assert_eq!(codes(&leaked), ["leaked-lock"]);
    assert_eq!(leaked.findings[0].removing_lock_helps, Some(true));
    assert!(
        leaked.findings[0].explanation.contains("time limit of 10m"),
        "{}",
        leaked.findings[0].explanation
    );

    for verdict in [Verdict::Overdue, Verdict::Held] {
        let stuck = diagnose(&log, &with_lock(lock(verdict, created)));
        assert_eq!(codes(&stuck), ["stuck-run"], "{verdict:?}");
        assert_ne!(stuck.findings[0].removing_lock_helps, Some(true));
        assert!(stuck.findings[0].advice[0].contains("gateway restart"));
    }
}

#[test]
fn a_lock_taken_after_the_time_limit_is_of_the_next_attempt() {
    let facts = with_lock(lock(Verdict::Held, "2026-11-22T14:00:05Z"));
    assert_eq!(codes(&diagnose(&timeout("14:00:00"), &facts)), ["run-timeout"]);
}

#[test]
fn run_timed_out_answers_for_the_run_that_took_the_lock() {
    let created = at("2026-11-22T13:50:00Z");
    let answer = |log: &str| model_of_text(log, &Facts::default()).run_timed_out(SID, created);
    let found = answer(&timeout("14:00:00")).unwrap();
    assert_eq!(
        (found.at, found.timeout_ms, found.run_id.as_str()),
        (at("2026-11-22T14:00:00Z"), 600_000, "r1")
    );
    assert!(!found.unwound && !found.still_streaming);

    let streaming = line(
        "14:00:10",
        &format!("[agent/embedded] embedded run abort still streaming: runId=r1 sessionId={SID}"),
    );
    assert!(answer(&(timeout("14:00:00") + &streaming)).unwrap().still_streaming);
    let returned = line(
        "14:00:11",
        "[agent/embedded] embedded run failover decision: runId=r1 stage=assistant decision=surface_error reason=timeout from=a/b profile=-",
    );
    let found = answer(&(timeout("14:00:00") + &streaming + &returned)).unwrap();
    assert!(found.unwound && !found.still_streaming);

    // A newer run, by any line that shows one.
    for newer in [
        format!("[agent/embedded] embedded run start: runId=r2 sessionId={SID} provider=a model=b"),
        format!("[diagnostic] run registered: sessionId={SID} totalActive=1"),
        format!(
            "[diagnostic] session state: sessionId={SID} sessionKey=agent:main:main prev=idle new=processing reason=\"run_started\" queueDepth=0"
        ),
    ] {
        assert_eq!(answer(&(timeout("14:00:00") + &line("14:05:00", &newer))), None, "{newer}");
    }
    // The lane let the next message go: known by the store's key.
    let facts = Facts {
        sessions: vec![SessionFact {
            key: "agent:main:main".into(),
            id: Some(SID.into()),
            ..SessionFact::default()
        }],
        ..Facts::default()
    };
    let wait = line(
        "14:05:00",
        "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=5000 queueAhead=0",
    );
    assert_eq!(model_of_text(&(timeout("14:00:00") + &wait), &facts).run_timed_out(SID, created), None);
    // Another session's limit, an older limit, no limit.
    assert_eq!(model_of_text(&timeout("14:00:00"), &facts).run_timed_out("other", created), None);
    assert_eq!(
        model_of_text(&timeout("14:00:00"), &facts).run_timed_out(SID, at("2026-11-22T14:00:01Z")),
        None
    );
    assert_eq!(answer(""), None);
}

#[test]
fn a_stream_that_goes_on_after_the_abort_is_a_stuck_run() {
    let log = timeout("14:00:00")
        + &line(
            "14:00:10",
            &format!("[agent/embedded] embedded run abort still streaming: runId=r1 sessionId={SID}"),
        );
    let diagnosis = diagnose(&log, &Facts::default());
    assert_eq!(codes(&diagnosis), ["stuck-run"]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Critical);
}

/// The report of 2026-01-31: `cron` times out after 10 s, a lane task takes 170 s, no lock is stale.
#[test]
fn rpc_timeouts_beside_a_long_run_are_not_a_lock_problem() {
    let log = line("14:02:00", "[tools] cron failed: gateway timeout after 10000ms")
        + &line("14:02:50", "[diagnostic] lane task done: lane=main durationMs=170756 active=1 queued=0");
    let diagnosis =
        diagnose(&log, &Facts { scanned: true, version: Some("2026.1.24-3".into()), ..Facts::default() });
    assert_eq!(codes(&diagnosis), ["rpc-timeout"]);
    assert!(diagnosis.findings.iter().all(|finding| finding.removing_lock_helps != Some(true)));
    assert!(
        diagnosis.findings[0].explanation.contains("in-memory queue"),
        "{}",
        diagnosis.findings[0].explanation
    );
}

#[test]
fn rpc_timeouts_beside_a_stall_are_the_stalls() {
    let log = line(
        "14:01:55",
        "[diagnostic] liveness warning: reasons=event_loop_delay interval=30s eventLoopDelayP99Ms=11000.5 eventLoopDelayMaxMs=12000.1 eventLoopUtilization=0.9 cpuCoreRatio=0.9 active=1 waiting=0 queued=2",
    ) + &line("14:02:00", "[tools] cron failed: gateway timeout after 10000ms")
        + &line("14:02:50", "[diagnostic] lane task done: lane=main durationMs=170756 active=1 queued=0");
    let diagnosis = diagnose(&log, &Facts::default());
    assert_eq!(codes(&diagnosis), ["event-loop-blocked", "rpc-timeout"]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Critical);
}

#[test]
fn a_store_lock_timeout_beside_a_long_stall_is_its_consequence_and_beside_a_short_one_is_not() {
    let failed = line(
        "14:02:00",
        "[telegram] handler failed: Error: timeout acquiring session store lock: /home/anna/.clawdbot/agents/main/sessions/sessions.json.lock",
    );
    let stall = |ms: u32| {
        line(
            "14:02:05",
            &format!(
                "[diagnostic] liveness heartbeat delayed: overdue={ms}ms elapsed=44002ms; deferring recovery decisions"
            ),
        )
    };
    let long = diagnose(&(failed.clone() + &stall(10_500)), &Facts::default());
    assert_eq!(codes(&long), ["event-loop-blocked"]);
    let short = diagnose(&(failed + &stall(1_200)), &Facts::default());
    assert_eq!(codes(&short), ["store-lock-contention", "event-loop-blocked"]);
}

#[test]
fn an_uneven_heartbeat_is_the_only_sign_of_a_stall_in_early_versions() {
    let beat = |time: &str| line(time, "[diagnostic] heartbeat: webhooks=0/0/0 active=1 waiting=0 queued=0");
    let even = beat("14:00:00") + &beat("14:00:30") + &beat("14:01:00") + &beat("14:03:00");
    assert!(codes(&diagnose(&even, &Facts::default())).is_empty());
    let uneven = beat("14:00:00") + &beat("14:00:30") + &beat("14:01:12") + &beat("14:01:42");
    assert_eq!(codes(&diagnose(&uneven, &Facts::default())), ["event-loop-blocked"]);
}

#[test]
fn slowness_while_a_gateway_starts_is_no_finding() {
    let stall = "[diagnostic] liveness warning: reasons=event_loop_delay interval=105s eventLoopDelayP99Ms=92207.6 eventLoopDelayMaxMs=92207.6 eventLoopUtilization=0.994 cpuCoreRatio=0.3 active=0 waiting=0 queued=0";
    let starting = line("14:00:00", "[gateway] http server listening (0 plugins, 13.0s)")
        + &line("14:00:20", "[gateway] gateway ready")
        + &line("14:02:00", stall);
    assert!(codes(&diagnose(&starting, &Facts::default())).is_empty());
    let later = starting + &line("14:30:00", stall);
    assert_eq!(codes(&diagnose(&later, &Facts::default())), ["event-loop-blocked"]);
}

#[test]
fn a_gateway_that_burns_cpu_and_does_not_answer_is_blocked_without_any_log() {
    let busy = LoadSample { cores: 0.99, over_ms: 250, state: 'R' };
    let gateway = |answers, started: &str| GatewayFact {
        state: GatewayState::Running,
        pid: Some(7),
        started_at: Some(at(started)),
        load: Some(busy),
        answers: Some(answers),
        ..GatewayFact::default()
    };
    let facts = |gateway| Facts { gateways: vec![gateway], ..Facts::default() };
    let blocked = diagnose("", &facts(gateway(false, "2026-11-22T10:00:00Z")));
    assert_eq!(codes(&blocked), ["event-loop-blocked"]);
    assert_eq!(blocked.findings[0].severity, Severity::Critical);
    assert!(codes(&diagnose("", &facts(gateway(true, "2026-11-22T10:00:00Z")))).is_empty());
    assert!(
        codes(&diagnose("", &facts(gateway(false, "2026-11-22T14:59:00Z")))).is_empty(),
        "still starting"
    );
}

#[test]
fn waits_behind_a_lock_error_are_the_locks_and_not_the_lanes() {
    let failed = |second: u32| {
        let error = format!("\"Error: session file locked (timeout 10000ms): pid=4711 {LOCK}\"");
        line(
            &format!("14:00:{second:02}"),
            &format!("[diagnostic] lane task error: lane=main durationMs=10534 error={error}"),
        ) + &line(
            &format!("14:00:{second:02}"),
            &format!(
                "[diagnostic] lane task error: lane=session:agent:main:main durationMs=10540 error={error}"
            ),
        ) + &line(
            &format!("14:00:{second:02}"),
            "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=10541 queueAhead=0",
        )
    };
    let diagnosis = diagnose(&(failed(10) + &failed(21) + &failed(32)), &Facts::default());
    assert_eq!(codes(&diagnosis), ["lock-contention"]);
    // A pair of lane errors is one failure.
    assert_eq!(diagnosis.findings[0].count, 3);
    assert_eq!(diagnosis.findings[0].session_key.as_deref(), Some("agent:main:main"));
}

#[test]
fn a_failure_whose_lock_is_gone_is_over() {
    let log = line(
        "14:00:10",
        &format!(
            "[diagnostic] lane task error: lane=main durationMs=10534 error=\"Error: session file locked (timeout 10000ms): pid=1 {LOCK}\""
        ),
    );
    let start = line("13:00:00", "[gateway] listening on ws://127.0.0.1:1 (PID 1)");
    let open = diagnose(&(start.clone() + &log), &Facts::default());
    assert_eq!((codes(&open), open.findings[0].removing_lock_helps), (vec!["lock-contention"], None));
    let gone = diagnose(&(start + &log), &Facts { scanned: true, ..Facts::default() });
    assert_eq!((codes(&gone), gone.findings[0].removing_lock_helps), (vec!["lock-contention"], Some(false)));
    assert!(gone.findings[0].severity <= Severity::Warning);
}

#[test]
fn a_failover_for_a_lock_timeout_does_not_blame_the_model() {
    let log = line(
        "14:00:10",
        &format!(
            "[diagnostic] lane task error: lane=main durationMs=10534 error=\"FailoverError: session file locked (timeout 10000ms): unknown {LOCK}\""
        ),
    ) + &line(
        "14:00:10",
        "[model-fallback/decision] model fallback decision: decision=candidate_failed requested=a/b candidate=a/b reason=timeout next=none",
    );
    assert_eq!(codes(&diagnose(&log, &Facts::default())), ["lock-contention"]);
}

#[test]
fn model_timeouts_alone_are_a_slow_model() {
    let log = line(
        "14:00:10",
        "[agent/embedded] Profile anthropic:personal timed out (possible rate limit). Trying next account...",
    );
    let diagnosis = diagnose(&log, &Facts::default());
    assert_eq!(codes(&diagnosis), ["slow-model-call"]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Warning);
}

#[test]
fn what_the_watchdog_says_since_5_3_is_believed_and_before_it_is_not() {
    let key = "sessionId=unknown sessionKey=agent:main:main state=processing";
    let old = line("14:00:00", &format!("[diagnostic] stuck session: {key} age=515s queueDepth=0"));
    let old = diagnose(&old, &Facts::default());
    assert_eq!((codes(&old), old.findings[0].severity), (vec!["stuck-session"], Severity::Info));

    let leak = format!(
        "[diagnostic] stuck session: {key} age=130s queueDepth=2 reason=queued_work_without_active_run classification=stale_session_state recovery=checking"
    );
    let leaked = diagnose(&line("14:00:00", &leak), &Facts::default());
    assert_eq!((codes(&leaked), leaked.findings[0].severity), (vec!["stuck-session"], Severity::Warning));
    let released = "[diagnostic] stuck session recovery outcome: status=released action=release_lane sessionId=unknown sessionKey=agent:main:main lane=session:agent:main:main released=1";
    let healed = diagnose(&(line("14:00:00", &leak) + &line("14:00:01", released)), &Facts::default());
    assert_eq!(healed.findings[0].severity, Severity::Info);

    let tool = format!(
        "[diagnostic] stalled session: {key} age=700s queueDepth=1 reason=blocked_tool_call classification=blocked_tool_call activeWorkKind=tool_call activeTool=exec activeToolCallId=t activeToolAge=690s recovery=none"
    );
    let tool = diagnose(&line("14:00:00", &tool), &Facts::default());
    assert_eq!((codes(&tool), tool.findings[0].removing_lock_helps), (vec!["stuck-run"], None));
}

#[test]
fn the_rest_of_the_codes() {
    let listener = line(
        "14:00:00",
        "[discord] Slow listener detected: DiscordMessageListener took 289 seconds for event MESSAGE_CREATE",
    );
    assert_eq!(codes(&diagnose(&listener, &Facts::default())), ["slow-listener"]);
    let jam = line("14:00:00", "[diagnostic] drainLane blocked: lane=main draining=true active=0 queue=4");
    let jam = diagnose(&jam, &Facts::default());
    assert_eq!((codes(&jam), jam.findings[0].severity), (vec!["lane-stuck"], Severity::Critical));
    let refused = line("14:00:00", "[gateway] gateway already running (pid 4711); lock timeout after 5000ms");
    assert_eq!(codes(&diagnose(&refused, &Facts::default())), ["gateway-lock"]);
    let hold = line(
        "14:00:00",
        &format!(
            "[diagnostic] lane task error: lane=main durationMs=186 error=\"SessionWriteLockStaleError: session file lock stale (hold-exceeded): pid=4711 alive=true ageMs=600643 {LOCK}\""
        ),
    );
    assert_eq!(codes(&diagnose(&hold, &Facts::default())), ["overdue-lock"]);
    let budget = line(
        "14:00:00",
        "[diagnostic] lane task error: lane=session:agent:main:main durationMs=1510 error=\"CommandLaneTaskTimeoutError: Command lane \"session:agent:main:main\" task timed out after 1500ms\"",
    );
    assert_eq!(codes(&diagnose(&budget, &Facts::default())), ["run-timeout"]);
    let busy = line("14:00:00", "[gateway] request handler failed: Error: SQLITE_BUSY: database is locked");
    assert_eq!(codes(&diagnose(&busy, &Facts::default())), ["database-busy"]);

    let guard = with_lock(lock(Verdict::StuckGuard, "2026-11-22T13:50:00Z"));
    assert_eq!(codes(&diagnose("", &guard)), ["stuck-guard"]);
    let overdue = with_lock(lock(Verdict::Overdue, "2026-11-22T13:50:00Z"));
    assert_eq!(codes(&diagnose("", &overdue)), ["overdue-lock"]);
    let gateway =
        with_lock(LockFact { kind: LockKind::Gateway, ..lock(Verdict::Stale, "2026-11-22T13:50:00Z") });
    assert_eq!(codes(&diagnose("", &gateway)), ["gateway-lock"]);
    let lease = Facts {
        leases: vec![LeaseFact { what: "A startup-migration lease is held".into(), ..LeaseFact::default() }],
        ..Facts::default()
    };
    assert_eq!(codes(&diagnose("", &lease)), ["lease-stuck"]);
    let fine = [
        Verdict::Held,
        Verdict::Initialising,
        Verdict::Settling,
        Verdict::Foreign,
        Verdict::Indeterminate,
        Verdict::Refused,
        Verdict::Freed,
    ];
    for verdict in fine {
        assert!(
            codes(&diagnose("", &with_lock(lock(verdict, "2026-11-22T13:50:00Z")))).is_empty(),
            "{verdict:?}"
        );
    }
}

const OWNER_LEASE: &str = "Gateway failed to start: Another Gateway owner lease is still active for this state directory. Run openclaw gateway status --deep for diagnostics.";

/// openclaw#155644, as a supervisor's log tells it: refused, and refused again.
#[test]
fn a_start_that_the_lease_of_a_dead_gateway_refused() {
    let log = line("14:00:00", OWNER_LEASE) + &line("14:00:10", OWNER_LEASE);
    let alone = diagnose(&log, &Facts::default());
    let finding = &alone.findings[0];
    assert_eq!((codes(&alone), finding.count), (vec!["lease-stuck"], 2));
    assert_eq!((finding.severity, finding.removing_lock_helps), (Severity::Critical, Some(false)));

    let by_now = Facts {
        gateways: vec![GatewayFact { state: GatewayState::Running, ..GatewayFact::default() }],
        ..Facts::default()
    };
    assert_eq!(diagnose(&log, &by_now).worst(), Some(Severity::Info), "it is over");

    // The lease itself tells more: until when, and whose it is. The refusals are its evidence.
    let lease = LeaseFact {
        what: "No gateway can start before 14:05".into(),
        effect: LeaseEffect::NoGateway,
        advice: vec!["wait".into()],
        ..LeaseFact::default()
    };
    let told = diagnose(&log, &Facts { leases: vec![lease], ..Facts::default() });
    assert_eq!((codes(&told), told.findings[0].severity), (vec!["lease-stuck"], Severity::Critical));
    assert_eq!((told.findings[0].count, &told.findings[0].advice), (2, &vec!["wait".into()]));
    assert!(told.findings[0].evidence.iter().any(|line| line.text.contains("owner lease")));
}

#[test]
fn a_run_that_the_store_names_is_slow_or_stuck_and_one_of_an_earlier_life_is_neither() {
    let facts = |started: &str| Facts {
        gateways: vec![GatewayFact {
            state: GatewayState::Running,
            started_at: Some(at("2026-11-22T14:00:00Z")),
            ..GatewayFact::default()
        }],
        sessions: vec![SessionFact {
            key: "agent:main:main".into(),
            id: Some(SID.into()),
            status: Some("running".into()),
            started_at: Some(at(started)),
            limit_ms: Some(600_000),
            ..SessionFact::default()
        }],
        scanned: true,
        ..Facts::default()
    };
    // It is 15:00.
    for (started, code, severity) in [
        ("2026-11-22T14:56:00Z", "slow-model-call", Severity::Info),
        ("2026-11-22T14:40:00Z", "stuck-run", Severity::Warning),
    ] {
        let diagnosis = diagnose("", &facts(started));
        assert_eq!((codes(&diagnosis), diagnosis.worst()), (vec![code], Some(severity)));
        assert_ne!(diagnosis.findings[0].removing_lock_helps, Some(true));
    }
    for started in ["2026-11-22T14:59:00Z", "2026-11-22T13:00:00Z"] {
        assert!(codes(&diagnose("", &facts(started))).is_empty(), "{started}");
    }
}

/// From 2026.8.1 a gateway has two locks of its own.
#[test]
fn two_locks_of_one_gateway_are_one_finding() {
    let of = |path: &str| LockFact {
        kind: LockKind::Gateway,
        path: path.into(),
        ..lock(Verdict::Stale, "2026-11-22T13:50:00Z")
    };
    let locks = vec![
        of("/s/tmp/openclaw-1/gateway.state.lock"),
        of("/s/tmp/openclaw-1/gateway.4c16.lock"),
        of("/t/tmp/openclaw-1/gateway.state.lock"),
    ];
    let diagnosis = diagnose("", &Facts { locks, scanned: true, ..Facts::default() });
    let counts: Vec<u64> = diagnosis.findings.iter().map(|finding| finding.count).collect();
    assert_eq!((codes(&diagnosis), counts), (vec!["gateway-lock", "gateway-lock"], vec![2, 1]));
}

#[test]
fn what_openclaw_frees_by_itself_is_untidy_and_not_a_blockage() {
    let itself = LockFact {
        effect: Effect::HealsItself,
        reasons: vec!["dead-pid".into()],
        ..lock(Verdict::Stale, "2026-11-22T13:50:00Z")
    };
    let diagnosis = diagnose("", &with_lock(itself));
    assert_eq!((codes(&diagnosis), diagnosis.findings[0].severity), (vec!["stale-lock"], Severity::Info));
}

#[test]
fn the_most_serious_finding_is_the_first() {
    let mut facts = with_lock(lock(Verdict::Stale, "2026-11-22T13:50:00Z"));
    facts.deleted.push(DeletedLock { path: LOCK.into(), pid: 4711, ..DeletedLock::default() });
    let log = timeout("14:00:00")
        + &line("14:05:00", "[diagnostic] lane wait exceeded: lane=main waitedMs=5000 queueAhead=0");
    let diagnosis = diagnose(&log, &facts);
    assert_eq!(codes(&diagnosis), ["lock-deleted-while-held", "stale-lock", "lane-wait"]);
    assert!(diagnosis.findings.is_sorted_by_key(|finding| std::cmp::Reverse(finding.severity)));
}

/// The keys that scripts outside lean on.
#[test]
fn the_json_has_the_keys_of_the_contract() {
    let diagnosis = diagnose(&timeout("14:00:00"), &Facts::default());
    let json = serde_json::to_value(&diagnosis).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&json["findings"][0]),
        [
            "code",
            "severity",
            "certainty",
            "agent",
            "session_id",
            "session_key",
            "lane",
            "lock",
            "first_seen",
            "last_seen",
            "count",
            "messages_failed",
            "messages_waiting",
            "explanation",
            "story",
            "evidence",
            "actions",
            "advice",
            "removing_lock_helps"
        ]
    );
    assert_eq!(json["findings"][0]["code"], "run-timeout");
    assert_eq!(json["findings"][0]["severity"], "warning");
    assert_eq!(json["findings"][0]["first_seen"], "2026-11-22T14:00:00.000Z");

    let lanes = diagnose(
        &line("14:00:00", "[diagnostic] lane task done: lane=main durationMs=170756 active=1 queued=3"),
        &Facts::default(),
    );
    let lane = serde_json::to_value(&lanes.lanes[0]).unwrap();
    assert_eq!(keys(&lane), ["lane", "tasks", "errors", "run_ms", "waits", "wait_ms", "queue_max", "hours"]);
    assert_eq!(lane["run_ms"], serde_json::json!({"p50": 170_756, "p95": 170_756, "max": 170_756}));
    assert_eq!((lane["queue_max"].as_u64(), lane["hours"].as_array().map(Vec::len)), (Some(3), Some(1)));
}

#[test]
fn lives_and_the_timeline_follow_the_gateway() {
    let files = capture("2026.3.13", "S2", "console");
    let diagnosis =
        model_of(&files, &Facts::default()).diagnose(&Facts::default(), now().into(), Redactor::On);
    let ended: Vec<_> =
        diagnosis.lives.iter().map(|life| serde_json::to_value(life.ended).unwrap()).collect();
    assert_eq!(ended, ["vanished", "stopped"], "killed, then stopped");
    assert!(diagnosis.timeline.rows.contains(&"gateway".to_owned()));
    assert!(diagnosis.timeline.dropped == 0 && !diagnosis.timeline.spans.is_empty());
}

/// A log that never ends must not fill the memory.
#[test]
fn a_model_of_a_hundred_thousand_events_stays_bounded() {
    let mut log = String::new();
    for n in 0..15_000_u32 {
        let (minute, second, milli) = (n / 60_000 % 60, n / 1000 % 60, n % 1000);
        writeln!(log, "2026-11-22T14:{minute:02}:{second:02}.{milli:03}Z [diagnostic] lane task error: lane=session:agent:main:cron:job-{n} durationMs={n} error=\"Error: session file locked (timeout 10000ms): pid={n} /s/agents/main/sessions/s{n}.jsonl.lock\"").unwrap();
    }
    let diagnosis = diagnose(&log, &Facts::default());
    assert!(diagnosis.findings.len() <= 4096 + 1, "{}", diagnosis.findings.len());
    assert!(diagnosis.timeline.spans.len() + diagnosis.timeline.marks.len() <= 150_000);
    assert!(diagnosis.findings.iter().all(|finding| finding.evidence.len() <= 16));
}
