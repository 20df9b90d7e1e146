//! Detections in a triage: what they find is put on the right side, once, in whatever order the
//! evidence comes, and what is everyday work is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use relatch_corpus::{Spec, Truth, documents};
use relatch_detect::{RuleSet, builtin};
use relatch_evidence::{Options, Seeds, Source, Triage, Verdict, summary, triage_sources};
use serde_json::{Value, json};

type Files = Vec<(String, Vec<u8>)>;

fn rules() -> Arc<RuleSet> {
    Arc::new(RuleSet::compile(builtin()))
}

fn investigate(files: &[(String, Vec<u8>)], key: &str, rules: Option<Arc<RuleSet>>) -> Triage {
    let source = |(name, bytes): &(String, Vec<u8>)| Source::Bytes {
        name: name.clone(),
        bytes: bytes.clone(),
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    let mut options = Options::with_seeds(Seeds {
        access_keys: [key.to_owned()].into(),
        ..Seeds::default()
    });
    options.detections = rules;
    triage_sources(&sources, &options).expect("readable")
}

fn corpus(seed: u64) -> (Files, Truth) {
    documents(&Spec::small(seed))
}

/// Every event in a whole file, by id.
fn events(files: &[(String, Vec<u8>)]) -> BTreeMap<String, Value> {
    let mut events = BTreeMap::new();
    for (_, bytes) in files {
        let mut text = Vec::new();
        let whole = GzDecoder::new(&bytes[..]).read_to_end(&mut text).is_ok();
        let value: Option<Value> = whole.then(|| serde_json::from_slice(&text).ok()).flatten();
        let records = value.as_ref().and_then(|value| value["Records"].as_array());
        for event in records.into_iter().flatten() {
            let id = event["eventID"].as_str().unwrap_or_default().to_owned();
            events.insert(id, event.clone());
        }
    }
    events
}

/// What the rules say to each event, read as a tree.
fn titles(rules: &RuleSet, events: &BTreeMap<String, Value>) -> BTreeMap<String, Vec<String>> {
    let (mut scanner, mut hits) = (rules.scanner(), Vec::new());
    let mut all = BTreeMap::new();
    for (id, event) in events {
        scanner.matches(event, &mut hits);
        let rules = hits.iter().map(|hit| rules.rule(*hit).expect("a rule"));
        let titles: BTreeSet<String> = rules
            .filter(|rule| rule.alone)
            .map(|rule| rule.title.clone())
            .collect();
        if !titles.is_empty() {
            all.insert(id.clone(), titles.into_iter().collect());
        }
    }
    all
}

#[test]
fn what_is_found_in_passing_is_what_the_whole_records_say() {
    let rules = rules();
    for seed in [0, 5] {
        let (files, truth) = corpus(seed);
        let found = investigate(&files, &truth.seed_key, Some(rules.clone()));
        let events = events(&files);
        let expected = titles(&rules, &events);
        let whose: BTreeSet<&String> = found
            .tainted_events
            .iter()
            .chain(&found.uncertain_events)
            .filter(|id| events.contains_key(*id))
            .collect();
        assert!(whose.len() > 20, "seed {seed}");
        for id in whose {
            let titles = found.detections_by_event.get(id);
            assert_eq!(titles, expected.get(id), "seed {seed}, {}", events[id]);
        }
        let counts = &found.detection_counts;
        assert!(counts.attacker > 0 && counts.others > counts.attacker);
        assert_eq!((counts.left_out, counts.coarse), (0, 0));
    }
}

#[test]
fn the_attackers_groups_come_first_and_hold_nothing_else() {
    let (files, truth) = corpus(0);
    let found = investigate(&files, &truth.seed_key, Some(rules()));
    let verdicts: Vec<Verdict> = found.detections.iter().map(|group| group.verdict).collect();
    assert!(verdicts.is_sorted());
    let tainted: BTreeSet<&String> = found.tainted_events.iter().collect();
    let his: Vec<_> = found
        .detections
        .iter()
        .filter(|group| group.verdict == Verdict::Attacker)
        .collect();
    assert!(!his.is_empty());
    for group in &his {
        assert_eq!(group.usual, 0, "{group:?}");
        assert!(found.actors.iter().any(|actor| actor.id == group.actor));
        let ids = group.rules.iter().flat_map(|rule| &rule.event_ids);
        assert!(ids.clone().all(|id| tainted.contains(id)));
        assert!(group.first >= found.first && group.last <= found.last);
    }
    let read: u64 = his
        .iter()
        .filter(|group| group.tactic == "credential-access")
        .map(|group| group.count)
        .sum();
    assert!(read > 0, "reads of secrets are told: {his:?}");
}

fn detections(found: &Triage) -> Value {
    json!([
        found.detections,
        found.detection_counts,
        found.detections_by_event
    ])
}

#[test]
fn order_does_not_matter_and_duplicates_do_not_count_twice() {
    let (files, truth) = corpus(4);
    let rules = rules();
    let found = investigate(&files, &truth.seed_key, Some(rules.clone()));
    let last = files.len();
    // Files are read by name: the other way round, and everything a second time.
    let turned: Files = (0..)
        .zip(&files)
        .map(|(at, (_, bytes))| (format!("{:06}.json.gz", last - at), bytes.clone()))
        .collect();
    let again = turned
        .iter()
        .map(|(name, bytes)| (format!("again/{name}"), bytes.clone()));
    let twice: Files = turned.iter().cloned().chain(again).collect();
    for files in [&turned, &twice] {
        let other = investigate(files, &truth.seed_key, Some(rules.clone()));
        assert_eq!(other.tainted_events, found.tainted_events);
        assert_eq!(detections(&other), detections(&found));
    }
}

#[test]
fn without_rules_nothing_is_said_of_them() {
    let (files, truth) = corpus(4);
    let found = investigate(&files, &truth.seed_key, None);
    let with = investigate(&files, &truth.seed_key, Some(rules()));
    assert_eq!(found.detection_counts.rules, 0);
    assert!(found.detections.is_empty() && found.detections_by_event.is_empty());
    assert!(!summary(&found).contains("etections"));
    assert_eq!(found.tainted_events, with.tainted_events);
    assert_eq!(found.actors, with.actors);
}

const JOB: &str = "AKIAJOBJOBJOBJOBJOB1";
const THIEF: &str = "AKIATHIEFTHIEFTHIEF1";

struct Caller<'c> {
    identity: Value,
    address: &'c str,
    agent: &'c str,
}

