//! Rules with random damage: whatever the loader is given, it takes it or says why not, soon, and
//! what it takes can be compiled, held against events and written as SQL.
//! `RELATCH_FUZZ_SECONDS` makes it look for longer, from another seed each time.

use std::time::{Duration, Instant};

use relatch_detect::sql::{Dialect, Query, Seeds, Table};
use relatch_detect::{Hit, Placeholders, RawEvent, RuleSet, load_text};

/// Pieces that mean something to the loader, in places where they should not be.
const PIECES: &[&str] = &[
    "|all",
    "|re: '('",
    "|cidr: 1.2.3.4/99",
    "|expand: '%a%'",
    "|base64offset",
    "|wide",
    "|exists",
    "|windash: ' -a '",
    "|fieldref: b",
    "not ",
    "1 of them",
    "all of *",
    " and (",
    ")",
    "*",
    "\\*",
    "?",
    "null",
    "[]",
    "{}",
    "- ",
    ": ",
    "\n---\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary x",
    "action: global\n",
    "correlation:\n",
    "timespan: 99999999999d\n",
    "gte: -1",
    "99999999999999999999",
    "1e999",
    ".nan",
    "\u{0}",
    "\u{FEFF}",
    "\u{2028}",
    "é",
    "\t",
    "'",
    "\"",
    "|",
    ">",
    "%",
    "# ",
    "condition: ",
    "type: temporal_ordered\n",
    "group-by:\n",
    "detection:\n",
    "logsource: {product: aws}\n",
];

fn catalog() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog/detections");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the catalog")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("text"))
        .collect()
}

fn damage(text: &mut String, others: &[String], random: &mut fastrand::Rng) {
    let mut place = |text: &str| {
        let mut at = random.usize(0..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (a, b) = (place(text), place(text));
    let (from, to) = (a.min(b), a.max(b));
    match random.u8(0..6) {
        0 => text.truncate(from),
        1 => {
            let end = text[from..to]
                .char_indices()
                .nth(40)
                .map_or(to, |(at, _)| from + at);
            text.replace_range(from..end, "");
        }
        2 => {
            let other = &others[random.usize(0..others.len())];
            let line = other.lines().nth(random.usize(0..10)).unwrap_or_default();
            text.insert_str(from, &format!("{line}\n"));
        }
        3 => {
            let part = text[from..to].to_owned();
            text.insert_str(from, &part);
        }
        _ => text.insert_str(from, PIECES[random.usize(0..PIECES.len())]),
    }
}

fn look(text: &str) {
    let began = Instant::now();
    let placeholders = Placeholders::from([("a".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
    let loaded = load_text("mutated", text, &placeholders);
    let (rules, others) = (loaded.rules.len(), loaded.correlations.len());
    assert!(
        rules + others + loaded.refused.len() > 0,
        "nothing is said of\n{text}"
    );
    for refused in &loaded.refused {
        let reason = refused.reason.to_string();
        assert!(!reason.is_empty() && reason.len() < 4000, "{reason}");
    }
    let set = RuleSet::compile(loaded);
    let record = r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","requestParameters":{"userName":["a","b"]},"userIdentity":{"accessKeyId":"AKIA"}}"#;
    let event = RawEvent::new(record).expect("a record");
    let (mut scanner, mut folder, mut hits) = (set.scanner(), set.folder(Some(5)), Vec::new());
    for number in 0..12 {
        scanner.matches(&event, &mut hits);
        let time_ms = i64::try_from(number).expect("small");
        folder.take(
            &hits,
            Hit {
                actor: "a",
                habit: "h",
                time_ms,
                event: number,
            },
            &event,
        );
    }
    folder.finish();
    let (table, seeds) = (
        Table {
            name: "t".to_owned(),
            ..Table::default()
        },
        Seeds::default(),
    );
    let query = Query {
        dialect: Dialect::Athena,
        table: &table,
        window: None,
        seeds: &seeds,
    };
    let _ = query.statements(&set, &|_| true);
    assert!(began.elapsed() < Duration::from_secs(10), "slow:\n{text}");
}

#[test]
fn damaged_rules_are_taken_or_refused() {
    let seconds = std::env::var("RELATCH_FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut random = match seconds {
        Some(_) => fastrand::Rng::new(),
        None => fastrand::Rng::with_seed(17),
    };
    let catalog = catalog();
    let began = Instant::now();
    let mut rounds = 0;
    while seconds.map_or(rounds < 1500, |seconds| began.elapsed().as_secs() < seconds) {
        let mut text = catalog[random.usize(0..catalog.len())].clone();
        for _ in 0..random.usize(1..5) {
            damage(&mut text, &catalog, &mut random);
        }
        look(&text);
        rounds += 1;
    }
}
