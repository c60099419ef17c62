//! Scenario × version → first finding. The logs are excerpts of whole gateways; what stood beside them on disk is
//! given as facts.

use super::{capture, codes, model_of, now};
use chrono::TimeDelta;
use lockdoctor::diagnosis::input::{
    DeletedLock, Era, Facts, GatewayFact, GatewayState, LockFact, SessionFact, Verdict,
};
use lockdoctor::diagnosis::{Model, Severity};
use lockdoctor::gatewaylog::{Entry, Event, Merged, Reading, Source, Stream, When};
use lockdoctor::redact::Redactor;

struct Case {
    version: &'static str,
    scenario: &'static str,
    /// Which of the capture's files.
    kind: &'static str,
    beside: Beside,
    first: Option<&'static str>,
    severity: Severity,
    removing_helps: bool,
}

/// What stood on disk at the moment of the diagnosis.
enum Beside {
    /// Nothing was looked at: the log alone.
    LogOnly,
    /// Locks were scanned and there were none.
    NoLocks,
    /// One session lock with this verdict; the gateway is up, or down.
    Lock(Verdict, &'static str, GatewayState),
    /// The live lock's name is gone.
    Deleted,
}

use Beside::{Deleted, Lock, LogOnly, NoLocks};
use GatewayState::{Down, Running};
use Severity::{Critical, Info, Warning};
use Verdict::{Held, Stale};

/// The session whose transcript each capture is about.
fn session_id(version: &str, scenario: &str) -> &'static str {
    match (version, scenario) {
        ("2026.1.24-3", "S1") => "eaaf6232-f787-4617-bc49-419e4d6a73cb",
        ("2026.1.24-3", "S2") => "cd0fd282-63c2-45a2-ad15-56e34f750513",
        ("2026.1.24-3", "S3") => "b137828a-626c-4993-b506-5c393216cb47",
        ("2026.1.24-3", "S4a") => "00b882f5-e9fb-493d-a9c4-ec6fda76a436",
        ("2026.1.24-3", "S5") => "bf19d6c6-09fd-4156-b0c1-062d441e6c8c",
        ("2026.1.24-3", "S6") => "8be29b9e-4b26-4203-881a-e3b418a7051a",
        ("2026.1.24-3", "S7") => "0d0c95f7-8c93-42a1-81db-94a8d521ad58",
        ("2026.1.24-3", "S9") => "405fcbff-aac5-407a-8dd2-5228a508aef1",
        ("2026.3.13", "S2") => "05a6e7cf-2923-408e-9025-d31a37d3e68c",
        ("2026.3.13", "S4a") => "64bf0f40-53b1-4fe5-a0b9-2cfc26d38628",
        ("2026.3.13", "S5") => "f7be4df9-5df3-4003-8e0f-61c8d037ca9d",
        ("2026.3.13", "S6") => "7e96de38-3ddd-48a7-a077-cea23b7ba30d",
        ("2026.5.22", "S1") => "5dd6c97c-7d95-47ad-b732-080840c144ca",
        ("2026.5.22", "S2") => "b5606dbd-f7eb-439e-a799-9dc6de43e7d5",
        ("2026.5.22", "S4a") => "4052bfae-ccb7-4101-8316-4e729e966392",
        ("2026.5.22", "S5") => "401719ec-7542-4867-b7ff-7881c17147aa",
        ("2026.5.22", "S6") => "e227a3f0-dadc-4edb-a211-b5f7bc937faf",
        ("2026.9.6", "S4n") => "ddb41ca6-757e-49f3-a6ff-c0a3618b26f4",
        other => panic!("{other:?}"),
    }
}

