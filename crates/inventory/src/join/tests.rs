use proptest::prelude::*;
use relatch_case::Fact;
use relatch_case::model::{ConsumerKind, Hook, Known, Minting, Slot};

use super::*;

fn fingerprints() -> FingerprintKey {
    FingerprintKey::from_bytes([7; 32])
}

fn file(name: &str) -> Container {
    Container {
        kind: "file".into(),
        region: String::new(),
        name: name.into(),
    }
}

fn secret(place: &str, issuer: &str, value: &str) -> Candidate {
    let (name, slot) = place.split_once('#').unwrap_or((place, ""));
    Candidate {
        container: file(name),
        slot: Slot(slot.into()),
        part: Part::Secret,
        issuer: issuer.into(),
        value: Secret::from(value),
        key_id: None,
        mints_keys: false,
    }
}

fn paired(place: &str, value: &str, id: &str) -> Candidate {
    Candidate {
        key_id: Some(id.into()),
        ..secret(place, "aws-iam", value)
    }
}

fn key_id(place: &str, id: &str) -> Candidate {
    Candidate {
        part: Part::KeyId,
        ..paired(place, id, id)
    }
}

fn issued(id: &str, hint: Option<&str>) -> IssuedKey {
    IssuedKey {
        id: id.into(),
        name: Some(format!("name of {id}")),
        hint: hint.map(String::from),
        active: true,
        created: None,
        last_used: None,
    }
}

fn list(issuer: &str, keys: Vec<IssuedKey>) -> IssuerKeys {
    let sheet = Sheet {
        minting: Minting::Program,
        named: true,
        lists: true,
        disables: true,
        deletes: true,
        cuts: false,
        last_used: false,
        slots: None,
        propagation_s: 0,
    };
    IssuerKeys {
        issuer: issuer.into(),
        sheet,
        principals: Some(vec![("user/ci".into(), keys)]),
    }
}

fn service(name: &str, reads: &[&str], known: Known) -> Consumer {
    let hook = Hook::Command {
        argv: vec!["true".into()],
    };
    Consumer {
        id: format!("service:{name}").as_str().into(),
        kind: ConsumerKind::Service {
            reload: hook.clone(),
            health: hook,
        },
        reads: reads.iter().map(|name| file(name)).collect(),
        known,
    }
}

fn run(input: JoinInput) -> Joined {
    let by_end = |_: &IssuerId, listed: &IssuedKey, value: &Secret| {
        listed
            .hint
            .as_ref()
            .is_some_and(|hint| value.expose().ends_with(hint.as_bytes()))
    };
    join(input, &by_end, &fingerprints())
}

fn of(candidates: Vec<Candidate>, issuers: Vec<IssuerKeys>) -> Joined {
    run(JoinInput {
        candidates,
        issuers,
        ..JoinInput::default()
    })
}

fn whys(joined: &Joined) -> Vec<&str> {
    joined
        .blind_spots
        .iter()
        .map(|spot| spot.why.as_str())
        .collect()
}

#[test]
fn equal_values_are_one_credential_and_the_hint_matches_it() {
    let joined = of(
        vec![
            secret("/b#k", "openai", "sk-1234"),
            secret("/a", "openai", "sk-1234"),
        ],
        vec![list(
            "openai",
            vec![issued("key_1", Some("1234")), issued("key_2", Some("9999"))],
        )],
    );
    let found: Vec<_> = joined
        .credentials
        .iter()
        .filter(|c| c.fingerprint.is_some())
        .collect();
    let [credential] = found.as_slice() else {
        panic!("one expected: {found:?}")
    };
    assert_eq!(
        credential.id,
        CredentialId::derive(&"openai".into(), "key_1")
    );
    assert_eq!(credential.name, "name of key_1");
    assert_eq!(credential.principal, Some("user/ci".into()));
    let places: Vec<&str> = joined
        .places
        .iter()
        .map(|place| place.id.as_str())
        .collect();
    assert_eq!(places, ["file:/a", "file:/b#k"]);
    assert!(
        joined
            .places
            .iter()
            .all(|place| place.credential == credential.id)
    );
    // The other key is known to its issuer alone.
    assert_eq!(
        joined.orphans,
        [CredentialId::derive(&"openai".into(), "key_2")]
    );
    assert!(joined.unmatched.is_empty() && joined.blind_spots.is_empty());
}

