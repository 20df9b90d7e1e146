//! Gates, time, retries, and what waits for whom.

use relatch_case::fact::{Fact, Outcome};
use relatch_case::fault::FaultKind;
use relatch_case::{Policy, State};

use crate::decide::{is_due, progress, resources};
use crate::testing::{
    Found, able, at, by_person, credential, do_step, done, end, fault, intend, plan_of,
    put_in_force, record, start, step,
};
use crate::{Command, Decision, Options, Wait, Waiting, decide, make};

const WRITE: &str = "write/secretsmanager:eu-west-1:prod";

fn one() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "prod")
        .consumer("web", &["prod"])
}

fn execute(what: &str, attempt: u32) -> Vec<Command> {
    vec![Command::Execute {
        step: step("a", what),
        attempt,
    }]
}

fn wait(what: &str, on: Waiting) -> Vec<Wait> {
    vec![Wait {
        step: step("a", what),
        on,
    }]
}

/// The state with these steps done at the start.
fn after(found: &Found, steps: &[&str]) -> State {
    let mut state = found.approved();
    for what in steps {
        do_step(&mut state, start(), &step("a", what));
    }
    state
}

fn fail(state: &mut State, seconds: i64, what: &str, kind: FaultKind) {
    intend(state, at(seconds), &step("a", what));
    let fault = fault(kind);
    end(
        state,
        at(seconds),
        &step("a", what),
        Outcome::Failed { fault },
    );
}

fn stuck() -> Waiting {
    Waiting::Stuck {
        because: "as tested".to_string(),
    }
}

#[test]
fn without_a_plan_nothing_is_done_and_nothing_is_finished() {
    assert_eq!(decide(&one().state(), start()), Decision::default());
}

#[test]
fn a_plan_that_is_not_approved_waits_for_that_and_another_hash_does_not_count() {
    let mut state = one().state();
    let plan = plan_of(&state, &Options::default());
    let hash = plan.hash().expect("hash");
    record(
        &mut state,
        start(),
        Fact::PlanRecorded {
            hash,
            plan: std::sync::Arc::new(plan),
        },
    );
    do_step(&mut state, start(), &step("a", "keep"));
    assert_eq!(
        decide(&state, start()).waits,
        wait("mint", Waiting::Approval)
    );
    let other = Fact::PlanApproved {
        hash: "other".into(),
        by: "x".to_string(),
    };
    record(&mut state, start(), other);
    assert_eq!(
        decide(&state, start()).waits,
        wait("mint", Waiting::Approval)
    );
    assert!(decide(&state, start()).commands.is_empty());
}

#[test]
fn a_new_plan_takes_the_approval_away() {
    let mut state = after(&one(), &["keep", "mint", "check"]);
    assert_eq!(decide(&state, start()).commands, execute(WRITE, 1));
    let policy = Policy {
        observe_s: 1,
        ..Policy::default()
    };
    let plan = make(&state, &policy, &Options::default()).expect("plan");
    let hash = plan.hash().expect("hash");
    record(
        &mut state,
        start(),
        Fact::PlanRecorded {
            hash,
            plan: std::sync::Arc::new(plan),
        },
    );
    assert!(decide(&state, start()).commands.is_empty());
    assert_eq!(
        decide(&state, start()).waits,
        wait(WRITE, Waiting::Approval)
    );
}

#[test]
fn no_new_value_before_containment_is_seen_to_bind() {
    let found = one().stolen("somebody-elses");
    let mut state = after(&found, &["keep"]);
    let waiting = wait("mint", Waiting::Containment);
    assert_eq!(decide(&state, start()).waits, waiting);
    let id = || "m-1".to_string();
    let intended = Fact::MeasureIntended {
        id: id(),
        measure: serde_json::Value::Null,
        snapshot: serde_json::Value::Null,
    };
    let verified = |binds| Fact::MeasureVerified {
        id: id(),
        binds,
        how: String::new(),
    };
    record(&mut state, start(), intended);
    record(&mut state, start(), Fact::MeasureApplied { id: id() });
    assert_eq!(
        decide(&state, start()).waits,
        waiting,
        "applied is not seen"
    );
    record(&mut state, start(), verified(None));
    assert_eq!(
        decide(&state, start()).waits,
        waiting,
        "unknown is not seen"
    );
    record(&mut state, start(), verified(Some(false)));
    assert_eq!(decide(&state, start()).waits, waiting);
    record(&mut state, start(), verified(Some(true)));
    assert_eq!(decide(&state, start()).commands, execute("mint", 1));
    record(&mut state, start(), Fact::MeasureRestored { id: id() });
    assert_eq!(decide(&state, start()).waits, waiting, "taken back");
}

