//! The table: what each rule says. The properties that hold whatever the evidence are in [`properties`].

mod properties;
mod releases;

use chrono::{DateTime, Utc};

use super::*;
use crate::evidence::Payload;
use crate::evidence::Relevance;
use crate::evidence::lockfile::FileFacts;
use crate::evidence::release::LetGo;
use crate::openclaw::limits::Limit;
use crate::openclaw::payload::Format;

const SETTLE: Settle = Settle {
    dead: Duration::ZERO,
    stale: Duration::from_millis(300),
    leaked: Duration::from_millis(500),
    unseen: Duration::from_millis(700),
};
const LONG: Sighting = Sighting::Again { apart: Duration::from_secs(60) };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_770_000_000 + seconds, 0).expect("in range")
}

fn process(start_ticks: u64) -> Process {
    Process { pid: 4242, comm: "openclaw".to_owned(), state: 'S', start_ticks, cpu_ticks: 0, threads: 1 }
}

fn payload() -> Payload {
    Payload { pid: 4242, created_at: Some(at(100)), start_ticks: Some(5_000), ..Payload::default() }
}

/// A session lock in good health; each case spoils what it is about.
fn healthy() -> Evidence {
    Evidence {
        kind: LockKind::Session,
        shape: Shape::Regular,
        file: Some(FileId::default()),
        birth: Birth::WithTheLock,
        succession: Succession::NotSeen,
        content: Content::Parsed(payload()),
        writer: Writer::Open,
        owner: Owner::Alive(process(5_000)),
        release: Release::NotBegun,
        domain: PidDomain::Shared("visible"),
        filesystem: FsClass::LocalMeasured,
        untouched_for: Duration::from_secs(90),
        age: Some(Duration::from_secs(90)),
        booted_at: at(0),
        start_ticks: StartTicks::Comparable,
        limit: Some(Limit { after: Duration::from_secs(780), source: "run timeout".into() }),
        run_timed_out: RunTimedOut::NotLookedAt,
        relevance: Relevance::Current,
    }
}

fn with(spoil: impl FnOnce(&mut Evidence)) -> Evidence {
    let mut evidence = healthy();
    spoil(&mut evidence);
    evidence
}

fn with_payload(evidence: &mut Evidence, spoil: impl FnOnce(&mut Payload)) {
    let Content::Parsed(payload) = &mut evidence.content else { panic!("no payload") };
    spoil(payload);
}

/// A lock whose holder was killed: the kernel has no writer, the pid is gone.
fn crashed() -> Evidence {
    with(|e| {
        e.writer = Writer::NoneOpen;
        e.owner = Owner::Gone;
    })
}

/// A lock whose owner lives, closed it, and shows this of its release.
fn closed(release: Release) -> Evidence {
    with(|e| (e.writer, e.release) = (Writer::NoneOpen, release))
}

fn finished() -> Release {
    Release::Finished(LetGo::of_file(FileId::default()))
}

const UNASKED: Writer = Writer::Unknown(LeaseUnknown::NotOwner);

/// What may be a copy, of which the owner that cannot be looked at may have the original open.
type Change = fn(&mut Evidence);
const UNSEEN_COPIES: [(&str, Change); 3] = [
    ("a file made after its lock", |e| e.birth = Birth::Later),
    ("a file that does not tell when it was made", |e| e.birth = Birth::Unknown),
    ("a file that an overlay shows", |e| e.filesystem = FsClass::Overlay),
];

struct Case {
    what: &'static str,
    evidence: Evidence,
    verdict: Verdict,
    reasons: Vec<Reason>,
    action: Action,
    rule: Rule,
}

