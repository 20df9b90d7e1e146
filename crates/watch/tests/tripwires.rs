//! From facts to retired keys to hits to alerts.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use jiff::Timestamp;
use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Credential, Liveness, Probe, ProbeKind};
use relatch_case::plan::{Action, Baseline, Mode, Plan, Rotation, Step, VERSION};
use relatch_case::state::TripwireHit;
use relatch_case::{
    CaseId, CredentialId, Fact, IssuerId, KeyId, PlanHash, Policy, Principal, Record, State, StepId,
};
use relatch_watch::{
    Alert, KeyUse, LastUse, LineFormat, Retired, retired_keys, retired_keys_ever, sift,
    sift_last_uses,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

/// Records a minute apart; the chain is not looked at here.
fn records(facts: impl IntoIterator<Item = Fact>) -> Vec<Record> {
    let mut seq = 0;
    let number = |fact| {
        seq += 1;
        Record {
            seq,
            at: at(i64::try_from(seq).unwrap() * 60),
            by: "mira".into(),
            prev: String::new(),
            hash: String::new(),
            fact,
        }
    };
    facts.into_iter().map(number).collect()
}

fn cred(n: u32) -> CredentialId {
    CredentialId::new(format!("cred-{n}"))
}

fn key(n: u32) -> KeyId {
    KeyId::new(format!("AKIAOLD{n}"))
}

fn plan(numbers: &[u32]) -> Fact {
    let step = |n: &u32, action: Action| Step {
        id: StepId::new(format!("{}/{}", cred(*n), action.verb())),
        credential: cred(*n),
        action,
        needs: vec![],
        gates: vec![],
        wave: None,
    };
    let rotation = |n: &u32| Rotation {
        credential: cred(*n),
        name: format!("key {n}"),
        issuer: IssuerId::from("aws-iam"),
        principal: Principal::from("user/x"),
        old_key: key(*n),
        mode: Mode::Warm,
        why: String::new(),
        after: Vec::new(),
    };
    Fact::PlanRecorded {
        hash: PlanHash::from("h"),
        plan: std::sync::Arc::new(Plan {
            version: VERSION,
            case: CaseId::from("case-1"),
            account: None,
            policy: Policy::default(),
            rotations: numbers.iter().map(rotation).collect(),
            steps: numbers
                .iter()
                .flat_map(|n| [step(n, Action::Disable), step(n, Action::Delete)])
                .collect(),
            baseline: Baseline::default(),
            blocked: vec![],
            index: relatch_case::plan::PlanIndex::default(),
        }),
    }
}

fn ended(n: u32, verb: &str, outcome: Outcome) -> Fact {
    Fact::StepEnded {
        step: StepId::new(format!("{}/{verb}", cred(n))),
        attempt: 1,
        outcome,
    }
}

fn done(n: u32, verb: &str) -> Fact {
    let result = StepResult::default();
    ended(n, verb, Outcome::Done { result })
}

fn found(n: u32) -> Fact {
    Fact::CredentialFound {
        credential: Credential {
            id: cred(n),
            name: String::new(),
            issuer: IssuerId::from("aws-iam"),
            principal: None,
            key_id: Some(key(n)),
            fingerprint: None,
            mints_keys: false,
        },
    }
}

fn probed(n: u32, liveness: Liveness, control: bool) -> Fact {
    Fact::Probed {
        credential: cred(n),
        probe: Probe {
            liveness,
            answer: String::new(),
            control,
            how: ProbeKind::Listed,
        },
    }
}

fn summary(retired: &[Retired]) -> Vec<(String, i64, bool)> {
    let minutes = |r: &Retired| r.since.duration_since(at(0)).as_secs() / 60;
    retired
        .iter()
        .map(|r| (r.key.to_string(), minutes(r), r.planted))
        .collect()
}

#[test]
fn a_key_is_retired_by_its_first_end() {
    let not_done = Outcome::NotDone { how: String::new() };
    let planted = Fact::KeyPlanted {
        issuer: IssuerId::from("aws-iam"),
        key: key(1),
        event_id: "e".into(),
    };
    let records = records([
        planted,
        plan(&[1, 2, 3]),
        done(1, "disable"),
        done(1, "delete"),
        ended(2, "disable", not_done),
        found(4),
        found(5),
        found(6),
        probed(4, Liveness::Dead, true),
        probed(5, Liveness::Dead, false),
        probed(6, Liveness::Unknown, true),
    ]);
    let expected = [("AKIAOLD1".into(), 3, true), ("AKIAOLD4".into(), 9, false)];
    assert_eq!(summary(&retired_keys(&State::fold(&records))), expected);
    assert_eq!(summary(&retired_keys_ever(&records)), expected);
}

#[test]
fn a_retired_key_is_never_forgotten() {
    let records = records([
        plan(&[1]),
        done(1, "disable"),
        found(4),
        probed(4, Liveness::Dead, true),
        Fact::InventoryStarted,
        plan(&[2]),
    ]);
    assert!(retired_keys(&State::fold(&records)).is_empty());
    let expected = [("AKIAOLD1".into(), 2, false), ("AKIAOLD4".into(), 4, false)];
    assert_eq!(summary(&retired_keys_ever(&records)), expected);
}

fn retired() -> Vec<Retired> {
    vec![Retired {
        key: key(1),
        issuer: IssuerId::from("aws-iam"),
        credential: cred(1),
        since: at(1_000),
        planted: true,
    }]
}

fn key_use(event: &str, key: KeyId, time: Option<i64>, error: Option<&str>) -> KeyUse {
    KeyUse {
        event_id: event.into(),
        time: time.map(at),
        key_id: key,
        event_source: "bedrock.amazonaws.com".into(),
        event_name: "InvokeModel".into(),
        address: "198.51.100.66".into(),
        user_agent: "aws-cli \u{1b}[31m sk-svcacct-abcdefghijklmnopqrst".into(),
        error_code: error.map(Into::into),
    }
}

#[test]
fn sifting_tells_each_hit_once() {
    let known = [TripwireHit {
        key: key(1),
        event_id: "told".into(),
        at: at(1_001),
        seen: String::new(),
    }];
    let uses = [
        key_use("later", key(1), Some(1_200), None),
        key_use("before", key(1), Some(999), None),
        key_use("at", key(1), Some(1_000), Some("AccessDeniedException")),
        key_use("told", key(1), Some(1_001), None),
        key_use("later", key(1), Some(1_200), None),
        key_use("another", key(2), Some(1_200), None),
        key_use("undated", key(1), None, None),
    ];
    let sifted = sift(&uses, &retired(), &known);
    let ids: Vec<&str> = sifted.hits.iter().map(|h| h.event_id.as_str()).collect();
    assert_eq!(ids, ["at", "later"]);
    assert_eq!(sifted.undated.len(), 1);
    assert!(sifted.hits[0].planted);
    let seen = &sifted.hits[0].seen;
    assert_eq!(
        seen,
        "bedrock:InvokeModel from 198.51.100.66 by aws-cli ·[31m [redacted], answered \
         AccessDeniedException"
    );
    assert!(matches!(
        sifted.hits[0].fact(),
        Fact::TripwireHit { event_id, .. } if event_id == "at"
    ));
}

#[test]
fn only_a_no_to_the_caller_is_a_refusal() {
    let table = [
        (None, false),
        (Some("AccessDenied"), true),
        (Some("AccessDeniedException"), true),
        (Some("Client.UnauthorizedOperation"), true),
        (Some("InvalidClientTokenId"), true),
        (Some("ValidationException"), false),
        (Some("Client.DryRunOperation"), false),
        (Some("ThrottlingException"), false),
        (Some(""), false),
    ];
    for (code, refused) in table {
        let uses = [key_use("e", key(1), Some(2_000), code)];
        let hits = sift(&uses, &retired(), &[]).hits;
        assert_eq!(hits[0].refused, Some(refused), "{code:?}");
        let alert = Alert::of_hits(&CaseId::from("case-1"), &hits).unwrap();
        assert_eq!(alert.text.contains("may still work"), !refused, "{code:?}");
    }
}

#[test]
fn an_issuers_last_use_is_a_hit_after_retirement() {
    let last = |seconds| LastUse {
        key: key(1),
        at: at(seconds),
    };
    let uses = [last(900), last(1_000), last(1_500), last(1_500)];
    let hits = sift_last_uses(&uses, &retired(), &[]);
    let expected = format!("last-used:AKIAOLD1:{}", at(1_500));
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].event_id, expected);
    assert_eq!(hits[0].refused, None);
    let known = [TripwireHit {
        key: key(1),
        event_id: expected,
        at: at(1_500),
        seen: String::new(),
    }];
    assert!(sift_last_uses(&uses, &retired(), &known).is_empty());
}

#[test]
fn an_alert_is_one_line_when_asked() {
    let case = CaseId::from("case-1");
    assert!(Alert::of_hits(&case, &[]).is_none());
    let uses = [
        key_use("a", key(1), Some(1_200), None),
        key_use("b", key(1), Some(1_300), Some("AccessDenied")),
    ];
    let alert = Alert::of_hits(&case, &sift(&uses, &retired(), &[]).hits).unwrap();
    assert_eq!(alert.title, "case-1: retired keys were tried 2 times");
    let text = alert.line(LineFormat::Text).unwrap();
    assert!(
        !text.contains('\n') && text.contains("Probe it now"),
        "{text}"
    );
    let json = alert.line(LineFormat::Json).unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), alert);
    assert!(!json.contains('\n'));
}