#[test]
fn steps_wait_for_the_steps_they_need() {
    let mut state = after(&one(), &["keep", "mint", "check", WRITE, "roll/web"]);
    assert_eq!(decide(&state, start()).commands, execute("adopt/web", 1));
    do_step(&mut state, start(), &step("a", "adopt/web"));
    assert_eq!(decide(&state, start()).commands, execute("settle/1", 1));
    do_step(&mut state, start(), &step("a", "settle/1"));
    assert_eq!(decide(&state, start()).commands, execute("observe", 1));
}

#[test]
fn a_person_may_waive_a_consumer_by_name() {
    let mut state = after(&one(), &["keep", "mint", "check", WRITE, "roll/web"]);
    let skipped = Fact::StepSkipped {
        step: step("a", "adopt/web"),
        because: "decommissioned".to_string(),
    };
    record(&mut state, start(), skipped);
    assert_eq!(decide(&state, start()).commands, execute("settle/1", 1));
}

#[test]
fn proofs_and_the_delete_come_at_their_time() {
    let warm = [
        "keep",
        "mint",
        "check",
        WRITE,
        "roll/web",
        "adopt/web",
        "settle/1",
        "observe",
    ];
    let mut state = after(&one(), &warm);
    do_step(&mut state, at(100), &step("a", "disable"));
    let decision = decide(&state, at(100));
    assert_eq!(decision.commands, execute("prove/0s", 1));
    // It was accepted for 20 s more: the later proofs are counted from when that ended.
    do_step(&mut state, at(120), &step("a", "prove/0s"));
    assert_eq!(decide(&state, at(120)).wake_at, Some(at(180)));
    assert!(decide(&state, at(179)).commands.is_empty());
    assert_eq!(decide(&state, at(180)).commands, execute("prove/60s", 1));
    let day = 24 * 60 * 60;
    let due = |seconds| {
        let commands = decide(&state, at(seconds)).commands;
        commands.iter().any(|c| c.step() == &step("a", "delete"))
    };
    assert!(!due(100 + day - 1));
    assert!(due(100 + day));
}

#[test]
fn time_is_never_counted_from_a_step_that_did_not_happen() {
    use relatch_case::plan::Gate;
    let mut state = one().state();
    let mut plan = plan_of(&state, &Options::default());
    let gate = Gate::After {
        step: step("a", "disable"),
        seconds: 0,
    };
    plan.steps[0].gates.push(gate);
    put_in_force(&mut state, plan);
    assert!(decide(&state, at(1_000_000)).commands.is_empty());
}

#[test]
fn nobody_waits_for_an_hour_that_a_wrong_clock_wrote_down() {
    let mut state = after(&one(), &["keep"]);
    fail(&mut state, 7200, "mint", FaultKind::Unreachable);
    assert_eq!(decide(&state, at(10)).commands, execute("mint", 2));
}

#[test]
fn being_asked_to_slow_down_is_no_reason_to_give_up() {
    let mut state = after(&one(), &["keep"]);
    for attempt in 1..40u32 {
        let now = i64::from(attempt) * 2;
        assert_eq!(decide(&state, at(now)).commands, execute("mint", attempt));
        fail(&mut state, now, "mint", FaultKind::Throttled);
        assert!(decide(&state, at(now + 1)).commands.is_empty());
    }
}

