use std::collections::BTreeMap;

use relatch_case::model::{Container, Part, Slot};
use relatch_places::{Document, Version};
use relatch_secret::Secret;

use super::*;

const OPENAI: &str = "sk-svcacct-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbbbbbbbbbbbbbbbbbb";
const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const ID2: &str = "AKIAI44QH7DHBEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SECRET2: &str = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";

fn container(kind: &str, name: &str) -> Container {
    let region = if kind == "file" { "" } else { "us-east-1" };
    Container {
        kind: kind.into(),
        region: region.into(),
        name: name.into(),
    }
}

fn holding(container: Container, slots: &[(&str, &str)]) -> (Container, Document) {
    let slots: BTreeMap<Slot, Secret> = slots
        .iter()
        .map(|(slot, value)| (Slot((*slot).into()), Secret::from(*value)))
        .collect();
    (
        container,
        Document {
            version: Version("1".into()),
            slots,
        },
    )
}

fn file(slots: &[(&str, &str)]) -> Vec<(Container, Document)> {
    vec![holding(container("file", "/etc/app.env"), slots)]
}

fn spec(issuer: &str, format: Option<&str>, names: &[&str]) -> DetectorSpec {
    DetectorSpec {
        issuer: issuer.into(),
        kind: "api_key".into(),
        format: format.map(String::from),
        names: names.iter().map(ToString::to_string).collect(),
        name: None,
        mints_keys: false,
    }
}

