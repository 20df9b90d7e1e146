//! The same identity policies to another engine, which knows actions, resources and effects.

use proptest::prelude::*;
use relatch_access::Verdict;
use serde_json::Value;
use winterbaume_iam_rule_eval::{
    EvalDecision, PolicyDocument, PolicySource, SimulationContext, evaluate,
};

mod support;

use support::{Case, HOME, any_policy, secret};

fn without_conditions(mut policy: Value) -> Value {
    let statements = policy["Statement"].as_array_mut().expect("a list");
    for statement in statements {
        statement
            .as_object_mut()
            .expect("a map")
            .remove("Condition");
    }
    policy
}

fn theirs(case: &Case) -> EvalDecision {
    let read = |policy: &Value| {
        let document: PolicyDocument = serde_json::from_value(policy.clone()).expect("a policy");
        let source = PolicySource {
            id: "p".into(),
            policy_type: "IAMPolicy".into(),
        };
        (document, source)
    };
    let policies: Vec<_> = case.identity.iter().map(read).collect();
    evaluate(
        &policies,
        &case.action,
        &case.resource,
        &SimulationContext::default(),
    )
    .decision
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_engine_sees_the_same(
        identity in prop::collection::vec(any_policy(false).prop_map(without_conditions), 0..4),
        name in "(app|api|app-x)",
    ) {
        let case = Case { identity, resource: secret(HOME, &name), ..Case::new() };
        let ours = match case.answer().verdict {
            Verdict::Allowed => EvalDecision::Allowed,
            Verdict::Denied { explicit: true, .. } => EvalDecision::ExplicitDenied,
            Verdict::Denied { explicit: false, .. } => EvalDecision::ImplicitDenied,
            Verdict::Undecidable { because } => return Err(TestCaseError::fail(format!("{because:?}"))),
        };
        prop_assert_eq!(ours, theirs(&case));
    }
}
