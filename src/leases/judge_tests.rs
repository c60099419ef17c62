use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_795_364_400_000;

fn at(offset_s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(NOW + offset_s * 1000).expect("in range")
}

fn now() -> DateTime<Utc> {
    at(0)
}

/// A gateway's lease as 9.6 writes it: 300 s, renewed every 30 s.
fn gateway_lease(beat_s: i64) -> Lease {
    Lease {
        scope: LeaseScope::GatewayOwner,
        key: "global".into(),
        owner: LeaseOwner {
            pid: Some(1),
            host: Some("4f1b2c".into()),
            started_at: Some(227_310),
            raw: "8194dc4b-def1-4d8e-a5ab-317a84ae39f2".into(),
        },
        expires_at: Some(at(beat_s + 300)),
        heartbeat_at: Some(at(beat_s)),
        created_at: at(-86_400),
        updated_at: at(beat_s),
        payload: None,
    }
}

fn judged(lease: &Lease, facts: OwnerFacts) -> (Verdict, Vec<Reason>, Action, Clears) {
    let v = judge_lease(lease, &facts, now());
    (v.verdict, v.reasons, v.action, v.clears)
}

#[test]
fn a_healthy_gateway_on_this_host() {
    let facts = OwnerFacts {
        pid: PidState::Alive,
        start_time: StartTime::Equal,
        began: None,
        same_host: Tri::Yes,
        same_pid_domain: Tri::Yes,
        gateway_lock_held: Tri::Yes,
        gateway_lock_is_owners: Tri::Yes,
        database_open: Tri::Yes,
    };
    let lease = gateway_lease(-12);
    assert_eq!(judged(&lease, facts), (Verdict::Held, vec![], Action::None, Clears::At(at(288))));
    // The clock was set two hours forward, and the next beat is still to come.
    let old = gateway_lease(-7_212);
    assert_eq!(judged(&old, facts).0, Verdict::Overdue);
    let moved = OwnerFacts { began: Some(at(-142)), ..facts };
    assert_eq!(judged(&old, moved), (Verdict::Held, vec![], Action::None, Clears::AtNextUse));
}

#[test]
fn killed_and_restarted_on_the_same_host_is_untidy_not_a_blockage() {
    let facts = OwnerFacts {
        pid: PidState::Dead,
        same_host: Tri::Yes,
        same_pid_domain: Tri::Yes,
        gateway_lock_held: Tri::No,
        ..OwnerFacts::default()
    };
    let lease = gateway_lease(-12);
    assert_eq!(
        judged(&lease, facts),
        (Verdict::Stale, vec![Reason::DeadPid], Action::None, Clears::AtNextUse)
    );
}

/// openclaw#155644, and seen on a real 9.6: "Another Gateway owner lease is still active" for five minutes.
#[test]
fn a_container_that_came_back_under_another_name() {
    let facts = OwnerFacts {
        pid: PidState::Alive,
        start_time: StartTime::Different,
        same_host: Tri::No,
        same_pid_domain: Tri::Unknown,
        gateway_lock_held: Tri::No,
        ..OwnerFacts::default()
    };
    let lease = gateway_lease(-40);
    let refused_until = Clears::At(at(260));
    assert_eq!(
        judged(&lease, facts),
        (Verdict::Stale, vec![Reason::NoWriter], Action::Report, refused_until)
    );
    // The same, while the next gateway may just be between its lease and its lock file.
    let young = Lease { created_at: at(-5), ..gateway_lease(-5) };
    assert_eq!(judged(&young, facts).0, Verdict::Held);
}

#[test]
fn the_lock_of_somebody_else_is_no_sign_of_life() {
    let facts = OwnerFacts {
        gateway_lock_held: Tri::Yes,
        gateway_lock_is_owners: Tri::No,
        same_pid_domain: Tri::No,
        ..OwnerFacts::default()
    };
    assert_eq!(judged(&gateway_lease(-12), facts).1, [Reason::NoWriter]);
}

