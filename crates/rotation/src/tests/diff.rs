//! What changed between two plans, in a fixed order.

use relatch_case::Policy;

use crate::diff::diff;
use crate::testing::{Found, able};
use crate::{Options, make};

fn found() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "prod")
}

fn words(old: &Found, new: &Found) -> Vec<String> {
    diff(&old.plan(), &new.plan())
        .into_iter()
        .map(|change| format!("{} {}", change.sign, change.what))
        .collect()
}

#[test]
fn equal_plans_do_not_differ() {
    assert_eq!(words(&found(), &found()), [""; 0]);
}

#[test]
fn a_rotation_more_comes_with_its_steps() {
    let more = found().key("openai", "p/2", "b").place("b", "other");
    let forth = words(&found(), &more);
    assert_eq!(forth[0], "+ warm rotation of key b (b)");
    assert!(forth.contains(&"+ step cred-b/mint".to_string()));
    assert!(!forth.iter().any(|line| line.contains("cred-a")));
    assert_eq!(
        forth.last().map(String::as_str),
        Some("~ the world it expects (baseline)")
    );
    let back = words(&more, &found());
    assert_eq!(back[0], "- warm rotation of key b (b)");
    assert_eq!(forth.len(), back.len());
}

#[test]
fn another_mode_changes_the_rotation_and_its_steps() {
    let changed = words(&found(), &found().stolen("a"));
    assert_eq!(changed[0], "~ hot rotation of key a (a)");
    assert!(changed.contains(&"- step cred-a/observe".to_string()));
    assert!(changed.contains(&"~ step cred-a/mint".to_string()));
}

#[test]
fn what_becomes_blocked_is_told() {
    let homeless = found().key("openai", "p/2", "b");
    let changed = words(&found(), &homeless);
    assert!(changed[0].starts_with("+ blocked: key b: "), "{changed:?}");
}

#[test]
fn another_pace_is_told_first() {
    let slow = found().state();
    let policy = Policy {
        observe_s: 1,
        ..Policy::default()
    };
    let quick = make(&slow, &policy, &Options::default()).expect("plan");
    let changes = diff(&found().plan(), &quick);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].what, "the pace (policy)");
}