#[rustfmt::skip] // a table
fn cases() -> Vec<Case> {
    let c = |version, scenario, kind, beside, first, severity, removing_helps| Case { version, scenario, kind, beside, first, severity, removing_helps };
    vec![
        // S1: a slow run, two messages behind it. Healthy.
        c("2026.1.24-3", "S1", "console", LogOnly, Some("lane-wait"), Info, false),
        c("2026.1.24-3", "S1", "file", Lock(Held, "", Running), Some("lane-wait"), Info, false),
        c("2026.3.13", "S1", "console", LogOnly, Some("lane-wait"), Info, false),
        c("2026.5.22", "S1", "console", Lock(Held, "", Running), Some("lane-wait"), Info, false),
        c("2026.9.6", "S1", "console", LogOnly, Some("lane-wait"), Info, false),
        // S2: killed in mid-run; before the restart, and after it.
        c("2026.1.24-3", "S2", "console-1", Lock(Stale, "dead-pid", Down), Some("gateway-down"), Critical, false),
        c("2026.3.13", "S2", "console-1", Lock(Stale, "dead-pid", Down), Some("gateway-down"), Critical, false),
        c("2026.5.22", "S2", "console-1", Lock(Stale, "dead-pid", Down), Some("gateway-down"), Critical, false),
        c("2026.1.24-3", "S2", "console", NoLocks, None, Info, false),
        c("2026.3.13", "S2", "console", NoLocks, Some("orphan-lock"), Info, false),
        c("2026.5.22", "S2", "console", NoLocks, Some("orphan-lock"), Info, false),
        c("2026.9.6", "S2", "console", NoLocks, None, Info, false),
        // S3: the run's time limit.
        c("2026.1.24-3", "S3", "console", NoLocks, Some("run-timeout"), Warning, false),
        c("2026.3.13", "S3", "console", NoLocks, Some("run-timeout"), Warning, false),
        c("2026.3.13", "S3", "file", NoLocks, Some("run-timeout"), Warning, false),
        c("2026.5.22", "S3", "console", NoLocks, Some("run-timeout"), Warning, false),
        c("2026.5.22", "S3", "file", NoLocks, Some("run-timeout"), Warning, false),
        c("2026.9.6", "S3", "console", NoLocks, Some("run-timeout"), Warning, false),
        // S4a: planted locks, those that block.
        c("2026.1.24-3", "S4a", "console", Lock(Stale, "no-writer", Running), Some("stale-lock"), Critical, true),
        c("2026.1.24-3", "S4a", "console", Lock(Stale, "recycled-pid", Running), Some("stale-lock"), Critical, true),
        c("2026.3.13", "S4a", "console", Lock(Stale, "malformed", Running), Some("stale-lock"), Critical, true),
        c("2026.5.22", "S4a", "console", Lock(Stale, "no-writer", Running), Some("stale-lock"), Critical, true),
        c("2026.5.22", "S4a", "file", NoLocks, Some("lock-contention"), Warning, false),
        // S4b: planted store locks.
        c("2026.1.24-3", "S4b", "console", LogOnly, Some("store-lock-contention"), Critical, false),
        c("2026.3.13", "S4b", "console", LogOnly, Some("store-lock-contention"), Critical, false),
        c("2026.5.22", "S4b", "console", LogOnly, Some("event-loop-blocked"), Info, false),
        c("2026.9.6", "S4n", "console", Lock(Stale, "no-writer", Running), Some("orphan-lock"), Info, false),
        // S5: a live lock was deleted.
        c("2026.1.24-3", "S5", "console", Deleted, Some("lock-deleted-while-held"), Critical, false),
        c("2026.3.13", "S5", "console", Deleted, Some("lock-deleted-while-held"), Critical, false),
        c("2026.5.22", "S5", "console", Deleted, Some("lock-deleted-while-held"), Critical, false),
        // S6: a healthy model call of 250 s.
        c("2026.1.24-3", "S6", "console", LogOnly, Some("slow-model-call"), Info, false),
        c("2026.1.24-3", "S6", "console", Lock(Held, "", Running), Some("slow-model-call"), Info, false),
        c("2026.3.13", "S6", "console", Lock(Held, "", Running), Some("lane-wait"), Info, false),
        c("2026.5.22", "S6", "console", Lock(Held, "", Running), Some("slow-model-call"), Info, false),
        c("2026.9.6", "S6", "console", LogOnly, Some("slow-model-call"), Info, false),
        c("2026.9.6", "S6", "file", LogOnly, Some("slow-model-call"), Info, false),
        // S7: SIGTERM in mid-run. 1.24 leaves its lock.
        c("2026.1.24-3", "S7", "console-1", Lock(Stale, "dead-pid", Down), Some("stale-lock"), Warning, true),
        c("2026.3.13", "S7", "console", NoLocks, None, Info, false),
        c("2026.5.22", "S7", "console", NoLocks, None, Info, false),
        c("2026.9.6", "S7", "console", NoLocks, None, Info, false),
        // S8: the watchdog, on raw stderr only.
        c("2026.5.22", "S8", "console", NoLocks, Some("watchdog-release"), Warning, false),
        // S9: killed as pid 1 of a container, and pid 1 again.
        c("2026.1.24-3", "S9", "console", Lock(Stale, "recycled-pid", Running), Some("stale-lock"), Critical, true),
        c("2026.1.24-3", "S9", "console", LogOnly, Some("lock-contention"), Critical, false),
        c("2026.3.13", "S9", "console", NoLocks, Some("orphan-lock"), Info, false),
    ]
}

