//! A wave that fails is taken back, and only while that is safe.

use relatch_case::fact::{Fact, Outcome};
use relatch_case::fault::FaultKind;
use relatch_case::state::StepStatus;
use relatch_case::{Policy, State, StepId};

use crate::testing::{Found, able, do_step, done, end, fault, put_in_force, record, start, step};
use crate::{Command, Options, Waiting, decide, make};

const FIRST: &str = "write/secretsmanager:eu-west-1:one";
const SHARED: &str = "write/secretsmanager:eu-west-1:both";

/// One credential in two secrets: `canary` reads `one`, `web` reads both.
fn two_waves() -> State {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "one")
        .place("a", "both")
        .consumer("canary", &["one"])
        .consumer("web", &["both"]);
    let mut state = found.state();
    let plan = make(&state, &Policy::default(), &Options::default()).expect("plan");
    put_in_force(&mut state, plan);
    state
}

fn do_all(state: &mut State, steps: &[&str]) {
    for what in steps {
        do_step(state, start(), &step("a", what));
    }
}

/// The first wave is settled, the second one rolled and found ill.
fn second_fails() -> State {
    let mut state = two_waves();
    do_all(
        &mut state,
        &[
            "keep",
            "mint",
            "check",
            FIRST,
            "roll/canary",
            "adopt/canary",
            "settle/1",
        ],
    );
    do_all(&mut state, &[SHARED, "roll/web"]);
    unwell(&mut state, "adopt/web");
    state
}

fn unwell(state: &mut State, what: &str) {
    let fault = fault(FaultKind::Unwell);
    end(state, start(), &step("a", what), Outcome::Failed { fault });
}

fn undos(state: &State) -> Vec<StepId> {
    let decision = decide(state, start());
    let undo = |command: &Command| matches!(command, Command::Undo { .. });
    assert!(decision.commands.iter().all(undo), "{decision:?}");
    decision.commands.iter().map(|c| c.step().clone()).collect()
}

fn undo(state: &mut State, what: &str) {
    let step = step("a", what);
    let because = "ill".to_string();
    record(
        state,
        start(),
        Fact::UndoIntended {
            step: step.clone(),
            because,
        },
    );
    record(
        state,
        start(),
        Fact::UndoEnded {
            step,
            outcome: done(),
        },
    );
}

#[test]
fn the_places_of_the_wave_go_back_first_and_then_its_consumers() {
    let mut state = second_fails();
    assert_eq!(undos(&state), [step("a", SHARED)]);
    undo(&mut state, SHARED);
    assert_eq!(undos(&state), [step("a", "roll/web")]);
    undo(&mut state, "roll/web");
    let decision = decide(&state, start());
    assert!(decision.commands.is_empty() && !decision.finished);
    let [wait] = decision.waits.as_slice() else {
        panic!("{decision:?}");
    };
    assert_eq!(wait.step, step("a", "adopt/web"));
    assert!(matches!(&wait.on, Waiting::Stuck { because } if because.contains("rolled back")));
}

#[test]
fn a_consumer_reads_again_only_when_no_place_is_on_its_way_back() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    let reads_again = |state: &State| {
        let commands = decide(state, start()).commands;
        commands
            .iter()
            .any(|c| matches!(c, Command::Undo { step: s, .. } if *s == step("a", "roll/web")))
    };
    assert!(reads_again(&state));
    // Left from the time of an earlier plan, whose waves were cut otherwise.
    let first = Fact::UndoIntended {
        step: step("a", FIRST),
        because: "ill".to_string(),
    };
    record(&mut state, start(), first);
    assert!(!reads_again(&state));
    undo(&mut state, FIRST);
    assert!(reads_again(&state));
}

#[test]
fn whoever_was_rolled_back_before_a_place_was_is_rolled_back_again() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    undo(&mut state, "roll/web");
    assert!(undos(&state).is_empty());
    undo(&mut state, SHARED);
    assert_eq!(undos(&state), [step("a", "roll/web")]);
}

#[test]
fn the_wave_before_stays() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    undo(&mut state, "roll/web");
    for kept in [FIRST, "roll/canary", "adopt/canary", "settle/1"] {
        assert!(state.is_over(&step("a", kept)), "{kept}");
    }
}

