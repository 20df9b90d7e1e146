//! The whole crate on a small invented story: an owner, a pipeline and a worker go about their
//! business for three days; then the owner's key is used from elsewhere.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use relatch_evidence::{
    Limits, Options, Seeds, Source, Triage, TriageError, Verdict, not_read, summary, triage,
    triage_sources, uses_of_keys,
};
use serde_json::{Value, json};

const OWNER: &str = "AKIAOWNEROWNEROWNER1";
const STORY: &str = include_str!("fixtures/story.jsonl");
const TRUTH: &str = include_str!("fixtures/story.truth.json");

fn events() -> Vec<Value> {
    STORY
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect()
}

fn truth(of: &str) -> BTreeSet<String> {
    let truth: Value = serde_json::from_str(TRUTH).expect("JSON");
    truth[of]
        .as_array()
        .expect("a list")
        .iter()
        .map(|id| id.as_str().expect("a text").to_owned())
        .collect()
}

fn key_seed(key: &str) -> Seeds {
    Seeds {
        access_keys: BTreeSet::from([key.to_owned()]),
        ..Seeds::default()
    }
}

fn from_bytes(documents: &[(&str, Vec<u8>)], seeds: Seeds) -> Triage {
    let sources: Vec<Source> = documents
        .iter()
        .map(|(name, bytes)| Source::Bytes {
            name: (*name).to_owned(),
            bytes: bytes.clone(),
        })
        .collect();
    triage_sources(&sources, &Options::with_seeds(seeds)).expect("readable")
}

