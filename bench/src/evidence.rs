//! What triage of a large log costs, against unpacking it and against parsing it.

use std::borrow::Cow;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libdeflater::Decompressor;
use relatch_corpus::{Found, Judgement, Rate, Spec, Truth, judge};
use relatch_detect::{RuleSet, builtin};
use relatch_evidence::{Options, Seeds, triage};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Error;
use crate::arguments::Arguments;
use crate::output::{self, ms, ratio};

/// What is measured, each in a process of its own.
const MEASURES: [(&str, &str); 6] = [
    ("gzip", "(1) gzip -dc"),
    ("unpack", "(2) unpack"),
    ("parse", "(3) unpack, parse borrowed"),
    ("proposed", "(4) triage, seeds proposed"),
    ("given", "(4) triage, key given"),
    ("detections", "(5) the same, all detections"),
];

/// `evidence [--events N] [--seed N] [--keep FOLDER] [--repeat N]`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    arguments.only(&[
        "--events",
        "--seed",
        "--keep",
        "--repeat",
        "--measure",
        "--folder",
    ])?;
    if let (Some(what), Some(folder)) = (arguments.text("--measure"), arguments.text("--folder")) {
        return measure(what, Path::new(folder));
    }
    let events = arguments.number("--events", 718_000)?;
    let seed = arguments.number("--seed", 1)?;
    let spec = Spec::large(u64::try_from(seed)?, u64::try_from(events)?);
    let folder = arguments.text("--keep").map_or_else(
        || crate::disk().join(format!("relatch-evidence-logs-{events}-{seed}")),
        PathBuf::from,
    );
    prepare(&spec, &folder)?;
    let mut best: Vec<Option<Value>> = vec![None; MEASURES.len()];
    for _ in 0..arguments.number("--repeat", 3)?.max(1) {
        for (best, (what, _)) in best.iter_mut().zip(MEASURES) {
            let Some(now) = child(what, &folder)? else {
                continue;
            };
            let is_less = best.as_ref().is_none_or(|best| cpu(&now) < cpu(best));
            if is_less {
                *best = Some(now);
            }
        }
    }
    report(&truth(&folder)?, &best);
    Ok(())
}