fn key(id: &str) -> Value {
    let arn = format!("arn:aws:iam::111122223333:user/{id}");
    json!({"type": "IAMUser", "accessKeyId": id, "userName": id, "arn": arn,
        "accountId": "111122223333"})
}

/// The session of a build: each has a name and a key of its own.
fn build(number: i64) -> Value {
    json!({
        "type": "AssumedRole",
        "arn": format!("arn:aws:sts::111122223333:assumed-role/build/run-{number}"),
        "accountId": "111122223333",
        "accessKeyId": format!("ASIABUILDBUILDBUILD{number}"),
        "sessionContext": {
            "sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/build", "type": "Role"},
            "attributes": {"creationDate": time(number * 3600)},
        },
    })
}

fn time(seconds: i64) -> String {
    let start: jiff::Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
    (start + jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn read(seconds: i64, caller: &Caller<'_>, secret: &str) -> Value {
    json!({
        "eventVersion": "1.09",
        "eventID": format!("{seconds:08x}-0000-4000-8000-{:012x}", secret.len() * 100 + caller.address.len()),
        "eventTime": time(seconds),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": caller.address,
        "userAgent": caller.agent,
        "readOnly": true,
        "recipientAccountId": "111122223333",
        "userIdentity": caller.identity,
        "requestParameters": {"secretId": secret},
    })
}

/// A job reads the same five secrets each hour, and a build its own; in the sixth hour a thief
/// with another key reads what the job reads, and after that the job reads something new.
fn story() -> Vec<Value> {
    let job = Caller {
        identity: key(JOB),
        address: "10.0.0.1",
        agent: "Boto3/1.34",
    };
    let thief = Caller {
        identity: key(THIEF),
        address: "203.0.113.9",
        agent: "aws-cli/2.17",
    };
    let mut events = Vec::new();
    for hour in 0..9 {
        for n in 0..5 {
            events.push(read(hour * 3600 + n, &job, &format!("own{n}")));
        }
        let build = Caller {
            identity: build(hour),
            address: "10.0.0.22",
            agent: "aws-sdk-go/1.44",
        };
        events.push(read(hour * 3600 + 60, &build, "build-token"));
    }
    for n in 0..5 {
        events.push(read(6 * 3600 + 900 + n, &thief, &format!("own{n}")));
    }
    events.push(read(8 * 3600 + 1800, &job, "something-new"));
    events
}

#[test]
fn what_was_usual_before_the_incident_is_left_out() {
    let text = json!({ "Records": story() }).to_string().into_bytes();
    let files = [("story.json".to_owned(), text)];
    let found = investigate(&files, THIEF, Some(rules()));
    assert_eq!(found.tainted_events.len(), 5, "{:?}", found.actors);
    let groups: Vec<_> = found
        .detections
        .iter()
        .map(|group| {
            (
                group.actor.as_str(),
                group.verdict,
                group.count,
                group.usual,
            )
        })
        .collect();
    // Each build is a session of its own; what it reads is usual for the role.
    assert_eq!(
        groups,
        [
            (THIEF, Verdict::Attacker, 5, 0),
            (JOB, Verdict::Legitimate, 1, 10)
        ]
    );
    let his = &found.detections[0];
    assert_eq!(his.tactic, "credential-access");
    assert_eq!(his.level, "critical", "the sweep is");
    assert_eq!(his.alerts[0].event_ids, found.tainted_events);
    assert_eq!(his.rules[0].event_ids, found.tainted_events);
    assert_eq!(his.first, found.first);
    let counts = &found.detection_counts;
    assert_eq!(
        (counts.attacker, counts.others, counts.before, counts.usual),
        (5, 55, 42, 12)
    );
    let text = summary(&found);
    assert!(
        text.contains("critical      credential-access, 5 hits: "),
        "{text}"
    );
    assert!(
        text.contains("Left out: 55 hits on everybody else's calls, 54 of them usual"),
        "{text}"
    );
}

#[test]
fn rules_that_could_not_be_used_are_a_blind_spot() {
    let text = "title: broken\nlogsource: {product: aws, service: cloudtrail}\ndetection: {a: {b: c}, condition: nonsense}\n";
    let loaded = relatch_detect::load_text("mine.yml", text, &relatch_detect::Placeholders::new());
    let rules = Arc::new(RuleSet::compile(loaded));
    let text = json!({ "Records": story() }).to_string().into_bytes();
    let found = investigate(&[("story.json".to_owned(), text)], THIEF, Some(rules));
    let spots = found.blind_spots.iter().map(|spot| spot.what.as_str());
    assert!(
        spots
            .into_iter()
            .any(|what| what == "1 detections could not be used")
    );
}

/// What is remembered of one event for the next ones of its file changes nothing.
#[test]
fn events_in_files_of_their_own_come_to_the_same() {
    let (files, truth) = corpus(2);
    let events: Vec<Value> = events(&files).into_values().take(3000).collect();
    let file = |name: String, events: &[Value]| {
        let records = json!({ "Records": events });
        (name, records.to_string().into_bytes())
    };
    let apart = events.chunks(1).enumerate();
    let apart: Files = apart
        .map(|(n, one)| file(format!("{n}.json"), one))
        .collect();
    let together = vec![file("all.json".to_owned(), &events)];
    let said = |files: &Files| {
        let found = investigate(files, &truth.seed_key, Some(rules()));
        let told = (found.detections, found.detections_by_event);
        serde_json::to_value((told, found.detection_counts)).expect("JSON")
    };
    let expected = said(&apart);
    assert!(expected.to_string().len() > 1000, "something was found");
    assert_eq!(said(&together), expected);
}
