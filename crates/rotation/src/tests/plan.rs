//! Which mode, in which order, with which steps.

use std::collections::BTreeSet;

use relatch_case::model::{ExposureLevel, Minting, Part, Sheet, Slot};
use relatch_case::plan::{Action, Gate, Mode};
use relatch_case::{Fact, Policy, State};

use crate::plan::PlanError;
use crate::testing::{
    Found, able, blocked, by_person, credential, mode, plan_of, put_in_force, roomy, start,
    state_of, step,
};
use crate::{Options, make};

fn one_warm() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "prod")
        .consumer("web", &["prod"])
}

fn ids(found: &Found) -> Vec<String> {
    let plan = found.plan();
    plan.steps.iter().map(|s| s.id.to_string()).collect()
}

#[test]
fn warm_replaces_first_and_kills_last() {
    let prod = "secretsmanager:eu-west-1:prod";
    let expected = [
        "keep",
        "mint",
        "check",
        &format!("write/{prod}"),
        "roll/web",
        "adopt/web",
        "settle/1",
        "observe",
        "disable",
        "prove/0s",
        "prove/60s",
        "prove/900s",
        "prove/86400s",
        "delete",
        "prove/deleted",
        "sweep",
    ]
    .map(|what| format!("cred-a/{what}"));
    assert_eq!(ids(&one_warm()), expected);
    assert_eq!(mode(&one_warm().plan(), "a"), Some(Mode::Warm));
}

#[test]
fn a_key_that_the_thief_used_dies_before_its_successor_is_made() {
    let plan = one_warm().stolen("a").plan();
    assert_eq!(mode(&plan, "a"), Some(Mode::Hot));
    let order = |what: &str| {
        let id = step("a", what);
        plan.steps.iter().position(|s| s.id == id).expect(what)
    };
    assert!(order("keep") < order("disable"));
    assert!(order("disable") < order("prove/0s"));
    assert!(order("prove/0s") < order("mint"));
    let mint = plan.step(&step("a", "mint")).expect("mint");
    assert_eq!(mint.needs, [step("a", "prove/0s")]);
    let delete = plan.step(&step("a", "delete")).expect("delete");
    assert!(delete.needs.contains(&step("a", "adopt/web")));
}

#[test]
fn a_planted_key_is_retired_without_successor_and_whoever_asked_for_how_much() {
    let found = one_warm()
        .key("openai", "p/9", "evil")
        .planted("openai", "evil");
    let options = Options {
        at_least: Some(ExposureLevel::Read),
        ..Options::default()
    };
    let plan = plan_of(&found.state(), &options);
    assert_eq!(mode(&plan, "evil"), Some(Mode::Retire));
    assert_eq!(mode(&plan, "a"), None, "it is not exposed so much");
    assert!(plan.step(&step("evil", "mint")).is_none());
    assert!(plan.step(&step("evil", "delete")).is_some());
}

#[test]
fn a_stolen_key_that_no_place_holds_is_retired() {
    let plan = one_warm()
        .key("openai", "p/9", "lost")
        .stolen("lost")
        .plan();
    assert_eq!(mode(&plan, "lost"), Some(Mode::Retire));
}

#[test]
fn an_owner_is_cut_off_only_when_nobody_of_ours_shares_it() {
    let policy = Policy {
        tripwire_s: 60,
        ..Policy::default()
    };
    let cut = |found: &Found| {
        let plan = make(&found.state(), &policy, &Options::default()).expect("plan");
        plan.step(&step("evil", "cut")).is_some()
    };
    let alone = one_warm()
        .key("openai", "p/9", "evil")
        .planted("openai", "evil");
    assert!(cut(&alone));
    let shared = one_warm()
        .key("openai", "p/1", "evil")
        .planted("openai", "evil");
    assert!(!cut(&shared));
    let unlisted = state_of(
        alone
            .facts()
            .into_iter()
            .filter(|fact| !matches!(fact, Fact::KeysListed { .. }))
            .collect(),
    );
    let plan = make(&unlisted, &policy, &Options::default()).expect("plan");
    assert!(plan.step(&step("evil", "disable")).is_some());
    assert!(
        plan.step(&step("evil", "cut")).is_none(),
        "others may use it"
    );
}

