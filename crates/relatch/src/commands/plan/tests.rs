//! Ten thousand credentials stay readable.

use relatch_case::fact::{Fact, Record};
use relatch_case::model::{Container, Credential, IssuedKey, Minting, Part, Place, Sheet, Slot};
use relatch_case::{Plan, Policy, State};
use relatch_rotation::diff::diff;
use relatch_rotation::{Options, make};
use relatch_secret::{FingerprintKey, Protection, Secret};

use super::args::{GroupBy, ViewArgs};
use super::view::View;

/// Lines that a person reads at three in the morning.
const BUDGET: usize = 60;

fn record(state: &mut State, fact: Fact) {
    let record = Record {
        seq: state.head.seq + 1,
        at: "2026-11-21T03:00:00Z".parse().expect("a time"),
        by: "test".to_string(),
        prev: state.head.hash.clone(),
        hash: String::new(),
        fact,
    };
    state.apply(&record);
}

fn sheet() -> Sheet {
    Sheet {
        minting: Minting::Program,
        named: true,
        lists: true,
        disables: true,
        deletes: true,
        cuts: true,
        last_used: true,
        slots: None,
        propagation_s: 0,
    }
}

/// So many credentials of two issuers; every hundredth has no known place.
fn state(credentials: std::ops::Range<usize>) -> State {
    let mut state = State::default();
    let opened = Fact::CaseOpened {
        id: "case-1".into(),
        title: "test".to_string(),
        account: None,
        regions: Vec::new(),
        public_key: String::new(),
        recipient: String::new(),
        protection: Protection::Passphrase,
    };
    record(&mut state, opened);
    for issuer in ["openai", "custom"] {
        let fact = Fact::IssuerKnown {
            issuer: issuer.into(),
            sheet: sheet(),
        };
        record(&mut state, fact);
    }
    for n in credentials {
        add(&mut state, n);
    }
    state
}

fn add(state: &mut State, n: usize) {
    let issuer = if n.is_multiple_of(3) {
        "openai"
    } else {
        "custom"
    };
    let (id, key) = (format!("cred-{n:05}"), format!("key_{n:05}"));
    let principal = format!("project/{n}");
    let print = FingerprintKey::from_bytes([1; 32]).fingerprint(&Secret::from(key.as_str()));
    let credential = Credential {
        id: id.as_str().into(),
        name: format!("key of service {n}"),
        issuer: issuer.into(),
        principal: Some(principal.as_str().into()),
        key_id: Some(key.as_str().into()),
        fingerprint: Some(print.clone()),
        mints_keys: n == 7,
    };
    record(state, Fact::CredentialFound { credential });
    let listed = IssuedKey {
        id: key.as_str().into(),
        name: None,
        hint: None,
        active: true,
        created: None,
        last_used: None,
    };
    let lists = Fact::KeysListed {
        issuer: issuer.into(),
        principal: principal.as_str().into(),
        keys: vec![listed],
    };
    record(state, lists);
    if n.is_multiple_of(100) {
        return;
    }
    let container = Container {
        kind: "ssm".to_string(),
        region: "eu-west-1".to_string(),
        name: format!("/prod/{n}"),
    };
    let place = Place {
        id: Place::id_of(&container, &Slot::whole()),
        container,
        slot: Slot::whole(),
        part: Part::Secret,
        credential: id.as_str().into(),
        fingerprint: print,
    };
    record(state, Fact::PlaceFound { place });
}

fn plan(state: &State) -> Plan {
    make(state, &Policy::default(), &Options::default()).expect("a plan")
}

fn text(state: &State, plan: &Plan, args: &ViewArgs) -> String {
    let hash = "0123456789abcdef".into();
    View::new(hash, plan, Some(state), args, Vec::new()).text(args)
}

#[test]
fn ten_thousand_credentials_fit_on_a_page() {
    let state = state(0..10_000);
    let plan = plan(&state);
    let shown = text(&state, &plan, &ViewArgs::default());
    assert!(shown.lines().count() <= BUDGET, "{shown}");
    for words in [
        "9900 credentials",
        "9900 warm",
        "100 credentials not rotated",
        "1 mints-keys",
        "slowest lane",
        "… and 9980 more credentials",
    ] {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
    for by in [GroupBy::Issuer, GroupBy::Principal, GroupBy::Container] {
        let args = ViewArgs {
            group_by: Some(by),
            ..ViewArgs::default()
        };
        let shown = text(&state, &plan, &args);
        assert!(shown.lines().count() <= BUDGET, "{by:?}\n{shown}");
    }
    let all = ViewArgs {
        all: true,
        ..ViewArgs::default()
    };
    assert!(text(&state, &plan, &all).lines().count() > 10_000);
}

#[test]
fn a_diff_of_ten_thousand_fits_on_a_page() {
    let (old, new) = (plan(&state(0..10_000)), plan(&state(3000..13_000)));
    let shown = super::diff::text(&diff(&old, &new), false);
    assert!(shown.lines().count() <= 2 * BUDGET, "{shown}");
    assert!(shown.starts_with("+3000 -3000 ~"), "{shown}");
}

#[test]
fn a_plan_is_shown_as_reviewed() {
    let state = state(97..103);
    let plan = plan(&state);
    let args = ViewArgs::default();
    insta::assert_snapshot!("plan", text(&state, &plan, &args));
    let only = ViewArgs {
        credential: vec!["key_00101".to_string()],
        steps: true,
        ..ViewArgs::default()
    };
    insta::assert_snapshot!("plan_steps", text(&state, &plan, &only));
    let blocked = ViewArgs {
        blocked: true,
        group_by: Some(GroupBy::Severity),
        ..ViewArgs::default()
    };
    insta::assert_snapshot!("plan_groups", text(&state, &plan, &blocked));
}

#[test]
fn a_diff_is_shown_as_reviewed() {
    let policy = |approvals| Policy {
        approvals,
        ..Policy::default()
    };
    let plan = |state: &State, policy| make(state, &policy, &Options::default()).expect("a plan");
    let old = plan(&state(97..103), policy(2));
    let hot = Options {
        mode: Some(relatch_case::plan::Mode::Hot),
        ..Options::default()
    };
    let new = make(&state(98..104), &policy(1), &hot).expect("a plan");
    insta::assert_snapshot!("diff", super::diff::text(&diff(&old, &new), false));
}

#[test]
fn an_explanation_is_shown_as_reviewed() {
    let mut state = state(97..103);
    let plan = plan(&state);
    let hash = plan.hash().expect("a hash");
    let fact = Fact::PlanRecorded {
        hash,
        plan: std::sync::Arc::new(plan),
    };
    record(&mut state, fact);
    let now = "2026-11-21T04:00:00Z".parse().expect("a time");
    for (name, what) in [
        ("explain_step", "cred-00101/mint"),
        ("explain_rotation", "key_00101"),
        ("explain_blocked", "cred-00100"),
    ] {
        let plan = &state.plan.as_ref().expect("a plan").plan;
        let target = relatch_rotation::find::find(plan, what).expect("found");
        let explained = relatch_rotation::explain::explain(&state, &target, now);
        let shown = super::explain::text(&explained.expect("explained"));
        insta::assert_snapshot!(name, shown);
    }
}