/// Makes the corpus, unless the same one is there already.
fn prepare(spec: &Spec, folder: &Path) -> Result<(), Error> {
    let label = json!({"version": relatch_corpus::VERSION, "spec": spec}).to_string();
    let mark = folder.join("spec.json");
    if fs::read_to_string(&mark).is_ok_and(|there| there == label) {
        return Ok(());
    }
    let logs = folder.join("logs");
    if logs.exists() && !folder.join("truth.json").exists() {
        return Err(format!("{} is there, and is no corpus of ours", logs.display()).into());
    }
    if logs.exists() {
        fs::remove_file(&mark)?;
        fs::remove_dir_all(&logs)?;
    }
    let began = Instant::now();
    let truth = relatch_corpus::write(spec, &logs)?;
    fs::write(folder.join("truth.json"), serde_json::to_vec(&truth)?)?;
    fs::write(&mark, label)?;
    output::line(&format!(
        "corpus written in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn truth(folder: &Path) -> Result<Truth, Error> {
    Ok(serde_json::from_slice(&fs::read(
        folder.join("truth.json"),
    )?)?)
}

/// The measurement in another process; none if its program is not there.
fn child(what: &str, folder: &Path) -> Result<Option<Value>, Error> {
    let child = Command::new(std::env::current_exe()?)
        .args(["evidence", "--measure", what, "--folder"])
        .arg(folder)
        .output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
    }
    let value: Value = serde_json::from_slice(&child.stdout)?;
    Ok((!value.is_null()).then_some(value))
}

fn measure(what: &str, folder: &Path) -> Result<(), Error> {
    let logs = folder.join("logs");
    let files = files(&logs)?;
    let began = Instant::now();
    let mut value = match what {
        "gzip" if gzip(&files)? => json!({"cpu_ms": ms(children_cpu())}),
        "gzip" => Value::Null,
        "unpack" => json!({"bytes": unpack(&files)?}),
        "parse" => json!({"events": parse(&files)?}),
        "proposed" => examine(&logs, Options::with_seeds(Seeds::default()), folder)?,
        "given" => examine(&logs, given(folder)?, folder)?,
        "detections" => {
            let rules = Arc::new(RuleSet::compile(builtin()));
            let options = Options {
                detections: Some(rules),
                ..given(folder)?
            };
            examine(&logs, options, folder)?
        }
        _ => return Err(format!("{what} is not measured here").into()),
    };
    if value.is_object() {
        let used = [
            ("cpu_ms", json!(ms(output::cpu()))),
            ("wall_ms", json!(ms(began.elapsed()))),
            ("peak_mb", json!(output::peak_mb())),
        ];
        for (name, number) in used {
            if value[name].is_null() {
                value[name] = number;
            }
        }
        if what == "gzip" {
            value["peak_mb"] = Value::Null;
        }
    }
    output::json(&value);
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("_CloudTrail_") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn gzip(files: &[PathBuf]) -> Result<bool, Error> {
    let run = Command::new("gzip")
        .arg("-dc")
        .args(files)
        .stdout(Stdio::null())
        .status();
    match run {
        Ok(status) if status.success() => Ok(true),
        Ok(status) => Err(format!("gzip ended with {status}").into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Processor time of other programs that this process started and that have ended.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // User and system time of children, in hundredths of a second.
    let fields = after.split(' ').skip(13).take(2);
    Duration::from_millis(
        fields
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>()
            * 10,
    )
}

/// Unpacks a file of one member into a buffer that is used again.
fn text<'b>(
    file: &Path,
    decompressor: &mut Decompressor,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], Error> {
    let packed = fs::read(file)?;
    let size = packed.last_chunk::<4>().ok_or("an empty file")?;
    let size = usize::try_from(u32::from_le_bytes(*size))?;
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let size = decompressor.gzip_decompress(&packed, &mut buffer[..size])?;
    Ok(&buffer[..size])
}

fn unpack(files: &[PathBuf]) -> Result<usize, Error> {
    let (mut decompressor, mut buffer, mut bytes) = (Decompressor::new(), Vec::new(), 0);
    for file in files {
        bytes += black_box(text(file, &mut decompressor, &mut buffer)?).len();
    }
    Ok(bytes)
}

/// The fields of a record that any investigation needs, borrowed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow, rename = "eventID")]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    event_time: Cow<'a, str>,
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    aws_region: Cow<'a, str>,
    #[serde(borrow, rename = "sourceIPAddress")]
    source_address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    recipient_account_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "sharedEventID")]
    shared_event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_identity: Identity<'a>,
    #[serde(borrow)]
    request_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    response_elements: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    principal_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    access_key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    invoked_by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    session_context: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

impl Record<'_> {
    /// Something of every field, so that none is left out by the compiler.
    fn weight(&self) -> usize {
        let whole = [
            &self.event_id,
            &self.event_time,
            &self.event_source,
            &self.event_name,
        ];
        let identity = &self.user_identity;
        let parts = [
            &self.source_address,
            &self.user_agent,
            &self.error_code,
            &self.recipient_account_id,
            &self.shared_event_id,
            &identity.kind,
            &identity.arn,
            &identity.principal_id,
            &identity.access_key_id,
            &identity.invoked_by,
        ];
        let raw = [
            self.request_parameters,
            self.response_elements,
            identity.session_context,
        ];
        whole.iter().map(|text| text.len()).sum::<usize>()
            + self.aws_region.len()
            + parts
                .into_iter()
                .flatten()
                .map(|text| text.len())
                .sum::<usize>()
            + raw
                .into_iter()
                .flatten()
                .map(|raw| raw.get().len())
                .sum::<usize>()
    }
}

fn parse(files: &[PathBuf]) -> Result<usize, Error> {
    let (mut decompressor, mut buffer, mut events) = (Decompressor::new(), Vec::new(), 0);
    for file in files {
        let text = text(file, &mut decompressor, &mut buffer)?;
        let batch: Batch<'_> = serde_json::from_slice(text)?;
        events += batch.records.len();
        black_box(batch.records.iter().map(Record::weight).sum::<usize>());
    }
    Ok(events)
}

/// Triage from the leaked key.
fn given(folder: &Path) -> Result<Options, Error> {
    Ok(Options::with_seeds(Seeds {
        access_keys: [truth(folder)?.seed_key].into(),
        ..Seeds::default()
    }))
}

