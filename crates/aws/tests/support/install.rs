//! Where the servers lie, and how they come there.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn ministack() -> PathBuf {
    program("ministack", "ministack", &["ministack==1.5.33"])
}

pub(super) fn moto() -> PathBuf {
    program("moto", "moto_server", &["moto[server]==5.2.5"])
}

/// The folder from which Python takes DuckDB.
pub(super) fn sql() -> PathBuf {
    let python = program("sql", "python", &["duckdb==2.0.0", "sqlglot==30.30.0"]);
    let ask = "import pathlib, duckdb; print(pathlib.Path(duckdb.__file__).parent.parent)";
    let said = Command::new(python).args(["-c", ask]).output();
    let said = said.expect("python runs");
    assert!(said.status.success(), "DuckDB is not installed: {said:?}");
    PathBuf::from(String::from_utf8_lossy(&said.stdout).trim())
}

/// The path of `program` in the virtual environment `name`; made by the first who needs it,
/// while the others wait.
fn program(name: &str, program: &str, packages: &[&str]) -> PathBuf {
    let root = std::env::var_os("RELATCH_PEERS")
        .map_or_else(|| PathBuf::from("/var/tmp/relatch-peers"), PathBuf::from);
    let environment = root.join(name);
    let path = environment.join("bin").join(program);
    if path.exists() {
        return path;
    }
    std::fs::create_dir_all(&root).expect("a folder for the servers");
    let lock = File::create(root.join(format!("{name}.lock"))).expect("lock file");
    lock.lock().expect("locked");
    if !path.exists() {
        install(&environment, packages);
    }
    path
}

fn install(environment: &Path, packages: &[&str]) {
    let package = packages.join(", ");
    let _ = writeln!(
        std::io::stderr(),
        "installing {package} into {}",
        environment.display()
    );
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment));
    run(Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet"])
        .args(packages));
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .expect("python3 with venv is needed for these tests");
    assert!(status.success(), "{command:?} failed: {status}");
}