/// What each rule says, once a lock has been seen twice, long enough apart.
fn settled_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |what, rule, verdict, reasons: &[Reason], action, evidence| {
        cases.push(Case { what, evidence, verdict, reasons: reasons.to_vec(), action, rule });
    };

    case("held by its owner", Rule::WriterOpen, Verdict::Held, &[], Action::None, healthy());
    case(
        "a writer is a veto, even against a dead pid",
        Rule::WriterOpen,
        Verdict::Held,
        &[],
        Action::None,
        with(|e| e.owner = Owner::Gone),
    );
    case("past its limit", Rule::WriterOpen, Verdict::Overdue, &[], Action::Report, {
        with(|e| e.age = Some(Duration::from_secs(781)))
    });
    case(
        "its run ended at its limit",
        Rule::WriterOpen,
        Verdict::Overdue,
        &[Reason::RunTimedOut],
        Action::Report,
        with(|e| e.run_timed_out = RunTimedOut::Yes { at: at(50) }),
    );
    case("created in the future", Rule::WriterOpen, Verdict::Held, &[], Action::None, with(|e| e.age = None));

    let dead: [(&str, Reason, Owner); 4] = [
        ("the owner is gone", Reason::DeadPid, Owner::Gone),
        ("the owner is a zombie", Reason::ZombiePid, Owner::Zombie(process(5_000))),
        ("the number was given to another process", Reason::RecycledPid, Owner::Alive(process(9_000))),
        ("the number was given to a thread", Reason::ThreadId, Owner::Thread { leader: 1 }),
    ];
    for (what, reason, owner) in dead {
        let evidence = with(|e| (e.writer, e.owner) = (Writer::NoneOpen, owner.clone()));
        let reasons = [reason, Reason::NoWriter];
        case(what, Rule::NoWriterDeadOwner, Verdict::Stale, &reasons, Action::Reclaim, evidence);
        let unasked = with(|e| (e.writer, e.owner) = (UNASKED, owner.clone()));
        // It lives, and its clock may be that of another time namespace.
        if reason == Reason::RecycledPid {
            case(what, Rule::EvidenceMissing, Verdict::Indeterminate, &[], Action::None, unasked);
        } else {
            case(what, Rule::OwnerDead, Verdict::Stale, &[reason], Action::Reclaim, unasked);
        }
    }
    case(
        "a zombie of another process",
        Rule::NoWriterDeadOwner,
        Verdict::Stale,
        &[Reason::RecycledPid, Reason::NoWriter],
        Action::Reclaim,
        with(|e| (e.writer, e.owner) = (Writer::NoneOpen, Owner::Zombie(process(9_000)))),
    );
    case(
        "no start tick, the process started after the lock was made",
        Rule::NoWriterDeadOwner,
        Verdict::Stale,
        &[Reason::RecycledPid, Reason::NoWriter],
        Action::Reclaim,
        {
            with(|e| {
                e.writer = Writer::NoneOpen;
                with_payload(e, |p| p.start_ticks = None);
                e.owner = Owner::Alive(process(20_000));
            })
        },
    );
    case(
        "made before this kernel booted",
        Rule::NoWriterDeadOwner,
        Verdict::Stale,
        &[Reason::DeadPid, Reason::PreviousBoot, Reason::NoWriter],
        Action::Reclaim,
        {
            let mut evidence = crashed();
            with_payload(&mut evidence, |p| p.created_at = Some(at(-61)));
            evidence
        },
    );
    case(
        "left open by nobody, its owner lives",
        Rule::NoWriterLiveOwner,
        Verdict::Leaked,
        &[Reason::NoWriter],
        Action::Reclaim,
        closed(finished()),
    );
    case(
        "its owner lives, but /proc hides it",
        Rule::NoWriterLiveOwner,
        Verdict::Leaked,
        &[Reason::NoWriter],
        Action::Reclaim,
        Evidence { owner: Owner::Hidden, ..closed(Release::Unseen) },
    );
    case(
        "its owner has another file of that name open",
        Rule::Replaced,
        Verdict::Held,
        &[],
        Action::None,
        closed(Release::OfAnotherFile { holder: 4242 }),
    );
    case(
        "its owner has this very file open, whatever the lease says",
        Rule::WriterOpen,
        Verdict::Held,
        &[],
        Action::None,
        closed(Release::NotBegun),
    );
    for (what, spoil) in UNSEEN_COPIES {
        let mut evidence = closed(Release::Unseen);
        spoil(&mut evidence);
        case(what, Rule::EvidenceMissing, Verdict::Indeterminate, &[], Action::None, evidence);
    }
    case(
        "its owner lives in another PID namespace",
        Rule::NoWriterLiveOwner,
        Verdict::Leaked,
        &[Reason::NoWriter],
        Action::Reclaim,
        {
            let mut evidence = closed(finished());
            (evidence.owner, evidence.domain) = (Owner::Gone, PidDomain::Foreign { visible_as: 77 });
            evidence
        },
    );
    case(
        "the machine has started anew since, and its number counts elsewhere",
        Rule::NoWriterUnknownOwner,
        Verdict::Stale,
        &[Reason::PreviousBoot, Reason::NoWriter],
        Action::Reclaim,
        {
            let mut evidence = crashed();
            (evidence.domain, evidence.birth) = (PidDomain::Unknown("nested"), Birth::Later);
            with_payload(&mut evidence, |p| p.created_at = Some(at(-61)));
            evidence
        },
    );
    case(
        "the number belongs to a program that cannot be OpenClaw",
        Rule::NoWriterDeadOwner,
        Verdict::Stale,
        &[Reason::RecycledPid, Reason::NoWriter],
        Action::Reclaim,
        with(|e| (e.writer, e.owner) = (Writer::NoneOpen, Owner::Stranger(process(1)))),
    );
    case(
        "nobody has it open, the number counts elsewhere",
        Rule::NoWriterUnknownOwner,
        Verdict::Stale,
        &[Reason::NoWriter],
        Action::Reclaim,
        {
            let mut evidence = crashed();
            evidence.domain = PidDomain::Unknown("nested");
            evidence
        },
    );
    case(
        "the number is lockdoctor's own",
        Rule::NoWriterUnknownOwner,
        Verdict::Stale,
        &[Reason::NoWriter],
        Action::Reclaim,
        with(|e| (e.writer, e.owner) = (Writer::NoneOpen, Owner::Lockdoctor)),
    );

    case("nobody could ask, its owner has it open", Rule::OwnerAlive, Verdict::Held, &[], Action::None, {
        with(|e| e.writer = UNASKED)
    });
    for release in [Release::Unseen, Release::UnderWay, finished()] {
        let what = "nobody could ask, and its owner lives but was not seen to have it open";
        let evidence = with(|e| (e.writer, e.release) = (UNASKED, release));
        case(what, Rule::EvidenceMissing, Verdict::Indeterminate, &[], Action::None, evidence);
    }
    case(
        "the very process, seen from a namespace that is not known",
        Rule::OwnerAlive,
        Verdict::Held,
        &[],
        Action::None,
        with(|e| (e.writer, e.domain) = (UNASKED, PidDomain::Unknown("nested"))),
    );
    case(
        "nobody could ask, and the wall clock alone speaks against the owner",
        Rule::EvidenceMissing,
        Verdict::Indeterminate,
        &[],
        Action::None,
        {
            with(|e| {
                e.writer = UNASKED;
                with_payload(e, |p| p.start_ticks = None);
                e.owner = Owner::Alive(process(20_000));
            })
        },
    );
    case(
        "start ticks of another time namespace do not compare",
        Rule::OwnerAlive,
        Verdict::Held,
        &[],
        Action::None,
        {
            with(|e| {
                e.writer = UNASKED;
                e.owner = Owner::Alive(process(5_001));
                e.start_ticks = StartTicks::Shifted;
            })
        },
    );
    case(
        "nobody could ask, the owner is hidden",
        Rule::EvidenceMissing,
        Verdict::Indeterminate,
        &[],
        Action::None,
        with(|e| (e.writer, e.owner) = (UNASKED, Owner::Hidden)),
    );
    case(
        "nobody could ask, the numbers count elsewhere",
        Rule::OtherPidNamespace,
        Verdict::Foreign,
        &[],
        Action::None,
        with(|e| (e.writer, e.owner, e.domain) = (UNASKED, Owner::Gone, PidDomain::Unknown("nested"))),
    );
    case(
        "nobody could ask, another namespace has that number",
        Rule::OtherPidNamespace,
        Verdict::Foreign,
        &[],
        Action::None,
        {
            with(|e| {
                (e.writer, e.owner, e.domain) = (UNASKED, Owner::Gone, PidDomain::Foreign { visible_as: 9 });
            })
        },
    );
    for filesystem in [FsClass::Network, FsClass::Fuse, FsClass::Unknown] {
        let (rule, verdict) = match filesystem {
            FsClass::Network => (Rule::OtherKernel, Verdict::Foreign),
            _ => (Rule::EvidenceMissing, Verdict::Indeterminate),
        };
        let mut evidence = crashed();
        evidence.filesystem = filesystem;
        case("another kernel may have it open", rule, verdict, &[], Action::None, evidence.clone());
        evidence.content = Content::Empty;
        case("another kernel may be writing it", rule, verdict, &[], Action::None, evidence);
    }

    case("just created", Rule::Unfinished, Verdict::Initialising, &[], Action::Wait, {
        with(|e| (e.content, e.untouched_for) = (Content::Empty, Duration::from_secs(29)))
    });
    for (writer, filesystem) in [
        (UNASKED, FsClass::LocalMeasured),
        (Writer::NoneOpen, FsClass::Overlay),
        (Writer::NoneOpen, FsClass::Fuse),
    ] {
        let what = "just created, and whether somebody writes it cannot be told";
        let evidence = with(|e| {
            (e.content, e.untouched_for) = (Content::Empty, Duration::from_secs(29));
            (e.writer, e.filesystem) = (writer, filesystem);
        });
        case(what, Rule::Unfinished, Verdict::Initialising, &[], Action::Wait, evidence);
    }
    case(
        "just created, and its creator is gone",
        Rule::Unfinished,
        Verdict::Stale,
        &[Reason::Malformed, Reason::NoWriter],
        Action::Reclaim,
        with(|e| {
            (e.content, e.untouched_for) = (Content::Empty, Duration::from_secs(1));
            e.writer = Writer::NoneOpen;
        }),
    );
    case("empty for long, and its creator hangs", Rule::WriterOpen, Verdict::Held, &[], Action::None, {
        with(|e| e.content = Content::Empty)
    });
    case(
        "never finished",
        Rule::Unfinished,
        Verdict::Stale,
        &[Reason::Malformed, Reason::NoWriter],
        Action::Reclaim,
        with(|e| (e.writer, e.content) = (Writer::NoneOpen, Content::Malformed("torn"))),
    );
    case(
        "never finished, nobody could ask",
        Rule::EvidenceMissing,
        Verdict::Indeterminate,
        &[],
        Action::None,
        with(|e| (e.writer, e.content) = (UNASKED, Content::Empty)),
    );

    case("a link", Rule::Shape, Verdict::Refused, &[], Action::Report, {
        with(|e| (e.shape, e.content) = (Shape::Refused(Refusal::Symlink), Content::NotRead))
    });
    case("a directory where a file belongs", Rule::Shape, Verdict::Refused, &[], Action::Report, {
        with(|e| (e.shape, e.content) = (Shape::Directory, Content::NotRead))
    });
    case("a file that may not be read", Rule::EvidenceMissing, Verdict::Indeterminate, &[], Action::None, {
        with(|e| (e.shape, e.content) = (Shape::Refused(Refusal::Unreadable), Content::NotRead))
    });
    case("our own tombstone", Rule::Tombstone, Verdict::Freed, &[], Action::None, {
        let mut evidence = crashed();
        with_payload(&mut evidence, |p| p.origin = Origin::Tombstone);
        evidence
    });
    case(
        "what looks like one, and somebody writes to it",
        Rule::WriterOpen,
        Verdict::Held,
        &[],
        Action::None,
        with(|e| with_payload(e, |p| p.origin = Origin::Tombstone)),
    );
    case("a guard at work", Rule::Guard, Verdict::Initialising, &[], Action::Wait, {
        with(|e| (e.kind, e.shape, e.untouched_for) = (LockKind::Guard, Shape::Directory, GUARD_GRACE))
    });
    case("a guard left behind", Rule::Guard, Verdict::StuckGuard, &[], Action::Report, {
        with(|e| {
            (e.kind, e.shape, e.writer) =
                (LockKind::Guard, Shape::Directory, Writer::Unknown(LeaseUnknown::NotProbed));
        })
    });
    case("a coordinator at rest", Rule::Coordinator, Verdict::Indeterminate, &[], Action::None, {
        with(|e| (e.kind, e.writer) = (LockKind::Coordinator, Writer::NoneOpen))
    });
    case("a coordinator in use", Rule::WriterOpen, Verdict::Held, &[], Action::None, {
        with(|e| (e.kind, e.writer) = (LockKind::Coordinator, Writer::Open))
    });
    case("a directory lock that is touched", Rule::DirectoryLock, Verdict::Held, &[], Action::None, {
        with(|e| {
            (e.kind, e.shape, e.content) = (LockKind::Auth, Shape::Directory, Content::NotRead);
            e.untouched_for = DIRECTORY_HEARTBEAT;
        })
    });
    case("a directory lock that is not", Rule::DirectoryLock, Verdict::Indeterminate, &[], Action::None, {
        with(|e| (e.kind, e.shape, e.content) = (LockKind::Auth, Shape::Directory, Content::NotRead))
    });
    case(
        "a directory lock that names its owner",
        Rule::OwnerDead,
        Verdict::Stale,
        &[Reason::DeadPid],
        Action::Report,
        {
            let mut evidence = crashed();
            (evidence.kind, evidence.shape) = (LockKind::RuntimeDeps, Shape::Directory);
            evidence.writer = Writer::Unknown(LeaseUnknown::NotProbed);
            evidence
        },
    );

    let closed_store = Format { layout: Layout::Compact, ..Format::default() };
    case(
        "a store lock that its holder does not keep open",
        Rule::OwnerAlive,
        Verdict::Held,
        &[],
        Action::None,
        {
            with(|e| {
                (e.kind, e.writer) = (LockKind::Store, Writer::NoneOpen);
                with_payload(e, |p| p.format = closed_store);
            })
        },
    );
    case(
        "the same, its holder dead",
        Rule::OwnerDead,
        Verdict::Stale,
        &[Reason::DeadPid],
        Action::Reclaim,
        {
            let mut evidence = crashed();
            evidence.kind = LockKind::Store;
            with_payload(&mut evidence, |p| p.format = closed_store);
            evidence
        },
    );
    case(
        "a gateway lock of a dead gateway is only reported",
        Rule::NoWriterDeadOwner,
        Verdict::Stale,
        &[Reason::DeadPid, Reason::NoWriter],
        Action::Report,
        {
            let mut evidence = crashed();
            evidence.kind = LockKind::Gateway;
            evidence
        },
    );
    cases
}