#[test]
fn the_most_urgent_comes_first() {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "d-reachable")
        .place("d-reachable", "four")
        .exposed("four", ExposureLevel::Reachable)
        .key("openai", "p/2", "c-read")
        .place("c-read", "three")
        .exposed("three", ExposureLevel::Read)
        .key("openai", "p/3", "b-stolen")
        .place("b-stolen", "two")
        .stolen("b-stolen")
        .key("openai", "p/4", "a-planted")
        .planted("openai", "a-planted")
        .key("openai", "p/5", "e-unexposed")
        .place("e-unexposed", "five");
    let order: Vec<String> = found
        .plan()
        .rotations
        .iter()
        .map(|r| r.old_key.to_string())
        .collect();
    assert_eq!(
        order,
        [
            "a-planted",
            "b-stolen",
            "c-read",
            "d-reachable",
            "e-unexposed"
        ]
    );
}

#[test]
fn full_slots_block_a_warm_rotation_and_not_a_hot_one() {
    let found = Found::new()
        .issuer("aws", roomy(2))
        .key("aws", "user/ci", "a")
        .place("a", "prod")
        .listed("aws", "user/ci", "other");
    let plan = found.plan();
    assert!(blocked(&plan, "a").is_some_and(|why| why.contains("plan this one hot")));
    let options = Options {
        mode: Some(Mode::Hot),
        ..Options::default()
    };
    let plan = plan_of(&found.state(), &options);
    assert_eq!(mode(&plan, "a"), Some(Mode::Hot));
    let mint = plan.step(&step("a", "mint")).expect("mint");
    assert_eq!(
        mint.needs,
        [step("a", "delete")],
        "its own slot is freed first"
    );
}

#[test]
fn retiring_the_planted_key_frees_its_slot_and_the_mint_waits_for_that() {
    let found = Found::new()
        .issuer("aws", roomy(2))
        .key("aws", "user/ci", "a")
        .place("a", "prod")
        .key("aws", "user/ci", "evil")
        .planted("aws", "evil");
    let plan = found.plan();
    assert_eq!(mode(&plan, "a"), Some(Mode::Warm));
    let mint = plan.step(&step("a", "mint")).expect("mint");
    assert!(mint.needs.contains(&step("evil", "delete")));
}

#[test]
fn a_person_mints_where_the_issuer_has_no_interface() {
    let found = one_warm().issuer("openai", by_person());
    let plan = found.plan();
    let mint = plan.step(&step("a", "mint")).expect("mint");
    assert!(matches!(mint.action, Action::Mint { person: true, .. }));
}

#[test]
fn without_disable_the_key_is_deleted_once_and_only_after_everything_else() {
    let sheet = Sheet {
        disables: false,
        ..able()
    };
    let found = one_warm().issuer("openai", sheet);
    let plan = found.plan();
    assert!(plan.step(&step("a", "disable")).is_none());
    let deletes: Vec<_> = plan
        .steps
        .iter()
        .filter(|s| s.action == Action::Delete)
        .collect();
    assert_eq!(deletes.len(), 1);
    let write = "write/secretsmanager:eu-west-1:prod";
    let needed = [write, "adopt/web", "observe"].map(|what| step("a", what));
    assert_eq!(deletes[0].needs, needed);
}

#[test]
fn without_delete_the_key_stays_disabled_and_frees_no_slot() {
    let sheet = Sheet {
        deletes: false,
        ..roomy(2)
    };
    let found = Found::new()
        .issuer("aws", sheet.clone())
        .key("aws", "user/ci", "a")
        .place("a", "prod");
    let plan = found.plan();
    assert!(plan.step(&step("a", "disable")).is_some());
    assert!(plan.step(&step("a", "delete")).is_none());
    let found = found.key("aws", "user/ci", "evil").planted("aws", "evil");
    assert!(blocked(&found.plan(), "a").is_some());
    let options = Options {
        mode: Some(Mode::Hot),
        ..Options::default()
    };
    let plan = plan_of(&found.state(), &options);
    assert!(blocked(&plan, "a").is_some_and(|why| why.contains("none can be deleted")));
    let powerless = found.issuer(
        "aws",
        Sheet {
            disables: false,
            ..sheet
        },
    );
    let plan = powerless.plan();
    assert!(blocked(&plan, "evil").is_some_and(|why| why.contains("neither")));
    assert!(plan.steps.is_empty());
}

#[test]
fn a_kind_of_key_that_cannot_be_replaced_is_blocked_with_the_reason() {
    let because = "it is tied to the account".to_string();
    let sheet = Sheet {
        minting: Minting::Impossible {
            because: because.clone(),
        },
        ..able()
    };
    let plan = one_warm().issuer("openai", sheet).plan();
    assert_eq!(blocked(&plan, "a"), Some(because.as_str()));
    assert!(plan.steps.is_empty());
}

