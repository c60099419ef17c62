//! Each state by its facts alone: which finding comes first, how serious it is, and what is typed.

use super::super::Model;
use super::super::finding::{Code, Finding};
use super::super::input::{
    ConfigFact, Disk, Era, Facts, GatewayFact, GatewayState, LoadSample, Readiness, Suspended,
};
use super::{all, join};
use crate::leases::boots::{Boot, Ended, Outcome};
use crate::leases::holders::{Holder, HolderProcess, Log, Thing};
use crate::leases::queues::{Flow, Inbound, InboundState, Queues, Reason, Task, TaskStatus};

use crate::gatewaylog::Scanner;
use crate::leases::{LeaseOwner, Section, Workings};
use crate::peek::Sizes;
use crate::redact::Redactor;
use crate::verdict::severity::{Effect, Severity};
use chrono::{DateTime, TimeDelta, Utc};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("in range")
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn gateway(state: GatewayState, workings: Workings) -> GatewayFact {
    GatewayFact {
        state,
        pid: (state == GatewayState::Running).then_some(42),
        started_at: Some(ago(3_600)),
        workings: Some(workings),
        ..GatewayFact::default()
    }
}

fn found(gateway: GatewayFact) -> Vec<Finding> {
    all(&Facts { gateways: vec![gateway], ..Facts::default() }, now())
}

