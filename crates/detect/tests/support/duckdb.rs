//! The independent SQL engine that the tests ask, and how it comes there.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use relatch_detect::sql::{Kind, columns};
use serde_json::{Map, Value, json};

const PACKAGES: [&str; 2] = ["duckdb==2.0.0", "sqlglot==30.30.0"];

/// A statement: its name, whose SQL it is (`duckdb`, or `athena`, which is translated first by
/// somebody else's program), and its text.
pub(crate) type Statement = (String, &'static str, String);

/// The rows of each statement over these records, one JSON text a line.
pub(crate) fn ask(
    lines: &[String],
    statements: &[Statement],
) -> Vec<(String, Vec<Map<String, Value>>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: String| fs::write(folder.path().join(name), text).expect("written");
    write("events.jsonl", lines.join("\n"));
    write("columns.json", shapes().to_string());
    write("statements.json", json!(statements).to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/ask_duckdb.py");
    run(Command::new(python()).arg(script).arg(folder.path()));
    let answers = fs::read_to_string(folder.path().join("answers.json")).expect("answers");
    serde_json::from_str(&answers).expect("JSON")
}

/// The table's columns as DuckDB types.
fn shapes() -> Value {
    let mut shapes: Vec<(String, String)> = Vec::new();
    let mut fields: Vec<(Vec<&str>, &str)> = columns()
        .map(|(field, kind)| {
            let shape = match kind {
                Kind::Text | Kind::Json => "VARCHAR",
                Kind::Map => "MAP(VARCHAR, VARCHAR)",
                Kind::Resources => "STRUCT(ARN VARCHAR, accountId VARCHAR, type VARCHAR)[]",
            };
            (field.split('.').collect(), shape)
        })
        .collect();
    while let Some((path, _)) = fields.first() {
        let name = path[0];
        let (mine, others) = fields
            .iter()
            .cloned()
            .partition(|(path, _)| path[0] == name);
        shapes.push((name.to_owned(), shape(mine)));
        fields = others;
    }
    json!(shapes)
}

/// The type of what stands under one name.
fn shape(fields: Vec<(Vec<&str>, &str)>) -> String {
    if let [(path, shape)] = fields.as_slice()
        && path.len() == 1
    {
        return (*shape).to_owned();
    }
    let mut inner: Vec<(Vec<&str>, &str)> = fields
        .into_iter()
        .map(|(path, shape)| (path[1..].to_vec(), shape))
        .collect();
    let mut parts = Vec::new();
    while let Some((path, _)) = inner.first() {
        let name = path[0];
        let (mine, others) = inner.iter().cloned().partition(|(path, _)| path[0] == name);
        parts.push(format!("{name} {}", shape(mine)));
        inner = others;
    }
    format!("STRUCT({})", parts.join(", "))
}

/// The Python of a virtual environment that has the packages; made by the first who needs it,
/// while the others wait.
fn python() -> PathBuf {
    let root = std::env::var_os("RELATCH_PEERS")
        .map_or_else(|| PathBuf::from("/var/tmp/relatch-peers"), PathBuf::from);
    let environment = root.join("sql");
    fs::create_dir_all(&root).expect("a folder for the peers");
    let lock = File::create(root.join("sql.lock")).expect("lock file");
    lock.lock().expect("locked");
    let python = environment.join("bin/python");
    let done = environment.join(format!(".installed-{}", PACKAGES.join("-")));
    if !done.exists() {
        install(&environment);
        File::create(done).expect("written");
    }
    python
}

fn install(environment: &Path) {
    let _ = writeln!(
        std::io::stderr(),
        "installing {PACKAGES:?} into {}",
        environment.display()
    );
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment));
    run(Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet"])
        .args(PACKAGES));
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .expect("python3 with venv is needed for these tests");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {told}");
}