#[test]
fn every_rule_decides_as_the_contract_says() {
    for case in settled_cases() {
        let judgement = judge(&case.evidence, LONG, SETTLE);
        let got = (judgement.verdict, &judgement.reasons, judgement.action, judgement.rule);
        assert_eq!(got, (case.verdict, &case.reasons, case.action, case.rule), "{}", case.what);
        assert!(!judgement.rule.sentence().is_empty());
    }
}

#[test]
fn the_table_leaves_nothing_out() {
    let cases = settled_cases();
    for rule in Rule::ALL {
        assert!(cases.iter().any(|case| case.rule == *rule), "no case for {rule:?}");
    }
    for reason in Reason::ALL {
        assert!(cases.iter().any(|case| case.reasons.contains(reason)), "no case for {reason:?}");
    }
    for verdict in Verdict::ALL.iter().filter(|verdict| **verdict != Verdict::Settling) {
        assert!(cases.iter().any(|case| case.verdict == *verdict), "no case for {verdict:?}");
    }
}

#[test]
fn nothing_is_acted_upon_at_first_sight() {
    for case in settled_cases() {
        let judgement = judge(&case.evidence, Sighting::First, SETTLE);
        if matches!(case.verdict, Verdict::Stale | Verdict::Leaked) {
            let got = (judgement.verdict, judgement.suspected, judgement.action);
            assert_eq!(got, (Verdict::Settling, Some(case.verdict), Action::Wait), "{}", case.what);
        } else {
            assert_eq!(judgement.verdict, case.verdict, "{}", case.what);
        }
    }
}