fn detectors() -> Detectors {
    let named = DetectorSpec {
        name: Some("gateway_(token|key)".into()),
        ..spec("gateway", None, &[])
    };
    let admin = DetectorSpec {
        mints_keys: true,
        ..spec("openai", Some("sk-admin-[a-z]{20}"), &[])
    };
    let specs = [
        spec(
            "openai",
            Some("sk-(?:proj|svcacct)-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
            &["OPENAI_API_KEY"],
        ),
        admin,
        spec(
            "anthropic",
            Some("sk-ant-api03-[A-Za-z0-9_-]{93}AA"),
            &["ANTHROPIC_API_KEY"],
        ),
        spec("vllm", Some("vk-[A-Za-z0-9]{32}"), &[]),
        named,
    ];
    let values = specs
        .into_iter()
        .map(|spec| Detector::try_from(spec).expect("detector"))
        .collect();
    Detectors {
        values,
        aws: Some("aws-iam".into()),
    }
}

/// Place, half, issuer and key id of everything found.
fn found(containers: &[(Container, Document)]) -> Vec<String> {
    let detected = detect(containers, &detectors());
    let line = |c: &Candidate| {
        let id = c.key_id.as_ref().map_or("-", |id| id.as_str());
        format!("{} {:?} {} {id}", c.place_id(), c.part, c.issuer)
    };
    detected.candidates.iter().map(line).collect()
}

fn blind(containers: &[(Container, Document)]) -> Vec<String> {
    let detected = detect(containers, &detectors());
    detected
        .blind_spots
        .iter()
        .map(|spot| format!("{}: {}", spot.what, spot.why))
        .collect()
}

#[test]
fn formats_are_found_whatever_their_name() {
    let anthropic = format!("sk-ant-api03-{}AA", "x".repeat(93));
    let vllm = format!("vk-{}", "a".repeat(32));
    let found = found(&file(&[("A", OPENAI), ("B", &anthropic), ("c/0", &vllm)]));
    assert_eq!(
        found,
        [
            "file:/etc/app.env#A Secret openai -",
            "file:/etc/app.env#B Secret anthropic -",
            "file:/etc/app.env#c/0 Secret vllm -",
        ]
    );
}

#[test]
fn a_key_that_makes_keys_is_marked() {
    let admin = format!("sk-admin-{}", "a".repeat(20));
    let detected = detect(&file(&[("A", &admin), ("B", OPENAI)]), &detectors());
    let marks: Vec<bool> = detected.candidates.iter().map(|c| c.mints_keys).collect();
    assert_eq!(marks, [true, false]);
}

#[test]
fn names_find_what_has_no_format() {
    let containers = file(&[("GATEWAY_TOKEN", "f00dbabe1234"), ("OTHER", "f00dbabe1234")]);
    assert_eq!(
        found(&containers),
        ["file:/etc/app.env#GATEWAY_TOKEN Secret gateway -"]
    );
    assert!(blind(&containers).is_empty());
    // A placeholder is no credential, and nothing to pass over either.
    let containers = file(&[("GATEWAY_TOKEN", "changeme")]);
    assert!(found(&containers).is_empty());
    assert_eq!(blind(&containers).len(), 1);
}

#[test]
fn ordinary_configuration_is_left_alone() {
    let containers = file(&[
        ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
        (
            "OPENAI_API_KEY",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf",
        ),
        ("GATEWAY_KEY", "${GATEWAY_KEY}"),
        ("AWS_REGION", "us-east-1"),
        ("ROLE", "arn:aws:iam::123456789012:role/app"),
        ("COMMIT", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("CHECKSUM", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS"),
        ("MODEL", "gpt-4o"),
        ("EMPTY", ""),
    ]);
    assert!(found(&containers).is_empty(), "{:?}", found(&containers));
    assert!(blind(&containers).is_empty(), "{:?}", blind(&containers));
}

#[test]
fn what_stands_within_a_longer_text_is_for_a_person() {
    let url = format!("postgres://u:{OPENAI}@db/x");
    let aws = format!("aws {ID} {SECRET}");
    let containers = file(&[
        ("URL", &url),
        ("CLI", &aws),
        ("GLUED", &format!("x{OPENAI}")),
    ]);
    assert!(found(&containers).is_empty());
    assert_eq!(
        blind(&containers),
        [
            "file:/etc/app.env#CLI: an aws-iam access key stands within a longer text",
            "file:/etc/app.env#URL: a openai api key stands within a longer text",
        ]
    );
}

#[test]
fn a_telling_name_with_another_value_is_a_blind_spot() {
    let containers = file(&[("openai_api_key", "tok-0123456789")]);
    assert!(found(&containers).is_empty());
    assert_eq!(blind(&containers).len(), 1);
    // The value of another issuer under that name is simply that issuer's.
    let vllm = format!("vk-{}", "a".repeat(32));
    let containers = file(&[("OPENAI_API_KEY", &vllm)]);
    assert_eq!(
        found(&containers),
        ["file:/etc/app.env#OPENAI_API_KEY Secret vllm -"]
    );
    assert!(blind(&containers).is_empty());
}

#[test]
fn a_value_that_two_issuers_could_have_made_is_a_blind_spot() {
    let mut detectors = detectors();
    let twin = spec("twin", Some("vk-[a-z]{32}"), &["TWIN_KEY"]);
    detectors
        .values
        .push(Detector::try_from(twin).expect("detector"));
    let value = format!("vk-{}", "a".repeat(32));
    let detected = detect(&file(&[("KEY", &value)]), &detectors);
    assert!(detected.candidates.is_empty());
    assert_eq!(detected.blind_spots[0].why, "it can be of vllm and of twin");
    // A known name decides.
    let detected = detect(&file(&[("TWIN_KEY", &value)]), &detectors);
    assert_eq!(detected.candidates[0].issuer.as_str(), "twin");
}

#[test]
fn access_keys_are_paired_by_their_names() {
    for (id, secret) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("aws/accessKeyId", "aws/secretAccessKey"),
        ("access_key", "secret_key"),
        (
            "BILLING_AWS_ACCESS_KEY_ID_2",
            "BILLING_AWS_SECRET_ACCESS_KEY_2",
        ),
        ("AWS_KEY", "AWS_SECRET"),
    ] {
        let containers = file(&[(id, ID), (secret, SECRET), ("zzz_commit_b64", SECRET2)]);
        let name = "file:/etc/app.env";
        let mut expected = vec![
            format!("{name}#{id} KeyId aws-iam {ID}"),
            format!("{name}#{secret} Secret aws-iam {ID}"),
        ];
        expected.sort();
        assert_eq!(found(&containers), expected);
    }
}

#[test]
fn hex_is_a_secret_only_where_the_name_says_so() {
    let hex = "0123456789abcdef0123456789abcdef01234567";
    let id = "AKIA0123456789ABCDEF";
    let named = file(&[
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", hex),
        ("COMMIT", hex),
    ]);
    assert_eq!(found(&named).len(), 2);
    let unnamed = file(&[("AWS_ACCESS_KEY_ID", id), ("COMMIT", hex)]);
    assert_eq!(found(&unnamed).len(), 1);
}

#[test]
fn two_pairs_in_one_container_stay_apart() {
    let containers = file(&[
        ("A_AWS_ACCESS_KEY_ID", ID),
        ("A_AWS_SECRET_ACCESS_KEY", SECRET),
        ("B_AWS_ACCESS_KEY_ID", ID2),
        ("B_AWS_SECRET_ACCESS_KEY", SECRET2),
    ]);
    let found = found(&containers);
    assert_eq!(found.len(), 4);
    assert!(found.contains(&format!(
        "file:/etc/app.env#A_AWS_SECRET_ACCESS_KEY Secret aws-iam {ID}"
    )));
    assert!(found.contains(&format!(
        "file:/etc/app.env#B_AWS_SECRET_ACCESS_KEY Secret aws-iam {ID2}"
    )));
}

#[test]
fn parameters_under_one_path_are_paired() {
    let whole = |name: &str, value| holding(container("ssm", name), &[("", value)]);
    let containers = [
        whole("/x/aws_access_key_id", ID),
        whole("/x/aws_secret_access_key", SECRET),
        whole("/y/aws_secret_access_key", SECRET2),
    ];
    assert_eq!(
        found(&containers),
        [
            format!("ssm:us-east-1:/x/aws_access_key_id KeyId aws-iam {ID}"),
            format!("ssm:us-east-1:/x/aws_secret_access_key Secret aws-iam {ID}"),
            "ssm:us-east-1:/y/aws_secret_access_key Secret aws-iam -".to_string(),
        ]
    );
}

#[test]
fn a_single_pair_needs_no_names_and_several_are_left_to_the_issuer() {
    let one = file(&[("user", ID), ("password", SECRET)]);
    assert_eq!(found(&one).len(), 2);

    let several = file(&[("u1", ID), ("u2", ID2), ("p1", SECRET), ("p2", SECRET2)]);
    assert!(found(&several).is_empty());
    let detected = detect(&several, &detectors());
    let [undecided] = detected.undecided.as_slice() else {
        panic!("one expected")
    };
    let right = |id: &relatch_case::KeyId, secret: &Secret| {
        (id.as_str() == ID) == (secret.expose_str() == Some(SECRET2))
    };
    let (candidates, blind_spots) = undecided.clone().settle(right);
    assert!(blind_spots.is_empty());
    let secrets: Vec<_> = candidates
        .iter()
        .filter(|c| c.part == Part::Secret)
        .map(|c| {
            (
                c.slot.0.as_str(),
                c.key_id.as_ref().map_or("", |id| id.as_str()),
            )
        })
        .collect();
    assert_eq!(secrets, [("p2", ID), ("p1", ID2)]);

    let (candidates, blind_spots) = undecided.clone().settle(|_, _| false);
    assert!(candidates.iter().all(|c| c.part == Part::KeyId));
    assert_eq!(blind_spots.len(), 4);
}

#[test]
fn temporary_credentials_are_named() {
    let blind = blind(&file(&[("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE")]));
    assert!(blind[0].contains("temporary"), "{blind:?}");
}

#[test]
fn the_order_of_containers_does_not_matter() {
    let mut containers = file(&[("A", OPENAI), ("B", ID), ("C", SECRET)]);
    containers.push(holding(container("ssm", "/k"), &[("", OPENAI)]));
    let forwards = found(&containers);
    containers.reverse();
    assert_eq!(found(&containers), forwards);
}

#[test]
fn detectors_that_match_everything_or_nothing_are_refused() {
    assert!(matches!(
        Detector::try_from(spec("x", Some("a)(b"), &[])),
        Err(DetectorError::Pattern {
            field: "format",
            ..
        })
    ));
    for wrong in [spec("x", None, &[]), spec("x", Some(".*"), &[])] {
        assert!(matches!(
            Detector::try_from(wrong),
            Err(DetectorError::Empty { .. })
        ));
    }
}

#[test]
fn no_value_is_printed() {
    let several = file(&[
        ("a", OPENAI),
        ("u1", ID),
        ("u2", ID2),
        ("p1", SECRET),
        ("p2", SECRET2),
    ]);
    let text = format!("{several:?} {:?}", detect(&several, &detectors()));
    assert!(!text.contains("T3BlbkFJ") && !text.contains(SECRET) && !text.contains(SECRET2));
}