#[test]
fn a_paused_rotation_begins_nothing_until_it_is_resumed() {
    let mut state = after(&one(), &["keep"]);
    let because = || "lunch".to_string();
    for credential in [None, Some(credential("a"))] {
        let paused = Fact::Paused {
            credential: credential.clone(),
            because: because(),
        };
        record(&mut state, start(), paused);
        let decision = decide(&state, start());
        assert!(decision.commands.is_empty());
        let paused = Waiting::Paused { because: because() };
        assert_eq!(decision.waits, wait("mint", paused));
        record(&mut state, start(), Fact::Resumed { credential });
        assert_eq!(decide(&state, start()).commands, execute("mint", 1));
    }
}

#[test]
fn a_passing_failure_is_tried_again_later_and_later_and_then_a_person_is_asked() {
    let mut state = after(&one(), &["keep"]);
    let mut now = 0;
    for (attempt, pause) in [(2, 2), (3, 4), (4, 8), (5, 16)] {
        fail(&mut state, now, "mint", FaultKind::Unreachable);
        let early = decide(&state, at(now + pause - 1));
        assert!(early.commands.is_empty(), "attempt {attempt} is too early");
        assert_eq!(early.wake_at, Some(at(now + pause)));
        now += pause;
        assert_eq!(decide(&state, at(now)).commands, execute("mint", attempt));
    }
    fail(&mut state, now, "mint", FaultKind::Unreachable);
    assert_eq!(decide(&state, at(now + 3600)).waits, wait("mint", stuck()));
    let retried = Fact::StepRetried {
        step: step("a", "mint"),
    };
    record(&mut state, at(now), retried);
    assert_eq!(decide(&state, at(now)).commands, execute("mint", 6));
    fail(&mut state, now, "mint", FaultKind::Unreachable);
    assert_eq!(
        decide(&state, at(now + 2)).commands,
        execute("mint", 7),
        "counted anew"
    );
}

#[test]
fn a_failure_that_trying_again_cannot_help_waits_for_a_person_at_once() {
    for kind in [
        FaultKind::Denied,
        FaultKind::NotFound,
        FaultKind::Conflict,
        FaultKind::SlotsFull,
        FaultKind::Invalid,
    ] {
        let mut state = after(&one(), &["keep"]);
        fail(&mut state, 0, "mint", kind);
        assert_eq!(
            decide(&state, at(3600)).waits,
            wait("mint", stuck()),
            "{kind:?}"
        );
    }
}

#[test]
fn an_intent_without_outcome_is_reconciled_and_never_replayed() {
    let mut state = after(&one(), &["keep"]);
    intend(&mut state, start(), &step("a", "mint"));
    let reconcile = vec![Command::Reconcile {
        step: step("a", "mint"),
        attempt: 1,
    }];
    assert_eq!(decide(&state, start()).commands, reconcile);
    let unknown = || Outcome::Unknown {
        fault: fault(FaultKind::Ambiguous),
    };
    end(&mut state, at(10), &step("a", "mint"), unknown());
    let decision = decide(&state, at(19));
    assert!(decision.commands.is_empty());
    assert_eq!(
        decision.wake_at,
        Some(at(20)),
        "as long again as it was unknown"
    );
    assert_eq!(decide(&state, at(20)).commands, reconcile);
    end(
        &mut state,
        at(20),
        &step("a", "mint"),
        Outcome::NotDone { how: String::new() },
    );
    assert_eq!(decide(&state, at(20)).commands, execute("mint", 2));
}

#[test]
fn an_outcome_that_stays_unknown_is_asked_for_ever_more_seldom() {
    let mut state = after(&one(), &["keep"]);
    intend(&mut state, start(), &step("a", "mint"));
    let (mut now, mut asked) = (start(), 0);
    while now < at(24 * 60 * 60) {
        let fault = fault(FaultKind::Unreachable);
        end(
            &mut state,
            now,
            &step("a", "mint"),
            Outcome::Unknown { fault },
        );
        asked += 1;
        now = decide(&state, now).wake_at.expect("it is asked again");
    }
    assert!((10..100).contains(&asked), "{asked} times in a day");
}

