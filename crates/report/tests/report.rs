//! What a report says of a case.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use common::{
    Builder, at, complete, cred, credential, exposed, new_key, old_key, one, place, plan, probe,
    probed, proved, rich, rotated, rotation, step_id, waived, warm_steps,
};
use relatch_case::fact::Judgement;
use relatch_case::model::{ExposureLevel, IssuedKey, Liveness};
use relatch_case::plan::Mode;
use relatch_case::{Fact, IssuerId, KeyId, Principal};
use relatch_report::{
    ExceptionKind, KeyStatus, Missing, NotDead, Report, Status, credential_status, describe,
};

fn report(builder: &Builder) -> Report {
    Report::from(&builder.records, &builder.state(), builder.now())
}

#[test]
fn only_a_controlled_dead_is_dead() {
    let table = [
        (Liveness::Alive, true),
        (Liveness::Alive, false),
        (Liveness::Restricted, true),
        (Liveness::OutOfQuota, true),
        (Liveness::Unknown, true),
        (Liveness::Unknown, false),
        (Liveness::Dead, false),
    ];
    for (liveness, control) in table {
        let case = complete().add(probed(1, probe(liveness, control)));
        let status = credential_status(&case.state(), &cred(1));
        assert!(matches!(status, KeyStatus::NotDead { .. }), "{liveness:?}");
        let report = report(&case);
        assert_eq!(report.credentials[0].status, Status::Open, "{liveness:?}");
        assert!(report.credentials[0].dead_since.is_none());
        assert!(report.figures.all_dead_s.is_none());
        assert!(!report.is_complete());
    }
    let dead = complete();
    let status = credential_status(&dead.state(), &cred(1));
    assert!(matches!(status, KeyStatus::Dead { .. }));
    assert!(report(&dead).is_complete());
    let never = credential_status(&one().state(), &cred(1));
    assert_eq!(
        never,
        KeyStatus::NotDead {
            because: NotDead::NeverProbed
        }
    );
}

#[test]
fn a_key_listed_as_active_after_its_proof_is_not_dead() {
    let listed = |active| Fact::KeysListed {
        issuer: IssuerId::from("openai"),
        principal: Principal::from("project/production"),
        keys: vec![IssuedKey {
            id: old_key(1),
            name: None,
            hint: None,
            active,
            created: None,
            last_used: None,
        }],
    };
    assert!(report(&complete().add(listed(false))).is_complete());
    let again = report(&complete().add(listed(true)));
    assert!(matches!(
        again.credentials[0].key_status,
        KeyStatus::NotDead {
            because: NotDead::ListedActive { .. }
        }
    ));
    assert!(!again.is_complete());
}

#[test]
fn a_rotation_is_whole_or_open() {
    let facts = rotated(1);
    for cut in 0..facts.len() {
        let report = report(&one().all(facts[..cut].to_vec()));
        assert_eq!(
            report.credentials[0].status,
            Status::Open,
            "after {cut} facts"
        );
        assert!(!report.credentials[0].missing.is_empty());
    }
    let whole = report(&complete());
    let credential = &whole.credentials[0];
    assert_eq!(credential.status, Status::Rotated);
    assert_eq!(credential.old_key, Some(old_key(1)));
    assert_eq!(credential.new_key, Some(new_key(1)));
    assert_eq!((credential.places.done, credential.places.of), (1, 1));
    assert_eq!((credential.consumers.done, credential.consumers.of), (1, 1));
    assert_eq!(credential.event_ids, ["event-prod-openai"]);
    assert_eq!(credential.to_come, [step_id(1, "delete").as_str()]);
}

#[test]
fn a_dead_key_without_its_new_value_everywhere_is_open() {
    let case = one().add(proved(1, probe(Liveness::Dead, true)));
    let report = report(&case);
    assert!(report.credentials[0].is_dead());
    assert_eq!(report.credentials[0].status, Status::Open);
    assert!(report.credentials[0].missing.contains(&Missing::Write {
        place: "secretsmanager:us-east-1:prod/openai#api_key".into()
    }));
}

