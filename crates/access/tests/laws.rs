//! What must hold for every policy and every request.

use proptest::prelude::*;
use relatch_access::{Answer, Context, Verdict};
use serde_json::Value;

mod support;

use support::{Case, case, policy, statement};

/// How much a verdict lets through.
fn rank(answer: &Answer) -> u8 {
    match answer.verdict {
        Verdict::Denied { .. } => 0,
        Verdict::Undecidable { .. } => 1,
        Verdict::Allowed => 2,
    }
}

fn is_explicit(answer: &Answer) -> bool {
    matches!(answer.verdict, Verdict::Denied { explicit: true, .. })
}

/// Puts a statement into one of the policies of the principal, its limits, or the resource.
fn with(case: &Case, layer: usize, mut extra: Value) -> Case {
    let mut case = case.clone();
    let one = |extra: &Value| policy(std::slice::from_ref(extra));
    let add = |of: &mut Value, extra: &Value| {
        of["Statement"]
            .as_array_mut()
            .expect("a list")
            .push(extra.clone());
    };
    match layer {
        1 if case.boundary.is_some() => case.boundary.iter_mut().for_each(|of| add(of, &extra)),
        2 if !case.session.is_empty() => add(&mut case.session[0], &extra),
        3 if case.resource_policy.is_some() => {
            extra["Principal"] = "*".into();
            case.resource_policy
                .iter_mut()
                .for_each(|of| add(of, &extra));
        }
        _ => case.identity.push(one(&extra)),
    }
    case
}

/// All statements of all policies the other way round, and the policies too.
fn reversed(case: &Case) -> Case {
    let mut case = case.clone();
    let turn = |of: &mut Value| of["Statement"].as_array_mut().expect("a list").reverse();
    case.identity.iter_mut().for_each(turn);
    case.identity.reverse();
    case.session.iter_mut().for_each(turn);
    case.session.reverse();
    case.boundary.iter_mut().for_each(turn);
    case.resource_policy.iter_mut().for_each(turn);
    case
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_explicit_deny_always_wins(case in case(), layer in 0_usize..4) {
        let denied = with(&case, layer, support::deny("*", "*")).answer();
        prop_assert!(is_explicit(&denied), "{denied:?}");
        prop_assert!(!denied.statements.is_empty());
    }

    #[test]
    fn a_deny_more_never_grants(case in case(), layer in 0_usize..4, mut extra in statement(false)) {
        extra["Effect"] = "Deny".into();
        prop_assert!(rank(&with(&case, layer, extra).answer()) <= rank(&case.answer()));
    }

    #[test]
    fn an_allow_more_never_removes(case in case(), layer in 0_usize..4, mut extra in statement(false)) {
        extra["Effect"] = "Allow".into();
        prop_assert!(rank(&with(&case, layer, extra).answer()) >= rank(&case.answer()));
    }

    #[test]
    fn a_limit_more_never_grants(case in case(), limit in support::any_policy(false)) {
        let mut limited = case.clone();
        limited.boundary = Some(limit.clone());
        let mut free = case.clone();
        free.boundary = None;
        prop_assert!(rank(&limited.answer()) <= rank(&free.answer()));
        let mut controlled = case.clone();
        controlled.service_control = Some(vec![vec![limit]]);
        prop_assert!(rank(&controlled.answer()) <= rank(&case.answer()));
    }

    #[test]
    fn order_is_nothing(case in case()) {
        let (one, other) = (case.answer(), reversed(&case).answer());
        prop_assert_eq!((rank(&one), is_explicit(&one)), (rank(&other), is_explicit(&other)));
    }

    /// Who knows less may be in doubt, but never says anything else.
    #[test]
    fn to_know_less_only_raises_doubt(case in case(), forgotten in prop::collection::vec(0_usize..5, 0..5)) {
        let whole = case.answer();
        for context in [case.context_without(&forgotten), Context::unknown()] {
            let less = case.answer_with(&context);
            match rank(&less) {
                1 => prop_assert!(less.verdict.is_readable()),
                sure => prop_assert_eq!(sure, rank(&whole), "{:?}\n{:?}", less, whole),
            }
        }
    }

    /// A policy that cannot be read may say anything: it never hides what might be.
    #[test]
    fn an_unreadable_policy_only_raises_doubt(case in case(), layer in 0_usize..3) {
        let whole = case.answer();
        let broken = "{\"Statement\": 7}";
        let mut world = case.world();
        let mut session = relatch_access::Session::default();
        session.policies = case.session.iter().map(|p| ("s".to_owned(), p.to_string())).collect();
        match layer {
            0 if !session.policies.is_empty() => session.policies[0].1 = broken.into(),
            1 => world.set_service_control_policies(support::HOME, &[vec![("c".into(), broken.into())]]),
            _ => world.set_resource_policy(&case.resource, broken),
        }
        let answer = world.decide(&relatch_access::Query {
            principal: case.principal(),
            session: &session,
            action: &case.action,
            resource: &case.resource,
            resource_account: None,
            context: &case.context_without(&[]),
        }).expect("a question");
        if rank(&answer) == 0 {
            prop_assert_eq!(rank(&whole), 0, "{:?}", answer);
        }
        prop_assert!(layer != 1 || rank(&answer) < 2);
    }
}
