use super::*;

fn row() -> Named {
    Named { owner: "8194dc4b".into(), heartbeat_at: Some(1_795_364_376_080) }
}

/// Everything that is asked for.
fn gone() -> Facts {
    Facts {
        kernel: Kernel::Ours,
        of_one_user: true,
        version: Some("2026.9.6".into()),
        table: TABLE.map(str::to_owned).to_vec(),
        in_wal_mode: true,
        row: Some(row()),
        coordinator: Coordinator::Ours,
        lock_file: LockFile::OfGateway(row().owner),
        writer: Tri::No,
        database_open: Tri::No,
        processes: Vec::new(),
        held: Vec::new(),
        owner_runs: None,
    }
}

#[test]
fn with_every_proof_the_row_may_go() {
    let proof = LeaseOwnerGone::prove(&gone(), &row()).expect("proven");
    assert_eq!(*proof.row(), row());
    assert_eq!(refusal(&Facts { coordinator: Coordinator::Free, ..gone() }), None, "as far as can be seen");
}

#[test]
fn each_single_missing_proof_refuses() {
    let other = Named { heartbeat_at: Some(1), ..row() };
    let version = |text: &str| Facts { version: Some(text.into()), ..gone() };
    let mut wider = gone();
    wider.table.push("CREATE TRIGGER t AFTER DELETE ON state_leases BEGIN SELECT 1; END".into());
    let lock = |lock_file| Facts { lock_file, ..gone() };
    let cases = [
        (Facts { kernel: Kernel::Several, ..gone() }, Refusal::OtherKernel),
        (Facts { kernel: Kernel::Layered, ..gone() }, Refusal::Layered),
        (Facts { kernel: Kernel::NotShown, ..gone() }, Refusal::KernelNotShown),
        (Facts { of_one_user: false, ..gone() }, Refusal::SeveralUsers),
        (version("2026.9.4"), Refusal::Version("2026.9.4".into())),
        (version("2026.9.7"), Refusal::Version("2026.9.7".into())),
        (version("2026.9.6-beta.1"), Refusal::Version("2026.9.6-beta.1".into())),
        (Facts { version: None, ..gone() }, Refusal::NoVersion),
        (Facts { table: Vec::new(), ..gone() }, Refusal::Table),
        (wider, Refusal::Table),
        (Facts { in_wal_mode: false, ..gone() }, Refusal::NotInWalMode),
        (Facts { row: None, ..gone() }, Refusal::Gone),
        (Facts { row: Some(other), ..gone() }, Refusal::Changed),
        (Facts { coordinator: Coordinator::Free, ..gone() }, Refusal::CoordinatorNotOurs),
        (Facts { coordinator: Coordinator::Held, ..gone() }, Refusal::CoordinatorHeld),
        (Facts { coordinator: Coordinator::Missing, ..gone() }, Refusal::CoordinatorMissing),
        (lock(LockFile::OfGateway("another".into())), Refusal::OtherOwner),
        (lock(LockFile::OfAnother), Refusal::OtherRole),
        (lock(LockFile::Missing), Refusal::NoLockFile),
        (lock(LockFile::Unreadable), Refusal::LockFileUnreadable),
        (Facts { writer: Tri::Yes, ..gone() }, Refusal::LockFileOpen),
        (Facts { writer: Tri::Unknown, ..gone() }, Refusal::WriterNotKnown),
        (Facts { database_open: Tri::Yes, ..gone() }, Refusal::DatabaseOpen),
        (Facts { database_open: Tri::Unknown, ..gone() }, Refusal::DatabaseNotKnown),
        (Facts { processes: vec![847], ..gone() }, Refusal::Process(847)),
        (Facts { held: vec![Thing::GatewayLifecycle], ..gone() }, Refusal::Held(Thing::GatewayLifecycle)),
        (Facts { owner_runs: Some(7), ..gone() }, Refusal::OwnerRuns(7)),
    ];
    for (facts, expected) in cases {
        assert_eq!(LeaseOwnerGone::prove(&facts, &row()).map(drop), Err(expected));
    }
}

/// A proof is of one row: another owner, or another beat of the same owner, is another row.
#[test]
fn a_proof_is_not_of_another_row() {
    let newer = Named { heartbeat_at: Some(1_795_364_406_080), ..row() };
    assert_eq!(LeaseOwnerGone::prove(&gone(), &newer).map(drop), Err(Refusal::Changed));
    let next = Named { owner: "next".into(), ..row() };
    assert_eq!(LeaseOwnerGone::prove(&gone(), &next).map(drop), Err(Refusal::Changed));
}

#[test]
fn no_reason_that_lasts_is_tried_again() {
    for lasting in [Refusal::OtherKernel, Refusal::Table, Refusal::Before, Refusal::Version("x".into())] {
        assert!(!lasting.passes(), "{lasting}");
    }
    assert!(Refusal::CoordinatorHeld.passes() && Refusal::Process(1).passes());
}