fn only(gateway: GatewayFact) -> Finding {
    let mut findings = found(gateway);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn told(finding: &Finding) -> (&str, Severity) {
    (finding.code.as_str(), finding.severity)
}

fn typed(finding: &Finding) -> &str {
    finding.actions.first().and_then(|action| action.command.as_deref()).unwrap_or_default()
}

fn boot(started: i64, ended: Option<(i64, Outcome, &str)>) -> Boot {
    Boot {
        pid: Some(42),
        started_at: ago(started),
        ended: ended.map(|(at, outcome, reason)| Ended {
            at: ago(at),
            outcome,
            reason: Some(reason.to_owned()),
        }),
        startup_reason: None,
    }
}

fn starts(boots: Vec<Boot>) -> Workings {
    Workings { boots, ..Workings::default() }
}

fn doctor(state: char, since: i64) -> Workings {
    let process = HolderProcess {
        pid: 847,
        name: "openclaw-doctor".into(),
        state,
        since: Some(ago(since)),
        parent: (state == 'T').then_some(1),
    };
    let holder = Holder {
        thing: Thing::GatewayLifecycle,
        file: "/tmp/openclaw-state-locks-0/gateway-lifecycle.0b127083.lock.sqlite".into(),
        process: Some(process),
    };
    Workings { holders: vec![holder], ..Workings::default() }
}

#[test]
fn a_hung_doctor_keeps_every_gateway_out_and_one_at_work_is_no_alarm() {
    let hung = only(gateway(GatewayState::Down, doctor('T', 30)));
    assert_eq!(told(&hung), ("start-refused", Severity::Critical));
    assert!(
        hung.explanation.contains("`openclaw-doctor` (pid 847, stopped, no parent) holds gateway-lifecycle")
    );
    assert_eq!(typed(&hung), "kill 847 && kill -CONT 847");
    let old = only(gateway(GatewayState::Starting, doctor('S', 1_200)));
    assert_eq!((told(&old), typed(&old)), (("start-refused", Severity::Critical), "kill 847"));
    let working = only(gateway(GatewayState::Down, doctor('S', 30)));
    assert_eq!(told(&working), ("start-refused", Severity::Info));
    assert!(found(gateway(GatewayState::Running, doctor('S', 30))).is_empty());
    // The child of a starting gateway is that gateway.
    let mut child = doctor('S', 12);
    child.holders[0].process.as_mut().expect("ours").parent = Some(42);
    let starting =
        GatewayFact { pid: Some(42), started_at: Some(ago(12)), ..gateway(GatewayState::Starting, child) };
    assert!(found(starting).is_empty());
}

#[test]
fn a_gateway_that_is_down_is_told_by_its_last_start() {
    let down = |boots| only(gateway(GatewayState::Down, starts(boots)));
    let died = down(vec![boot(600, None)]);
    assert_eq!((told(&died), typed(&died)), (("gateway-down", Severity::Critical), "openclaw gateway start"));
    // A machine whose clock was two hours ahead when the gateway started.
    let ahead = down(vec![boot(-7_000, None)]);
    assert_eq!((told(&ahead), ahead.explanation.contains("lies ahead")), (told(&died), true));
    let stopped = down(vec![boot(600, Some((60, Outcome::CleanStop, "stop (SIGTERM)")))]);
    assert_eq!(told(&stopped), ("gateway-down", Severity::Info));
    assert!(stopped.explanation.contains("stopped by SIGTERM"), "{}", stopped.explanation);
    let odd = down(vec![boot(600, Some((60, Outcome::CleanStop, "stop (call 0123)")))]);
    assert!(!odd.explanation.contains("call"), "only signals are named: {}", odd.explanation);
    let failed = || boot(600, Some((590, Outcome::StartupFailed, "listen EADDRINUSE")));
    let refused = down(vec![failed(), failed(), failed()]);
    assert_eq!((told(&refused), refused.count), (("start-refused", Severity::Critical), 3));
    let migrate = Boot { startup_reason: Some("gateway.maintenance_required".into()), ..failed() };
    assert_eq!(typed(&down(vec![migrate])), "openclaw doctor --fix");
    let restarting = |at| down(vec![boot(600, Some((at, Outcome::PlannedRestart, "restart")))]).severity;
    assert_eq!((restarting(10), restarting(300)), (Severity::Info, Severity::Critical));
}

#[test]
fn a_configuration_that_is_no_json5_keeps_every_start_out() {
    let config = ConfigFact {
        broken: Some("openclaw.json is not valid JSON5 (it ends too early)".into()),
        changed_at: Some(ago(30)),
    };
    let with = |state, boots| GatewayFact { config: config.clone(), ..gateway(state, starts(boots)) };
    let stopped = || vec![boot(600, Some((60, Outcome::CleanStop, "stop (SIGTERM)")))];
    let down = only(with(GatewayState::Down, stopped()));
    assert_eq!(
        (told(&down), typed(&down)),
        (("config-invalid", Severity::Critical), "openclaw config validate")
    );
    assert_eq!(
        down.actions.last().and_then(|action| action.command.as_deref()),
        Some("openclaw gateway start")
    );
    let runs = only(with(GatewayState::Running, vec![boot(600, None)]));
    assert_eq!(told(&runs), ("config-invalid", Severity::Warning));
    assert!(runs.actions.iter().all(|action| action.command.as_deref() != Some("openclaw gateway start")));
    // What OpenClaw makes of a file that it takes for none at all.
    let mut logged = vec![Finding::new(Code::StartRefused, Effect::NobodyIsAnswered, "without auth")];
    join(&mut logged, vec![down]);
    assert_eq!(logged.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["config-invalid"]);
}

#[test]
fn on_a_full_disk_room_comes_before_a_start() {
    let died = starts(vec![boot(600, None)]);
    let down = GatewayFact { disk: Disk::Little(4_000_000), ..gateway(GatewayState::Down, died.clone()) };
    let down = only(down);
    assert_eq!((told(&down), typed(&down)), (("gateway-down", Severity::Critical), "df -h"));
    assert_eq!(down.actions[1].command.as_deref(), Some("openclaw gateway start"));
    let runs = GatewayFact { disk: Disk::Little(0), ..gateway(GatewayState::Running, died) };
    let runs = only(runs);
    assert_eq!((told(&runs), typed(&runs)), (("database-busy", Severity::Critical), "df -h"));
    let down =
        GatewayFact { disk: Disk::ReadOnly, ..gateway(GatewayState::Down, starts(vec![boot(600, None)])) };
    let down = only(down);
    assert_eq!(told(&down), ("gateway-down", Severity::Critical));
    assert!(
        typed(&down).starts_with("dmesg") && down.explanation.contains("read-only"),
        "{}",
        down.explanation
    );
}

#[test]
fn a_gateway_that_answers_nobody_is_a_finding_and_a_starting_or_draining_one_no_alarm() {
    let running = || gateway(GatewayState::Running, starts(vec![boot(3_600, None)]));
    assert!(found(running()).is_empty(), "healthy is silent");
    let stopped = only(GatewayFact { suspended: Some(Suspended::Stopped), ..running() });
    assert_eq!((told(&stopped), typed(&stopped)), (("gateway-down", Severity::Critical), "kill -CONT 42"));
    let load = |cores, state| Some(LoadSample { cores, over_ms: 250, state });
    let silent =
        |started_at| GatewayFact { answers: Some(false), load: load(1.0, 'R'), started_at, ..running() };
    assert_eq!(told(&only(silent(Some(ago(3_600))))), ("event-loop-blocked", Severity::Critical));
    // A machine at load 31, on which a restart took 150 s.
    let starved = only(GatewayFact { load: load(0.2, 'R'), ..silent(Some(ago(3_600))) });
    assert!(typed(&starved).starts_with("ps -eo pid,pcpu"), "{}", typed(&starved));
    assert!(found(silent(Some(ago(60)))).is_empty(), "it loads modules");
    let says = |failing: &str| GatewayFact {
        answers: Some(true),
        readiness: Some(Readiness { ready: false, failing: vec![failing.into()], suppressed: vec![] }),
        ..running()
    };
    let drains = says("gateway-draining");
    assert_eq!(told(&only(drains.clone())), ("ingress-stalled", Severity::Info));
    let hung =
        Queues { tasks: Section::Rows(vec![task(TaskStatus::Running, 600, None)]), ..Queues::default() };
    let drains = GatewayFact { workings: queues(hung).workings, ..drains };
    assert_eq!(told(&only(drains)), ("ingress-stalled", Severity::Warning), "for as long as it may");
    assert_eq!(told(&only(says("state-database"))), ("database-busy", Severity::Critical));
    assert_eq!(told(&only(says("agent-database:main"))), ("database-busy", Severity::Critical));
    assert_eq!(told(&only(says("telegram"))), ("ingress-stalled", Severity::Warning));
    assert!(found(says("plugin-reload")).is_empty());
}

#[test]
fn the_restart_loop_breaker_is_told_until_the_channels_start() {
    let boots = |last: i64| starts(vec![boot(400, None), boot(350, None), boot(300, None), boot(last, None)]);
    let held = only(gateway(GatewayState::Running, boots(200)));
    assert_eq!(told(&held), ("ingress-stalled", Severity::Critical));
    assert!(
        held.explanation.contains("starts no channel") && held.explanation.contains("restart-loop breaker")
    );
    // A real 2026.9.6 let them start 379 s after its start.
    let late = starts([600, 550, 500, 378].map(|at| boot(at, None)).into());
    assert_eq!(told(&only(gateway(GatewayState::Running, late))), ("ingress-stalled", Severity::Critical));
    let long_ago = [900, 850, 800, 700].map(|at| boot(at, None));
    assert!(found(gateway(GatewayState::Running, starts(long_ago.into()))).is_empty());
}

fn inbound(state: InboundState, received: i64) -> Inbound {
    Inbound {
        channel: "telegram".into(),
        state,
        received_at: ago(received),
        attempts: 1,
        lane: Some("a".into()),
    }
}

fn claimed(at: i64) -> InboundState {
    let owner = LeaseOwner { pid: Some(9), ..LeaseOwner::default() };
    InboundState::Claimed { owner, at: Some(ago(at)) }
}

fn queues(queues: Queues) -> GatewayFact {
    gateway(GatewayState::Running, Workings { queues, ..starts(vec![boot(3_600, None)]) })
}

fn arrived(rows: Vec<Inbound>) -> GatewayFact {
    queues(Queues { inbound: Section::Rows(rows), ..Queues::default() })
}

#[test]
fn messages_that_wait_for_a_dead_owner_and_messages_that_were_given_up() {
    let waiting = arrived(vec![
        inbound(claimed(4_000), 4_100),
        inbound(InboundState::Pending, 500),
        inbound(InboundState::Pending, 400),
    ]);
    let stalled = only(waiting);
    assert_eq!((told(&stalled), stalled.messages_waiting), (("ingress-stalled", Severity::Critical), 3));
    let said = Redactor::On.text(&stalled.explanation);
    assert!(said.starts_with("3 messages of telegram wait since "), "{said}");
    assert!(said.ends_with("the first is claimed by pid 9, which is gone."), "{said}");
    assert!(
        found(arrived(vec![inbound(claimed(60), 70), inbound(InboundState::Pending, 50)])).is_empty(),
        "at work"
    );

    let lost =
        |at: i64| InboundState::Failed { at: ago(at), reason: Reason::of(Some("handler-timeout".into())) };
    let given_up = only(arrived(vec![inbound(lost(600), 900), inbound(lost(500), 800)]));
    assert_eq!((told(&given_up), given_up.messages_failed), (("message-failed", Severity::Warning), 2));
    let said = Redactor::On.text(&given_up.explanation);
    assert!(said.contains("handler-timeout") && said.contains("lost"), "{said}");
    assert_eq!(only(arrived(vec![inbound(lost(200_000), 200_100)])).severity, Severity::Info, "days ago");
    assert!(found(arrived(vec![inbound(lost(800_000), 800_100)])).is_empty(), "more than a week ago");
}

fn task(status: TaskStatus, created: i64, reason: Option<&str>) -> Task {
    Task {
        session_key: Some("agent:main:main".into()),
        agent: Some("main".into()),
        runtime: "cli".into(),
        run_id: None,
        status,
        reason: Reason::of(reason.map(str::to_owned)),
        created_at: ago(created),
        ended_at: Some(ago(created - 1)),
        owner: LeaseOwner::default(),
    }
}

#[test]
fn a_chat_that_a_recovered_run_holds_is_told_since_its_first_refusal() {
    const CHANGED: Option<&str> =
        Some("Session \"x\" changed while starting work. Retry. | SESSION_WORK_START_CHANGED");
    let ran = |rows| queues(Queues { tasks: Section::Rows(rows), ..Queues::default() });
    let rows = vec![
        task(TaskStatus::Running, 900, None),
        task(TaskStatus::Failed, 600, CHANGED),
        task(TaskStatus::Failed, 30, CHANGED),
    ];
    let refused = only(ran(rows));
    assert_eq!((told(&refused), refused.messages_failed), (("message-failed", Severity::Critical), 2));
    assert_eq!(refused.first_seen, Some(ago(600)), "not since the last write");
    assert_eq!(
        typed(&refused),
        r#"openclaw gateway call chat.abort --params '{"sessionKey":"agent:main:main"}'"#
    );

    let answered = vec![task(TaskStatus::Failed, 600, None), task(TaskStatus::Succeeded, 30, None)];
    assert!(found(ran(answered)).is_empty(), "answered since");
    let stopped = vec![task(TaskStatus::Cancelled, 60, None)];
    assert!(found(ran(stopped)).is_empty(), "by whoever wrote it");
    assert_eq!(
        told(&only(ran(vec![task(TaskStatus::Failed, 60, None)]))),
        ("message-failed", Severity::Warning)
    );
}

#[test]
fn a_message_behind_a_run_that_does_not_end_is_told_and_the_log_knows_less() {
    let runs = |rows| queues(Queues { tasks: Section::Rows(rows), ..Queues::default() });
    let running = |created| task(TaskStatus::Running, created, None);
    assert!(found(runs(vec![running(330)])).is_empty(), "nobody waits");
    assert!(found(runs(vec![running(330), running(60)])).is_empty(), "not for long");
    assert_eq!(told(&only(runs(vec![running(330), running(200)]))), ("lane-wait", Severity::Info));
    let behind = only(runs(vec![running(336), running(330), running(20)]));
    assert_eq!((told(&behind), behind.messages_waiting), (("lane-wait", Severity::Warning), 2));
    assert!(typed(&behind).contains("chat.abort"), "{behind:?}");
    assert!(found(runs(vec![running(4_000), running(3_900)])).is_empty(), "of an earlier gateway");

    let mut says = Finding::new(Code::SlowModelCall, Effect::Slow, "Nobody waits behind it.");
    says.session_key = Some("agent:main:main".into());
    let mut logged = vec![says];
    join(&mut logged, vec![behind]);
    assert_eq!(logged.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["lane-wait"]);
}

#[test]
fn a_failed_job_is_told_once_and_the_log_is_its_evidence() {
    let job = || {
        let row = Task { runtime: "cron".into(), ..task(TaskStatus::Failed, 600, Some("no model")) };
        found(queues(Queues { tasks: Section::Rows(vec![row]), ..Queues::default() }))
    };
    let logged = |count, seconds| {
        let mut logged = Finding::new(Code::JobFailed, Effect::MessagesFailed, "1 scheduled job failed.");
        (logged.count, logged.last_seen) = (count, Some(ago(seconds)));
        vec![logged]
    };
    let joined = |mut logged: Vec<Finding>| {
        join(&mut logged, job());
        logged.len()
    };
    assert_eq!(joined(logged(1, 598)), 1);
    assert_eq!(joined(logged(2, 598)), 2, "another job failed too");
    assert_eq!(joined(logged(1, 60)), 2, "another time");
}

#[test]
fn a_task_flow_that_does_not_advance_is_told_as_openclaws_audit_would() {
    let flow = |status: &str, updated: i64| {
        let flow = Flow { owner: "agent:main:main".into(), status: status.into(), updated_at: ago(updated) };
        queues(Queues { flows: Section::Rows(vec![flow]), ..Queues::default() })
    };
    let stale = only(flow("running", 2_000));
    assert_eq!((told(&stale), typed(&stale)), (("stuck-run", Severity::Warning), "openclaw tasks audit"));
    assert_eq!(only(flow("waiting", 2_000)).severity, Severity::Info, "perhaps for a person");
    assert!(found(flow("running", 600)).is_empty());
}

#[test]
fn a_refusal_after_the_gateways_end_is_the_news() {
    let refused = Finding::new(Code::StartRefused, Effect::NobodyIsAnswered, "Its port is taken.");
    let mut logged = vec![refused, Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, "It is down.")];
    join(&mut logged, found(gateway(GatewayState::Down, starts(vec![boot(600, None)]))));
    assert_eq!(logged.len(), 1, "{logged:#?}");
    assert_eq!(logged[0].explanation, "Its port is taken.");
    assert!(!logged[0].story.is_empty(), "how it ended before");
}

