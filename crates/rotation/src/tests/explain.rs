//! Why a step is there, and finding what is meant.

use relatch_case::fact::{Fact, Outcome};
use relatch_case::fault::FaultKind;
use relatch_case::model::Opens;
use relatch_case::{State, StepId};

use crate::explain::{Explained, explain};
use crate::find::{FindError, Target, find, find_step};
use crate::testing::{
    Found, able, at, container, credential, do_step, end, fault, intend, record, step,
};

/// `opener` opens the place of `a`, which two consumers read.
fn found() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "s")
        .consumer("c1", &["s"])
        .consumer("c2", &["s"])
        .key("openai", "p/2", "opener")
        .place("opener", "o")
        .key("openai", "p/3", "homeless")
        .fact(Fact::DependencyFound {
            credential: credential("opener"),
            opens: Opens::Container {
                container: container("s"),
            },
        })
}

fn explained(state: &State, what: &StepId) -> Explained {
    explain(state, &Target::Step(what.clone()), at(10)).expect("explained")
}

#[test]
fn things_are_found_by_whole_names_and_beginnings() {
    let plan = found().plan();
    let credential_of = |text: &str| find(&plan, text);
    assert_eq!(
        credential_of("cred-a"),
        Ok(Target::Credential(credential("a")))
    );
    assert_eq!(credential_of("a"), Ok(Target::Credential(credential("a"))));
    assert_eq!(
        credential_of("cred-op"),
        Ok(Target::Credential(credential("opener")))
    );
    assert_eq!(
        credential_of("cred-home"),
        Ok(Target::Credential(credential("homeless")))
    );
    assert_eq!(
        credential_of("cred-a/min"),
        Ok(Target::Step(step("a", "mint")))
    );
    assert_eq!(find_step(&plan, "cred-a/roll/c2"), Ok(step("a", "roll/c2")));
    let several = credential_of("cred-a/roll").expect_err("two");
    assert!(
        matches!(several, FindError::Several { count: 2, .. }),
        "{several}"
    );
    assert!(matches!(
        credential_of("cred-"),
        Err(FindError::Several { count: 3, .. })
    ));
    for nothing in ["", "zzz", "cred-a/nothing"] {
        assert!(
            matches!(credential_of(nothing), Err(FindError::Nothing { .. })),
            "{nothing}"
        );
    }
}

#[test]
fn the_order_is_explained_with_its_reasons() {
    let state = found().approved();
    let about = explained(&state, &step("a", "mint"));
    let rotation = about.rotation.expect("a rotation");
    assert_eq!((rotation.place, rotation.of), (2, 2));
    assert_eq!(rotation.after.len(), 1);
    assert!(!rotation.after[0].dead);
    assert_eq!(
        rotation.after[0].because,
        "opens secretsmanager:eu-west-1:s"
    );
    let mint = about.step.expect("a step");
    assert!(mint.now.contains("cred-opener/prove/0s"), "{}", mint.now);
    assert!(mint.gates.iter().all(|gate| gate.open));
    assert_eq!(mint.awaited_by, [step("a", "check")]);
    let opener = explained(&state, &step("opener", "mint"));
    let rotation = opener.rotation.expect("a rotation");
    assert_eq!(rotation.awaited_by, [credential("a")]);
    assert_eq!(
        rotation.severity,
        Some("it opens places that hold other keys")
    );
}

#[test]
fn waves_and_their_failure_are_explained() {
    let state = found().approved();
    let adopt = explained(&state, &step("a", "adopt/c2"))
        .step
        .expect("step");
    let wave = adopt.wave.expect("a wave");
    assert!(wave.starts_with("2 of 2, 1 consumers"), "{wave}");
    assert!(
        adopt.if_it_fails[0].contains("rolled back") || adopt.if_it_fails[0].contains("put back")
    );
    let write = explained(&state, &step("opener", "write/secretsmanager:eu-west-1:o"));
    let wave = write.step.expect("step").wave;
    assert!(wave.expect("words").contains("nobody is known to read"));
}

#[test]
fn what_is_waited_for_right_now_is_said() {
    let mut state = found().approved();
    for what in [
        "keep",
        "mint",
        "check",
        "write/secretsmanager:eu-west-1:o",
        "observe",
        "disable",
    ] {
        do_step(&mut state, at(1), &step("opener", what));
    }
    let now = |state: &State, what| explained(state, &what).step.expect("step").now;
    let prove = step("opener", "prove/0s");
    assert_eq!(
        now(&state, prove.clone()),
        "nothing: relatch apply does it now"
    );
    assert_eq!(now(&state, step("opener", "keep")), "it is over");
    do_step(&mut state, at(2), &prove);
    assert!(now(&state, step("opener", "prove/60s")).starts_with("the time: 2026-11-21T03:01:02"));
    let mint = explained(&state, &step("a", "mint"));
    assert!(mint.rotation.expect("a rotation").after[0].dead);
    let pause = Fact::Paused {
        credential: Some(credential("a")),
        because: "lunch".to_string(),
    };
    record(&mut state, at(3), pause);
    let keep = explained(&state, &step("a", "keep"));
    assert!(keep.step.expect("step").now.contains("paused: lunch"));
    assert_eq!(
        keep.rotation.expect("a rotation").paused.as_deref(),
        Some("lunch")
    );
}

#[test]
fn a_stuck_step_says_why() {
    let mut state = found().approved();
    do_step(&mut state, at(1), &step("opener", "keep"));
    let mint = step("opener", "mint");
    intend(&mut state, at(1), &mint);
    let outcome = Outcome::Failed {
        fault: fault(FaultKind::Denied),
    };
    end(&mut state, at(2), &mint, outcome);
    let about = explained(&state, &mint).step.expect("step");
    assert!(about.now.contains("stuck: as tested"), "{}", about.now);
    assert!(about.known.status.contains("as tested"));
}

#[test]
fn a_blocked_credential_says_why_and_has_no_steps() {
    let state = found().approved();
    let target = Target::Credential(credential("homeless"));
    let about = explain(&state, &target, at(0)).expect("explained");
    assert!(about.blocked.expect("blocked").contains("no known place"));
    assert!(about.rotation.is_none() && about.step.is_none());
}
