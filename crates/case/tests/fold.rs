//! The fold: the same however the journal is read, and what people may not undo.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use relatch_case::fact::{Judgement, Outcome, StepResult};
use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, ExposureLevel, Hook, IssuedKey, Known, Liveness,
    Minting, Part, Place, Probe, ProbeKind, Sheet, Slot,
};
use relatch_case::sqlite::SqliteJournal;
use relatch_case::state::StepStatus;
use relatch_case::{Draft, Fact, Fault, FaultKind, Journal, KeyId, Record, State, StepId};
use relatch_secret::{Fingerprint, FingerprintKey, Secret};

fn at(seconds: u32) -> Timestamp {
    let start: Timestamp = "2026-11-21T03:00:00.123456789Z".parse().expect("a time");
    start + SignedDuration::from_secs(i64::from(seconds))
}

fn print(value: u8) -> Fingerprint {
    FingerprintKey::from_bytes([1; 32]).fingerprint(&Secret::from(format!("v{value}")))
}

fn container(n: u8) -> Container {
    let name = if n == 0 {
        "*".to_string()
    } else {
        format!("prod/é-{n}")
    };
    Container {
        kind: "secretsmanager".to_string(),
        region: "eu-west-1".to_string(),
        name,
    }
}

fn fault() -> Fault {
    Fault::new(FaultKind::Ambiguous, "cut \u{1b}[31m")
}

fn probe() -> Probe {
    Probe {
        liveness: Liveness::OutOfQuota,
        answer: "429".to_string(),
        control: true,
        how: ProbeKind::Presented,
    }
}

/// Facts of what was found.
fn found() -> impl Strategy<Value = Fact> {
    let n = || 0..3u8;
    prop_oneof![
        Just(Fact::InventoryStarted),
        (n(), any::<bool>()).prop_map(|(n, lists)| Fact::IssuerKnown {
            issuer: format!("issuer-{n}").as_str().into(),
            sheet: Sheet {
                minting: Minting::Program,
                named: lists,
                lists,
                disables: true,
                deletes: lists,
                cuts: false,
                last_used: true,
                slots: lists.then_some(2),
                propagation_s: u32::from(n),
            },
        }),
        (n(), n()).prop_map(|(n, key)| Fact::KeysListed {
            issuer: format!("issuer-{n}").as_str().into(),
            principal: "p".into(),
            keys: vec![IssuedKey {
                id: format!("k{key}").as_str().into(),
                name: None,
                hint: Some("…abcd".to_string()),
                active: true,
                created: Some(at(0)),
                last_used: None,
            }],
        }),
        n().prop_map(|n| Fact::CredentialFound {
            credential: Credential {
                id: format!("cred-{n}").as_str().into(),
                name: "é".to_string(),
                issuer: "issuer-1".into(),
                principal: None,
                key_id: Some(format!("k{n}").as_str().into()),
                fingerprint: Some(print(n)),
                mints_keys: n == 1,
            },
        }),
        (n(), n()).prop_map(|(n, slot)| {
            let slot = Slot::key(&format!("a/{slot}"));
            Fact::PlaceFound {
                place: Place {
                    id: Place::id_of(&container(n), &slot),
                    container: container(n),
                    slot,
                    part: Part::Secret,
                    credential: format!("cred-{n}").as_str().into(),
                    fingerprint: print(n),
                },
            }
        }),
        n().prop_map(|n| Fact::ConsumerFound {
            consumer: Consumer {
                id: format!("service-{n}").as_str().into(),
                kind: ConsumerKind::Service {
                    reload: Hook::Command { argv: vec![] },
                    health: Hook::Http { url: String::new() },
                },
                reads: vec![container(n)],
                known: Known::Declared,
            },
        }),
        (n(), any::<bool>()).prop_map(|(n, given)| Fact::TriageBegan {
            keys: given
                .then(|| format!("AKIA{n}").as_str().into())
                .into_iter()
                .collect(),
            arns: Vec::new(),
            addresses: Vec::new(),
            since: None,
            until: None,
            proposed: vec![format!("actor-{n}")],
        }),
        (n(), any::<bool>()).prop_map(|(n, clears)| Fact::ActorJudged {
            actor: format!("actor-{n}"),
            judgement: if clears {
                Judgement::Acquitted
            } else {
                Judgement::Convicted
            },
            because: "known".to_string(),
            by: "ada".to_string(),
            clears_keys: if clears {
                vec![format!("AKIA{n}").as_str().into()]
            } else {
                Vec::new()
            },
            clears_arns: Vec::new(),
        }),
        (n(), n()).prop_map(|(n, level)| Fact::Exposed {
            container: container(n),
            level: [
                ExposureLevel::Reachable,
                ExposureLevel::Readable,
                ExposureLevel::Read
            ][usize::from(level)],
            event_ids: vec![format!("e-{level}")],
        }),
    ]
}

