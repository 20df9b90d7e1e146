//! Correlations over hits that come in any order.

use relatch_detect::{Alert, Hit, Placeholders, RuleSet, load_text};
use serde_json::{Value, json};

const RULES: &str = "
title: swap
correlation:
  type: temporal
  rules: [left, right]
  aliases:
    who: {left: from, right: to}
  group-by: [who]
  timespan: 10s
---
title: few
correlation:
  type: event_count
  rules: [left]
  group-by: [from, zone]
  timespan: 10s
  condition: {gte: 3, lte: 4}
---
title: pairs
correlation:
  type: value_count
  rules: [right]
  group-by: [zone]
  timespan: 10s
  condition: {gte: 2, field: [to, kind]}
---
title: left
name: left
logsource: {product: aws, service: cloudtrail}
detection: {a: {side: left}, condition: a}
---
title: right
name: right
logsource: {product: aws, service: cloudtrail}
detection: {a: {side: right}, condition: a}
";

fn run(events: &[(i64, Value)], split: bool) -> Vec<(String, Alert)> {
    let set = RuleSet::compile(load_text("f", RULES, &Placeholders::new()));
    assert!(set.refused().is_empty(), "{:?}", set.refused());
    assert!(set.rules().iter().all(|rule| !rule.alone));
    let (mut scanner, mut hits) = (set.scanner(), Vec::new());
    let (mut one, mut other) = (set.folder(None), set.folder(None));
    for (number, (seconds, event)) in (0..).zip(events) {
        scanner.matches(event, &mut hits);
        let into = if split && number % 2 == 0 {
            &mut other
        } else {
            &mut one
        };
        let hit = Hit {
            actor: "a",
            habit: "h",
            time_ms: seconds * 1000,
            event: number,
        };
        into.take(&hits, hit, event);
    }
    one.merge(&other);
    let title = |alert: &Alert| set.rule(alert.rule).expect("a rule").title.clone();
    one.finish()
        .alerts
        .into_iter()
        .map(|alert| (title(&alert), alert))
        .collect()
}

fn titles(events: &[(i64, Value)]) -> Vec<String> {
    let found = run(events, false);
    assert_eq!(found, run(events, true), "collected by two it is the same");
    found.into_iter().map(|(title, _)| title).collect()
}

#[test]
fn aliases_join_different_fields() {
    let left = (0, json!({"side": "left", "from": "x"}));
    assert_eq!(
        titles(&[left.clone(), (5, json!({"side": "right", "to": "x"}))]),
        ["swap"]
    );
    assert!(titles(&[left.clone(), (5, json!({"side": "right", "to": "y"}))]).is_empty());
    assert!(titles(&[left.clone(), (11, json!({"side": "right", "to": "x"}))]).is_empty());
    assert!(titles(&[left, (5, json!({"side": "right"}))]).is_empty());
}

#[test]
fn ranges_look_at_the_whole_burst() {
    let left = |second: i64| (second, json!({"side": "left", "from": "x", "zone": "z"}));
    assert_eq!(titles(&[left(8), left(0), left(4)]), ["few"]);
    assert_eq!(titles(&[left(0), left(1), left(2), left(3)]), ["few"]);
    assert!(titles(&[left(0), left(1), left(2), left(3), left(4)]).is_empty());
    let found = run(&[left(0), left(6), left(9), left(14)], false);
    let alert = &found[0].1;
    assert_eq!((alert.from_ms, alert.to_ms, alert.count), (0, 14_000, 3));
    assert_eq!(alert.events, [0, 1, 2, 3]);
    assert_eq!(alert.group[0], ("from".to_owned(), Some("x".to_owned())));
}

#[test]
fn an_absent_field_is_a_group_of_its_own_and_several_fields_count_together() {
    let left = |second: i64| (second, json!({"side": "left", "from": "x"}));
    let found = run(&[left(0), left(1), left(2)], false);
    assert_eq!(found[0].1.group[1], ("zone".to_owned(), None));
    let right = |to: &str, kind: &str| {
        (
            0,
            json!({"side": "right", "to": to, "kind": kind, "zone": "z"}),
        )
    };
    assert_eq!(titles(&[right("a", "1"), right("a", "2")]), ["pairs"]);
    assert!(titles(&[right("a", "1"), right("a", "1")]).is_empty());
}