fn from_text(text: &str) -> Triage {
    from_bytes(&[("log.json", text.as_bytes().to_vec())], Seeds::default())
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn ids(triage: &Triage) -> BTreeSet<String> {
    triage.tainted_events.iter().cloned().collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}

#[test]
fn the_story_is_told_exactly_with_and_without_seeds() {
    for seeds in [
        Seeds::default(),
        key_seed(OWNER),
        key_seed("ASIAEVIL2XXXXXXXXXXX"),
    ] {
        let found = from_bytes(&[("story", STORY.as_bytes().to_vec())], seeds.clone());
        assert_eq!(ids(&found), truth("tainted"), "{seeds:?}");
        let read: BTreeSet<String> = found
            .secrets_read
            .iter()
            .map(|read| read.id.clone())
            .collect();
        let mut expected = truth("secrets");
        expected.insert("/prod/token".into());
        assert_eq!(read, expected);
        assert_eq!(found.addresses, ["203.0.113.66", "203.0.113.99"]);
        assert_eq!(
            found.created_keys,
            BTreeSet::from(["AKIAEVEEVEEVEEVEEVE1".to_owned()])
        );
        assert_eq!(
            (found.first.as_deref(), found.last.as_deref()),
            (Some("2026-03-04T02:00:00Z"), Some("2026-03-04T04:01:00Z"))
        );
    }
}

#[test]
fn the_owner_and_a_session_of_the_same_name_stay_legitimate() {
    let found = from_text(STORY);
    let verdict = |id: &str| {
        found
            .actors
            .iter()
            .find(|actor| actor.id == id)
            .map(|actor| actor.verdict)
    };
    assert_eq!(verdict(OWNER), Some(Verdict::Mixed));
    assert_eq!(verdict("AKIAOPSOPSOPSOPSOPS1"), Some(Verdict::Legitimate));
    assert_eq!(verdict("AKIACICICICICICICIC1"), Some(Verdict::Legitimate));
    assert_eq!(verdict("AKIAEVEEVEEVEEVEEVE1"), Some(Verdict::Attacker));
    let legit = events()
        .into_iter()
        .find(|event| event["userIdentity"]["accessKeyId"] == "ASIALEGITLEGITLEGIT1")
        .expect("in the story");
    assert!(!ids(&found).contains(legit["eventID"].as_str().expect("an id")));
}

#[test]
fn a_chain_of_four_roles_carries_its_path() {
    let found = from_text(STORY);
    let last = found
        .actors
        .iter()
        .find(|actor| actor.id.contains(":assumed-role/audit/"))
        .expect("the last role");
    let calls: Vec<&str> = last.path.iter().map(|step| step.call.as_str()).collect();
    let assume = "sts.amazonaws.com:AssumeRole";
    assert_eq!(
        calls,
        [assume, assume, assume, assume, "s3.amazonaws.com:GetObject"]
    );
    assert!(
        last.path
            .iter()
            .all(|step| truth("tainted").contains(&step.event_id))
    );
}

#[test]
fn every_format_gives_the_same_answer() {
    let all = events();
    let expected = from_text(STORY);
    let lookup: Vec<Value> = all.iter().map(|event| json!({"EventId": event["eventID"], "EventName": event["eventName"], "CloudTrailEvent": event.to_string()})).collect();
    let bridge: String = all
        .iter()
        .map(|event| {
            json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": event})
                .to_string()
                + "\n"
        })
        .collect();
    let lower: String = all
        .iter()
        .map(|event| lower_case(event).to_string() + "\n")
        .collect();
    let documents = [
        ("records", json!({"Records": all}).to_string()),
        ("array", Value::Array(all.clone()).to_string()),
        (
            "pretty",
            serde_json::to_string_pretty(&json!({"Records": all})).expect("JSON"),
        ),
        (
            "lookup",
            json!({"Events": lookup, "NextToken": "x"}).to_string(),
        ),
        ("bridge", bridge),
        ("lower", lower),
    ];
    for (name, text) in documents {
        for bytes in [
            text.as_bytes().to_vec(),
            gzip(text.as_bytes()),
            zstd(text.as_bytes()),
        ] {
            let found = from_bytes(&[(name, bytes)], Seeds::default());
            assert_eq!(found.tainted_events, expected.tainted_events, "{name}");
            assert_eq!(found.secrets_read, expected.secrets_read, "{name}");
            assert_eq!(found.problems, [], "{name}");
        }
    }
}

/// As a table engine exports it: names in lower case, structures as strings.
fn lower_case(event: &Value) -> Value {
    let fields = event.as_object().expect("an object").iter();
    let lowered = fields.map(|(name, value)| {
        let value = if value.is_object() {
            Value::String(value.to_string())
        } else {
            value.clone()
        };
        (name.to_lowercase(), value)
    });
    Value::Object(lowered.collect())
}

#[test]
fn a_single_event_and_a_table_are_read() {
    let event = events().remove(0);
    assert_eq!(from_text(&event.to_string()).events_read, 1);
    let table = "Event Name,Event ID,Event DateTime,Source IP,User ID,Request Parameters\n\
                 GetObject,11111111-1111-4111-8111-111111111111,2026-01-01T00:00:00Z,192.0.2.1,\"{'type': 'IAMUser', 'accessKeyId': 'AKIATABLETABLETABLE1'}\",\"{'bucketName': 'b', 'key': 'k'}\"\n";
    let found = from_bytes(
        &[("t.csv", table.as_bytes().to_vec())],
        key_seed("AKIATABLETABLETABLE1"),
    );
    assert_eq!(found.secrets_read[0].id, "s3://b/k");
}

#[test]
fn order_and_duplicates_do_not_change_the_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<&str> = STORY.lines().collect();
    let mut paths = Vec::new();
    for (number, part) in lines.chunks(40).enumerate() {
        let mut part: Vec<&str> = part.to_vec();
        part.reverse();
        // The names run against the time.
        paths.push(write(
            folder.path(),
            &format!("a/{:02}.json", 50 - number),
            part.join("\n").as_bytes(),
        ));
    }
    paths.push(write(
        folder.path(),
        "b/again.json.gz",
        &gzip(lines[..100].join("\n").as_bytes()),
    ));
    let one = triage(&paths, &Options::with_seeds(Seeds::default())).expect("readable");
    paths.reverse();
    let two = triage(&paths, &Options::with_seeds(Seeds::default())).expect("readable");
    let whole = triage(
        &[folder.path().to_owned()],
        &Options::with_seeds(Seeds::default()),
    )
    .expect("readable");
    let pattern = triage(
        &[folder.path().join("*/*.json*")],
        &Options::with_seeds(Seeds::default()),
    )
    .expect("readable");
    assert_eq!(one, two);
    assert_eq!(one, whole);
    assert_eq!(one, pattern);
    assert_eq!(one.duplicates, 100);
    assert_eq!(one.tainted_events, from_text(STORY).tainted_events);
    assert_eq!(
        one.files.iter().map(|file| file.events).sum::<u64>(),
        one.events_read
    );
}

