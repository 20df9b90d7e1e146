//! No value leaves the places (law 8): a whole response, logged as loudly as can be, cut off
//! in the middle as well, and then every byte that was written or said is searched.

mod support;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;
use serde_json::Value;
use support::{Company, Moment, NEIGHBOUR, Tool, Values, files};

/// What must not be seen, with what it is.
struct Canaries(Vec<(String, Vec<u8>)>);

/// Everything that was said and written.
struct Traces(Vec<(String, Vec<u8>)>);

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_seen_outside_of_the_places() {
    let company = Company::start().await;
    let tool = company.tool().env("RELATCH_LOG", "trace");
    let mut traces = Traces(Vec::new());
    let mut canaries = Canaries::new(&company);
    canaries.add(&company.values().await);
    for json in [false, true] {
        respond(&company, &tool, json, &mut traces).await;
        canaries.add(&company.values().await);
        finish(&company, &tool, json, &mut traces).await;
    }
    assert!(canaries.0.len() > 30, "few canaries");
    assert!(traces.has("TRACE") && traces.has("journal.db") && traces.has("custody"));
    // The search finds what is there to be found.
    let place = (
        "the place".to_string(),
        std::fs::read(company.dotenv()).expect(".env"),
    );
    assert!(!canaries.seen(&place).is_empty());
    let seen: Vec<String> = traces
        .0
        .iter()
        .flat_map(|trace| canaries.seen(trace))
        .collect();
    assert!(
        seen.is_empty(),
        "{} leaks:\n{}",
        seen.len(),
        seen.join("\n")
    );
}

/// From an open case to the last step, killed in between.
async fn respond(company: &Company, tool: &Tool, json: bool, traces: &mut Traces) {
    let id = if json { "programs" } else { "people" };
    let account = support::ACCOUNT;
    traces.run(tool, json, "init").await;
    traces.run(tool, json, &format!(
        "case open --title canary --id {id} --account {account} --identity-file identity.txt"
    )).await;
    for line in [
        "inventory",
        "probe",
        "plan --out plan.json",
        "plan show --steps",
    ] {
        traces.run(tool, json, line).await;
    }
    let plan: Value = serde_json::from_str(&tool.ok("plan --json").await).expect("JSON");
    let hash = plan["hash"].as_str().expect("a hash");
    traces
        .run(tool, json, &format!("plan approve {hash}"))
        .await;
    for after in [500, 900, 1300] {
        let line = if json {
            "apply --yes --json"
        } else {
            "apply --yes --steps"
        };
        let ran = tool
            .run_killed(line, Moment::After(Duration::from_millis(after)))
            .await;
        assert!(ran.is_none(), "it finished before it was killed");
        traces.files(company);
    }
    traces.run(tool, json, "apply --yes --steps").await;
}

/// Report, proof and the end.
async fn finish(company: &Company, tool: &Tool, json: bool, traces: &mut Traces) {
    for line in [
        "status",
        "tasks",
        "inventory",
        "report --format html --out report.html",
        "report --format markdown --out report.md",
        "report --format json --out report.json",
        "case show",
        "case log",
    ] {
        traces.run(tool, json, line).await;
    }
    traces.files(company);
    for line in [
        "certificate",
        "verify certificate.json",
        "case close",
        "case list",
    ] {
        traces.run(tool, json, line).await;
    }
    traces.files(company);
}

impl Canaries {
    fn new(company: &Company) -> Self {
        let mut canaries = Self(Vec::new());
        canaries.hide("a neighbour", NEIGHBOUR);
        canaries.hide("the admin key", company.admin_key());
        canaries
    }

    /// Every secret half and key; ids of access keys are no secrets.
    fn add(&mut self, values: &Values) {
        for (name, value) in values {
            if !matches!(name.split_once('.'), Some((_, "id"))) {
                self.hide(name, value);
            }
        }
    }

    /// The value and what it is often turned into. Of base64 only what does not depend on
    /// what stands around the value.
    fn hide(&mut self, name: &str, value: &str) {
        let mut add = |how: &str, bytes: Vec<u8>| self.0.push((format!("{name} {how}"), bytes));
        add("as it is", value.into());
        let hex: Vec<String> = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        add("in hex", hex.concat().into());
        for engine in [STANDARD, URL_SAFE] {
            for before in 0..3 {
                let text = engine.encode([&b"xxx"[..before], value.as_bytes()].concat());
                let inner = text.as_bytes().get(4..text.len() - 4).expect("long enough");
                add("in base64", inner.to_vec());
            }
        }
    }

    fn seen(&self, (trace, bytes): &(String, Vec<u8>)) -> Vec<String> {
        let mut seen = Vec::new();
        for (name, canary) in &self.0 {
            if let Some(at) = memmem::find(bytes, canary) {
                seen.push(format!("{name} in {trace}: {}", around(bytes, at)));
            }
        }
        seen
    }
}

fn around(bytes: &[u8], at: usize) -> String {
    let part = &bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())];
    String::from_utf8_lossy(part).into_owned()
}

impl Traces {
    /// Runs a command that must succeed and keeps what it said.
    async fn run(&mut self, tool: &Tool, json: bool, line: &str) {
        let line = if json {
            format!("{line} --json")
        } else {
            line.to_string()
        };
        let ran = tool.run(&line).await;
        assert_eq!(
            ran.code,
            Some(0),
            "relatch {line}\n{}\n{}",
            ran.out,
            tail(&ran.err)
        );
        self.0
            .push((format!("the output of {line}"), ran.out.into_bytes()));
        self.0
            .push((format!("the log of {line}"), ran.err.into_bytes()));
    }

    /// Keeps every file that the tool or a hook of it may have written.
    fn files(&mut self, company: &Company) {
        for folder in ["work", "tmp", "home", "seen"] {
            for path in files(&company.folder.path().join(folder)) {
                self.0.push((path.display().to_string(), read(&path)));
            }
        }
    }

    fn has(&self, word: &str) -> bool {
        let holds = |bytes: &[u8]| memmem::find(bytes, word.as_bytes()).is_some();
        self.0
            .iter()
            .any(|(name, bytes)| name.contains(word) || holds(bytes))
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("readable")
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(3000);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
