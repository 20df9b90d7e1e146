//! Certificates: issued, checked, tampered with.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use common::{Builder, at, complete, key, one, probe, probed, rich, waived};
use proptest::prelude::*;
use relatch_case::model::Liveness;
use relatch_case::signature::CaseKey;
use relatch_case::{Fact, chain};
use relatch_report::{CertificateError, Standing, VerifyError, issue, verify, verify_with_key};
use serde_json::{Value, json};
use zeroize::Zeroizing;

fn issued(builder: &Builder) -> String {
    issue(&builder.records, &builder.state(), builder.now(), &key()).unwrap()
}

/// Signs an altered certificate anew with a key, laid out as certificates are.
fn forged(text: &str, key: &CaseKey, alter: impl FnOnce(&mut Value)) -> String {
    let mut file: Value = serde_json::from_str(text).unwrap();
    alter(&mut file["certificate"]);
    let content = chain::canonical(&file["certificate"]).unwrap();
    file["signature"] = json!(key.sign(&content));
    serde_json::to_string_pretty(&file).unwrap() + "\n"
}

#[test]
fn a_finished_case_is_complete_and_holds() {
    let text = issued(&complete());
    let verified = verify(text.as_bytes()).unwrap();
    assert_eq!(verified.certificate.status, Standing::Complete);
    assert!(verified.certificate.open.is_empty());
    assert_eq!(verified.sha256, chain::sha256_hex(text.as_bytes()));
    assert_eq!(verified.certificate.head, complete().state().head);
    verify_with_key(text.as_bytes(), &key().public().to_uppercase()).unwrap();
}

#[test]
fn an_open_key_makes_it_incomplete() {
    let table = [
        ("nothing done", one()),
        (
            "alive again",
            complete().add(probed(1, probe(Liveness::Alive, true))),
        ),
        (
            "no answer",
            complete().add(probed(1, probe(Liveness::Unknown, true))),
        ),
        (
            "no control",
            complete().add(probed(1, probe(Liveness::Dead, false))),
        ),
        ("waiver ran out", one().add(waived(1, at(0)))),
        ("nothing in scope", Builder::opened()),
        ("a bit of all", rich()),
    ];
    for (what, case) in table {
        let verified = verify(issued(&case).as_bytes()).unwrap();
        assert_eq!(verified.certificate.status, Standing::Incomplete, "{what}");
        assert!(!verified.certificate.open.is_empty(), "{what}");
    }
    let waived = verify(issued(&one().add(waived(1, at(99_999)))).as_bytes()).unwrap();
    assert_eq!(waived.certificate.status, Standing::Complete);
}

#[test]
fn any_flipped_bit_fails() {
    let text = issued(&complete());
    // Every bit of the claims, the signature and the head; a byte in 37 of the long chain.
    let records = text.find("\"records\"").unwrap();
    let signature = text.find("\"signature\"").unwrap();
    for at in 0..text.len() {
        if at > records && at < signature && at % 37 != 0 {
            continue;
        }
        // 0x20 swaps the case of letters, 0x01 is the smallest change of all.
        for bit in [0x01, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= bit;
            assert!(verify(&bytes).is_err(), "byte {at} ^ {bit}");
        }
    }
}

#[test]
fn bytes_cannot_be_added_or_taken() {
    let text = issued(&complete());
    let twice = text.replacen("\"account\"", "\"account\": null,\n    \"account\"", 1);
    let unknown = text.replacen("\"account\"", "\"aaa\": 1,\n    \"account\"", 1);
    let in_fact = text.replacen("\"attempt\": 1,", "\"attempt\": 1,\n  \"x\": 1,", 1);
    let table = [
        ("a blank at the end", format!("{text} ")),
        ("a line at the end", format!("{text}\n")),
        ("a second document", format!("{text}{text}")),
        ("no line end", text.trim_end().to_string()),
        ("a mark at the start", format!("\u{feff}{text}")),
        ("a field twice", twice),
        ("an unknown field", unknown),
        ("an unknown field of a fact", in_fact),
        ("other line ends", text.replace('\n', "\r\n")),
        ("nothing", String::new()),
    ];
    for (what, altered) in table {
        assert_ne!(altered, text, "{what}");
        assert!(verify(altered.as_bytes()).is_err(), "{what}");
    }
}