#[test]
fn what_the_issuer_does_not_list_is_told() {
    let joined = of(
        vec![
            secret("/a", "openai", "sk-1234"),
            secret("/b", "unlisted", "vk-1"),
        ],
        vec![list("openai", vec![])],
    );
    let fingerprint = fingerprints().fingerprint(&Secret::from("sk-1234"));
    let id = CredentialId::derive(&"openai".into(), fingerprint.as_str());
    assert_eq!(joined.unmatched, [id]);
    // Nobody was asked about the other one.
    assert_eq!(joined.credentials.len(), 2);
}

#[test]
fn an_access_key_is_matched_by_its_id_and_both_places_belong_to_it() {
    let joined = of(
        vec![
            paired("/a#SECRET", "s1", "AKIA1"),
            key_id("/a#ID", "AKIA1"),
            key_id("/b#ID", "AKIA2"),
        ],
        vec![list(
            "aws-iam",
            vec![issued("AKIA1", None), issued("AKIA2", None)],
        )],
    );
    let one = CredentialId::derive(&"aws-iam".into(), "AKIA1");
    let two = CredentialId::derive(&"aws-iam".into(), "AKIA2");
    let places: Vec<_> = joined
        .places
        .iter()
        .map(|place| (place.id.as_str(), place.part, place.credential.clone()))
        .collect();
    assert_eq!(
        places,
        [
            ("file:/a#ID", Part::KeyId, one.clone()),
            ("file:/a#SECRET", Part::Secret, one),
            ("file:/b#ID", Part::KeyId, two.clone()),
        ]
    );
    assert_eq!(joined.orphans, [two]);
}

#[test]
fn a_key_id_that_nobody_knows_is_a_blind_spot() {
    let joined = of(
        vec![key_id("/a#ID", "AKIA1")],
        vec![list("aws-iam", vec![])],
    );
    assert!(joined.places.is_empty());
    assert!(whys(&joined)[0].contains("found nowhere"));
}

#[test]
fn a_pair_without_a_list_keeps_its_id() {
    let joined = of(
        vec![paired("/a#S", "s1", "AKIA1"), key_id("/a#I", "AKIA1")],
        vec![],
    );
    assert_eq!(joined.credentials[0].key_id, Some("AKIA1".into()));
    assert_eq!(joined.places.len(), 2);
    assert!(joined.unmatched.is_empty());
}

#[test]
fn nothing_ambiguous_is_matched() {
    let keys = || {
        vec![list(
            "openai",
            vec![issued("key_1", Some("1234")), issued("key_2", Some("34"))],
        )]
    };
    // One value, two keys.
    let joined = of(vec![secret("/a", "openai", "sk-1234")], keys());
    assert_eq!(joined.unmatched.len(), 1);
    assert_eq!(joined.orphans.len(), 2);
    assert_eq!(
        whys(&joined),
        ["its issuer's hint fits several keys: key_1, key_2"]
    );

    // Two values, one key.
    let one = vec![list("openai", vec![issued("key_2", Some("34"))])];
    let joined = of(
        vec![secret("/a", "openai", "a34"), secret("/b", "openai", "b34")],
        one,
    );
    assert_eq!((joined.unmatched.len(), joined.orphans.len()), (2, 1));
    assert_eq!(
        whys(&joined),
        ["several different values seem to be the key key_2"; 2]
    );

    // Two secrets beside one id, and one secret beside two ids.
    let list = || vec![list("aws-iam", vec![issued("AKIA1", None)])];
    let joined = of(
        vec![paired("/a", "s1", "AKIA1"), paired("/b", "s2", "AKIA1")],
        list(),
    );
    assert_eq!((joined.unmatched.len(), joined.orphans.len()), (2, 1));
    let joined = of(
        vec![paired("/a", "s1", "AKIA1"), paired("/b", "s1", "AKIA2")],
        list(),
    );
    assert_eq!(
        whys(&joined),
        ["one value stands beside several key ids: AKIA1, AKIA2"]
    );
    let ids: BTreeSet<_> = joined.credentials.iter().map(|c| &c.id).collect();
    assert_eq!(ids.len(), joined.credentials.len());
}

