//! What holds for every evidence, not only for the cases one thought of.

use proptest::prelude::*;
use rustix::io::Errno;

use super::*;

fn owners() -> impl Strategy<Value = Owner> {
    let process = || (1..4_u64).prop_map(|n| process(n * 5_000));
    prop_oneof![
        1 => Just(Owner::None),
        1 => Just(Owner::Gone),
        1 => process().prop_map(Owner::Zombie),
        1 => Just(Owner::Thread { leader: 1 }),
        4 => process().prop_map(Owner::Alive),
        1 => Just(Owner::Hidden),
        1 => Just(Owner::Lockdoctor),
        1 => Just(Owner::Unknown(Errno::PERM)),
    ]
}

fn contents() -> impl Strategy<Value = Content> {
    let layouts = prop_oneof![Just(Layout::Pretty), Just(Layout::Compact), Just(Layout::PidColonMs)];
    let parsed = (
        proptest::option::weighted(0.7, (1..4_u64).prop_map(|n| n * 5_000)),
        proptest::option::weighted(0.9, (-200..400_i64).prop_map(at)),
        layouts,
        prop_oneof![9 => Just(Origin::OpenClaw), 1 => Just(Origin::Tombstone)],
    )
        .prop_map(|(start_ticks, created_at, layout, origin)| {
            let format = Format { layout, ..Format::default() };
            Content::Parsed(Payload {
                pid: 4242,
                created_at,
                start_ticks,
                format,
                origin,
                ..Payload::default()
            })
        });
    prop_oneof![
        6 => parsed,
        1 => Just(Content::Empty),
        1 => Just(Content::Malformed("torn")),
        1 => Just(Content::NotRead),
    ]
}

fn writers() -> impl Strategy<Value = Writer> {
    let unknown = [
        LeaseUnknown::NotOwner,
        LeaseUnknown::Filesystem,
        LeaseUnknown::SelfTestFailed,
        LeaseUnknown::NotProbed,
    ];
    let unknown = proptest::sample::select(unknown.to_vec()).prop_map(Writer::Unknown);
    prop_oneof![1 => Just(Writer::Open), 2 => Just(Writer::NoneOpen), 1 => unknown]
}

fn shapes() -> impl Strategy<Value = Shape> {
    let refusals = [
        Refusal::Symlink,
        Refusal::HardLink,
        Refusal::NotRegular,
        Refusal::Oversize,
        Refusal::UnexpectedUid,
        Refusal::Unreadable,
    ];
    let refused = proptest::sample::select(refusals.to_vec()).prop_map(Shape::Refused);
    prop_oneof![6 => Just(Shape::Regular), 1 => Just(Shape::Directory), 1 => refused]
}

fn releases() -> impl Strategy<Value = Release> {
    let others = [
        Release::NotLookedAt,
        Release::NotBegun,
        Release::OfAnotherFile { holder: 4242 },
        Release::UnderWay,
        Release::Unseen,
    ];
    prop_oneof![1 => Just(finished()), 2 => proptest::sample::select(others.to_vec())]
}

fn domains() -> impl Strategy<Value = PidDomain> {
    prop_oneof![
        Just(PidDomain::Shared("visible")),
        Just(PidDomain::Presumed),
        Just(PidDomain::Foreign { visible_as: 9 }),
        Just(PidDomain::Unknown("nested")),
    ]
}

fn filesystems() -> impl Strategy<Value = FsClass> {
    let others = vec![FsClass::Local, FsClass::Overlay, FsClass::Network, FsClass::Fuse, FsClass::Unknown];
    prop_oneof![Just(FsClass::LocalMeasured), proptest::sample::select(others)]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![0..120_u64, any::<u64>()].prop_map(Duration::from_secs)
}

fn kinds() -> impl Strategy<Value = LockKind> {
    let managed = vec![LockKind::Session, LockKind::Store];
    prop_oneof![proptest::sample::select(managed), proptest::sample::select(LockKind::ALL.to_vec())]
}

