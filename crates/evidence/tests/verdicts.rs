//! Verdicts on logs of attacks that others simulated, against what is known to be true of them.
//! `real/README.md` tells where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use relatch_evidence::{Options, Seeds, Triage, triage};
use serde::Deserialize;
use serde_json::Value;

/// What is true of a log.
#[derive(Deserialize)]
struct Truth {
    key: Option<String>,
    addresses: BTreeSet<String>,
    first: Option<String>,
    /// Names that only the simulation uses.
    names: Vec<String>,
    events: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

/// How many of those wanted were named, and how many of those named are right.
struct Rate {
    found: usize,
    wanted: usize,
    right: usize,
    named: usize,
}

impl Rate {
    /// `neither` is right when named and not missed when it is not.
    fn of(named: &BTreeSet<String>, wanted: &BTreeSet<String>, neither: &BTreeSet<String>) -> Self {
        let is_right = |one: &&String| wanted.contains(*one) || neither.contains(*one);
        Self {
            found: named.intersection(wanted).count(),
            wanted: wanted.len(),
            right: named.iter().filter(is_right).count(),
            named: named.len(),
        }
    }

    fn recall(&self) -> f64 {
        share(self.found, self.wanted)
    }

    fn precision(&self) -> f64 {
        share(self.right, self.named)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).expect("a small log"));
    if whole == 0 {
        1.0
    } else {
        count(part) / count(whole)
    }
}

/// One line of the table.
struct Verdict {
    log: String,
    events: Rate,
    secrets: Rate,
    addresses: Rate,
    first: bool,
}

impl Verdict {
    fn line(&self) -> String {
        let mut line = format!("{:<26}", self.log);
        for rate in [&self.events, &self.secrets, &self.addresses] {
            let text = format!("{:.3} / {:.3}", rate.recall(), rate.precision());
            let count = format!("({} of {})", rate.found, rate.wanted);
            let _ = write!(line, "  {text} {count:<12}");
        }
        let first = if self.first { "yes" } else { "no" };
        format!("{line}  {first}")
    }
}

fn real(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real")
        .join(name)
}

fn truth(name: &str) -> Truth {
    let path = real("truth").join(format!("{name}.json"));
    let text = std::fs::read_to_string(path).expect("the truth");
    serde_json::from_str(&text).expect("the truth is JSON")
}

fn investigate(log: &Path, key: Option<&String>) -> Triage {
    let seeds = Seeds {
        access_keys: key.into_iter().cloned().collect(),
        ..Seeds::default()
    };
    triage(&[log.to_owned()], &Options::with_seeds(seeds)).expect("readable")
}

/// The events that the key, the addresses or the names of the truth are on: his as well, though
/// nobody labelled them.
fn of_the_same_hand(log: &Path, truth: &Truth) -> BTreeSet<String> {
    let mut text = String::new();
    let file = std::fs::File::open(log).expect("the log");
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("gzip");
    let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let records = documents.flat_map(|document| {
        let document = document.expect("JSON");
        let records = document["Records"].as_array().cloned();
        records.unwrap_or_else(|| vec![document])
    });
    records
        .filter(|record| {
            let key = record["userIdentity"]["accessKeyId"].as_str();
            let address = record["sourceIPAddress"].as_str().unwrap_or_default();
            let text = record.to_string();
            key.is_some() && key == truth.key.as_deref()
                || truth.addresses.contains(address)
                || truth.names.iter().any(|name| text.contains(name.as_str()))
        })
        .filter_map(|record| Some(record["eventID"].as_str()?.to_owned()))
        .collect()
}

fn judge(log: &str, truth: &Truth, found: &Triage, neither: &BTreeSet<String>) -> Verdict {
    let kinds = ["secretsmanager", "ssm-parameter", "s3-object"];
    let reads = found.secrets_read.iter();
    let secrets = reads
        .filter(|read| kinds.contains(&read.kind.as_str()))
        .map(|read| read.id.clone())
        .collect();
    let none = BTreeSet::new();
    Verdict {
        log: log.to_owned(),
        events: Rate::of(
            &found.tainted_events.iter().cloned().collect(),
            &truth.events,
            neither,
        ),
        secrets: Rate::of(&secrets, &truth.secrets, &none),
        addresses: Rate::of(
            &found.addresses.iter().cloned().collect(),
            &truth.addresses,
            &none,
        ),
        first: truth.first.is_none() || time(truth.first.as_ref()) == time(found.first.as_ref()),
    }
}

fn time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// A log with nothing told, and with the stolen key given.
fn both_ways(log: &str, file: &str) -> [Verdict; 2] {
    let (path, truth) = (real(file), truth(log));
    let neither = of_the_same_hand(&path, &truth);
    let proposed = investigate(&path, None);
    let given = investigate(&path, truth.key.as_ref());
    [
        judge(&format!("{log}, nothing told"), &truth, &proposed, &neither),
        judge(&format!("{log}, key given"), &truth, &given, &neither),
    ]
}

/// Logs of one technique each; those in which not every event is found are named.
fn techniques() -> (Verdict, BTreeMap<String, String>) {
    let truth = truth("stratus");
    let (mut found, mut missed) = (BTreeSet::new(), BTreeMap::new());
    let mut logs: Vec<PathBuf> = std::fs::read_dir(real("stratus"))
        .expect("the logs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    logs.sort();
    for log in logs {
        let answer = investigate(&log, None);
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let technique = name.trim_end_matches(".json.gz").to_owned();
        let (named, all) = (answer.tainted_events.len() as u64, answer.events_read);
        if named < all {
            missed.insert(technique, format!("{named} of {all}"));
        }
        found.extend(answer.tainted_events);
    }
    let verdict = Verdict {
        log: "stratus, nothing told".to_owned(),
        events: Rate::of(&found, &truth.events, &BTreeSet::new()),
        secrets: Rate::of(&BTreeSet::new(), &truth.secrets, &BTreeSet::new()),
        addresses: Rate::of(&BTreeSet::new(), &truth.addresses, &BTreeSet::new()),
        first: true,
    };
    (verdict, missed)
}

#[test]
fn real_logs_are_judged_right() {
    let mut verdicts = Vec::new();
    verdicts.extend(both_ways("invictus", "invictus.json.gz"));
    verdicts.extend(both_ways("otrf", "otrf.jsonl.gz"));
    for verdict in &verdicts {
        let line = verdict.line();
        assert!(verdict.first, "when it began: {line}");
        for rate in [&verdict.events, &verdict.secrets, &verdict.addresses] {
            assert!(rate.found == rate.wanted, "something was missed: {line}");
            assert!(rate.precision() >= 0.99, "somebody else was named: {line}");
        }
    }
    let (techniques, missed) = techniques();
    verdicts.push(techniques);
    let mut table = format!("{:<26}", "log");
    for head in ["events r / p", "secrets r / p", "addresses r / p"] {
        let _ = write!(table, "  {head:<26}");
    }
    table.push_str("  first\n");
    for verdict in &verdicts {
        let _ = writeln!(table, "{}", verdict.line());
    }
    table.push_str("\nstratus, not whole:\n");
    for (technique, events) in &missed {
        let _ = writeln!(table, "  {technique}: {events}");
    }
    insta::assert_snapshot!("verdicts", table);
}
