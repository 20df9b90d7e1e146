//! Two independent programs that evaluate Sigma rules see the same matches as we do: for made-up
//! rules over each modifier, and for our own detections. Where they see something else, the
//! difference stands in a list below with its reason.

#[path = "support/others.rs"]
mod others;

use others::{ours, rsigma};
use relatch_detect::{RuleSet, builtin};
use serde_json::{Value, json};

/// Selections, one for each thing a rule can say. The condition is `selection` unless given.
const RULES: &[(&str, &str)] = &[
    ("plain", "{name: Alpha}"),
    ("list", "{name: [alpha, 'BETA']}"),
    ("star", "{name: 'a*a'}"),
    ("question", "{name: '?lpha'}"),
    ("escaped", r"{name: 'a\*a'}"),
    ("backslash", r"{path: 'C:\Temp\x'}"),
    ("contains", "{name|contains: LPH}"),
    ("contains_all", "{name|contains|all: [al, ha]}"),
    ("startswith", "{name|startswith: AL}"),
    ("endswith", "{name|endswith: HA}"),
    ("cased", "{name|cased: Alpha}"),
    ("contains_cased", "{name|contains|cased: Alp}"),
    ("re", "{name|re: '^A.*a$'}"),
    ("re_i", "{name|re|i: '^a.*A$'}"),
    ("re_m", "{text|re|m: '^second$'}"),
    ("re_s", "{text|re|s: 'first.second'}"),
    ("cidr", "{address|cidr: 10.0.0.0/8}"),
    ("cidr6", "{address|cidr: '2001:db8::/32'}"),
    ("exists", "{name|exists: true}"),
    ("not_exists", "{name|exists: false}"),
    ("gt", "{count|gt: 5}"),
    ("gte", "{count|gte: 5}"),
    ("lt", "{count|lt: 5}"),
    ("lte", "{count|lte: 5}"),
    ("number", "{count: 5}"),
    ("float", "{count: 5.5}"),
    ("bool", "{flag: true}"),
    ("bool_false", "{flag: false}"),
    ("null", "{name: null}"),
    ("empty", "{name: ''}"),
    ("nested", "{outer.inner: deep}"),
    ("array", "{items.id: two}"),
    ("array_text", "{tags: red}"),
    ("base64", "{blob|base64: secret}"),
    ("base64_contains", "{blob|base64|contains: secret}"),
    ("base64offset", "{blob|base64offset|contains: secret}"),
    ("wide", "{blob|wide|base64offset|contains: secret}"),
    ("windash", "{line|windash|contains: ' -enc '}"),
    ("fieldref", "{name|fieldref: other}"),
    ("two_fields", "{name: alpha, count: 5}"),
    ("list_of_maps", "[{name: alpha}, {count: 5}]"),
    ("words", "['needle', 'lph']"),
];

/// Conditions over the selections a (name: alpha), b (count: 5), b2 (flag: true).
const CONDITIONS: &[&str] = &[
    "a",
    "not a",
    "a and b",
    "a or b",
    "a and not b",
    "not a and not b",
    "not (a or b)",
    "a or b and b2",
    "(a or b) and b2",
    "1 of b*",
    "all of b*",
    "1 of them",
    "all of them",
    "not 1 of them",
    "any of b*",
    "a and 1 of b*",
    "not (a and not (b or b2))",
];

fn events() -> Vec<Value> {
    let mut all = vec![
        json!({}),
        json!({"name": null}),
        json!({"name": ""}),
        json!({"name": "a*a"}),
        json!({"name": "Ælpha"}),
        json!({"name": "alpha", "other": "alpha"}),
        json!({"name": "alpha", "other": "beta"}),
        json!({"name": ["gamma", "alpha"]}),
        json!({"name": {"alpha": "x"}}),
        json!({"path": "C:\\Temp\\x"}),
        json!({"path": "c:\\temp\\X"}),
        json!({"text": "first\nsecond"}),
        json!({"text": "second"}),
        json!({"outer": {"inner": "DEEP"}}),
        json!({"outer": {"inner": null}}),
        json!({"outer": "deep"}),
        json!({"items": [{"id": "one"}, {"id": "two"}]}),
        json!({"items": [{"id": "one"}]}),
        json!({"items": []}),
        json!({"tags": ["blue", "RED"]}),
        json!({"tags": "red"}),
        json!({"blob": "c2VjcmV0"}),
        json!({"blob": "xxc2VjcmV0yy"}),
        json!({"blob": "YXNlY3JldA=="}),
        json!({"blob": "cwBlAGMAcgBlAHQA"}),
        json!({"line": "run /enc x"}),
        json!({"line": "run -ENC x"}),
        json!({"line": "run enc x"}),
        json!({"a": {"b": ["x", "a needle in it"]}}),
    ];
    for name in ["alpha", "Alpha", "ALPHA", "alphabet", "beta", "x"] {
        for (count, flag) in [
            (json!(5), json!(true)),
            (json!(4), json!(false)),
            (json!(5.5), json!(null)),
            (json!(6), json!(true)),
        ] {
            all.push(json!({"name": name, "count": count, "flag": flag}));
        }
    }
    for address in ["10.1.2.3", "11.1.2.3", "2001:db8::1", "AWS Internal"] {
        all.push(json!({"address": address}));
    }
    all
}