prop_compose! {
    fn evidences()(
        kind in kinds(),
        shape in shapes(),
        content in contents(),
        writer in writers(),
        owner in owners(),
        domain in domains(),
        filesystem in filesystems(),
        untouched_for in durations(),
        age in proptest::option::of(durations()),
        booted_at in (-100..200_i64).prop_map(at),
        start_ticks in prop_oneof![4 => Just(StartTicks::Comparable), 1 => Just(StartTicks::Shifted)],
        limit in proptest::option::of(durations()),
        run_timed_out in prop_oneof![
            4 => Just(RunTimedOut::NotLookedAt),
            1 => Just(RunTimedOut::Yes { at: at(50) }),
            1 => Just(RunTimedOut::No),
        ],
        release in releases(),
        birth in proptest::sample::select(
            [Birth::NotAsked, Birth::WithTheLock, Birth::Later, Birth::Unknown].to_vec(),
        ),
        succession in proptest::sample::select([Succession::NotSeen, Succession::Gateway].to_vec()),
    ) -> Evidence {
        let limit = limit.map(|after| Limit { after, source: "drawn".into() });
        Evidence {
            kind, shape, content, writer, owner, domain, filesystem, untouched_for, age, booted_at,
            start_ticks, limit, run_timed_out, release, birth, succession,
            file: Some(FileId::default()),
            relevance: Relevance::Current,
        }
    }
}

fn sightings() -> impl Strategy<Value = Sighting> {
    let again = (0..2_000_u64).prop_map(|ms| Sighting::Again { apart: Duration::from_millis(ms) });
    prop_oneof![1 => Just(Sighting::First), 3 => again]
}

fn settles() -> impl Strategy<Value = Settle> {
    let ms = || (0..1_000_u64).prop_map(Duration::from_millis);
    (ms(), ms(), ms(), ms()).prop_map(|(dead, stale, leaked, unseen)| Settle { dead, stale, leaked, unseen })
}

fn is_actionable(judgement: &Judgement) -> bool {
    let bad = |verdict| matches!(verdict, Verdict::Stale | Verdict::Leaked);
    bad(judgement.verdict) || judgement.suspected.is_some_and(bad) || judgement.proof().is_some()
}

/// The process that the lock names lives, and recorded facts show that it is the one that wrote it.
fn has_identical_live_owner(evidence: &Evidence) -> bool {
    let (Some(payload), Owner::Alive(process)) = (evidence.payload(), &evidence.owner) else { return false };
    payload.start_ticks == Some(process.start_ticks)
}