#[test]
fn nobody_can_skip_or_repeat_what_may_have_happened() {
    let mint = step("a", "mint");
    let mut state = after(&one(), &["keep"]);
    intend(&mut state, start(), &mint);
    record(
        &mut state,
        start(),
        Fact::StepRetried { step: mint.clone() },
    );
    let because = "hurry".to_string();
    record(
        &mut state,
        start(),
        Fact::StepSkipped {
            step: mint.clone(),
            because: because.clone(),
        },
    );
    let reconcile = Command::Reconcile {
        step: mint.clone(),
        attempt: 1,
    };
    assert_eq!(decide(&state, start()).commands, [reconcile]);
    end(&mut state, start(), &mint, done());
    record(
        &mut state,
        start(),
        Fact::StepRetried { step: mint.clone() },
    );
    record(
        &mut state,
        start(),
        Fact::StepSkipped {
            step: mint,
            because,
        },
    );
    assert_eq!(
        decide(&state, start()).commands,
        execute("check", 1),
        "done stays done"
    );
}

#[test]
fn an_answer_that_is_lost_every_time_ends_with_a_person() {
    let mut state = after(&one(), &["keep"]);
    for attempt in 1..=5 {
        assert_eq!(decide(&state, start()).commands, execute("mint", attempt));
        intend(&mut state, start(), &step("a", "mint"));
        end(
            &mut state,
            start(),
            &step("a", "mint"),
            Outcome::NotDone { how: String::new() },
        );
    }
    let decision = decide(&state, at(3600));
    assert!(decision.commands.is_empty());
    assert!(matches!(decision.waits[0].on, Waiting::Stuck { .. }));
}

#[test]
fn a_persons_step_waits_for_the_person() {
    let found = one().issuer("openai", by_person());
    let state = after(&found, &["keep"]);
    let decision = decide(&state, start());
    assert_eq!(decision.waits, wait("mint", Waiting::Person));
    assert_eq!(decision.wake_at, None);
}

#[test]
fn a_stuck_step_holds_up_only_what_needs_it() {
    let found = one().key("openai", "p/2", "b").place("b", "other");
    let mut state = after(&found, &["keep"]);
    let because = "as tested".to_string();
    end(
        &mut state,
        start(),
        &step("a", "mint"),
        Outcome::Stuck { because },
    );
    let decision = decide(&state, start());
    assert_eq!(decision.waits, wait("mint", stuck()));
    let keep = Command::Execute {
        step: step("b", "keep"),
        attempt: 1,
    };
    assert_eq!(decision.commands, [keep]);
    assert!(!decision.finished);
}

#[test]
fn finished_means_every_step_is_over() {
    let mut state = one().approved();
    let steps = state.plan.as_ref().expect("plan").plan.steps.clone();
    for (n, planned) in steps.iter().enumerate() {
        assert!(!decide(&state, start()).finished, "{n} of {}", steps.len());
        do_step(&mut state, start(), &planned.id);
    }
    assert!(decide(&state, start()).finished);
    let plan = state.plan.as_ref().expect("plan").plan.clone();
    assert!(
        progress(&state, &plan)
            .values()
            .all(|(done, all)| done == all)
    );
    assert_eq!(progress(&state, &plan)["prove"], (5, 5));
}

#[test]
fn a_command_is_due_until_somebody_was_there_first() {
    let mut state = after(&one(), &["keep"]);
    let command = execute("mint", 1).remove(0);
    assert!(is_due(&state, &command, start()));
    intend(&mut state, start(), &step("a", "mint"));
    assert!(!is_due(&state, &command, start()), "another hand began it");
    end(&mut state, start(), &step("a", "mint"), done());
    assert!(!is_due(&state, &command, start()));
}

#[test]
fn steps_on_one_container_or_principal_exclude_each_other() {
    let found = one()
        .key("openai", "p/1", "b")
        .place("b", "prod")
        .key("openai", "p/2", "c")
        .place("c", "else");
    let plan = found.plan();
    let needs =
        |key: &str, what: &str| resources(&plan, plan.step(&step(key, what)).expect("step"));
    assert!(!needs("a", WRITE).is_disjoint(&needs("b", WRITE)));
    assert!(!needs("a", "mint").is_disjoint(&needs("b", "disable")));
    assert!(needs("a", "mint").is_disjoint(&needs("c", "mint")));
    assert!(needs("a", "observe").is_empty());
}