#[test]
fn what_comes_before_a_fault_is_kept_and_the_fault_is_named() {
    let packed = gzip(STORY.as_bytes());
    let cut = from_bytes(
        &[("cut.json.gz", packed[..packed.len() / 2].to_vec())],
        Seeds::default(),
    );
    assert!(cut.events_read > 50, "{}", cut.events_read);
    assert!(
        cut.problems
            .iter()
            .any(|problem| problem.what.starts_with("cannot be read further")
                && problem.file == "cut.json.gz"),
        "{:?}",
        cut.problems
    );

    let mut lines: Vec<Vec<u8>> = STORY.lines().map(|line| line.as_bytes().to_vec()).collect();
    lines[3].truncate(200);
    lines[5] = b"{\"hello\": \"world\"}".to_vec();
    lines[7] = b"\xff\xfe\x00 not JSON at all".to_vec();
    let at = lines[9]
        .windows(9)
        .position(|window| window == b"userAgent")
        .expect("in every event")
        + 12;
    lines[9][at] = 0xff;
    let broken = from_bytes(&[("broken.json", lines.join(&b'\n'))], Seeds::default());
    assert_eq!(
        usize::try_from(broken.events_read).expect("small"),
        lines.len() - 3,
        "{:?}",
        broken.problems
    );
    let named: Vec<Option<u64>> = broken.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(
        named,
        [Some(4), Some(6), Some(8), Some(10)],
        "{:?}",
        broken.problems
    );
}

#[test]
fn hostile_sizes_are_cut_off() {
    let bomb = gzip(&vec![b' '; 3_000_000]);
    let options = Options {
        seeds: Seeds::default(),
        limits: Limits {
            file_bytes: 1_000_000,
            event_bytes: 10_000,
        },
        detections: None,
    };
    let big = json!({"Records": [{"eventName": "x".repeat(20_000)}, events()[0]]}).to_string();
    let sources = [
        Source::Bytes {
            name: "bomb.gz".into(),
            bytes: bomb,
        },
        Source::Bytes {
            name: "big.json".into(),
            bytes: big.into_bytes(),
        },
    ];
    let found = triage_sources(&sources, &options).expect("readable");
    assert_eq!(found.events_read, 1);
    assert!(
        found
            .problems
            .iter()
            .any(|problem| problem.file == "bomb.gz" && problem.what.contains("limit of 1000000")),
        "{:?}",
        found.problems
    );
    assert!(
        found
            .problems
            .iter()
            .any(|problem| problem.file == "big.json" && problem.what.contains("larger")),
        "{:?}",
        found.problems
    );
}

#[test]
fn nothing_is_left_out_in_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "CloudTrail-Digest/eu-west-1/x.json.gz",
        &gzip(b"{}"),
    );
    write(folder.path(), "LICENSE", b"Permission is hereby granted");
    write(folder.path(), "other.json", b"{\"a\": 1}");
    write(folder.path(), "log.json", STORY.as_bytes());
    let found = triage(
        &[folder.path().to_owned(), folder.path().join("missing.json")],
        &Options::with_seeds(Seeds::default()),
    )
    .expect("readable");
    assert_eq!(found.skipped.len(), 2);
    assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
    assert!(
        found
            .blind_spots
            .iter()
            .any(|spot| spot.what.starts_with("2 problems in 2 files"))
    );
    let stopped = found
        .blind_spots
        .iter()
        .filter(|spot| spot.what.starts_with("StopLogging of org-trail"))
        .count();
    assert_eq!(stopped, 1);
    assert!(matches!(
        triage(&[], &Options::with_seeds(Seeds::default())),
        Err(TriageError::NoEvidence)
    ));
    assert!(matches!(
        triage(
            &[folder.path().join("missing.json")],
            &Options::with_seeds(Seeds::default())
        ),
        Err(TriageError::NothingReadable(_))
    ));
}

