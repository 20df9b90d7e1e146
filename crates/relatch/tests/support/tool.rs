//! The tool itself.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// How to run it. Nothing of our own environment is passed on but the path.
pub(crate) struct Tool {
    folder: std::path::PathBuf,
    variables: Vec<(String, std::ffi::OsString)>,
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after it said so many lines.
    Line(usize, Duration),
}

impl Moment {
    async fn come(self, err: &Path) {
        let (lines, then) = match self {
            Self::After(then) => (0, then),
            Self::Line(lines, then) => (lines, then),
        };
        while memchr::memchr_iter(b'\n', &read(err)).count() < lines {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(then).await;
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Tool {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.to_string(), value.as_ref().to_os_string()));
        self
    }

    /// Runs a command line, split at spaces, to its end.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split(' ').collect::<Vec<_>>()).await
    }

    pub(crate) async fn run_args(&self, args: &[&str]) -> Ran {
        let output = tokio::time::timeout(PATIENCE, self.command(args).output()).await;
        Ran::from(
            output
                .unwrap_or_else(|_| panic!("{args:?} does not end"))
                .expect("run"),
        )
    }

    /// Runs a command line that must succeed; returns its standard output.
    pub(crate) async fn ok(&self, line: &str) -> String {
        let ran = self.run(line).await;
        assert_eq!(ran.code, Some(0), "relatch {line}\n{ran}");
        ran.out
    }

    /// Runs a command line and kills it, as `kill -9` does, at a moment; `None` if killed.
    /// What it says stands in `said-out` and `said-err` in its folder.
    pub(crate) async fn run_killed(&self, line: &str, moment: Moment) -> Option<Ran> {
        let args: Vec<&str> = line.split(' ').collect();
        let (out, err) = (self.folder.join("said-out"), self.folder.join("said-err"));
        let mut child = self
            .command(&args)
            .stdout(File::create(&out).expect("file"))
            .stderr(File::create(&err).expect("file"))
            .spawn()
            .expect("run");
        let ended = tokio::select! {
            ended = child.wait() => Some(ended.expect("run")),
            () = moment.come(&err) => None,
        };
        if let Some(status) = ended {
            let (stdout, stderr) = (read(&out), read(&err));
            return Some(Ran::from(Output {
                status,
                stdout,
                stderr,
            }));
        }
        child.kill().await.expect("killed");
        None
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relatch"));
        command
            .args(args)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().map(|(n, v)| (n, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {:?}\n--- out\n{}\n--- err\n{}",
            self.code, self.out, self.err
        )
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("readable")
}