/// Facts of what was done.
fn acted() -> impl Strategy<Value = Fact> {
    let step = || (0..4u8).prop_map(|n| StepId::new(format!("cred-{n}/mint")));
    let id = || (0..3u8).prop_map(|n| format!("measure-{n}"));
    let outcome = prop_oneof![
        Just(Outcome::Done {
            result: StepResult {
                key: Some("new".into()),
                fingerprint: Some(print(9)),
                probe: Some(probe()),
                note: None,
            }
        }),
        Just(Outcome::Failed { fault: fault() }),
        Just(Outcome::Unknown { fault: fault() }),
        Just(Outcome::NotDone { how: String::new() }),
        Just(Outcome::Stuck {
            because: String::new()
        }),
    ];
    prop_oneof![
        (step(), 1..4u32).prop_map(|(step, attempt)| Fact::StepIntended {
            step,
            attempt,
            baseline: serde_json::json!({ "keys": ["b", "a"], "n": attempt }).into(),
        }),
        (step(), 1..4u32, outcome).prop_map(|(step, attempt, outcome)| Fact::StepEnded {
            step,
            attempt,
            outcome,
        }),
        step().prop_map(|step| Fact::StepRetried { step }),
        step().prop_map(|step| Fact::StepSkipped {
            step,
            because: "x".to_string()
        }),
        id().prop_map(|id| Fact::MeasureIntended {
            snapshot: serde_json::json!({ "was": id }),
            id,
            measure: serde_json::Value::Null,
        }),
        id().prop_map(|id| Fact::MeasureApplied { id }),
        id().prop_map(|id| Fact::MeasureRestored { id }),
        (id(), any::<Option<bool>>()).prop_map(|(id, binds)| Fact::MeasureVerified {
            id,
            binds,
            how: String::new(),
        }),
        (0..3u8, 0..9u32).prop_map(|(n, s)| Fact::TripwireHit {
            key: "k".into(),
            event_id: format!("e-{n}"),
            at: at(s),
            seen: String::new(),
        }),
        Just(Fact::CustodyShredded),
    ]
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(prop_oneof![found(), acted()], 1..40)
}

fn drafts(facts: &[Fact]) -> Vec<Draft> {
    let mut seconds = 0;
    facts
        .iter()
        .map(|fact| {
            seconds += 1;
            Draft {
                at: at(seconds),
                by: "test".to_string(),
                fact: fact.clone(),
            }
        })
        .collect()
}

/// The state as text: everything that it says.
fn said(state: &State) -> String {
    serde_json::to_string(state).expect("a state can be shown")
}

