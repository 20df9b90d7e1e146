//! The compiled SQL returns the same events as the rules and seeds do here, says an engine that
//! somebody else wrote: in our DuckDB dialect, and in Athena's, translated by somebody else.

#[path = "support/duckdb.rs"]
mod duckdb;

use std::collections::{BTreeMap, BTreeSet};

use duckdb::{Statement, ask};
use relatch_detect::sql::{Dialect, Query, Seeds, Statements, Table, Window, record};
use relatch_detect::{Placeholders, RawEvent, RuleIndex, RuleSet, builtin, load_text};
use serde_json::{Map, Value, json};

const DAY: i64 = 86_400_000;

/// The fixtures of the detections, each several times with something changed.
fn events() -> Vec<Value> {
    let mut bases = Vec::new();
    for line in include_str!("detections.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for side in ["match", "near"] {
            match &line[side] {
                Value::Array(list) => bases.extend(list.iter().cloned()),
                one => bases.push(one.clone()),
            }
        }
    }
    let mut random = fastrand::Rng::with_seed(5);
    let mut events = bases.clone();
    while events.len() < 4000 {
        let mut event = bases[random.usize(0..bases.len())].clone();
        for _ in 0..random.usize(1..4) {
            change(&mut event, &mut random);
        }
        events.push(event);
    }
    for (number, event) in events.iter_mut().enumerate() {
        event["eventID"] = json!(format!("event-{number}"));
        event["eventTime"] = json!(format!(
            "2026-11-{:02}T{:02}:00:00Z",
            1 + number % 28,
            number % 24
        ));
    }
    events
}

/// Changes one thing: a field goes or is null, or text changes its letters.
fn change(event: &mut Value, random: &mut fastrand::Rng) {
    let Some(map) = event.as_object_mut() else {
        return;
    };
    let keys: Vec<String> = map.keys().cloned().collect();
    let key = keys[random.usize(0..keys.len())].clone();
    let inner = &mut map[&key];
    match (random.u8(0..7), inner) {
        (0, _) => drop(map.remove(&key)),
        (1, value) => *value = Value::Null,
        (2..6, value @ Value::Object(_)) => change(value, random),
        (2, Value::String(text)) => *text = text.to_uppercase(),
        (3, Value::String(text)) => *text = text.to_lowercase(),
        // Letters beyond ASCII that become k and i, with and without a dot.
        (4, Value::String(text)) => *text = text.replace(['k', 'K'], "\u{212A}"),
        (5, Value::String(text)) => *text = text.replace(['i', 'I'], "\u{130}"),
        (_, Value::String(text)) => {
            let more = ["x", "%", "_", "'", "\\", "\"", "!", "é", "/"];
            text.push_str(more[random.usize(0..more.len())]);
        }
        (_, Value::Bool(value)) => *value = !*value,
        (_, Value::Array(list)) => list.push(json!({"x": 1.0})),
        _ => {}
    }
}

/// JSON has many spellings; every third event gets another one.
fn lines(events: &[Value]) -> Vec<String> {
    let line = |(number, event): (usize, &Value)| match number % 3 {
        0 => event.to_string(),
        1 => event
            .to_string()
            .replace('/', "\\/")
            .replace('=', "\\u003d"),
        _ => event
            .to_string()
            .replace('\u{212A}', "\\u212a")
            .replace('é', "\\u00e9"),
    };
    events.iter().enumerate().map(line).collect()
}

fn table() -> Table {
    Table {
        name: "events".to_owned(),
        ..Table::default()
    }
}

fn query<'q>(dialect: Dialect, table: &'q Table, seeds: &'q Seeds) -> Query<'q> {
    Query {
        dialect,
        table,
        window: None,
        seeds,
    }
}

fn id(row: &Map<String, Value>) -> String {
    row["eventID"].as_str().expect("an id").to_owned()
}

