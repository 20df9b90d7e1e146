//! What comes before what, and why.

use relatch_case::fact::Fact;
use relatch_case::model::{ExposureLevel, Opens};
use relatch_case::plan::{Mode, Plan};
use relatch_case::{CredentialId, Policy};

use crate::testing::{Found, able, blocked, container, credential, mode, plan_of, step};
use crate::{Options, make};

/// Three keys, each in a secret of its own.
fn three() -> Found {
    ["a", "b", "c"]
        .iter()
        .fold(Found::new().issuer("openai", able()), |found, key| {
            found.key("openai", "p/1", key).place(key, key)
        })
}

trait Opening {
    fn opens(self, key: &str, opens: Opens) -> Self;
    fn opens_secret(self, key: &str, secret: &str) -> Self;
}

impl Opening for Found {
    fn opens(self, key: &str, opens: Opens) -> Self {
        let credential = credential(key);
        self.fact(Fact::DependencyFound { credential, opens })
    }

    fn opens_secret(self, key: &str, secret: &str) -> Self {
        let container = container(secret);
        self.opens(key, Opens::Container { container })
    }
}

fn order(plan: &Plan) -> Vec<CredentialId> {
    plan.rotations
        .iter()
        .map(|r| r.credential.clone())
        .collect()
}

#[test]
fn what_opens_a_place_is_dead_before_a_new_value_goes_there() {
    let plan = three().opens_secret("c", "a").opens_secret("b", "c").plan();
    assert_eq!(order(&plan), ["b", "c", "a"].map(credential));
    let mint = plan.step(&step("a", "mint")).expect("mint");
    assert!(mint.needs.contains(&step("c", "prove/0s")));
    let after = &plan.rotation(&credential("a")).expect("a").after;
    assert_eq!(after[0].because, "opens secretsmanager:eu-west-1:a");
    assert!(plan.rotation(&credential("b")).expect("b").after.is_empty());
}

#[test]
fn a_prefix_opens_everything_below_it() {
    let plan = three().opens_secret("b", "*").plan();
    for key in ["a", "c"] {
        let mint = plan.step(&step(key, "mint")).expect("mint");
        assert!(mint.needs.contains(&step("b", "prove/0s")), "{key}");
    }
}

#[test]
fn what_deploys_a_consumer_sees_what_that_reads() {
    let plan = three()
        .consumer("web", &["a"])
        .opens(
            "c",
            Opens::Consumer {
                consumer: "web".into(),
            },
        )
        .plan();
    let mint = |key| plan.step(&step(key, "mint")).expect("mint");
    assert!(mint("a").needs.contains(&step("c", "prove/0s")));
    assert!(!mint("b").needs.contains(&step("c", "prove/0s")));
}

#[test]
fn a_circle_is_reported_with_the_edges_that_a_person_can_cut() {
    let circle = || three().opens_secret("a", "b").opens_secret("b", "a");
    let plan = circle().plan();
    assert_eq!(order(&plan), [credential("c")]);
    for key in ["a", "b"] {
        let because = blocked(&plan, key).expect("blocked");
        assert!(because.contains("--cut cred-a:cred-b"), "{because}");
        assert!(because.contains("--cut cred-b:cred-a"), "{because}");
    }
    let cut = Options {
        cut: [(credential("a"), credential("b"))].into(),
        ..Options::default()
    };
    let plan = plan_of(&circle().state(), &cut);
    assert_eq!(order(&plan), ["b", "a", "c"].map(credential));
    assert!(plan.blocked.is_empty());
}

#[test]
fn what_waits_for_a_key_that_cannot_be_killed_is_blocked_too() {
    let unkillable = relatch_case::model::Sheet {
        disables: false,
        deletes: false,
        ..able()
    };
    let found = three()
        .issuer("stone", unkillable)
        .key("stone", "p/9", "d")
        .place("d", "d")
        .opens_secret("d", "a");
    let plan = found.plan();
    assert!(blocked(&plan, "a").is_some_and(|why| why.contains("--cut cred-d")));
    assert!(plan.rotation(&credential("b")).is_some());
}

#[test]
fn the_worse_comes_first() {
    let policy = Policy {
        spends: ["openai".into()].into(),
        ..Policy::default()
    };
    let found = three()
        .issuer("plain", able())
        .key("plain", "p/2", "0")
        .place("0", "zero")
        .exposed("c", ExposureLevel::Read);
    let plan = make(&found.state(), &policy, &Options::default()).expect("plan");
    assert_eq!(order(&plan), ["c", "a", "b", "0"].map(credential));
    let stolen = found.stolen("b").plan();
    assert_eq!(order(&stolen)[0], credential("b"));
}

#[test]
fn a_key_that_makes_keys_and_was_read_dies_first() {
    let minting = |level| {
        let mut found = three().exposed("a", level);
        found = found.fact(Fact::CredentialFound {
            credential: relatch_case::model::Credential {
                mints_keys: true,
                ..three().state().credentials[&credential("a")].clone()
            },
        });
        found.plan()
    };
    assert_eq!(
        mode(&minting(ExposureLevel::Readable), "a"),
        Some(Mode::Warm)
    );
    let plan = minting(ExposureLevel::Read);
    assert_eq!(mode(&plan, "a"), Some(Mode::Hot));
    let mint = plan.step(&step("b", "mint")).expect("mint");
    assert!(mint.needs.contains(&step("a", "prove/0s")));
}

#[test]
fn what_a_hot_rotation_waits_for_is_hot_where_they_share_a_consumer() {
    let found = || three().opens_secret("b", "a").stolen("a");
    assert_eq!(mode(&found().plan(), "b"), Some(Mode::Warm));
    let shared = found().consumer("web", &["a", "b"]).plan();
    assert_eq!(mode(&shared, "b"), Some(Mode::Hot));
    assert_eq!(mode(&shared, "c"), Some(Mode::Warm));
}