/// The kernel did not say that nobody has the file open; or it did, of a lock that its holder closes.
fn is_open_or_unknown(evidence: &Evidence) -> bool {
    let closed = holder_fd(evidence) == HolderFd::Closed;
    closed || evidence.writer != Writer::NoneOpen || !evidence.filesystem.has_one_kernel()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn a_writer_is_a_veto(mut evidence in evidences(), seen in sightings(), settle in settles()) {
        evidence.writer = Writer::Open;
        prop_assert!(!is_actionable(&judge(&evidence, seen, settle)));
    }

    #[test]
    fn a_live_owner_is_never_robbed(evidence in evidences(), seen in sightings(), settle in settles()) {
        if !(has_identical_live_owner(&evidence) && is_open_or_unknown(&evidence)) {
            return Ok(());
        }
        prop_assert!(!is_actionable(&judge(&evidence, seen, settle)));
    }

    /// Nobody writes to the file under the name; the owner lives, and was not seen to have finished with it.
    #[test]
    fn a_closed_file_alone_frees_no_live_owners_lock(
        mut evidence in evidences(), seen in sightings(), settle in settles(),
    ) {
        evidence.writer = Writer::NoneOpen;
        if !has_identical_live_owner(&evidence) || evidence.release == finished() {
            return Ok(());
        }
        let judgement = judge(&evidence, seen, settle);
        // A number of another time namespace does not show whose process it is.
        let cannot_look = evidence.release == Release::Unseen || evidence.start_ticks == StartTicks::Shifted;
        let unseen = cannot_look
            && evidence.birth == Birth::WithTheLock
            && matches!(seen, Sighting::Again { apart } if apart >= settle.unseen);
        let succeeded = cannot_look && evidence.succession == Succession::Gateway;
        let decided_by_time = judgement.reasons.contains(&Reason::PreviousBoot);
        prop_assert!(judgement.proof().is_none() || unseen || succeeded || decided_by_time);
        prop_assert!(judgement.verdict != Verdict::Leaked || unseen);
    }

    #[test]
    fn a_pid_that_counts_elsewhere_proves_no_death(
        mut evidence in evidences(), seen in sightings(), settle in settles(), foreign in any::<bool>(),
    ) {
        evidence.domain =
            if foreign { PidDomain::Foreign { visible_as: 9 } } else { PidDomain::Unknown("nested") };
        if !(evidence.payload().is_some() && is_open_or_unknown(&evidence)) {
            return Ok(());
        }
        prop_assert!(!is_actionable(&judge(&evidence, seen, settle)));
    }

    #[test]
    fn another_kernel_is_never_presumed_idle(
        mut evidence in evidences(), seen in sightings(), settle in settles(),
    ) {
        evidence.filesystem = FsClass::Network;
        prop_assert!(!is_actionable(&judge(&evidence, seen, settle)));
    }

    #[test]
    fn age_alone_makes_nothing_worse_than_overdue(
        mut evidence in evidences(), seen in sightings(), settle in settles(),
        age in proptest::option::of(durations()), untouched_for in durations(),
    ) {
        if judge(&evidence, seen, settle).verdict != Verdict::Held {
            return Ok(());
        }
        evidence.age = age;
        // Of a directory lock the age of the last touch is the heartbeat itself.
        if evidence.shape == Shape::Regular {
            evidence.untouched_for = untouched_for;
        }
        let judgement = judge(&evidence, seen, settle);
        let unfinished = judgement.verdict == Verdict::Initialising && evidence.payload().is_none();
        prop_assert!(matches!(judgement.verdict, Verdict::Held | Verdict::Overdue) || unfinished);
        prop_assert!(judgement.action <= Action::Report && judgement.proof().is_none());
    }

    #[test]
    fn only_managed_locks_are_reclaimed(evidence in evidences(), seen in sightings(), settle in settles()) {
        let judgement = judge(&evidence, seen, settle);
        let managed = evidence.kind.management() == Management::Managed;
        prop_assert_eq!(judgement.proof().is_some(), judgement.action == Action::Reclaim);
        prop_assert!(managed || judgement.action != Action::Reclaim);
        if let Some(proof) = judgement.proof() {
            prop_assert_eq!(proof.verdict(), judgement.verdict);
            prop_assert!(matches!(judgement.verdict, Verdict::Stale | Verdict::Leaked));
        }
    }

    #[test]
    fn a_refused_shape_is_never_acted_upon(
        mut evidence in evidences(), seen in sightings(), settle in settles(), shape in shapes(),
    ) {
        if !(matches!(shape, Shape::Refused(_))) {
            return Ok(());
        }
        evidence.shape = shape;
        let judgement = judge(&evidence, seen, settle);
        prop_assert!(matches!(judgement.verdict, Verdict::Refused | Verdict::Indeterminate));
        prop_assert!(matches!(judgement.action, Action::None | Action::Report));
        prop_assert!(judgement.proof().is_none());
    }

    #[test]
    fn the_first_sight_is_never_enough(evidence in evidences(), settle in settles()) {
        let judgement = judge(&evidence, Sighting::First, settle);
        prop_assert!(!matches!(judgement.verdict, Verdict::Stale | Verdict::Leaked));
        prop_assert!(judgement.proof().is_none());
    }

    #[test]
    fn settling_says_what_it_will_become(evidence in evidences(), seen in sightings(), settle in settles()) {
        let judgement = judge(&evidence, seen, settle);
        prop_assert_eq!(judgement.verdict == Verdict::Settling, judgement.suspected.is_some());
        if let Some(suspected) = judgement.suspected {
            let then = judge(&evidence, LONG, settle);
            let waits_for_the_owner = matches!(evidence.release, Release::NotLookedAt | Release::UnderWay)
                || evidence.birth == Birth::NotAsked;
            prop_assert!(then.verdict == suspected || then.suspected == Some(suspected) && waits_for_the_owner);
        }
    }

    #[test]
    fn only_a_run_that_timed_out_is_abandoned(
        evidence in evidences(), seen in sightings(), settle in durations(),
    ) {
        if abandon(&evidence, seen, settle).is_some() {
            let timed_out = matches!(evidence.run_timed_out, RunTimedOut::Yes { .. });
            let settled = matches!(seen, Sighting::Again { apart } if apart >= settle);
            prop_assert!(timed_out && settled);
            prop_assert_eq!(evidence.kind.management(), Management::Managed);
            prop_assert_eq!(evidence.shape, Shape::Regular);
        }
    }

    #[test]
    fn what_has_no_reason_to_act_says_what_is_missing(
        evidence in evidences(), seen in sightings(), settle in settles(),
    ) {
        let judgement = judge(&evidence, seen, settle);
        if matches!(judgement.verdict, Verdict::Stale | Verdict::Leaked) {
            prop_assert!(!judgement.reasons.is_empty());
        }
        let silent = matches!(judgement.rule, Rule::Coordinator | Rule::OtherPidNamespace);
        if matches!(judgement.verdict, Verdict::Indeterminate | Verdict::Refused | Verdict::Foreign) && !silent {
            prop_assert!(judgement.note.is_some());
        }
    }
}
