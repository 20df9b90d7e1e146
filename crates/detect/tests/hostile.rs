//! Hostile rules get a refusal, soon, and break nothing.

use std::time::{Duration, Instant};

use relatch_detect::{Placeholders, RefusalKind, RuleSet, load, load_text};
use serde_json::json;

const HEAD: &str = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n";

fn refused(text: &str) -> String {
    let began = Instant::now();
    let loaded = load_text("hostile", text, &Placeholders::new());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let start: String = text.chars().take(200).collect();
    assert!(
        loaded.rules.is_empty() && !loaded.refused.is_empty(),
        "{start}"
    );
    let reason = loaded.refused[0].reason.to_string();
    assert!(reason.len() < 2000 && !reason.is_empty(), "{reason}");
    reason
}

#[test]
fn faulty_rules_are_refused_with_a_reason() {
    let of = |detection: &str| refused(&format!("{HEAD}{detection}"));
    assert!(of("  a: {b: c}\n  condition: a | count() > 5\n").contains("aggregation"));
    assert!(of("  a: {b|foo: c}\n  condition: a\n").contains("foo"));
    assert!(of("  a: {b|re: '(?=x)'}\n  condition: a\n").contains("regular expression"));
    assert!(of("  a: {b|expand: '%servers%'}\n  condition: a\n").contains("%servers%"));
    assert!(of("  a: {b|cidr: ten}\n  condition: a\n").contains("network"));
    assert!(of("  a: {b|contains: {c: d}}\n  condition: a\n").contains("a map"));
    assert!(of("  a: {b|re|contains: c}\n  condition: a\n").contains("nothing together"));
    assert!(of("  a: {b|wide: 'x*'}\n  condition: a\n").contains("wildcard"));
    assert!(of("  a: []\n  condition: a\n").contains("empty"));
    assert!(of("  a: {b: c}\n").contains("condition"));
    assert!(of("  a: {b: c}\n  timeframe: 5m\n  condition: a\n").contains("timeframe"));
    assert!(refused("title: t\n").contains("logsource"));
    assert!(refused("just text").contains("a map"));
    assert!(refused("").contains("no rule"));
    assert!(refused("{HEAD: &a [*a]}").contains("YAML"));
    assert!(refused("title: f\nfilter: {}\n").contains("filter"));
}

#[test]
fn what_explodes_is_refused() {
    refused(&format!(
        "{HEAD}  a: {{b|re: '{}'}}\n  condition: a\n",
        "(a{1,200}){1,200}"
    ));
    refused(&format!(
        "{HEAD}  a: {{b|windash: '{}'}}\n  condition: a\n",
        "-x ".repeat(40)
    ));
    let values = "    - v\n".repeat(3000);
    let many = vec!["1 of them"; 500].join(" and ");
    refused(&format!("{HEAD}  a:\n   b:\n{values}  condition: {many}\n"));
    refused(&"x".repeat(2 << 20));
    let regexes = (0..400)
        .map(|n| format!("    - x{n}"))
        .collect::<Vec<_>>()
        .join("\n");
    refused(&format!(
        "{HEAD}  a:\n   b|re:\n{regexes}\n  condition: a\n"
    ));
    let many = "%a%%b%".repeat(3);
    let values: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let values = Placeholders::from([("a".to_owned(), values.clone()), ("b".to_owned(), values)]);
    let text = format!("{HEAD}  a: {{b|expand: '{many}'}}\n  condition: a\n");
    assert_eq!(load_text("hostile", &text, &values).refused.len(), 1);
}

#[test]
fn placeholders_globals_and_other_logs() {
    let text = "action: global\nlogsource: {product: aws, service: cloudtrail}\n---\ntitle: one\ndetection: {a: {b|expand: '%x%-1'}, condition: a}\n---\ntitle: two\ndetection: {a: {b: '%x%'}, condition: a}\n---\ntitle: three\nlogsource: {product: windows}\ndetection: {a: {b: c}, condition: a}\n";
    let values = Placeholders::from([("x".to_owned(), vec!["p".to_owned(), "q".to_owned()])]);
    let loaded = load_text("f.yml", text, &values);
    // The global log source is joined with the third rule's own, and neither is lost.
    assert_eq!(loaded.refused[0].reason.kind, RefusalKind::NotForCloudTrail);
    assert_eq!((loaded.rules.len(), loaded.refused.len()), (2, 1));
    assert_eq!(&*loaded.rules[1].path, "f.yml#2");
    let set = RuleSet::compile(loaded);
    let (mut scanner, mut hits) = (set.scanner(), Vec::new());
    let mut count = |value: &str| {
        scanner.matches(&json!({"b": value}), &mut hits);
        hits.len()
    };
    assert_eq!((count("q-1"), count("p"), count("%x%")), (1, 0, 1));
}

#[test]
fn correlations_that_hang_in_the_air() {
    let correlation = |name: &str, of: &str| {
        format!(
            "title: {name}\nname: {name}\ncorrelation: {{type: event_count, rules: [{of}], group-by: [a], timespan: 1m, condition: {{gte: 2}}}}\n"
        )
    };
    let text = [
        correlation("one", "two"),
        correlation("two", "one"),
        correlation("three", "nowhere"),
        correlation("four", "four"),
    ]
    .join("---\n");
    let set = RuleSet::compile(load_text("f", &text, &Placeholders::new()));
    assert_eq!((set.correlations().len(), set.refused().len()), (0, 4));
    for condition in [
        "{lt: 3}",
        "{neq: 3}",
        "{gte: 0}",
        "{gt: 5, lte: 3}",
        "{gte: x}",
        "3",
    ] {
        let text = format!(
            "title: c\ncorrelation: {{type: event_count, rules: [r], timespan: 1m, condition: {condition}}}\n"
        );
        assert_eq!(
            load_text("f", &text, &Placeholders::new()).refused.len(),
            1,
            "{condition}"
        );
    }
}

#[test]
fn folders_are_read_in_order_and_bad_files_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    };
    std::fs::create_dir(folder.path().join("deep")).expect("a folder");
    write(
        "deep/b.yaml",
        format!("{HEAD}  a: {{b: c}}\n  condition: a\n").as_bytes(),
    );
    write("a.yml", &[0xFF, 0xFE]);
    write("notes.txt", b"nothing");
    write(".hidden.yml", b"nothing");
    let loaded = load(&[folder.path()]).expect("read");
    assert_eq!((loaded.rules.len(), loaded.refused.len()), (1, 1));
    assert!(loaded.refused[0].path.ends_with("a.yml"));
    load(&[folder.path().join("nowhere")]).expect_err("no such path");
}