/// For each rule the events that match here.
fn here(set: &RuleSet, events: &[Value]) -> BTreeMap<RuleIndex, BTreeSet<String>> {
    let (mut scanner, mut hits) = (set.scanner(), Vec::new());
    let mut found: BTreeMap<RuleIndex, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        scanner.matches(event, &mut hits);
        for hit in &hits {
            found
                .entry(*hit)
                .or_default()
                .insert(event["eventID"].as_str().expect("id").to_owned());
        }
    }
    found
}

/// A statement for each rule.
fn one_by_one(set: &RuleSet) -> (Vec<Statement>, BTreeSet<String>) {
    let (table, seeds) = (table(), Seeds::default());
    let query = query(Dialect::DuckDb, &table, &seeds);
    let (mut statements, mut not_pushed) = (Vec::new(), BTreeSet::new());
    for rule in set.rules() {
        let made = query
            .statements(set, &|one| one.id == rule.id)
            .expect("statements");
        not_pushed.extend(made.not_pushed.iter().map(|_| rule.id.clone()));
        statements.extend(
            made.sql
                .into_iter()
                .map(|sql| (rule.id.clone(), "duckdb", sql)),
        );
    }
    (statements, not_pushed)
}

/// For each rule that could be pushed: no event is missing, and how many are too many.
fn compare(set: &RuleSet, events: &[Value]) -> (BTreeSet<String>, usize, usize) {
    let (statements, not_pushed) = one_by_one(set);
    let answers = ask(&lines(events), &statements);
    let here = here(set, events);
    let none = BTreeSet::new();
    let (mut wanted, mut more) = (0, 0);
    for (pair, (name, _, sql)) in answers.iter().zip(&statements) {
        let there: BTreeSet<String> = pair.1.iter().map(id).collect();
        let index = set
            .rules()
            .iter()
            .position(|rule| rule.id == *name)
            .expect("a rule");
        let index = RuleIndex(u32::try_from(index).expect("small"));
        let ours = here.get(&index).unwrap_or(&none);
        let missing: Vec<_> = ours.difference(&there).take(3).collect();
        let title = &set.rule(index).expect("a rule").title;
        assert!(
            missing.is_empty(),
            "{title}: {missing:?} missing from\n{sql}"
        );
        wanted += ours.len();
        more += there.len() - ours.len();
    }
    (not_pushed, wanted, more)
}