#[test]
fn what_is_not_understood_is_blocked_and_named() {
    let found = one_warm()
        .key("unheard-of", "p/1", "b")
        .place("b", "prod")
        .key("openai", "p/1", "homeless");
    let plan = found.plan();
    assert!(blocked(&plan, "b").is_some_and(|why| why.contains("not configured")));
    assert!(blocked(&plan, "homeless").is_some_and(|why| why.contains("no known place")));
}

#[test]
fn a_consumer_of_two_keys_is_rolled_and_seen_well_for_each() {
    let found = one_warm()
        .key("openai", "p/2", "b")
        .place("b", "other")
        .consumer("web", &["prod", "other"])
        .consumer("jobs", &["other"]);
    let plan = found.plan();
    assert!(plan.step(&step("a", "adopt/web")).is_some());
    assert!(plan.step(&step("b", "adopt/web")).is_some());
    assert!(plan.step(&step("b", "adopt/jobs")).is_some());
    assert!(plan.step(&step("a", "adopt/jobs")).is_none());
    for (what, wave) in [("adopt/jobs", 1), ("adopt/web", 2)] {
        let settle = plan.step(&step("b", &format!("settle/{wave}")));
        let needs = &settle.expect("settle").needs;
        assert!(needs.contains(&step("b", what)), "{what}");
    }
    let observe = plan.step(&step("b", "observe")).expect("observe");
    assert_eq!(observe.needs, [step("b", "settle/2")]);
}

#[test]
fn two_halves_in_one_container_are_written_as_one() {
    let found = Found::new()
        .issuer("aws", roomy(2))
        .key("aws", "user/ci", "a")
        .half("a", "prod", "secret", Part::Secret)
        .half("a", "prod", "id", Part::KeyId);
    let plan = found.plan();
    let writes: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|s| match &s.action {
            Action::Write { slots, .. } => Some(slots),
            _ => None,
        })
        .collect();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0][&Slot::key("secret")], Part::Secret);
    assert_eq!(writes[0][&Slot::key("id")], Part::KeyId);
    assert_eq!(plan.baseline.places[0].slots.len(), 2);
    let keep = plan.step(&step("a", "keep")).expect("keep");
    assert!(matches!(&keep.action, Action::Keep { slot, .. } if slot.0 == "secret"));
}

#[test]
fn the_thiefs_use_of_a_key_does_not_keep_it_alive() {
    let quiet = |found: &Found| {
        let plan = found.plan();
        let observe = plan.step(&step("a", "observe")).expect("observe").clone();
        observe.action == Action::Observe { quiet: true }
    };
    assert!(quiet(&one_warm().exposed("prod", ExposureLevel::Readable)));
    assert!(!quiet(&one_warm().exposed("prod", ExposureLevel::Read)));
}

#[test]
fn every_effect_but_keeping_needs_the_approval() {
    let plan = one_warm().plan();
    for step in &plan.steps {
        let looks = step.action.only_looks() || step.action.verb() == "keep";
        let approved = step.gates.contains(&Gate::Approved);
        assert_eq!(approved, !looks, "{}", step.id);
    }
}

#[test]
fn options_narrow_the_scope() {
    let found = one_warm().key("openai", "p/2", "b").place("b", "other");
    let options = Options {
        only: BTreeSet::from([credential("b")]),
        ..Options::default()
    };
    let plan = plan_of(&found.state(), &options);
    assert_eq!(mode(&plan, "a"), None);
    assert_eq!(mode(&plan, "b"), Some(Mode::Warm));
    let waived = found.fact(Fact::Waived {
        credential: credential("a"),
        because: "test".to_string(),
        owner: "o".to_string(),
        expires: start(),
    });
    assert_eq!(mode(&waived.plan(), "a"), None);
    let later = Options {
        at: Some(jiff::Timestamp::MAX),
        ..Options::default()
    };
    let after = plan_of(&waived.state(), &later);
    assert_eq!(mode(&after, "a"), Some(Mode::Warm), "the waiver ran out");
}

#[test]
fn nothing_known_is_an_error_and_no_empty_plan() {
    let policy = Policy::default();
    let options = Options::default();
    assert_eq!(
        make(&State::default(), &policy, &options),
        Err(PlanError::NoCase)
    );
    assert_eq!(
        make(&state_of(Vec::new()), &policy, &options),
        Err(PlanError::NothingKnown)
    );
}

#[test]
fn a_plan_made_again_from_the_recorded_state_is_the_same() {
    let found = one_warm();
    let mut state = found.state();
    let plan = found.plan();
    put_in_force(&mut state, plan.clone());
    assert_eq!(
        plan_of(&state, &Options::default()).hash().ok(),
        plan.hash().ok()
    );
}