#[test]
fn a_waiver_counts_until_it_runs_out() {
    let case = one().add(waived(1, at(10_000)));
    let of = |now| Report::from(&case.records, &case.state(), at(now));
    assert_eq!(of(9_999).credentials[0].status, Status::Waived);
    assert_eq!(of(9_999).exceptions[0].kind, ExceptionKind::Waiver);
    assert!(of(9_999).is_complete());
    let late = of(10_000);
    assert_eq!(late.credentials[0].status, Status::Open);
    assert_eq!(late.exceptions[0].kind, ExceptionKind::WaiverExpired);
    assert!(late.open[0].contains("waiver ran out"));
}

#[test]
fn what_a_later_plan_or_inventory_leaves_out_stays_in_scope() {
    let left_out = plan(
        vec![rotation(2, "openai", "other", Mode::Warm)],
        warm_steps(2, "prod/other", "chat"),
        vec![],
    );
    let replanned = report(&one().add(left_out));
    let ids: Vec<_> = replanned.credentials.iter().map(|c| c.id.clone()).collect();
    assert_eq!(ids, [cred(1), cred(2)]);

    let never_planned = Builder::opened()
        .add(exposed("prod/openai", ExposureLevel::Reachable))
        .add(Fact::InventoryStarted)
        .add(credential(1, "openai", "key"))
        .add(place(1, "prod/openai"))
        .add(Fact::InventoryStarted);
    let report = report(&never_planned);
    assert_eq!(report.credentials[0].status, Status::Open);
    assert!(report.credentials[0].missing.contains(&Missing::Plan));
}

#[test]
fn our_own_new_key_in_an_exposed_place_is_not_in_scope() {
    let mut found = credential(9, "openai", "new one");
    if let Fact::CredentialFound { credential } = &mut found {
        credential.key_id = Some(new_key(1));
    }
    let case = complete()
        .add(Fact::InventoryStarted)
        .add(found)
        .add(place(9, "prod/openai"));
    let report = report(&case);
    assert!(report.is_complete(), "{:?}", report.open);
    assert_eq!(report.out_of_scope[0].why, "made by this case");
}

#[test]
fn keys_of_the_thief_that_no_inventory_found_are_open() {
    let convicted = |key: &str| Fact::ActorConvicted {
        keys: vec![KeyId::from(key)],
        arns: vec![],
        addresses: vec![],
        first: None,
        last: None,
        why: vec![],
    };
    let long_term = report(&complete().add(convicted("AKIASTRANGE000000001")));
    assert!(!long_term.is_complete());
    assert!(long_term.open[0].contains("AKIASTRANGE000000001"));
    assert!(report(&complete().add(convicted("ASIATEMPORARY0000001"))).is_complete());

    let planted = report(&complete().add(Fact::KeyPlanted {
        issuer: IssuerId::from("openai"),
        key: KeyId::from("key_planted"),
        event_id: "event-planted".into(),
    }));
    assert!(!planted.is_complete());
    let credential = planted.credentials.iter().find(|c| c.planted).unwrap();
    assert_eq!(credential.event_ids, ["event-planted"]);
}

#[test]
fn an_acquittal_closes_what_it_names_and_stands_in_the_report() {
    let planted = Fact::KeyPlanted {
        issuer: IssuerId::from("openai"),
        key: KeyId::from("key_planted"),
        event_id: "event-planted".into(),
    };
    let acquitted = Fact::ActorJudged {
        actor: "arn:aws:iam::111122223333:user/nightly".into(),
        judgement: Judgement::Acquitted,
        because: "our own backup\u{1b}[2J".into(),
        by: "ada".into(),
        clears_keys: vec![KeyId::from("key_planted")],
        clears_arns: vec!["arn:aws:iam::111122223333:user/nightly".into()],
    };
    let line = describe(&acquitted);
    assert_eq!(
        line,
        "ada judged arn:aws:iam::111122223333:user/nightly to be not the thief's, because our own \
         backup·[2J; no longer held for the thief's: keys key_planted, \
         identities arn:aws:iam::111122223333:user/nightly"
    );
    let report = report(&complete().add(planted).add(acquitted));
    assert!(report.is_complete(), "{:?}", report.open);
    let exception = &report.exceptions[0];
    assert_eq!(exception.kind, ExceptionKind::Judged);
    assert_eq!(exception.who.as_deref(), Some("ada"));
    assert_eq!(exception.because, "not the thief's: our own backup·[2J");
}