#[test]
fn retried_the_wave_is_done_again_from_its_writes() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    undo(&mut state, "roll/web");
    let step_of = |what: &str| step("a", what);
    record(
        &mut state,
        start(),
        Fact::StepRetried {
            step: step_of("adopt/web"),
        },
    );
    let due = |state: &State| decide(state, start()).commands;
    assert_eq!(due(&state)[0].step(), &step_of(SHARED));
    do_all(&mut state, &[SHARED, "roll/web", "adopt/web", "settle/2"]);
    assert_eq!(due(&state)[0].step(), &step_of("observe"));
}

#[test]
fn skipped_by_name_the_wave_goes_on_without_that_consumer() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    undo(&mut state, "roll/web");
    let skipped = Fact::StepSkipped {
        step: step("a", "adopt/web"),
        because: "nobody's any more".to_string(),
    };
    record(&mut state, start(), skipped);
    assert_eq!(
        decide(&state, start()).commands[0].step(),
        &step("a", SHARED)
    );
    do_all(&mut state, &[SHARED, "roll/web"]);
    assert_eq!(
        decide(&state, start()).commands[0].step(),
        &step("a", "settle/2")
    );
}

#[test]
fn the_next_wave_waits_for_one_that_is_watched_no_longer() {
    let mut state = two_waves();
    do_all(&mut state, &["keep", "mint", "check", FIRST, "roll/canary"]);
    let skip = |state: &mut State, what: &str| {
        let skipped = Fact::StepSkipped {
            step: step("a", what),
            because: "in a hurry".to_string(),
        };
        record(state, start(), skipped);
    };
    skip(&mut state, "settle/1");
    let due = |state: &State| -> Vec<StepId> {
        let commands = decide(state, start()).commands;
        commands.iter().map(|c| c.step().clone()).collect()
    };
    assert_eq!(due(&state), [step("a", "adopt/canary")]);
    do_all(&mut state, &["adopt/canary"]);
    assert_eq!(due(&state), [step("a", SHARED)]);
}

#[test]
fn a_wave_of_which_everybody_was_let_go_still_comes_after_the_one_before() {
    let state = two_waves();
    let plan = &state.plan.as_ref().expect("plan").plan;
    let second = plan.step(&step("a", "settle/2")).expect("settle");
    assert!(second.needs.contains(&step("a", "settle/1")));
}

#[test]
fn whoever_was_well_in_a_wave_that_goes_back_is_looked_at_again() {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "both")
        .consumer("web", &["both"])
        .consumer("jobs", &["both"]);
    let mut state = found.state();
    let all_at_once = Policy {
        wave_growth: 0,
        ..Policy::default()
    };
    let plan = make(&state, &all_at_once, &Options::default()).expect("plan");
    put_in_force(&mut state, plan);
    do_all(&mut state, &["keep", "mint", "check", SHARED]);
    do_all(&mut state, &["roll/web", "adopt/web", "roll/jobs"]);
    unwell(&mut state, "adopt/jobs");
    undo(&mut state, SHARED);
    assert!(!state.is_over(&step("a", "adopt/web")));
    assert_eq!(
        undos(&state),
        [step("a", "roll/jobs"), step("a", "roll/web")]
    );
}

#[test]
fn what_may_have_happened_is_found_out_before_it_is_undone() {
    let mut state = second_fails();
    crate::testing::intend(&mut state, start(), &step("a", "roll/web"));
    let due = decide(&state, start()).commands;
    let reconciled = due.iter().any(
        |command| matches!(command, Command::Reconcile { step: id, .. } if *id == step("a", "roll/web")),
    );
    assert!(reconciled, "{due:?}");
}

#[test]
fn a_value_that_the_thief_uses_never_comes_back() {
    let mut state = second_fails();
    let convicted = Fact::ActorConvicted {
        keys: vec!["a".into()],
        arns: Vec::new(),
        addresses: Vec::new(),
        first: None,
        last: None,
        why: Vec::new(),
    };
    record(&mut state, start(), convicted);
    let decision = decide(&state, start());
    assert!(decision.commands.is_empty());
    assert!(
        decision.waits.iter().any(
            |wait| matches!(&wait.on, Waiting::Stuck { because } if because.contains("forward"))
        )
    );
}

