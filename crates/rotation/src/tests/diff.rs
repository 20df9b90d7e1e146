//! What changed between two plans, in a fixed order.

use std::time::Instant;

use relatch_case::Policy;
use relatch_case::fact::Fact;
use relatch_case::model::Opens;
use relatch_case::policy::Approver;

use crate::diff::{Diff, diff};
use crate::testing::{Found, able, container, credential};
use crate::{Options, make};

fn found() -> Found {
    Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "prod")
}

fn between(old: &Found, new: &Found) -> Diff {
    diff(&old.plan(), &new.plan())
}

fn signs(diff: &Diff) -> Vec<(char, &str)> {
    diff.credentials
        .iter()
        .map(|change| (change.sign, change.name.as_str()))
        .collect()
}

/// Everything that is said of the only changed credential.
fn words(diff: &Diff) -> String {
    assert_eq!(diff.credentials.len(), 1, "{diff:?}");
    diff.credentials[0].what.join("\n")
}

#[test]
fn equal_plans_do_not_differ() {
    assert!(between(&found(), &found()).is_empty());
}

#[test]
fn a_rotation_more_comes_with_its_steps_and_its_world() {
    let more = found().key("openai", "p/2", "b").place("b", "other");
    let forth = between(&found(), &more);
    assert_eq!(signs(&forth), [('+', "key b")]);
    assert!(words(&forth).starts_with("warm rotation of key b, "));
    assert_eq!((forth.steps_removed, forth.steps_changed), (0, 0));
    assert_eq!(
        forth.steps_added,
        more.plan().steps_of(&credential("b")).count()
    );
    let world: Vec<(char, &str)> = forth
        .baseline
        .iter()
        .map(|change| (change.sign, change.what.as_str()))
        .collect();
    assert_eq!(
        world,
        [
            ('+', "place secretsmanager:eu-west-1:other#b"),
            ('+', "keys of openai p/2")
        ]
    );
    let back = between(&more, &found());
    assert_eq!(signs(&back), [('-', "key b")]);
    assert_eq!(back.steps_removed, forth.steps_added);
}

#[test]
fn another_mode_says_what_it_changes() {
    let changed = between(&found(), &found().stolen("a"));
    let words = words(&changed);
    assert!(
        words.contains("mode warm -> hot: the thief used this key"),
        "{words}"
    );
    assert!(words.contains("steps removed: observe"), "{words}");
    assert!(words.contains("steps changed"), "{words}");
    assert_eq!(changed.count('~'), 1);
}

#[test]
fn what_becomes_blocked_is_loud() {
    let homeless = |found: Found| found.key("openai", "p/2", "b");
    let old = homeless(found()).place("b", "other");
    let new = homeless(found());
    let blocked = between(&old, &new);
    assert!(words(&blocked).starts_with("NO LONGER ROTATED, blocked: "));
    let back = between(&new, &old);
    assert!(words(&back).starts_with("no longer blocked: warm rotation"));
}

#[test]
fn another_value_or_key_in_the_world_is_named() {
    let changed = between(&found(), &found().listed("openai", "p/1", "stranger"));
    assert_eq!(changed.baseline.len(), 1);
    assert_eq!(
        changed.baseline[0].what,
        "keys of openai p/1: a -> a stranger"
    );
}

#[test]
fn the_order_is_compared_without_those_that_came_or_went() {
    let keys = |names: &[&str]| {
        names.iter().fold(found(), |found, key| {
            found
                .key("openai", &format!("p/{key}"), key)
                .place(key, key)
        })
    };
    let opens = |found: Found, key: &str, secret: &str| {
        found.fact(Fact::DependencyFound {
            credential: credential(key),
            opens: Opens::Container {
                container: container(secret),
            },
        })
    };
    let added = between(&keys(&["c", "d"]), &keys(&["b", "c", "d"]));
    assert_eq!(signs(&added), [('+', "key b")]);
    let moved = between(&keys(&["b", "c"]), &opens(keys(&["b", "c"]), "c", "prod"));
    assert_eq!(signs(&moved), [('~', "key c"), ('~', "key a")]);
    let first = moved.credentials[0].what.join("\n");
    assert_eq!(first, "place in the order 3 -> 1");
    let waits = moved.credentials[1].what.join("\n");
    assert!(
        waits.contains("waits for the death of cred-c: it opens secretsmanager:eu-west-1:prod"),
        "{waits}"
    );
    assert!(waits.contains("steps changed (needs): mint"), "{waits}");
}

#[test]
fn the_policy_is_compared_field_by_field_and_lower_approvals_are_loud() {
    let state = found().state();
    let approver = |name: &str| Approver {
        name: name.to_string(),
        key: "ssh-ed25519 AAAA".to_string(),
    };
    let strict = Policy {
        approvals: 2,
        approvers: vec![approver("alice"), approver("bob")],
        ..Policy::default()
    };
    let loose = Policy {
        observe_s: 1,
        poll_s: 7,
        ..Policy::default()
    };
    let plan = |policy| make(&state, policy, &Options::default()).expect("plan");
    let changes = diff(&plan(&strict), &plan(&loose));
    let fields: Vec<(&str, bool)> = changes
        .policy
        .iter()
        .map(|change| (change.field.as_str(), change.beware.is_some()))
        .collect();
    assert_eq!(
        fields,
        [
            ("approvals", true),
            ("approvers", true),
            ("observe_s", true),
            ("poll_s", false)
        ]
    );
    assert_eq!(
        changes.policy[0].beware,
        Some("FEWER PEOPLE HAVE TO APPROVE")
    );
    assert_eq!(
        (
            changes.policy[0].old.as_str(),
            changes.policy[0].new.as_str()
        ),
        ("2", "1")
    );
    let stricter = diff(&plan(&loose), &plan(&strict));
    assert_eq!(
        stricter
            .policy
            .iter()
            .find(|c| c.field == "approvals")
            .expect("it")
            .beware,
        None
    );
}

#[test]
fn ten_thousand_credentials_are_compared_well_under_a_second() {
    let many = |from: usize, to: usize| {
        let mut found = Found::new().issuer("openai", able());
        for n in from..to {
            let key = format!("k{n:05}");
            found = found
                .key("openai", &format!("p/{n}"), &key)
                .place(&key, &key);
        }
        found.plan()
    };
    let (old, new) = (many(0, 10_000), many(5, 10_005));
    let begun = Instant::now();
    let changes = diff(&old, &new);
    let taken = begun.elapsed();
    assert_eq!(
        (changes.count('+'), changes.count('-'), changes.count('~')),
        (5, 5, 0)
    );
    // Unoptimised and beside other tests; in a release build it takes a tenth of this.
    assert!(taken.as_secs() < 10, "{taken:?}");
}