#[test]
fn no_token_and_no_escape_gets_out() {
    let found = from_text(STORY);
    assert!(STORY.contains("SESSIONTOKENCANARY") && STORY.contains("\\u001b[31m"));
    let text = summary(&found);
    let json = serde_json::to_string(&found).expect("JSON");
    for output in [&text, &json] {
        assert!(!output.contains("SESSIONTOKENCANARY"));
        assert!(!output.contains('\u{1b}') && !output.contains("\\u001b"));
    }
    assert!(json.contains("python-requests/2.31RED"));
}

#[test]
fn the_summary_reads_well() {
    insta::assert_snapshot!(summary(&from_text(STORY)));
}

#[test]
fn a_quiet_log_gives_no_attacker() {
    let quiet: Vec<String> = STORY
        .lines()
        .filter(|line| !truth("tainted").iter().any(|id| line.contains(id.as_str())))
        .map(str::to_owned)
        .collect();
    let found = from_text(&quiet.join("\n"));
    assert_eq!(
        (
            found.tainted_events.len(),
            found.first.as_deref(),
            found.seeds.len()
        ),
        (0, None, 0)
    );
    assert!(summary(&found).starts_with("NO ATTACKER FOUND"));
}

#[test]
fn an_unknown_seed_is_a_blind_spot() {
    let found = from_bytes(
        &[("story", STORY.as_bytes().to_vec())],
        key_seed("AKIANEVERSEENATALL01"),
    );
    assert!(found.tainted_events.is_empty());
    assert!(
        found
            .blind_spots
            .iter()
            .any(|spot| spot.what.contains("AKIANEVERSEENATALL01 led to no event"))
    );
}

#[test]
fn an_instance_key_outside_is_separated_from_the_instance() {
    let identity = json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/web/i-0123456789abcdef0", "accountId": "111122223333", "accessKeyId": "ASIAINSTANCEINSTANC1"});
    let event = |number: u32, address: &str, agent: &str, name: &str| {
        json!({"eventID": format!("00000000-0000-4000-8000-{number:012}"), "eventTime": format!("2026-01-01T{:02}:{:02}:00Z", number / 6, number % 6 * 10), "eventSource": "s3.amazonaws.com", "eventName": name, "sourceIPAddress": address, "userAgent": agent, "userIdentity": identity, "requestParameters": {"bucketName": "b", "key": "k"}}).to_string()
    };
    let mut lines: Vec<String> = (0..30)
        .map(|number| {
            event(
                number,
                "198.51.100.1",
                "aws-sdk-go/1.4 (linux)",
                "GetObject",
            )
        })
        .collect();
    lines.extend((30..34).map(|number| {
        event(
            number,
            "203.0.113.5",
            "aws-cli/2.1 Linux/6.1",
            "ListBuckets",
        )
    }));
    lines.push(event(
        34,
        "198.51.100.1",
        "aws-sdk-go/1.4 (linux)",
        "GetObject",
    ));
    for seeds in [Seeds::default(), key_seed("ASIAINSTANCEINSTANC1")] {
        let found = from_bytes(&[("i.json", lines.join("\n").into_bytes())], seeds);
        assert_eq!(found.tainted_events.len(), 4);
        assert_eq!(found.addresses, ["203.0.113.5"]);
    }
}

/// The log of one key that two people use.
#[derive(Default)]
struct Shared(Vec<Value>);