fn rule(detection: &str) -> String {
    format!(
        "title: made up\nid: 5f4e2c1a-0000-4000-8000-000000000000\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}level: low\n"
    )
}

fn made_up() -> Vec<(String, String)> {
    let modifiers = RULES.iter().map(|(name, selection)| {
        (
            (*name).to_owned(),
            rule(&format!(
                "    selection: {selection}\n    condition: selection\n"
            )),
        )
    });
    let conditions = CONDITIONS.iter().map(|condition| {
        let selections = "    a: {name: alpha}\n    b: {count: 5}\n    b2: {flag: true}\n";
        (
            (*condition).to_owned(),
            rule(&format!("{selections}    condition: {condition}\n")),
        )
    });
    modifiers.chain(conditions).collect()
}

/// `None` for what sigma-rust does not know: flags of regular expressions, and `any of`.
fn sigma_rust(text: &str, events: &[Value]) -> Option<Vec<bool>> {
    if ["|re|i:", "|re|m:", "|re|s:", ": any of"]
        .iter()
        .any(|new| text.contains(new))
    {
        return None;
    }
    let rule = sigma_rust::rule_from_yaml(text).expect(text);
    let event = |event: &Value| sigma_rust::event_from_json(&event.to_string()).expect("an event");
    Some(
        events
            .iter()
            .map(|value| rule.is_match(&event(value)))
            .collect(),
    )
}

/// Differences that are known and wanted, each with its reason.
fn wanted(who: &str, rule: &str, event: &Value) -> bool {
    match who {
        "sigma-rust" => {
            // It looks into no lists and no maps.
            holds_list(event) || event["name"].is_object()
            // A field that is absent is null for the specification and for most others.
            || rule == "null"
            // An empty text and null are one to it.
            || (rule == "empty" && event["name"].is_null())
            // It compares numbers of different types never.
            || (matches!(rule, "gt" | "gte") && event["count"].is_f64())
            // Words must be whole values to it; the specification searches them anywhere.
            || rule == "words"
            // Text that spells a boolean is not one to it; logs have both.
            || (rule.contains("api_keys_read") && event["requestParameters"]["includeValues"] == "true")
        }
        "rsigma" => {
            // A map is text to us, as it is in a table of logs.
            event["name"].is_object()
            // The specification: whether a field exists does not depend on its value being null.
            || (matches!(rule, "exists" | "not_exists") && event.get("name") == Some(&Value::Null))
        }
        _ => false,
    }
}

fn holds_list(event: &Value) -> bool {
    match event {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(holds_list),
        _ => false,
    }
}

fn compare(rules: &[(String, String)], events: &[Value]) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, text) in rules {
        let mine = ours(text, events);
        let theirs = [
            ("sigma-rust", sigma_rust(text, events)),
            ("rsigma", Some(rsigma(text, events))),
        ];
        for (who, theirs) in theirs {
            let Some(theirs) = theirs else { continue };
            for (at, event) in events.iter().enumerate() {
                if mine[at] != theirs[at] && !wanted(who, name, event) {
                    differences.push(format!("{who}\t{name}\twe say {}\t{event}", mine[at]));
                }
            }
        }
    }
    differences
}

#[test]
fn made_up_rules_mean_the_same_elsewhere() {
    let differences = compare(&made_up(), &events());
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn our_detections_mean_the_same_elsewhere() {
    let mut events = events();
    for line in include_str!("detections.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for side in ["match", "near"] {
            match &line[side] {
                Value::Array(list) => events.extend(list.iter().cloned()),
                one => events.push(one.clone()),
            }
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog/detections");
    let mut rules = Vec::new();
    for file in std::fs::read_dir(folder).expect("the catalog") {
        let file = file.expect("a file").path();
        let text = std::fs::read_to_string(&file).expect("text");
        for (number, document) in text.split("\n---\n").enumerate() {
            if !document.contains("\ncorrelation:") {
                rules.push((format!("{}#{number}", file.display()), document.to_owned()));
            }
        }
    }
    assert_eq!(rules.len(), RuleSet::compile(builtin()).rules().len());
    let differences = compare(&rules, &events);
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