#[test]
fn no_event_of_our_detections_is_missing() {
    let set = RuleSet::compile(builtin());
    let (not_pushed, wanted, more) = compare(&set, &events());
    assert!(not_pushed.is_empty(), "{not_pushed:?}");
    assert!(wanted > 5000, "{wanted}");
    assert!(more * 8 < wanted, "{more} events too many for {wanted}");
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

#[test]
fn what_comes_back_matches_the_same_rules() {
    let set = RuleSet::compile(builtin());
    // In a table a null is the same as no field.
    let mut events = events();
    events.iter_mut().for_each(drop_nulls);
    let (table, seeds) = (table(), Seeds::default());
    let mut statements = Vec::new();
    for (name, dialect) in [("duckdb", Dialect::DuckDb), ("athena", Dialect::Athena)] {
        let query = query(dialect, &table, &seeds);
        let Statements { sql, not_pushed } = query.statements(&set, &|_| true).expect("statements");
        assert!(not_pushed.is_empty() && sql.len() == 1);
        statements.push(("all".to_owned(), name, sql[0].clone()));
    }
    let answers = ask(&lines(&events), &statements);
    assert_eq!(
        answers[0].1, answers[1].1,
        "both dialects return the same rows"
    );
    let mut there: BTreeMap<RuleIndex, BTreeSet<String>> = BTreeMap::new();
    let (mut scanner, mut hits) = (set.scanner(), Vec::new());
    for row in &answers[0].1 {
        let values = row
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let text = record(values).expect("a record");
        scanner.matches(&RawEvent::new(&text).expect("a record"), &mut hits);
        for hit in &hits {
            there.entry(*hit).or_default().insert(id(row));
        }
    }
    for (index, wanted) in here(&set, &events) {
        let found = there.remove(&index).unwrap_or_default();
        let title = &set.rule(index).expect("a rule").title;
        let differ: Vec<_> = wanted.symmetric_difference(&found).collect();
        assert!(differ.is_empty(), "{title}: {differ:?}");
    }
    assert!(there.is_empty(), "{there:?}");
}

/// One selection for each thing that a rule can say, on a column, below one, on a list, and where
/// there is no column; each also under `not`.
#[test]
fn everything_a_rule_can_say() {
    let tests = [
        "eventName: GetSecretValue",
        "eventName|cased: GetSecretValue",
        "eventName: [GetSecretValue, 'get?arameter*', '*k*']",
        "eventName|startswith: [Get, list]",
        "eventName|endswith: key",
        "eventName|contains|all: [get, value]",
        "eventName|contains: 'é'",
        "eventName: 'list*users'",
        "eventName|re: '^Get.*Key'",
        "eventName|contains: '%'",
        "eventName|contains: '_'",
        "eventName|contains: \"'\"",
        r"eventName|endswith: '\\'",
        "eventName: ''",
        "errorCode: null",
        "errorCode|exists: true",
        "errorCode|exists: false",
        "errorCode: '*'",
        "sourceIPAddress|cidr: 203.0.113.0/24",
        "sourceIPAddress|cidr: 203.0.0.0/10",
        "sourceIPAddress|cidr: '2001:db8::/32'",
        "userIdentity.type: [Root, iamuser]",
        "userIdentity.userName|fieldref: requestParameters.userName",
        "userIdentity|exists: true",
        "userIdentity.sessionContext.sessionIssuer.arn|contains: role",
        "eventTime|hour: 5",
        "eventVersion|gt: 1",
        "requestParameters|exists: true",
        "requestParameters|exists: false",
        "requestParameters: null",
        "requestParameters|contains: 'withDecryption'",
        "requestParameters.userName: [ci, admin]",
        "requestParameters.userName: 'backup'",
        "requestParameters.withDecryption: true",
        "requestParameters.withDecryption: 'true'",
        "requestParameters.ipPermissions.items.fromPort: 22",
        "requestParameters.ipPermissions.items.fromPort|lte: 22",
        "requestParameters.ipPermissions.items.fromPort: '22'",
        "requestParameters.ipPermissions.items.ipRanges.items.cidrIp: 0.0.0.0/0",
        "requestParameters.policyArn|endswith: ':policy/AdministratorAccess'",
        "requestParameters.policyArn|exists: false",
        "requestParameters.names.1|startswith: /aws/reference/",
        "responseElements.ConsoleLogin: Success",
        "resources.ARN|contains: x",
        "managementEvent: true",
    ];
    let mut text = Vec::new();
    for (number, test) in tests.iter().enumerate() {
        for (turned, condition) in ["a", "not a", "not (b and not a)"].iter().enumerate() {
            text.push(format!(
                "title: t{number} {condition}\nid: 00000000-0000-4000-8000-{number:06}{turned:06}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n    a:\n        {test}\n    b:\n        awsRegion: '*'\n    condition: {condition}\n"
            ));
        }
    }
    let set = RuleSet::compile(load_text(
        "made up",
        &text.join("---\n"),
        &Placeholders::new(),
    ));
    assert!(set.refused().is_empty(), "{:?}", set.refused());
    let events: Vec<Value> = events().into_iter().step_by(8).collect();
    let (not_pushed, wanted, _) = compare(&set, &events);
    assert!(
        not_pushed.len() < 40 && wanted > 10_000,
        "{} {wanted}",
        not_pushed.len()
    );
}

type Fits = Box<dyn Fn(&Value) -> bool>;

#[test]
fn seeds_and_the_window() {
    let events = events();
    let key = "AKIAIOSFODNN7EXAMPLE";
    let set = |values: &[&str]| {
        values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let cases: Vec<(Seeds, Fits)> = vec![
        (
            Seeds {
                access_keys: set(&[key, "not'a'key"]),
                ..Seeds::default()
            },
            Box::new(move |event| {
                event["userIdentity"]["accessKeyId"] == key
                    || event["requestParameters"].to_string().contains(key)
                    || event["responseElements"].to_string().contains(key)
            }),
        ),
        (
            Seeds {
                addresses: set(&["203.0.113.9", "x' OR 'a'='a"]),
                ..Seeds::default()
            },
            Box::new(|event| event["sourceIPAddress"] == "203.0.113.9"),
        ),
        (
            Seeds {
                user_agents: set(&["aws-cli/2.17'"]),
                ..Seeds::default()
            },
            Box::new(|event| event["userAgent"] == "aws-cli/2.17'"),
        ),
        (
            Seeds {
                principals: set(&["arn:aws:iam::111122223333:user/ci"]),
                ..Seeds::default()
            },
            Box::new(|event| event["userIdentity"]["arn"] == "arn:aws:iam::111122223333:user/ci"),
        ),
        (
            Seeds {
                events: set(&["event-14", "event-15"]),
                ..Seeds::default()
            },
            Box::new(|event| event["eventID"] == "event-14" || event["eventID"] == "event-15"),
        ),
    ];
    let (table, none) = (
        table(),
        RuleSet::compile(load_text("none", "", &Placeholders::new())),
    );
    let from = 1_794_700_800_000; // 2026-11-15
    let window = Window {
        from_ms: from,
        to_ms: from + 3 * DAY,
    };
    let mut statements = Vec::new();
    for (seeds, _) in &cases {
        for (name, dialect) in [("duckdb", Dialect::DuckDb), ("athena", Dialect::Athena)] {
            let query = Query {
                window: Some(window),
                ..query(dialect, &table, seeds)
            };
            let made = query.statements(&none, &|_| true).expect("statements");
            assert_eq!(made.sql.len(), 1);
            statements.push((String::new(), name, made.sql[0].clone()));
        }
    }
    let answers = ask(&lines(&events), &statements);
    for (number, (_, rows)) in answers.iter().enumerate() {
        let (_, fits) = &cases[number / 2];
        let within = |event: &&Value| {
            let day = event["eventTime"]
                .as_str()
                .map(|time| time[8..10].to_owned());
            day.is_some_and(|day| ("15".."18").contains(&day.as_str()))
        };
        let wanted: BTreeSet<String> = events
            .iter()
            .filter(|event| fits(event))
            .filter(within)
            .filter_map(|event| event["eventID"].as_str().map(str::to_owned))
            .collect();
        let found: BTreeSet<String> = rows.iter().map(id).collect();
        assert_eq!(found, wanted, "{}", statements[number].2);
        assert!(!wanted.is_empty());
    }
}

#[test]
fn long_lists_become_several_statements_and_bad_names_are_refused() {
    let rules = RuleSet::compile(builtin());
    let keys = (0..40_000)
        .map(|number| format!("ASIA{number:016}"))
        .collect();
    let seeds = Seeds {
        access_keys: keys,
        ..Seeds::default()
    };
    let table = Table {
        name: "audit.cloudtrail".to_owned(),
        day: Some("day".to_owned()),
        accounts: Some(("account".to_owned(), vec!["111122223333".to_owned()])),
        ..Table::default()
    };
    let window = Some(Window {
        from_ms: 0,
        to_ms: DAY + 1,
    });
    let query = Query {
        window,
        ..query(Dialect::Athena, &table, &seeds)
    };
    let made = query.statements(&rules, &|_| true).expect("statements");
    assert!(made.sql.len() > 5);
    for sql in &made.sql {
        assert!(sql.len() <= relatch_detect::sql::MOST_SQL);
        assert!(sql.contains("FROM \"audit\".\"cloudtrail\""));
        assert!(sql.contains("\"day\" BETWEEN '1969/12/31' AND '1970/01/03'"));
        assert!(sql.contains("eventtime < '1970-01-02T00:00:01Z'"));
        assert!(sql.contains("\"account\" IN ('111122223333')"));
    }
    for name in ["", "a b", "a\"b", "a..b", "a;b"] {
        let table = Table {
            name: name.to_owned(),
            ..Table::default()
        };
        let query = Query {
            table: &table,
            ..query
        };
        query.statements(&rules, &|_| true).expect_err(name);
    }
}