fn facts(case: &Case) -> Facts {
    let era = if case.version == "2026.9.6" { Era::Sqlite } else { Era::File };
    let state = match case.beside {
        Lock(_, _, state) => state,
        _ => Running,
    };
    let mut facts = Facts { era, version: Some(case.version.into()), scanned: true, ..Facts::default() };
    facts.gateways.push(GatewayFact { state, ..GatewayFact::default() });
    let (program, lock) = if case.version.starts_with("2026.1.24") {
        ("clawdbot", ".clawdbot")
    } else {
        ("openclaw", ".openclaw")
    };
    let path = |id: &str| format!("/home/node/{lock}/agents/main/sessions/{id}.jsonl.lock");
    let key = "agent:main:main".to_owned();
    match case.beside {
        LogOnly => return Facts::default(),
        NoLocks => {}
        Lock(verdict, reason, _) => {
            let id = session_id(case.version, case.scenario);
            facts.sessions.push(SessionFact {
                key: key.clone(),
                id: Some(id.into()),
                ..SessionFact::default()
            });
            facts.locks.push(LockFact {
                path: path(id),
                session_id: Some(id.into()),
                session_key: Some(key),
                verdict,
                effect: super::effect(verdict),
                reasons: if reason.is_empty() { Vec::new() } else { vec![reason.into()] },
                owner_pid: Some(4711),
                owner_command: Some(format!("{program}-gateway")),
                age_ms: Some(60_000),
                ..LockFact::default()
            });
        }
        Deleted => {
            let id = session_id(case.version, case.scenario);
            facts.deleted.push(DeletedLock {
                path: path(id),
                pid: 31_217,
                session_id: Some(id.into()),
                ..DeletedLock::default()
            });
            facts.deleters.push(
                "crontab of node: */2 * * * * find ~/.clawdbot/agents -name \"*.lock\" -mmin +2 -delete"
                    .into(),
            );
        }
    }
    facts
}