fn examine(logs: &Path, options: Options, folder: &Path) -> Result<Value, Error> {
    let began = Instant::now();
    let triage = triage(&[logs.to_path_buf()], &options)?;
    let mut value = json!({
        "wall_ms": ms(began.elapsed()), "cpu_ms": ms(output::cpu()), "peak_mb": output::peak_mb(),
        "events": triage.events_read, "duplicates": triage.duplicates,
        "seeds": triage.seeds.iter().map(|seed| &seed.value).collect::<Vec<_>>(),
        "detections": triage.detection_counts, "groups": triage.detections.len(),
    });
    let secrets = triage.secrets_read.iter();
    let found = Found {
        secrets: secrets
            .map(|read| (read.kind.clone(), read.id.clone()))
            .collect(),
        events: triage.tainted_events.into_iter().collect(),
        addresses: triage.addresses.into_iter().collect(),
        first: triage.first,
    };
    value["truth"] = verdict(&judge(&truth(folder)?, &found));
    Ok(value)
}

/// So many of what was missed or wrong are named.
const FEW: usize = 5;

fn verdict(judgement: &Judgement) -> Value {
    let rate = |rate: &Rate| {
        json!({
            "recall": ratio(rate.recall(), 1.0), "precision": ratio(rate.precision(), 1.0),
            "missed": rate.missed.len(), "wrong": rate.wrong.len(),
            "among_them": rate.missed.iter().chain(&rate.wrong).take(FEW).collect::<Vec<_>>(),
        })
    };
    json!({
        "events": rate(&judgement.events), "secrets": rate(&judgement.secrets),
        "addresses": rate(&judgement.addresses), "first": judgement.first,
    })
}

fn cpu(value: &Value) -> f64 {
    value["cpu_ms"].as_f64().unwrap_or(f64::MAX)
}

fn report(truth: &Truth, best: &[Option<Value>]) {
    output::line(&format!(
        "evidence: {} events, {} MB of JSON, {} files; {} events are the attacker's",
        truth.written,
        truth.bytes / 1_000_000,
        truth.files,
        truth.tainted_events.len()
    ));
    output::line(&format!(
        "  {:<28} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "CPU s", "wall s", "peak MB", "to (3)", "to (1)"
    ));
    let to = |number: usize, value: &Value| {
        best[number].as_ref().map_or_else(String::new, |other| {
            format!("{:.2}", ratio(cpu(value), cpu(other)))
        })
    };
    for (value, (_, title)) in best.iter().zip(MEASURES) {
        let Some(value) = value else {
            output::line(&format!("  {title:<28} not found"));
            continue;
        };
        output::line(&format!(
            "  {title:<28} {:>8.2} {:>8.2} {:>8} {:>8} {:>8}",
            cpu(value) / 1e3,
            value["wall_ms"].as_f64().unwrap_or(0.0) / 1e3,
            value["peak_mb"]
                .as_u64()
                .map_or_else(|| "-".to_string(), |peak| peak.to_string()),
            to(2, value),
            to(0, value)
        ));
    }
    output::line(&format!(
        "  {:<28} {:>26} {:>8} {:>8}",
        "goal of (5)", "300", "1.50", "0.65"
    ));
    for number in [3, 4, 5] {
        found(MEASURES[number].1, best[number].as_ref());
    }
    let named = MEASURES
        .iter()
        .zip(best)
        .map(|((what, _), value)| ((*what).to_string(), json!(value)));
    let measured: serde_json::Map<String, Value> = named.collect();
    output::json(&json!({
        "bench": "evidence", "events": truth.written, "bytes": truth.bytes, "files": truth.files,
        "tainted": truth.tainted_events.len(), "measured": measured,
    }));
}

fn found(title: &str, value: Option<&Value>) {
    let Some(truth) = value.map(|value| &value["truth"]) else {
        return;
    };
    let rate = |name: &str| format!("{} / {}", truth[name]["recall"], truth[name]["precision"]);
    output::table(
        &format!("{title}: recall / precision"),
        &[
            ("events", rate("events")),
            ("secrets read", rate("secrets")),
            ("addresses", rate("addresses")),
            ("first call is right", truth["first"].to_string()),
        ],
    );
}