const RIGHTFUL: (&str, &str) = ("198.51.100.7", "aws-sdk-go-v2/1.26.1 os/linux");
const THIEF: (&str, &str) = ("203.0.113.66", "Boto3/1.34.10 os/windows#10");

impl Shared {
    /// A call, whose id is returned. Lists are denied.
    fn call(&mut self, time: &str, by: (&str, &str), call: (&str, &str), secret: u32) -> String {
        let (service, name) = call;
        let denied = name.starts_with("List").then_some("AccessDenied");
        self.add(json!({
            "eventTime": time, "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name, "sourceIPAddress": by.0, "userAgent": by.1, "errorCode": denied,
            "requestParameters": {"secretId": format!("app/{secret}")},
        }))
    }

    /// What Secrets Manager does on behalf of whoever reads a secret.
    fn opened(&mut self, time: &str, secret: u32) -> String {
        let arn =
            format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/{secret}-AbCdEf");
        self.add(json!({
            "eventTime": time, "eventSource": "kms.amazonaws.com", "eventName": "Decrypt",
            "sourceIPAddress": "secretsmanager.amazonaws.com",
            "requestParameters": {"encryptionContext": {"SecretARN": arn}},
        }))
    }

    fn add(&mut self, mut event: Value) -> String {
        let id = format!("e{}", self.0.len());
        let service = event["sourceIPAddress"].as_str().expect("a text");
        let service = service.contains("amazonaws").then(|| service.to_owned());
        event["userIdentity"] = json!({
            "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/sync", "userName": "sync",
            "accountId": "111122223333", "invokedBy": service,
            "accessKeyId": if service.is_some() { "ASIAFRESHFRESHFRESH1" } else { OWNER },
        });
        event["eventID"] = json!(id);
        event["awsRegion"] = json!("eu-west-1");
        self.0.push(event);
        id
    }

    /// The answer, proposed and with the key given, must be that these are the thief's.
    fn must_tell(self, his: &BTreeSet<String>) {
        let log = json!({"Records": self.0}).to_string().into_bytes();
        for seeds in [Seeds::default(), key_seed(OWNER)] {
            let found = from_bytes(&[("log.json", log.clone())], seeds);
            assert_eq!(ids(&found), *his);
            assert_eq!(found.uncertain_events, [""; 0]);
            assert_eq!(found.addresses, [THIEF.0]);
        }
    }
}

#[test]
fn what_an_owner_does_day_by_day_is_no_attack() {
    let (mut log, mut his) = (Shared::default(), BTreeSet::new());
    for (day, hour) in (1..=5).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
        let at = |minute: u32| format!("2026-03-0{day}T{hour:02}:{minute:02}:00Z");
        for secret in 0..6 {
            log.call(
                &at(secret),
                RIGHTFUL,
                ("secretsmanager", "GetSecretValue"),
                secret,
            );
        }
        for call in [
            ("s3", "ListBuckets"),
            ("iam", "ListUsers"),
            ("kms", "ListKeys"),
        ] {
            log.call(&at(7), RIGHTFUL, call, 0);
        }
        if (day, hour) == (4, 2) {
            for name in ["GetCallerIdentity", "GetSessionToken"] {
                his.insert(log.call(&at(8), THIEF, ("sts", name), 0));
            }
            his.insert(log.call(&at(9), THIEF, ("secretsmanager", "GetSecretValue"), 3));
        }
    }
    log.must_tell(&his);
}

#[test]
fn what_a_service_opened_is_whose_call_asked_for_it() {
    let (mut log, mut his) = (Shared::default(), BTreeSet::new());
    let read = ("secretsmanager", "GetSecretValue");
    for (day, hour) in (1..=4).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
        let at = |minute: u32| format!("2026-03-0{day}T{hour:02}:{minute:02}:00Z");
        if (day, hour) == (4, 2) {
            for name in ["GetCallerIdentity", "GetSessionToken"] {
                his.insert(log.call(&at(8), THIEF, ("sts", name), 0));
            }
            // From here on keys that nothing announces may be those of a console session.
            his.insert(log.call(&at(9), THIEF, ("signin", "GetSigninToken"), 0));
            // Within the same second as the owner, who reads another one.
            his.insert(log.call(&at(10), THIEF, read, 7));
            his.insert(log.opened(&at(10), 7));
        }
        log.call(&at(10), RIGHTFUL, read, 1);
        log.opened(&at(10), 1);
    }
    log.must_tell(&his);
}