#[test]
fn a_lease_that_names_nobody_is_judged_by_its_heartbeat() {
    let plain = |beat_s| Lease {
        scope: LeaseScope::PluginLifecycle,
        owner: LeaseOwner { raw: "c0ffee00-0000-4000-8000-000000000000".into(), ..LeaseOwner::default() },
        ..gateway_lease(beat_s)
    };
    let nothing = OwnerFacts::default();
    assert_eq!(judged(&plain(-20), nothing).0, Verdict::Held);
    assert_eq!(judged(&plain(-200), nothing).0, Verdict::Indeterminate);
    let (verdict, reasons, action, clears) = judged(&plain(-301), nothing);
    assert_eq!((verdict, action, clears), (Verdict::Overdue, Action::None, Clears::AtNextUse));
    assert_eq!(reasons, [Reason::Expired]);

    // Two beats of 30 s, and not half of the term.
    let closed = OwnerFacts { database_open: Tri::No, ..nothing };
    assert_eq!(judged(&plain(-64), closed).0, Verdict::Held);
    let (verdict, reasons, action, clears) = judged(&plain(-66), closed);
    assert_eq!((verdict, action, clears), (Verdict::Stale, Action::Report, Clears::At(at(234))));
    assert_eq!(reasons, [Reason::NoWriter]);
    // Somebody has the database open who may be its owner, and hangs.
    let open = OwnerFacts { database_open: Tri::Yes, ..nothing };
    let (verdict, reasons, action, _) = judged(&plain(-66), open);
    assert_eq!((verdict, reasons, action), (Verdict::Overdue, vec![], Action::Report));
}

#[test]
fn a_live_owner_that_stopped_renewing_is_reported() {
    let facts = OwnerFacts { pid: PidState::Alive, start_time: StartTime::Equal, ..OwnerFacts::default() };
    let (verdict, reasons, action, _) = judged(&gateway_lease(-400), facts);
    assert_eq!((verdict, reasons, action), (Verdict::Overdue, vec![Reason::Expired], Action::Report));
}

#[test]
fn a_heartbeat_from_the_future_proves_nothing() {
    let lease = gateway_lease(3600);
    let facts = OwnerFacts { same_pid_domain: Tri::No, ..OwnerFacts::default() };
    assert_eq!(judged(&lease, facts).0, Verdict::Foreign);
}

#[test]
fn a_memory_lock_of_a_dead_container_never_clears() {
    let lock = MemoryLock {
        key: "workspace".into(),
        owner: LeaseOwner { pid: Some(1), raw: "1:1783191672693".into(), ..LeaseOwner::default() },
        acquired_at: Some(at(-5_000_000)),
        expires_at: None,
    };
    let dead = OwnerFacts { pid: PidState::Dead, same_pid_domain: Tri::Yes, ..OwnerFacts::default() };
    assert_eq!(judge(&(&lock).into(), &dead, now()).clears, Clears::AtNextUse);
    let elsewhere = OwnerFacts { same_pid_domain: Tri::No, ..OwnerFacts::default() };
    let verdict = judge(&(&lock).into(), &elsewhere, now());
    assert_eq!((verdict.verdict, verdict.clears), (Verdict::Foreign, Clears::WithItsOwner));
}

fn tri() -> impl Strategy<Value = Tri> {
    prop_oneof![Just(Tri::Yes), Just(Tri::No), Just(Tri::Unknown)]
}

prop_compose! {
    fn facts()(
        pid in prop_oneof![
            Just(PidState::Alive), Just(PidState::Dead), Just(PidState::Zombie), Just(PidState::Unknown)
        ],
        start_time in prop_oneof![Just(StartTime::Equal), Just(StartTime::Different), Just(StartTime::Unknown)],
        same_host in tri(),
        same_pid_domain in tri(),
        gateway_lock_held in tri(),
        gateway_lock_is_owners in tri(),
        database_open in tri(),
    ) -> OwnerFacts {
        OwnerFacts {
            pid,
            start_time,
            began: None,
            same_host,
            same_pid_domain,
            gateway_lock_held,
            gateway_lock_is_owners,
            database_open,
        }
    }
}

