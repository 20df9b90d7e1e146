//! Rules of others, unchanged: `RELATCH_SIGMA_RULES` names a folder of them, such as `rules/cloud`
//! of SigmaHQ or the rules of Suzaku, whose licences are their own. Without it there is nothing to
//! look at.

#[path = "support/others.rs"]
mod others;

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use others::{ours, rsigma};
use relatch_detect::ast::{Expr, Matcher, Number, Part, Path, Pattern};
use relatch_detect::sql::{Dialect, Query, Seeds, Table};
use relatch_detect::{Placeholders, RefusalKind, RuleSet, load, load_text};
use serde_json::{Map, Value, json};

fn folder() -> Option<PathBuf> {
    std::env::var_os("RELATCH_SIGMA_RULES").map(PathBuf::from)
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
fn every_foreign_rule_is_taken_or_listed() {
    let Some(folder) = folder() else { return };
    let set = RuleSet::compile(load(&[&folder]).expect("the folder can be read"));
    println!(
        "rules {}, correlations {}",
        set.rules().len(),
        set.correlations().len()
    );
    let mut kinds: BTreeMap<RefusalKind, usize> = BTreeMap::new();
    for refused in set.refused() {
        *kinds.entry(refused.reason.kind).or_default() += 1;
        if refused.reason.kind != RefusalKind::NotForCloudTrail {
            println!(
                "{}\t{}\t{}\t{}",
                refused.path, refused.id, refused.title, refused.reason
            );
        }
    }
    println!("refused {kinds:?}");
    assert!(
        !set.rules().is_empty(),
        "a folder of Sigma rules for CloudTrail has some"
    );
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
    let made = query.statements(&set, &|_| true).expect("statements");
    println!(
        "{} statements; {} rules not pushed:",
        made.sql.len(),
        made.not_pushed.len()
    );
    for index in made.not_pushed {
        println!("\t{}", set.rule(index).expect("a rule").title);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the count is what the test is run for")]
fn foreign_rules_mean_the_same_elsewhere() {
    let Some(folder) = folder() else { return };
    let mut random = fastrand::Rng::with_seed(9);
    let (mut rules, mut matches, mut differences) = (0, 0, Vec::new());
    for text in documents(&folder) {
        let loaded = load_text("foreign", &text, &Placeholders::new());
        let [rule] = loaded.rules.as_slice() else {
            continue;
        };
        let events: Vec<Value> = (0..24).map(|_| event(&rule.expr, &mut random)).collect();
        let (mine, theirs) = (ours(&text, &events), rsigma(&text, &events));
        rules += 1;
        matches += mine.iter().filter(|hit| **hit).count();
        for (at, event) in events.iter().enumerate() {
            if mine[at] != theirs[at] {
                differences.push(format!("{}\twe say {}\t{event}", rule.title, mine[at]));
            }
        }
    }
    println!("{rules} rules, {matches} matches on events made from them");
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(
        matches > rules,
        "events made from a rule match it as a rule"
    );
}

/// The documents of all rule files of a folder.
fn documents(folder: &FilePath) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(documents(&path));
        } else if path.extension().is_some_and(|ext| ext == "yml") {
            let text = std::fs::read_to_string(&path).expect("text");
            all.extend(text.replace('\r', "").split("\n---\n").map(str::to_owned));
        }
    }
    all
}

/// An event with most of what a rule asks for.
fn event(expr: &Expr, random: &mut fastrand::Rng) -> Value {
    let mut map = Map::new();
    fill(expr, random, &mut map);
    Value::Object(map)
}

fn fill(expr: &Expr, random: &mut fastrand::Rng, map: &mut Map<String, Value>) {
    match expr {
        Expr::All(list) => list.iter().for_each(|one| fill(one, random, map)),
        Expr::Any(list) => fill(&list[random.usize(0..list.len())], random, map),
        Expr::Not(inner) if random.u8(0..4) == 0 => fill(inner, random, map),
        Expr::Test(test) if random.u8(0..12) > 0 => {
            let matcher = &test.matchers[random.usize(0..test.matchers.len())];
            if let Some(value) = value(matcher, random) {
                put(map, &test.path, 0, value);
            }
        }
        Expr::Word(matchers) => {
            let matcher = &matchers[random.usize(0..matchers.len())];
            if let Some(value) = value(matcher, random) {
                map.insert("word".to_owned(), value);
            }
        }
        Expr::Not(_) | Expr::Test(_) => {}
    }
}

fn value(matcher: &Matcher, random: &mut fastrand::Rng) -> Option<Value> {
    Some(match matcher {
        Matcher::Text(pattern) => Value::String(text(pattern, random)),
        Matcher::Number(Number::Int(number)) | Matcher::Compare(_, Number::Int(number)) => {
            json!(number + random.i64(-1..2))
        }
        Matcher::Bool(value) => json!(value),
        Matcher::Null | Matcher::Exists(false) => return None,
        Matcher::Cidr(cidr) => json!(cidr.to_string().split('/').next()),
        Matcher::Regex(regex) => json!(regex.as_str().trim_matches(['^', '$'])),
        _ => json!("x"),
    })
}

fn text(pattern: &Pattern, random: &mut fastrand::Rng) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) if random.u8(0..8) == 0 => text.to_uppercase(),
        Part::Text(text) => text.clone(),
        Part::Any => ["", "z", "zz y"][random.usize(0..3)].to_owned(),
        Part::One => "q".to_owned(),
    };
    pattern.parts().iter().map(part).collect()
}

fn put(map: &mut Map<String, Value>, path: &Path, at: usize, value: Value) {
    let key = path.segment(at);
    if at + 1 == path.depth() {
        map.entry(key).or_insert(value);
        return;
    }
    if let Value::Object(inner) = map.entry(key).or_insert_with(|| json!({})) {
        put(inner, path, at + 1, value);
    }
}
