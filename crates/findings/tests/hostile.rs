//! Whatever an attacker writes into a log stays text in every form.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use relatch_detect::{Placeholders, load_text};
use relatch_findings::{Moment, indicators, ocsf, sigma, timeline};
use serde_json::Value;

mod support;

/// Pieces that mean something to a terminal, a page, a spreadsheet, YAML, a pattern or a template.
const PIECES: [&str; 34] = [
    "<canary onload=alert(1)>",
    "</code></td>",
    "<!--",
    "-->",
    "&lt;",
    "\"",
    "'",
    "` onclick=x ",
    "=canary()",
    "+1",
    "-1",
    "@SUM(1)",
    ";=1",
    "\t=1",
    "\r\n",
    "\n=1",
    "\u{1b}[2J",
    "\u{1b}]0;canary\u{7}",
    "\u{9b}31m",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{e0041}",
    "\u{feff}",
    "\0",
    "\\",
    "*",
    "?",
    "{{ 7*7 }}",
    "{% raw %}",
    "': x\n- y",
    "] OR [",
    "\u{fffe}",
    "é漢😀",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z0-9 ]{0,6}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

prop_compose! {
    fn moment()(texts in prop::collection::vec(hostile(), 16), uncertain: bool) -> Moment {
        let mut moment = support::moment(1, "", "", "");
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        if uncertain {
            moment.verdict = relatch_findings::Verdict::Uncertain;
        }
        moment.event_id = next();
        moment.actor = next();
        moment.account = next();
        moment.region = next();
        moment.call = next();
        moment.address = next();
        moment.client = next();
        moment.error = Some(next());
        moment.reason = next();
        moment.from = Some(next());
        moment.reads = vec![next(), next()];
        moment.made = vec![next()];
        moment.tactics = vec![next()];
        moment.techniques = vec![next()];
        moment.detections = vec![next()];
        moment
    }
}

/// No sign that a terminal obeys or that turns the direction of text; line ends are given.
fn is_quiet(text: &str, ends: &[char]) -> bool {
    text.chars().all(|c| {
        ends.contains(&c)
            || !(c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
                    | '\u{61c}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'))
    })
}

/// Cells of quoted CSV.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![]];
    let mut signs = text.chars().peekable();
    while signs.next().is_some_and(|c| c == '"') {
        let mut cell = String::new();
        while let Some(c) = signs.next() {
            if c == '"' && signs.next_if_eq(&'"').is_none() {
                break;
            }
            cell.push(c);
        }
        rows.last_mut().expect("one").push(cell);
        if signs.next_if_eq(&',').is_none() {
            assert_eq!((signs.next(), signs.next()), (Some('\r'), Some('\n')));
            rows.push(vec![]);
        }
    }
    assert_eq!(signs.next(), None);
    rows.pop();
    rows
}

fn is_formula(cell: &str) -> bool {
    cell.split(';').any(|part| {
        part.trim_start_matches([' ', '"'])
            .starts_with(['=', '+', '-', '@'])
    })
}

/// Names of all tags and attributes of a page; fails on anything that is not well written.
fn marks(page: &str) -> BTreeSet<String> {
    let body = &page[page.find("</style>").expect("style") + 8..];
    let mut marks = BTreeSet::new();
    for part in body.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag that ends");
        assert!(tag.matches('"').count() % 2 == 0, "{tag}");
        let outside = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        marks.extend(
            outside
                .split([' ', '='])
                .filter(|w| !w.is_empty())
                .map(str::to_owned),
        );
    }
    marks
}

