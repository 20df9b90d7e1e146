//! Every detection that comes with the program has an event (or a series of events) that it
//! matches, and a near miss that it must leave alone.

use std::collections::{BTreeMap, BTreeSet};

use relatch_detect::{
    Hit, Interest, Known, Placeholders, RawEvent, RuleIndex, RuleSet, Scanner, builtin, load_text,
};
use serde_json::{Value, json};

const FIXTURES: &str = include_str!("detections.jsonl");

struct Fixture {
    id: String,
    matching: Vec<Value>,
    near: Vec<Value>,
}

fn fixtures() -> Vec<Fixture> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    FIXTURES
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("a fixture is JSON");
            let id = line["id"].as_str().expect("a fixture has an id").to_owned();
            Fixture {
                id,
                matching: list(&line["match"]),
                near: list(&line["near"]),
            }
        })
        .collect()
}

fn hits(scanner: &mut Scanner<'_>, event: &Value) -> Vec<RuleIndex> {
    let (mut parsed, mut raw) = (Vec::new(), Vec::new());
    scanner.matches(event, &mut parsed);
    let text = event.to_string();
    let record = RawEvent::new(&text).expect("a record");
    scanner.matches(&record, &mut raw);
    assert_eq!(parsed, raw, "JSON text and parsed JSON differ: {event}");
    parsed
}

/// All rules and correlations that a series matches, as ids.
fn found(set: &RuleSet, events: &[Value]) -> BTreeSet<String> {
    let (mut scanner, mut folder) = (set.scanner(), set.folder(None));
    let mut all = BTreeSet::new();
    for (number, event) in (0..).zip(events) {
        let hits = hits(&mut scanner, event);
        let seconds = event["at"].as_i64().unwrap_or(0);
        let hit = Hit {
            actor: "a",
            habit: "h",
            time_ms: seconds * 1000,
            event: number,
        };
        folder.take(&hits, hit, event);
        all.extend(hits);
    }
    let result = folder.finish();
    assert_eq!(result.left_out, 0);
    all.extend(result.alerts.iter().map(|alert| alert.rule));
    all.into_iter()
        .map(|index| set.rule(index).expect("an index of this set").id.clone())
        .collect()
}

#[test]
fn each_matches_what_it_should_and_leaves_its_near_miss_alone() {
    let set = RuleSet::compile(builtin());
    let mut covered = BTreeSet::new();
    for fixture in fixtures() {
        let matched = found(&set, &fixture.matching);
        assert!(
            matched.contains(&fixture.id),
            "{} did not match",
            fixture.id
        );
        assert!(
            !found(&set, &fixture.near).contains(&fixture.id),
            "{} matched its near miss",
            fixture.id
        );
        covered.extend(matched);
        assert!(!fixture.near.is_empty());
    }
    let own: BTreeSet<String> = fixtures().into_iter().map(|fixture| fixture.id).collect();
    let correlations = set.correlations().iter().map(|one| &one.rule);
    for rule in set.rules().iter().chain(correlations) {
        assert!(
            covered.contains(&rule.id),
            "{} ({}) never matches",
            rule.title,
            rule.id
        );
        assert!(
            !rule.alone || own.contains(&rule.id),
            "{} ({}) has no fixture",
            rule.title,
            rule.id
        );
    }
}

#[test]
fn the_catalog_is_whole_and_well_kept() {
    let set = RuleSet::compile(builtin());
    assert!(set.refused().is_empty(), "{:?}", set.refused());
    let mut titles = BTreeMap::new();
    let correlations = set.correlations().iter().map(|one| &one.rule);
    for rule in set.rules().iter().chain(correlations) {
        let version = rule.id.as_bytes().get(14);
        assert!(
            rule.id.len() == 36 && version == Some(&b'4'),
            "{}: not a UUID v4",
            rule.path
        );
        assert!(
            rule.level.is_some() && !rule.description.is_empty(),
            "{}",
            rule.path
        );
        assert!(
            !rule.techniques().is_empty() && !rule.tactics().is_empty(),
            "{}",
            rule.path
        );
        assert!(
            !rule.alone || !rule.false_positives.is_empty(),
            "{}: false positives",
            rule.path
        );
        assert!(
            titles.insert(rule.title.clone(), &rule.path).is_none(),
            "{}: title",
            rule.path
        );
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog/detections");
    let files = std::fs::read_dir(folder).expect("the catalog").count();
    let base = |path: &str| path.split('#').next().unwrap_or_default().to_owned();
    let known: BTreeSet<String> = titles.values().map(|path| base(path)).collect();
    assert_eq!(
        known.len(),
        files,
        "a file of the catalog is not listed in the program"
    );
}

/// The part of an event that has a name of its own.
fn known_fields(event: &Value) -> Value {
    let mut part = json!({});
    for known in Known::ALL {
        let pointer = format!("/{}", known.text().replace('.', "/"));
        match (event.pointer(&pointer), known.text().split_once('.')) {
            (Some(value), Some((above, below))) => part[above][below] = value.clone(),
            (Some(value), None) => part[known.text()] = value.clone(),
            (None, _) => {}
        }
    }
    part
}

#[test]
fn interest_says_what_has_to_be_read() {
    let set = RuleSet::compile(builtin());
    let mut scanner = set.scanner();
    let mut seen = BTreeMap::new();
    let (mut all, mut fewer) = (Vec::new(), Vec::new());
    for event in fixtures()
        .into_iter()
        .flat_map(|one| [one.matching, one.near].concat())
    {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let (source, name) = (text("eventSource"), text("eventName"));
        let interest = scanner.interest(source.as_bytes(), name.as_bytes());
        scanner.matches(&event, &mut all);
        match interest {
            Interest::Nothing => assert!(all.is_empty(), "{event}"),
            Interest::Fields => {
                scanner.matches(&known_fields(&event), &mut fewer);
                assert_eq!(all, fewer, "{event}");
            }
            Interest::Record => {}
        }
        *seen.entry(interest).or_insert(0) += 1;
    }
    // Some rules look at the user agent alone, so no event is without interest.
    assert!(
        seen.get(&Interest::Fields).is_some_and(|count| *count > 20),
        "{seen:?}"
    );
    assert_eq!(scanner.interest(b"a\\u0062", b"x"), Interest::Record);
    assert_eq!(scanner.interest(&[0xFF], b"x"), Interest::Record);
    let one = "title: one\nlogsource: {product: aws}\ndetection: {a: {eventName: GetObject, requestParameters.key: x}, condition: a}\n";
    let set = RuleSet::compile(load_text("one", one, &Placeholders::new()));
    let mut scanner = set.scanner();
    assert_eq!(
        scanner.interest(b"s3.amazonaws.com", b"GetObject"),
        Interest::Record
    );
    assert_eq!(
        scanner.interest(b"s3.amazonaws.com", b"PutObject"),
        Interest::Nothing
    );
}