#[test]
fn each_verdict_has_its_own_settle_time() {
    let apart = |ms| Sighting::Again { apart: Duration::from_millis(ms) };
    let leaked = closed(finished());
    assert_eq!(judge(&leaked, apart(499), SETTLE).verdict, Verdict::Settling);
    assert_eq!(judge(&leaked, apart(500), SETTLE).verdict, Verdict::Leaked);
    let unseen = Evidence { domain: PidDomain::Unknown("nested"), ..crashed() };
    assert_eq!(judge(&unseen, apart(699), SETTLE).verdict, Verdict::Settling);
    assert_eq!(judge(&unseen, apart(700), SETTLE).verdict, Verdict::Stale);
    assert_eq!(judge(&crashed(), apart(0), SETTLE).verdict, Verdict::Stale);
    let mut presumed = crashed();
    presumed.domain = PidDomain::Presumed;
    assert_eq!(judge(&presumed, apart(299), SETTLE).verdict, Verdict::Settling);
    assert_eq!(judge(&presumed, apart(300), SETTLE).verdict, Verdict::Stale);
}

const FILE: FileFacts =
    FileFacts { dev: 0, ino: 0, size: 0, uid: 0, gid: 0, mode: 0, nlink: 1, mtime: (0, 0), ctime: (0, 0) };