#[test]
fn uses_of_keys_are_found_quickly_and_only_once() {
    let keys = BTreeSet::from(["AKIAEVEEVEEVEEVEEVE1".to_owned()]);
    let document = |name: &str, bytes: Vec<u8>| Source::Bytes {
        name: name.into(),
        bytes,
    };
    let found = uses_of_keys(
        &[
            document("a", STORY.as_bytes().to_vec()),
            document("b", gzip(STORY.as_bytes())),
            document("c", b"broken {".to_vec()),
        ],
        &keys,
    );
    assert_eq!(found.problems, []);
    assert_eq!(found.uses.len(), 2);
    assert_eq!(
        (
            found.uses[0].event_name.as_str(),
            found.uses[0].address.as_str()
        ),
        ("GetSecretValue", "203.0.113.99")
    );
    for packed in [gzip(STORY.as_bytes()), zstd(STORY.as_bytes())] {
        let found = uses_of_keys(&[document("packed", packed)], &keys);
        assert_eq!((found.uses.len(), found.problems.len()), (2, 0));
    }
    assert!(
        uses_of_keys(
            &[document("a", STORY.as_bytes().to_vec())],
            &BTreeSet::new()
        )
        .uses
        .is_empty()
    );
}

#[test]
fn every_event_of_the_attackers_carries_its_reason() {
    let found = from_text(STORY);
    let told: BTreeSet<String> = found
        .events
        .iter()
        .filter(|event| event.verdict == Verdict::Attacker)
        .map(|event| event.event_id.clone())
        .collect();
    assert_eq!(told, ids(&found));
    let uncertain: Vec<&str> = found
        .events
        .iter()
        .filter(|event| event.verdict == Verdict::Uncertain)
        .map(|event| event.event_id.as_str())
        .collect();
    assert_eq!(uncertain, found.uncertain_events);
    assert!(found.events.iter().all(|event| !event.reason.is_empty()));
    assert!(found.events.is_sorted_by_key(|event| &event.time));
    // From each event of the attacker's the way leads back to where it began.
    let from = |id: &str| {
        let event = found.events.iter().find(|event| event.event_id == id);
        event.expect("told as well").from.clone()
    };
    for id in &found.tainted_events {
        let mut steps = 0;
        let mut at = id.clone();
        while let Some(before) = from(&at) {
            assert!(told.contains(&before) && steps < told.len(), "{id}");
            (at, steps) = (before, steps + 1);
        }
    }
    assert!(found.events.iter().any(|event| event.from.is_some()));
}

#[test]
fn the_client_stands_as_logged() {
    let agent = "a\u{1b}[31m<b>\u{202e}";
    let changed = events().into_iter().map(|mut event| {
        if event["sourceIPAddress"] == "203.0.113.66" {
            event["userAgent"] = json!(agent);
        }
        event.to_string()
    });
    let text: Vec<String> = changed.collect();
    let found = from_bytes(
        &[("log.json", text.join("\n").into_bytes())],
        key_seed(OWNER),
    );
    assert!(found.events.iter().any(|event| event.client == agent));
    assert!(!summary(&found).contains('\u{1b}'));
    let json = serde_json::to_value(&found).expect("JSON");
    let shown = |event: &Value| event["client"] == "a<b>";
    let events = json["events"].as_array().expect("a list");
    assert!(events.iter().any(shown) && !json.to_string().contains("\\u001b"));
}