#[test]
fn signed_lies_do_not_hold() {
    let text = issued(&one());
    let lies = [
        ("the status", json!("complete"), "status"),
        ("what is open", json!([]), "open"),
        ("a credential", json!([]), "credentials"),
        (
            "an exception",
            json!([{"because": "", "expires": null, "kind": "waiver", "subject": "", "who": null}]),
            "exceptions",
        ),
        ("the head", json!({"hash": "00", "seq": 1}), "head"),
        ("the case", json!("999988887777"), "account"),
        ("the case", json!([]), "statement"),
    ];
    for (part, lie, field) in lies {
        let forged = forged(&text, &key(), |certificate| certificate[field] = lie);
        match verify(forged.as_bytes()) {
            Err(VerifyError::Claims { what }) => assert_eq!(what, part),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn another_key_is_refused() {
    let text = issued(&complete());
    let stranger = CaseKey::from_seed(&Zeroizing::new([9; 32]));
    let resigned = forged(&text, &stranger, |_| {});
    assert!(matches!(
        verify(resigned.as_bytes()),
        Err(VerifyError::Signature(_))
    ));
    let rekeyed = forged(&text, &stranger, |certificate| {
        certificate["public_key"] = json!(stranger.public());
    });
    assert!(matches!(
        verify(rekeyed.as_bytes()),
        Err(VerifyError::NotTheCasesKey)
    ));
    assert!(matches!(
        verify_with_key(text.as_bytes(), &stranger.public()),
        Err(VerifyError::OtherKey { .. })
    ));
    let case = complete();
    let wrong = issue(&case.records, &case.state(), case.now(), &stranger);
    assert!(matches!(wrong, Err(CertificateError::WrongKey)));
}

#[test]
fn a_case_opened_twice_is_refused() {
    let mut case = complete();
    let mut again = case.records[0].fact.clone();
    if let Fact::CaseOpened { title, .. } = &mut again {
        *title = "another".into();
    }
    case.push(again);
    let refused = issue(&case.records, &case.state(), case.now(), &key());
    match refused {
        Err(CertificateError::Check(why)) => {
            assert!(matches!(*why, VerifyError::NotTheCasesKey));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_chain_is_refused() {
    let text = issued(&complete());
    let altered = forged(&text, &key(), |c| c["records"][1]["by"] = json!("nobody"));
    assert!(matches!(
        verify(altered.as_bytes()),
        Err(VerifyError::Chain(_))
    ));
    let cut = forged(&text, &key(), |c| {
        c["records"].as_array_mut().unwrap().pop();
    });
    assert!(matches!(
        verify(cut.as_bytes()),
        Err(VerifyError::Claims { what: "the head" })
    ));
    let case = complete();
    let stale = issue(&case.records[..3], &case.state(), case.now(), &key());
    assert!(matches!(stale, Err(CertificateError::Stale)));
}

#[test]
fn a_newer_format_is_named() {
    let newer = forged(&issued(&complete()), &key(), |c| c["version"] = json!(2));
    assert!(matches!(
        verify(newer.as_bytes()),
        Err(VerifyError::Newer { found: 2 })
    ));
}

#[test]
fn certificates_of_this_version_hold_for_ever() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificate-v1.json");
    // A change that breaks this needs a new VERSION, unless nothing was ever released.
    if std::env::var_os("RELATCH_NEW_FIXTURE").is_some() {
        std::fs::write(path, issued(&rich())).unwrap();
    }
    let kept = std::fs::read(path).unwrap();
    let verified = verify_with_key(&kept, &key().public()).unwrap();
    assert_eq!(verified.certificate.version, 1);
    assert_eq!(verified.certificate.records, rich().records);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However a case goes, its certificate holds, and says complete only when the last word
    /// on the key is a controlled `dead`.
    #[test]
    fn certificates_round_trip(
        words in "\\PC{0,40}",
        number in any::<f64>(),
        probes in prop::collection::vec((0u8..5, any::<bool>()), 1..6),
    ) {
        let mut case = complete().add(Fact::MeasureIntended {
            id: "m".into(),
            measure: json!({ "what": words, "number": number, "list": [words, number] }),
            snapshot: json!(number),
        });
        for (liveness, control) in &probes {
            let liveness = [
                Liveness::Alive,
                Liveness::Restricted,
                Liveness::OutOfQuota,
                Liveness::Dead,
                Liveness::Unknown,
            ][usize::from(*liveness)];
            case.push(probed(1, probe(liveness, *control)));
        }
        let verified = verify(issued(&case).as_bytes()).unwrap();
        let expected = if probes.last() == Some(&(3, true)) {
            Standing::Complete
        } else {
            Standing::Incomplete
        };
        prop_assert_eq!(verified.certificate.status, expected);
    }
}