#[test]
fn an_undo_that_was_lost_is_done_again_and_one_that_cannot_be_waits_for_a_person() {
    let mut state = second_fails();
    let id = step("a", SHARED);
    let because = "ill".to_string();
    let intended = Fact::UndoIntended {
        step: id.clone(),
        because,
    };
    record(&mut state, start(), intended);
    assert_eq!(undos(&state), std::slice::from_ref(&id), "after a crash");
    let refused = Fact::UndoEnded {
        step: id.clone(),
        outcome: Outcome::Failed {
            fault: fault(FaultKind::Conflict),
        },
    };
    record(&mut state, start(), refused);
    assert!(matches!(
        &state.steps[&id].status,
        StepStatus::Stuck { because } if because.contains("rolled back")
    ));
}

#[test]
fn a_consumer_is_changed_for_one_credential_at_a_time() {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .key("openai", "p/2", "b")
        .place("a", "both")
        .place("b", "both")
        .consumer("web", &["both"]);
    let mut state = found.approved();
    do_all(&mut state, &["keep", "mint", "check", SHARED, "roll/web"]);
    for what in ["keep", "mint", "check", SHARED] {
        do_step(&mut state, start(), &step("b", what));
    }
    let due = |state: &State| -> Vec<StepId> {
        let decision = decide(state, start());
        decision.commands.iter().map(|c| c.step().clone()).collect()
    };
    assert_eq!(due(&state), [step("a", "adopt/web")]);
    do_all(&mut state, &["adopt/web"]);
    assert!(due(&state).contains(&step("b", "roll/web")));
}

#[test]
fn another_plan_with_other_waves_knows_the_failed_one_by_its_step() {
    let mut state = second_fails();
    undo(&mut state, SHARED);
    undo(&mut state, "roll/web");
    let all_at_once = Policy {
        wave_growth: 0,
        ..Policy::default()
    };
    let plan = make(&state, &all_at_once, &Options::default()).expect("plan");
    put_in_force(&mut state, plan);
    let step_of = |what: &str| step("a", what);
    let failed = &state.failed_waves[&crate::testing::credential("a")];
    assert_eq!((failed.wave, &failed.step), (1, &step_of("adopt/web")));
    let skipped = Fact::StepSkipped {
        step: step_of("adopt/web"),
        because: "nobody's any more".to_string(),
    };
    record(&mut state, start(), skipped);
    let decision = decide(&state, start());
    assert!(
        decision
            .commands
            .iter()
            .any(|c| c.step() == &step_of(SHARED))
    );
}

#[test]
fn a_wave_that_goes_on_before_all_of_it_was_put_back_is_rolled_again() {
    for skip in [false, true] {
        let mut state = second_fails();
        undo(&mut state, SHARED);
        let step = step("a", "adopt/web");
        let sent = if skip {
            let because = "nobody's any more".to_string();
            Fact::StepSkipped { step, because }
        } else {
            Fact::StepRetried { step }
        };
        record(&mut state, start(), sent);
        do_all(&mut state, &[SHARED]);
        let due = decide(&state, start()).commands;
        assert_eq!(
            due[0].step(),
            &crate::testing::step("a", "roll/web"),
            "{skip}"
        );
    }
}

#[test]
fn a_container_that_is_written_once_more_is_read_once_more() {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "both")
        .consumer("canary", &["both"])
        .consumer("web", &["both"]);
    let mut state = found.approved();
    do_all(
        &mut state,
        &[
            "keep",
            "mint",
            "check",
            SHARED,
            "roll/canary",
            "adopt/canary",
            "settle/1",
        ],
    );
    let undone = Fact::UndoIntended {
        step: step("a", SHARED),
        because: "ill".to_string(),
    };
    record(&mut state, start(), undone);
    let refused = Fact::UndoEnded {
        step: step("a", SHARED),
        outcome: Outcome::Failed {
            fault: fault(FaultKind::Conflict),
        },
    };
    record(&mut state, start(), refused);
    let retried = Fact::StepRetried {
        step: step("a", SHARED),
    };
    record(&mut state, start(), retried);
    do_all(&mut state, &[SHARED]);
    assert!(!state.is_over(&step("a", "adopt/canary")));
    assert_eq!(
        decide(&state, start()).commands[0].step(),
        &step("a", "roll/canary")
    );
}