fn page(moments: &[Moment]) -> String {
    let mut triage = support::triage(moments);
    triage.actors[0].id.clone_from(&moments[0].actor);
    triage.secrets_read[0].id.clone_from(&moments[0].reads[0]);
    triage.persistence[0].detail.clone_from(&moments[0].reason);
    triage.persistence[1].id.clone_from(&moments[0].client);
    triage.addresses.push(moments[0].address.clone());
    let mut about = support::about();
    about.title.clone_from(&moments[0].client);
    let mut out = Vec::new();
    timeline::html(&triage, moments, &about, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

/// Harmless events that make the page use all that it has.
fn calm() -> [Vec<Moment>; 2] {
    let mut all = support::moments(100);
    all.rotate_left(3);
    all[0].from = Some("not on the page".into());
    all[0].made = vec!["a user".into()];
    let mut bare = support::moment(1, "", "", "");
    bare.time = None;
    bare.reads = vec!["a secret".into()];
    [all, vec![bare]]
}

/// What a page of harmless events is made of.
static KNOWN: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| calm().iter().flat_map(|calm| marks(&page(calm))).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages(hostile in prop::collection::vec(moment(), 1..5)) {
        let shown = page(&hostile);
        prop_assert!(is_quiet(&shown, &['\n']));
        let unknown: Vec<String> = marks(&shown).difference(&KNOWN).cloned().collect();
        prop_assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn tables(hostile in prop::collection::vec(moment(), 1..5)) {
        let mut out = Vec::new();
        timeline::csv(&hostile, &mut out).expect("memory");
        let timeline = String::from_utf8(out).expect("UTF-8");
        let mut out = Vec::new();
        indicators::csv(&support::triage(&hostile), &hostile, &mut out).expect("memory");
        let indicators = String::from_utf8(out).expect("UTF-8");
        for (text, width) in [(&timeline, 17), (&indicators, 11)] {
            prop_assert!(is_quiet(text, &['\r', '\n']));
            for row in rows(text) {
                prop_assert_eq!(row.len(), width);
                prop_assert!(!row.iter().any(|cell| is_formula(cell)), "{:?}", row);
            }
        }
        prop_assert_eq!(rows(&timeline).len(), hostile.len() + 1);
    }

    #[test]
    fn lines(hostile in prop::collection::vec(moment(), 1..5)) {
        let mut out = Vec::new();
        timeline::json_lines(&hostile, &mut out).expect("memory");
        ocsf::ocsf(&support::triage(&hostile), &hostile, &support::about(), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        prop_assert!(is_quiet(&text, &['\n']));
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            prop_assert!(texts(&value).iter().all(|text| is_quiet(text, &[])));
        }
    }

    #[test]
    fn bundles(hostile in prop::collection::vec(moment(), 1..5)) {
        let mut out = Vec::new();
        let triage = support::triage(&hostile);
        indicators::stix(&triage, &hostile, &support::about(), &mut out).expect("memory");
        let bundle: Value = serde_json::from_slice(&out).expect("JSON");
        prop_assert!(texts(&bundle).iter().all(|text| is_quiet(text, &[])));
        let found = indicators::collect(&triage, &hostile);
        for object in bundle["objects"].as_array().expect("a list") {
            let Some(pattern) = object["pattern"].as_str() else { continue };
            let value = literal(pattern);
            prop_assert!(value.as_ref().is_some_and(|v| found.iter().any(|i| i.value == *v)), "{pattern}");
        }
    }

    #[test]
    fn rules(hostile in prop::collection::vec(moment(), 1..5)) {
        let retired = hostile.iter().map(|moment| moment.client.clone()).collect();
        for rule in sigma::rules(&support::triage(&hostile), &hostile, &support::about(), &retired) {
            prop_assert!(is_quiet(&rule.yaml, &['\n']));
            let loaded = load_text(&rule.file_name, &rule.yaml, &Placeholders::new());
            prop_assert!(loaded.refused.is_empty(), "{:?}\n{}", loaded.refused, rule.yaml);
            prop_assert_eq!(loaded.rules.len(), 1);
            prop_assert_eq!(&loaded.rules[0].title, &rule.title);
        }
    }
}

/// All texts of a JSON value, names too.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| std::iter::once(name.as_str()).chain(texts(value)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The one literal of a pattern of ours; none if the pattern says anything more.
fn literal(pattern: &str) -> Option<String> {
    let (_, rest) = pattern.strip_prefix('[')?.split_once(" = '")?;
    let mut value = String::new();
    let mut signs = rest.chars();
    loop {
        match signs.next()? {
            '\\' => value.push(signs.next()?),
            '\'' => break,
            c => value.push(c),
        }
    }
    (signs.as_str() == "]").then_some(value)
}
