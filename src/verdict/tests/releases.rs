//! When an owner's release, or its death, counts as proven.

use super::*;

/// A container's gateway that crashes and comes again has the same number: its new life shows that the old one is over.
#[test]
fn the_next_life_of_a_gateway_proves_the_death_of_the_one_before() {
    let sidecar = |spoil: fn(&mut Evidence)| {
        let mut evidence =
            Evidence { domain: PidDomain::Unknown("nested"), succession: Succession::Gateway, ..crashed() };
        spoil(&mut evidence);
        judge(&evidence, Sighting::Again { apart: SETTLE.stale }, SETTLE)
    };
    let freed = sidecar(|_| {});
    assert_eq!(
        (freed.verdict, &freed.reasons[..]),
        (Verdict::Stale, &[Reason::RecycledPid, Reason::NoWriter][..])
    );
    assert_eq!(sidecar(|e| e.birth = Birth::Later).verdict, Verdict::Indeterminate, "a copy");
    assert_eq!(sidecar(|e| e.writer = Writer::Open).verdict, Verdict::Held);
    assert_eq!(sidecar(|e| e.succession = Succession::NotSeen).verdict, Verdict::Settling);
}

/// However long it has looked closed: a blocked loop makes a release last for minutes.
#[test]
fn a_release_that_is_under_way_is_waited_for() {
    let days = Sighting::Again { apart: Duration::from_secs(3 * 86_400) };
    let other_file = FileFacts { ino: 1, ..FILE }.id();
    for release in [Release::UnderWay, Release::NotLookedAt, Release::Finished(LetGo::of_file(other_file))] {
        let judgement = judge(&closed(release.clone()), days, SETTLE);
        assert_eq!(
            (judgement.verdict, judgement.suspected, judgement.proof()),
            (Verdict::Settling, Some(Verdict::Leaked), None),
            "{release:?}"
        );
    }
}

/// The proof of one lock is not good for another, and it is handed over once.
#[test]
fn a_proof_is_of_one_file_and_for_one_act() {
    let mut judgement = judge(&closed(finished()), LONG, SETTLE);
    let proof = judgement.take_proof().expect("leaked");
    assert!(proof.is_about(FileId::default()));
    assert!(!proof.is_about(FileFacts { ino: 1, ..FILE }.id()));
    assert!(judgement.take_proof().is_none());
}