#[test]
fn a_log_that_a_reader_pins_names_the_reader() {
    let log = |pinned_by, wal_bytes| {
        let sizes = Sizes { database_bytes: 1 << 20, wal_bytes, wal_committed_bytes: wal_bytes };
        let database = "/x/state/openclaw.sqlite".into();
        Workings {
            logs: vec![Log { database, agent: None, sizes, state: None, open: None, pinned_by }],
            ..starts(vec![boot(3_600, None)])
        }
    };
    let reader = HolderProcess { pid: 12, name: "sqlite3".into(), state: 'S', since: None, parent: None };
    let pinned = only(gateway(GatewayState::Running, log(vec![reader.clone()], 100 << 20)));
    assert_eq!((told(&pinned), typed(&pinned)), (("database-busy", Severity::Warning), "kill 12"));
    let small = gateway(GatewayState::Running, log(vec![reader], 20 << 20));
    assert_eq!(only(small.clone()).severity, Severity::Info);
    // What is proven comes before what the log complains of.
    let slow = "slow SQLite transaction hold async=false elapsedMs=1893 isMainThread=false pid=28617 threadId=3 thresholdMs=1000";
    let both = logged(slow, small);
    assert_eq!(both.len(), 2, "{both:#?}");
    assert_eq!(typed(&both[0]), "kill 12");
    assert!(found(gateway(GatewayState::Running, log(vec![], 100 << 20))).is_empty());
}