/// A journal in memory; the lease is out of the way.
fn written(facts: &[Fact], sizes: &[usize]) -> (SqliteJournal, Vec<Record>) {
    let path = std::path::Path::new(":memory:");
    let mut journal = SqliteJournal::open(path).expect("open");
    let lease = journal.acquire("test", at(0), 1000).expect("lease");
    let (mut rest, mut records, mut turn) = (drafts(facts), Vec::new(), 0);
    while !rest.is_empty() {
        let size = sizes[turn % sizes.len()].clamp(1, rest.len());
        let later = rest.split_off(size);
        let expected = records.len() as u64;
        let appended = journal
            .append(expected, Some(&lease), rest)
            .expect("append");
        records.extend(appended);
        (rest, turn) = (later, turn + 1);
    }
    (journal, records)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_same_however_the_journal_is_read(
        facts in facts(),
        sizes in prop::collection::vec(1..7usize, 1..5),
        cuts in prop::collection::vec(0..40u64, 0..4),
    ) {
        let (journal, records) = written(&facts, &sizes);
        let expected = State::fold(&records);
        let read = journal.read_after(0, usize::MAX).expect("the chain holds");
        prop_assert_eq!(&read, &records, "facts come back as they were written");
        let mut state = State::default();
        for cut in cuts {
            // Reads on, but takes only a part of it in, as if it had been cut off.
            let some = journal.read_after(state.head.seq, usize::MAX).expect("read on");
            for record in some.iter().take_while(|record| record.seq <= cut) {
                state.apply(record);
            }
        }
        for record in journal.read_after(state.head.seq, usize::MAX).expect("read on") {
            state.apply(&record);
        }
        prop_assert_eq!(said(&state), said(&expected));
        prop_assert_eq!(state.head, journal.head().expect("head"));
    }

    #[test]
    fn the_chain_does_not_depend_on_how_facts_were_grouped(facts in facts(), size in 1..9usize) {
        let (_, one_by_one) = written(&facts, &[1]);
        let (_, grouped) = written(&facts, &[size, 3]);
        prop_assert_eq!(one_by_one, grouped);
    }

    #[test]
    fn any_change_to_any_fact_is_found(facts in facts(), which in any::<prop::sample::Index>(), how in 0..4u8) {
        let (_, mut records) = written(&facts, &[5]);
        let n = which.index(records.len());
        match how {
            0 => records[n].by.push('x'),
            1 => records[n].at = at(10_000),
            2 => records[n].fact = Fact::CaseClosed { remark: "altered".to_string() },
            _ => records[n].seq += 1,
        }
        prop_assert!(relatch_case::chain::verify(&records).is_err());
        if n + 1 < records.len() {
            let (_, mut records) = written(&facts, &[5]);
            records.remove(n);
            prop_assert!(relatch_case::chain::verify(&records).is_err(), "a fact was removed");
        }
    }

    #[test]
    fn what_is_done_stays_done_whatever_people_send(facts in facts()) {
        let (_, records) = written(&facts, &[4]);
        let mut state = State::default();
        for record in &records {
            let before = state.steps.clone();
            state.apply(record);
            let (Fact::StepRetried { step } | Fact::StepSkipped { step, .. }) = &record.fact else {
                continue;
            };
            let was = before.get(step).map(|known| &known.status);
            let is = state.steps.get(step).map(|known| &known.status);
            match was {
                Some(StepStatus::Done { .. }) => prop_assert_eq!(was, is),
                Some(StepStatus::Intended | StepStatus::Unknown { .. }) => {
                    prop_assert_ne!(is, Some(&StepStatus::Retried), "it would be replayed");
                }
                _ => {
                    let sent = matches!(is, Some(StepStatus::Retried | StepStatus::Skipped { .. }));
                    prop_assert!(sent);
                }
            }
        }
    }
}

/// An actor with these keys and names.
fn convicted(keys: &[&str], arns: &[&str]) -> Fact {
    Fact::ActorConvicted {
        keys: keys.iter().map(|key| KeyId::from(*key)).collect(),
        arns: arns.iter().map(ToString::to_string).collect(),
        addresses: vec!["198.51.100.7".to_string()],
        first: None,
        last: None,
        why: Vec::new(),
    }
}

fn planted(key: &str) -> Fact {
    Fact::KeyPlanted {
        issuer: "aws-iam".into(),
        key: key.into(),
        event_id: "event".to_string(),
    }
}

#[test]
fn an_acquittal_takes_off_the_thief_what_it_names_and_nothing_else() {
    let acquitted = Fact::ActorJudged {
        actor: "ops".to_string(),
        judgement: Judgement::Acquitted,
        because: "our own runbook".to_string(),
        by: "ada".to_string(),
        clears_keys: vec!["AKIAOPS".into(), "AKIAMADEBYOPS".into()],
        clears_arns: vec!["ops".to_string()],
    };
    let address_only = convicted(&[], &[]);
    let facts = [
        Fact::TriageBegan {
            keys: vec!["AKIAOPS".into()],
            arns: Vec::new(),
            addresses: Vec::new(),
            since: None,
            until: None,
            proposed: vec!["ops".to_string(), "other".to_string()],
        },
        convicted(&["AKIAOPS"], &["ops"]),
        convicted(&["AKIATHIEF", "AKIAOPS"], &["thief"]),
        address_only.clone(),
        planted("AKIAMADEBYOPS"),
        planted("AKIAPLANTED"),
        acquitted,
        address_only,
    ];
    let state = State::fold(&written(&facts, &[3]).1);
    let keys: Vec<_> = state.actors.iter().map(|actor| actor.keys.len()).collect();
    assert_eq!(
        keys,
        [1, 0],
        "the one that is all his, and the nameless one once"
    );
    assert!(state.is_used_by_thief(&"AKIATHIEF".into()));
    assert!(!state.is_used_by_thief(&"AKIAOPS".into()));
    let made: Vec<_> = state.planted.keys().map(KeyId::as_str).collect();
    assert_eq!(made, ["AKIAPLANTED"]);
    assert_eq!(state.judgements["ops"].by, "ada");
    assert!(state.start.keys.is_empty() && !state.start.proposed.contains("ops"));
    assert!(state.start.proposed.contains("other"));
}