prop_compose! {
    fn claim_parts()(
        kind in prop_oneof![
            Just(ClaimKind::Lease(LeaseScope::GatewayOwner)),
            Just(ClaimKind::Lease(LeaseScope::StartupMigrations)),
            Just(ClaimKind::Lease(LeaseScope::WorktreeRun("w".into()))),
            Just(ClaimKind::Lease(LeaseScope::Other("x".into()))),
            Just(ClaimKind::AgentDatabase),
            Just(ClaimKind::MemoryLock),
        ],
        since in proptest::option::of(-100_000_i64..10),
        heartbeat_at in proptest::option::of(-1000_i64..1000),
        expires_at in proptest::option::of(-1000_i64..1000),
    ) -> (ClaimKind, Option<i64>, Option<i64>, Option<i64>) {
        (kind, since, heartbeat_at, expires_at)
    }
}

proptest! {
    #[test]
    fn a_live_owner_is_never_stale(parts in claim_parts(), facts in facts()) {
        let owner = LeaseOwner::default();
        let (kind, since, heartbeat_at, expires_at) = parts;
        let gateway = kind == ClaimKind::Lease(LeaseScope::GatewayOwner);
        let claim = Claim {
            kind,
            owner: &owner,
            since: since.map(at),
            heartbeat_at: heartbeat_at.map(at),
            expires_at: expires_at.map(at),
        };
        let verdict = judge(&claim, &facts, now());

        let same_process = facts.same_pid_domain != Tri::No
            && facts.pid == PidState::Alive
            && facts.start_time == StartTime::Equal;
        let has_the_lock =
            gateway && facts.gateway_lock_held == Tri::Yes && facts.gateway_lock_is_owners == Tri::Yes;
        if same_process || has_the_lock {
            prop_assert!(matches!(verdict.verdict, Verdict::Held | Verdict::Overdue), "{verdict:?}");
        }
        // Expiry is said exactly when it is so, and decides nothing about life.
        prop_assert_eq!(verdict.reasons.contains(&Reason::Expired), expires_at.is_some_and(|s| s <= 0));
        if verdict.verdict == Verdict::Stale {
            prop_assert!(verdict.reasons.iter().any(|&reason| reason != Reason::Expired), "stale without a proof");
        }
        // Nothing that could not be found out makes a proof.
        if facts.pid == PidState::Unknown
            && facts.gateway_lock_held == Tri::Unknown
            && facts.database_open != Tri::No
        {
            prop_assert_ne!(verdict.verdict, Verdict::Stale);
        }
    }

    #[test]
    fn a_host_name_decides_nothing(parts in claim_parts(), facts in facts()) {
        let owner = LeaseOwner::default();
        let (kind, since, heartbeat_at, expires_at) = parts;
        let claim = Claim {
            kind,
            owner: &owner,
            since: since.map(at),
            heartbeat_at: heartbeat_at.map(at),
            expires_at: expires_at.map(at),
        };
        let verdicts = [Tri::Yes, Tri::No, Tri::Unknown].map(|same_host| {
            let verdict = judge(&claim, &OwnerFacts { same_host, ..facts }, now());
            (verdict.verdict, verdict.reasons)
        });
        prop_assert_eq!(&verdicts[0], &verdicts[1]);
        prop_assert_eq!(&verdicts[1], &verdicts[2]);
    }

    #[test]
    fn no_pid_counts_in_another_namespace(facts in facts()) {
        let owner = LeaseOwner::default();
        let claim = Claim {
            kind: ClaimKind::AgentDatabase, owner: &owner, since: None, heartbeat_at: None, expires_at: None
        };
        let elsewhere = OwnerFacts { same_pid_domain: Tri::No, ..facts };
        prop_assert_eq!(judge(&claim, &elsewhere, now()).verdict, Verdict::Foreign);
    }
}