#[test]
fn a_container_whose_name_changes_is_told_before_it_matters() {
    let named = |host: &str| Workings { host: Some(host.to_owned()), ..starts(vec![boot(3_600, None)]) };
    let finding = only(gateway(GatewayState::Running, named("c1a2b3d4e5f6")));
    assert_eq!(told(&finding), ("lease-stuck", Severity::Info));
    assert!(finding.advice[0].contains("hostname:"));
    assert!(found(gateway(GatewayState::Running, named("home-server"))).is_empty());
}

#[test]
fn what_the_log_says_of_the_same_thing_is_evidence_and_no_second_finding() {
    let mut logged = found(gateway(GatewayState::Down, starts(vec![boot(600, None)])));
    join(&mut logged, found(gateway(GatewayState::Down, doctor('T', 30))));
    assert_eq!(logged.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["start-refused"]);
    assert!(logged[0].evidence.len() > 1, "{:?}", logged[0].evidence);
}

#[test]
fn a_lease_that_keeps_gateways_out_comes_before_their_being_down() {
    let lease = Finding::new(Code::LeaseStuck, Effect::MessagesFail, "No gateway can start before 10:00.");
    let mut logged = vec![Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, "It is down."), lease];
    join(&mut logged, Vec::new());
    assert_eq!(logged.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["lease-stuck"]);
}