#[test]
fn a_case_that_answers_for_no_key_proves_nothing() {
    let report = report(&Builder::opened());
    assert!(!report.is_complete());
    assert!(report.figures.all_dead_s.is_none());
    assert!(
        report.open_items().is_empty(),
        "a false alarm can be closed"
    );
}

#[test]
fn figures_are_counted_from_the_opening() {
    let figures = report(&rich()).figures;
    assert_eq!(figures.scoped_s, Some(60));
    assert_eq!(
        figures.contained_s, None,
        "one measure was not seen to bind"
    );
    assert_eq!(figures.all_dead_s, None);
    assert_eq!((figures.dead.done, figures.dead.of), (1, 5));
    assert_eq!((figures.rotated, figures.retired), (1, 0));
    assert_eq!((figures.waived, figures.open), (1, 3));
    assert_eq!((figures.places.done, figures.places.of), (1, 2));
    assert_eq!(figures.places_without_consumer, 1);
    assert_eq!((figures.measures.done, figures.measures.of), (0, 1));
    assert_eq!(report(&complete()).figures.all_dead_s, Some(60 * 21));
}

#[test]
fn contained_is_when_the_last_standing_measure_was_seen_to_bind() {
    let intended = |id: &str| Fact::MeasureIntended {
        id: id.into(),
        measure: serde_json::json!("deny"),
        snapshot: serde_json::json!(null),
    };
    let seen = |id: &str, binds| Fact::MeasureVerified {
        id: id.into(),
        binds,
        how: "probed".into(),
    };
    let restored = |id: &str| Fact::MeasureRestored { id: id.into() };
    let mut case = Builder::opened();
    let steps = [
        (intended("a"), None),
        (seen("a", None), None),
        (seen("a", Some(true)), Some(180)),
        (intended("b"), None),
        (seen("b", Some(false)), None),
        (seen("b", Some(true)), Some(360)),
        (seen("a", Some(true)), Some(360)),
        (restored("a"), Some(360)),
        (restored("b"), Some(360)),
    ];
    for (fact, expected) in steps {
        let what = describe(&fact);
        case.push(fact);
        assert_eq!(report(&case).figures.contained_s, expected, "{what}");
    }
}

#[test]
fn every_fact_has_one_clean_line() {
    let case = rich();
    for record in &case.records {
        let line = describe(&record.fact);
        assert!(!line.is_empty(), "{:?}", record.fact);
        assert!(!line.chars().any(char::is_control), "{line}");
    }
    let lines: Vec<String> = case.records.iter().map(|r| describe(&r.fact)).collect();
    insta::assert_snapshot!("describe", lines.join("\n"));
}

#[test]
fn values_in_outside_text_are_masked() {
    let line = describe(&Fact::StepSkipped {
        step: step_id(1, "mint"),
        because: "pasted sk-svcacct-abcdefghijklmnopqrst by mistake".into(),
    });
    assert!(!line.contains("abcdefghij"), "{line}");
}

#[test]
fn markdown_reads_well() {
    insta::assert_snapshot!("markdown", report(&rich()).markdown().unwrap());
}

#[test]
fn html_stands_alone_and_escapes_everything() {
    let html = report(&rich()).html().unwrap();
    for forbidden in [
        "<script", "<b>jobs", "src=", "http://", "https://", "@import", "url(",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("batch &lt;b&gt;jobs&lt;"));
    assert!(html.contains("▲ open") && html.contains("✓ rotated") && html.contains("◇ waived"));
    assert!(html.contains("no event never means no attempt"));
    if let Ok(path) = std::env::var("RELATCH_SAMPLE_HTML") {
        std::fs::write(path, &html).unwrap();
    }
}

#[test]
fn an_empty_journal_still_renders() {
    let builder = Builder::default();
    let report = Report::from(&[], &builder.state(), at(0));
    assert!(report.html().unwrap().contains("No case was opened"));
    assert!(report.markdown().unwrap().contains("No case was opened"));
}

#[test]
fn json_reads_back_as_the_same_report() {
    let report = report(&rich());
    let back: Report = serde_json::from_str(&report.json().unwrap()).unwrap();
    assert_eq!(back, report);
}