#[test]
fn one_value_for_two_issuers_is_told() {
    let joined = of(
        vec![secret("/a", "openai", "v"), secret("/b", "gateway", "v")],
        vec![],
    );
    assert_eq!(joined.credentials.len(), 2);
    assert_eq!(
        whys(&joined),
        ["one value is taken for a credential of each of gateway, openai"; 2]
    );
}

#[test]
fn consumers_are_attached_by_container() {
    let joined = run(JoinInput {
        containers: vec![file("/a"), file("/empty")],
        candidates: vec![secret("/a", "openai", "v"), secret("/b", "openai", "v")],
        observed: vec![
            service("both", &["/a"], Known::Observed),
            service("unrelated", &["/empty"], Known::Observed),
        ],
        declared: vec![service("both", &["/empty", "/missing"], Known::Declared)],
        ..JoinInput::default()
    });
    let [both] = joined.consumers.as_slice() else {
        panic!("one expected")
    };
    assert_eq!(both.known, Known::Observed);
    assert_eq!(both.reads, [file("/a"), file("/empty"), file("/missing")]);
    assert_eq!(joined.without_consumer, ["file:/b".into()]);
    assert_eq!(joined.blind_spots.len(), 1);
    assert_eq!(joined.blind_spots[0].what, "file:/missing");
}

#[test]
fn the_facts_hold_no_value() {
    let joined = of(
        vec![
            secret("/a", "openai", "canary-value"),
            paired("/b", "canary-aws", "AKIA1"),
        ],
        vec![list("openai", vec![issued("key_1", Some("value"))])],
    );
    let debug = format!("{joined:?}");
    let facts = joined.into_facts();
    assert!(matches!(facts.first(), Some(Fact::InventoryStarted)));
    assert_eq!(facts.len(), 1 + 1 + 1 + 2 + 2);
    let text = serde_json::to_string(&facts).expect("JSON");
    assert!(!text.contains("canary") && !debug.contains("canary"));
}

fn everything() -> (Vec<Candidate>, Vec<IssuerKeys>, Vec<Consumer>) {
    let candidates = vec![
        secret("/a", "openai", "sk-1234"),
        secret("/b", "openai", "sk-1234"),
        secret("/c", "openai", "sk-34"),
        secret("/d", "gateway", "sk-34"),
        paired("/e#S", "s1", "AKIA1"),
        key_id("/e#I", "AKIA1"),
        paired("/f#S", "s2", "AKIA1"),
        key_id("/g", "AKIA9"),
    ];
    let issuers = vec![
        list(
            "openai",
            vec![issued("key_1", Some("1234")), issued("key_2", Some("99"))],
        ),
        list(
            "aws-iam",
            vec![issued("AKIA1", None), issued("AKIA2", None)],
        ),
    ];
    let consumers = vec![
        service("x", &["/a", "/b"], Known::Observed),
        service("y", &["/c"], Known::Observed),
        service("x", &["/d"], Known::Observed),
    ];
    (candidates, issuers, consumers)
}

proptest! {
    #[test]
    fn the_order_of_the_input_does_not_matter(
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        turn in any::<bool>(),
    ) {
        let (candidates, issuers, observed) = everything();
        let input = JoinInput { candidates, issuers, observed, ..JoinInput::default() };
        let straight = run(input);
        let (candidates, mut issuers, mut observed) = everything();
        let candidates = order.iter().map(|at| candidates[*at].clone()).collect();
        if turn {
            issuers.reverse();
            observed.reverse();
            for issuer in &mut issuers {
                issuer.principals.iter_mut().flatten().for_each(|(_, keys)| keys.reverse());
            }
        }
        let input = JoinInput { candidates, issuers, observed, ..JoinInput::default() };
        prop_assert_eq!(run(input), straight);
    }
}
