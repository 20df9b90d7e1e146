//! The tool itself.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// How to run it. Nothing of our own environment is passed on but the path.
#[derive(Clone)]
pub(crate) struct Tool {
    folder: PathBuf,
    /// What the tool is run by, if not at once.
    through: Vec<String>,
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
    /// Its exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Tool {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            through: Vec::new(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.to_string(), value.as_ref().to_os_string()));
        self
    }

    /// The tool as this program runs it, which gets tool and arguments as its last arguments.
    pub(crate) fn through(mut self, program: &[&str]) -> Self {
        self.through = program.iter().map(ToString::to_string).collect();
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
        let mut running = self.start(line, "said");
        let err = running.err.clone();
        tokio::select! {
            ran = running.end() => Some(ran),
            () = moment.come(&err) => {
                running.child.kill().await.expect("killed");
                None
            }
        }
    }

    /// Starts a command line; what it says stands in `NAME-out` and `NAME-err` in its folder.
    pub(crate) fn start(&self, line: &str, name: &str) -> Running {
        let out = self.folder.join(format!("{name}-out"));
        let err = self.folder.join(format!("{name}-err"));
        let child = self
            .command(&line.split(' ').collect::<Vec<_>>())
            .stdout(File::create(&out).expect("file"))
            .stderr(File::create(&err).expect("file"))
            .spawn()
            .expect("run");
        Running { child, out, err }
    }

    fn command(&self, args: &[&str]) -> Command {
        let tool = env!("CARGO_BIN_EXE_relatch");
        let mut command = match self.through.split_first() {
            None => Command::new(tool),
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(tool);
                command
            }
        };
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

/// A run that is under way. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> Ran {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("it ends").expect("run");
        Ran::from(Output {
            status,
            stdout: read(&self.out),
            stderr: read(&self.err),
        })
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&read(&self.err)).into_owned()
    }

    /// Sends it a signal by name, as `STOP`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("kill").success(), "{name} to {id}");
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {:?}, signal {:?}\n--- out\n{}\n--- err\n{}",
            self.code, self.signal, self.out, self.err
        )
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("readable")
}