/// What the log and the state directory tell together, most serious first.
fn logged(said: &str, gateway: GatewayFact) -> Vec<Finding> {
    logged_at(&["11:05:00"], said, gateway)
}

fn logged_at(times: &[&str], said: &str, gateway: GatewayFact) -> Vec<Finding> {
    let line = |at: &&str| {
        format!(
            "{{\"0\":\"{said}\",\"_meta\":{{\"logLevelName\":\"ERROR\",\"name\":\"openclaw\",\"date\":\"2026-11-18T{at}.000Z\"}},\
             \"time\":\"2026-11-18T{at}.000Z\",\"message\":\"{said}\"}}\n"
        )
    };
    let lines: String = times.iter().map(line).collect();
    let mut model = Model::default();
    let mut scanner = Scanner::new(lines.as_bytes(), None);
    while let Some(entry) = scanner.next_entry().expect("reads") {
        model.push(0, &entry);
    }
    let facts = Facts { gateways: vec![gateway], era: Era::Sqlite, scanned: true, ..Facts::default() };
    model.findings(&facts, now(), Redactor::Off)
}

#[test]
fn a_provider_that_cannot_be_reached_is_named_and_an_answer_on_record_ends_it() {
    let said = "lane task error: lane=session:agent:main:main durationMs=89878 error=\\\"LLM request failed: connection refused by the provider endpoint.\\\"";
    let told = |rows| {
        let gateway = queues(Queues { tasks: Section::Rows(rows), ..Queues::default() });
        let mut findings = logged_at(&["11:02:00", "11:05:00"], said, gateway);
        findings.retain(|finding| finding.code == Code::MessageFailed);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    };
    let failed = || vec![task(TaskStatus::Failed, 280, None), task(TaskStatus::Failed, 100, None)];
    let fails = told(failed());
    assert_eq!(fails.severity, Severity::Critical);
    assert!(fails.explanation.contains("could not be reached"), "{}", fails.explanation);
    assert!(fails.actions.iter().all(|action| action.command.is_none()), "no restart: {:?}", fails.actions);
    let answered = [failed(), vec![task(TaskStatus::Succeeded, 20, None)]].concat();
    assert_eq!(told(answered).severity, Severity::Warning);
}