#[test]
fn an_acquitted_actor_is_never_tainted_and_nothing_follows_through_it() {
    let last = from_text(STORY);
    let story = |seeds| from_bytes(&[("story", STORY.as_bytes().to_vec())], seeds);
    for seeds in [Seeds::default(), key_seed(OWNER)] {
        for key in ["ASIAEVIL2XXXXXXXXXXX", "AKIAEVEEVEEVEEVEEVE1"] {
            let acquitted = Seeds {
                acquitted: BTreeSet::from([key.to_owned()]),
                ..seeds.clone()
            };
            let found = story(acquitted);
            let of_key: BTreeSet<String> = events()
                .iter()
                .filter(|event| event["userIdentity"]["accessKeyId"] == key)
                .map(|event| event["eventID"].as_str().expect("an id").to_owned())
                .collect();
            assert!(!of_key.is_empty() && ids(&last).is_superset(&of_key));
            assert!(ids(&found).is_disjoint(&of_key), "{key}");
            let uncertain: BTreeSet<String> = found.uncertain_events.iter().cloned().collect();
            assert!(uncertain.is_disjoint(&of_key), "{key}");
            let follows = |event: &relatch_evidence::TaintedEvent| {
                event.from.as_ref().is_some_and(|id| of_key.contains(id))
            };
            assert!(!found.events.iter().any(follows), "{key}");
            assert_eq!(found.judgements[0].events, of_key.len() as u64);
        }
    }
}

#[test]
fn the_whole_answer_goes_when_its_root_is_acquitted() {
    let acquitted = Seeds {
        acquitted: BTreeSet::from([OWNER.to_owned()]),
        ..key_seed(OWNER)
    };
    let found = from_bytes(&[("story", STORY.as_bytes().to_vec())], acquitted);
    assert!(found.tainted_events.is_empty(), "{:?}", found.events);
    assert_eq!(found.seeds[0].events, 0);
}

#[test]
fn a_convicted_actor_is_all_the_attackers_with_what_follows() {
    let convicted = Seeds {
        convicted: BTreeSet::from(["AKIACICICICICICICIC1".to_owned()]),
        ..key_seed(OWNER)
    };
    let found = from_bytes(&[("story", STORY.as_bytes().to_vec())], convicted);
    let actor = found
        .actors
        .iter()
        .find(|actor| actor.id == "AKIACICICICICICICIC1")
        .expect("in the story");
    assert_eq!(actor.verdict, Verdict::Attacker);
    assert_eq!(
        actor.path[0].reason,
        "made by an actor that a person convicted"
    );
    assert!(ids(&found).is_superset(&truth("tainted")));
    assert_eq!(found.judgements[0].events, actor.tainted);
    assert!(summary(&found).contains("Convicted by a person: AKIACICICICICICICIC1"));
}

#[test]
fn a_judgement_on_nobody_is_said() {
    let nobody = Seeds {
        acquitted: BTreeSet::from(["arn:aws:iam::1:user/nobody".to_owned()]),
        ..Seeds::default()
    };
    let found = from_bytes(&[("story", STORY.as_bytes().to_vec())], nobody);
    assert_eq!(ids(&found), truth("tainted"));
    assert!(summary(&found).contains("NOBODY IN THIS LOG"));
    assert!(
        found
            .blind_spots
            .iter()
            .any(|spot| spot.what.contains("user/nobody"))
    );
}

#[test]
fn secrets_that_others_use_are_known_and_not_read() {
    let found = from_text(STORY);
    let arns: Vec<&str> = found
        .secrets_known
        .iter()
        .filter_map(|known| known.arn.as_deref())
        .collect();
    for read in &found.secrets_read {
        if read.kind == "secretsmanager" && read.id.starts_with("arn:") {
            assert!(arns.contains(&read.id.as_str()), "{}", read.id);
        }
    }
    let left = not_read(&found.secrets_known, &found.secrets_read);
    let is_read = |id: &str| found.secrets_read.iter().any(|read| read.id == id);
    assert!(left.iter().all(|known| !is_read(&known.id)));
    assert_eq!(found.secrets_readable, None);
}
