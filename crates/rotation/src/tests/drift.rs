//! Whether the world moved on, and what of that was us.

use std::collections::BTreeSet;

use relatch_case::fact::{Outcome, StepResult};
use relatch_case::fault::FaultKind;
use relatch_case::model::{Place, Slot};
use relatch_case::plan::Plan;
use relatch_case::{KeyId, Principal, State};

use crate::drift::{Drift, Observed, drift};
use crate::testing::{Found, able, container, do_step, end, fault, intend, print, start, step};

const WRITE: &str = "write/secretsmanager:eu-west-1:prod";

fn found() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "prod")
}

/// The world as the plan expects it.
fn expected(plan: &Plan) -> Observed {
    let mut seen = Observed::default();
    for place in &plan.baseline.places {
        seen.places
            .insert(place.container.clone(), place.slots.clone());
    }
    for (issuer, lists) in &plan.baseline.keys {
        for (principal, keys) in lists {
            seen.keys
                .insert((issuer.clone(), principal.clone()), keys.clone());
        }
    }
    seen
}

fn setting() -> (Plan, State, Observed) {
    let state = found().approved();
    let plan = (*state.plan.as_ref().expect("plan").plan).clone();
    let seen = expected(&plan);
    (plan, state, seen)
}

fn owner() -> (relatch_case::IssuerId, Principal) {
    ("openai".into(), Principal::from("p/1"))
}

fn put(seen: &mut Observed, value: &str) {
    let slots = seen.places.get_mut(&container("prod")).expect("container");
    slots.insert(Slot::key("a"), print(value));
}

fn keys(seen: &mut Observed, keys: &[&str]) {
    let keys: BTreeSet<KeyId> = keys.iter().map(|key| KeyId::from(*key)).collect();
    seen.keys.insert(owner(), keys);
}

fn mint(state: &mut State, key: &str) {
    let mint = step("a", "mint");
    intend(state, start(), &mint);
    let result = StepResult {
        key: Some(key.into()),
        ..StepResult::default()
    };
    end(state, start(), &mint, Outcome::Done { result });
}

#[test]
fn a_world_that_stood_still_shows_no_drift() {
    let (plan, state, seen) = setting();
    assert_eq!(drift(&plan, &state, &seen), []);
}

#[test]
fn half_way_what_we_did_is_no_drift() {
    let (plan, mut state, mut seen) = setting();
    mint(&mut state, "new");
    keys(&mut seen, &["a", "new"]);
    assert_eq!(drift(&plan, &state, &seen), []);
    do_step(&mut state, start(), &step("a", WRITE));
    put(&mut seen, "new");
    assert_eq!(drift(&plan, &state, &seen), []);
    do_step(&mut state, start(), &step("a", "delete"));
    keys(&mut seen, &["new"]);
    assert_eq!(drift(&plan, &state, &seen), []);
}

#[test]
fn a_mint_under_way_is_its_own_reconciliations_business() {
    let (plan, mut state, mut seen) = setting();
    intend(&mut state, start(), &step("a", "mint"));
    let fault = fault(FaultKind::Ambiguous);
    end(
        &mut state,
        start(),
        &step("a", "mint"),
        Outcome::Unknown { fault },
    );
    keys(&mut seen, &["a", "perhaps-ours"]);
    assert_eq!(drift(&plan, &state, &seen), []);
}

#[test]
fn a_value_that_somebody_else_changed_is_named_with_both_prints() {
    let (plan, state, mut seen) = setting();
    put(&mut seen, "somebody-elses");
    let place = Place::id_of(&container("prod"), &Slot::key("a")).to_string();
    let changed = Drift::ValueChanged {
        place: place.clone(),
        expected: print("a").short().to_string(),
        found: Some(print("somebody-elses").short().to_string()),
    };
    assert_eq!(drift(&plan, &state, &seen), [changed]);
    seen.places
        .get_mut(&container("prod"))
        .expect("container")
        .clear();
    let gone = drift(&plan, &state, &seen);
    assert!(gone[0].to_string().contains(&format!("{place} is gone")));
}

#[test]
fn a_key_that_nobody_announced_is_named() {
    let (plan, mut state, mut seen) = setting();
    keys(&mut seen, &["a", "b"]);
    let appeared = Drift::KeyAppeared {
        principal: "openai p/1".to_string(),
        key: "b".into(),
    };
    assert_eq!(drift(&plan, &state, &seen), std::slice::from_ref(&appeared));
    mint(&mut state, "new");
    keys(&mut seen, &["a", "b", "new"]);
    assert_eq!(drift(&plan, &state, &seen), [appeared], "ours is not named");
}

#[test]
fn a_key_that_went_without_us_is_named() {
    let (plan, state, mut seen) = setting();
    keys(&mut seen, &[]);
    let gone = Drift::KeyGone {
        principal: "openai p/1".to_string(),
        key: "a".into(),
    };
    assert_eq!(drift(&plan, &state, &seen), [gone]);
}

#[test]
fn what_could_not_be_seen_is_drift_too() {
    let (plan, state, _) = setting();
    let found = drift(&plan, &state, &Observed::default());
    let unread = Drift::ContainerUnread {
        container: container("prod").to_string(),
    };
    let unlisted = Drift::KeysUnlisted {
        principal: "openai p/1".to_string(),
    };
    assert_eq!(found, [unread, unlisted]);
}