#[test]
fn each_scenario_of_each_version_has_its_first_finding() {
    let mut wrong = Vec::new();
    for case in cases() {
        let facts = facts(&case);
        let files = capture(case.version, case.scenario, case.kind);
        let diagnosis = model_of(&files, &facts).diagnose(&facts, now().into(), Redactor::On);
        let name = format!("{} {} {}", case.version, case.scenario, case.kind);
        let first = diagnosis.findings.first();
        let found = first.map(|finding| {
            (finding.code.as_str(), finding.severity, finding.removing_lock_helps == Some(true))
        });
        if found != case.first.map(|code| (code, case.severity, case.removing_helps)) {
            wrong.push(format!("{name}: {found:?} of {:?}", codes(&diagnosis)));
        }
        for finding in &diagnosis.findings {
            assert!(
                !finding.explanation.is_empty() && !finding.advice.is_empty() && !finding.evidence.is_empty(),
                "{name}: {finding:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs that went well, however slowly, call for nothing.
#[test]
fn healthy_traffic_gives_nothing_above_info() {
    for (version, scenarios) in [
        ("2026.1.24-3", vec!["S1", "S2", "S6", "S7"]),
        ("2026.3.13", vec!["S1", "S2", "S6", "S7", "S9"]),
        ("2026.5.22", vec!["S1", "S2", "S2d", "S6", "S7"]),
        ("2026.9.6", vec!["S1", "S2", "S4n", "S6", "S7"]),
    ] {
        for scenario in scenarios {
            for facts in
                [Facts::default(), Facts { scanned: true, version: Some(version.into()), ..Facts::default() }]
            {
                let diagnosis = model_of(&capture(version, scenario, ""), &facts).diagnose(
                    &facts,
                    now().into(),
                    Redactor::On,
                );
                assert!(diagnosis.worst() <= Some(Info), "{version} {scenario}: {:?}", codes(&diagnosis));
            }
        }
    }
}

/// The start-up once, then its slow runs and its waits over and over: an hour without a quiet minute.
#[test]
fn an_hour_of_healthy_traffic_gives_nothing_above_info() {
    for version in ["2026.1.24-3", "2026.3.13", "2026.5.22", "2026.9.6"] {
        let files: Vec<_> =
            ["S1", "S6"].into_iter().flat_map(|name| capture(version, name, "console")).collect();
        let mut model = Model::default();
        let mut clock = super::at("2026-11-22T14:00:00Z");
        let end = clock + TimeDelta::hours(1);
        let mut told = 0;
        for round in 0.. {
            for file in &files {
                let reading = Reading::new(now(), None);
                let stream = Stream::open(&Source::File(file.clone()), &reading).unwrap();
                let entries: Vec<Entry> = Merged::new(vec![stream]).map(|(_, entry)| entry).collect();
                let start = entries.iter().find_map(|entry| entry.when.time()).expect("a time");
                let shift = clock - start;
                for mut entry in entries {
                    if round > 0 && belongs_to_the_start(&entry.event) {
                        continue;
                    }
                    let Some(at) = entry.when.time() else { continue };
                    clock = clock.max(at + shift);
                    entry.when = When::At(at + shift);
                    model.push(0, &entry);
                    told += 1;
                }
                clock += TimeDelta::seconds(2);
            }
            if clock >= end {
                break;
            }
        }
        let facts = Facts { scanned: true, version: Some(version.into()), ..Facts::default() };
        let diagnosis = model.diagnose(&facts, clock, Redactor::On);
        assert!(told >= 80, "{version}: {told}");
        assert!(diagnosis.worst() <= Some(Info), "{version}: {:?}", diagnosis.findings);
    }
}

/// Loading modules blocks the event loop for a minute and more on a small machine.
fn belongs_to_the_start(event: &Event) -> bool {
    matches!(
        event,
        Event::GatewayListening { .. }
            | Event::HttpListening { .. }
            | Event::GatewayReady
            | Event::LogFile { .. }
            | Event::Liveness(_)
            | Event::HeartbeatDelayed { .. }
            | Event::AuthPrewarmed { .. }
            | Event::FetchTimeout { .. }
    )
}

/// One cause, one finding: what the log tells of a lock that was judged is that finding's evidence.
#[test]
fn a_judged_lock_is_told_once_with_its_log_lines() {
    let case =
        cases().into_iter().find(|case| case.scenario == "S9" && matches!(case.beside, Lock(..))).unwrap();
    let facts = facts(&case);
    let diagnosis = model_of(&capture(case.version, "S9", "console"), &facts).diagnose(
        &facts,
        now().into(),
        Redactor::On,
    );
    assert_eq!(codes(&diagnosis), ["stale-lock"]);
    let finding = &diagnosis.findings[0];
    assert_eq!(finding.count, 2);
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line.text.contains("session file locked (timeout 10000ms): pid=1"))
    );
    assert_eq!(
        (finding.agent.as_deref(), finding.session_key.as_deref()),
        (Some("main"), Some("agent:main:main"))
    );
}