const OWNED: &str = "Gateway failed to start: Doctor could not enter maintenance. StateDatabaseCoordinatorContentionError: \
                     another OpenClaw process owns gateway-lifecycle";

#[test]
fn a_refusal_because_of_another_process_is_told_by_what_holds_the_state_now() {
    let kept = logged(OWNED, gateway(GatewayState::Down, doctor('T', 60)));
    assert_eq!(
        (told(&kept[0]), typed(&kept[0])),
        (("start-refused", Severity::Critical), "kill 847 && kill -CONT 847")
    );
    let free = logged(OWNED, gateway(GatewayState::Down, Workings::default()));
    assert_eq!(
        (told(&free[0]), typed(&free[0])),
        (("start-refused", Severity::Critical), "openclaw gateway start")
    );
    assert!(free[0].explanation.contains("has let go since"), "{}", free[0].explanation);
    // The gateway that runs began before: it is that one which owns the state.
    let second = logged(OWNED, gateway(GatewayState::Running, Workings::default()));
    assert_eq!((second.len(), told(&second[0])), (1, ("gateway-lock", Severity::Info)));
    assert!(second[0].explanation.starts_with("A second gateway refused to start"));
}

#[test]
fn a_start_that_its_configuration_forbids_is_refused_and_over_once_a_gateway_runs() {
    let said = "Refusing to bind gateway to auto without auth.";
    let refused = logged(said, gateway(GatewayState::Down, Workings::default()));
    assert_eq!(told(&refused[0]), ("start-refused", Severity::Critical));
    assert_eq!(typed(&refused[0]), "openclaw doctor --generate-gateway-token");
    let fresh =
        GatewayFact { started_at: Some(ago(5)), ..gateway(GatewayState::Running, Workings::default()) };
    let over = logged(said, fresh);
    assert_eq!((told(&over[0]), over[0].actions.len()), (("start-refused", Severity::Info), 0));
}

#[test]
fn whose_last_message_failed_is_answered_by_no_gateway_that_is_down() {
    let failed = task(TaskStatus::Failed, 300, None);
    let queues_of = || Queues { tasks: Section::Rows(vec![failed.clone()]), ..Queues::default() };
    let workings = Workings {
        boots: vec![boot(600, Some((60, Outcome::CleanStop, "stop (SIGTERM)")))],
        queues: queues_of(),
        ..Workings::default()
    };
    let found = found(gateway(GatewayState::Down, workings));
    let chat = found.iter().find(|finding| finding.code == Code::MessageFailed).expect("told");
    assert_eq!(typed(chat), "openclaw gateway start");
}
