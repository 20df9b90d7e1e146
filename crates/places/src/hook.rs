//! Calling hooks: a command or a request to something local.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relatch_case::{Fault, FaultKind};
use relatch_secret::redact;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The only variables of our environment that a command gets.
const KEPT: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Most bytes of an answer that are kept.
const ANSWER: usize = 8 * 1024;

/// How long output may still come after a command has ended. A daemon that it started can
/// hold its output open for ever.
const TAIL: Duration = Duration::from_millis(200);

/// How long hooks may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookLimits {
    /// A command.
    pub command: Duration,
    /// A request, from connecting to the end of the answer.
    pub http: Duration,
}

impl HookLimits {
    /// A minute for commands, ten seconds for requests.
    pub const USUAL: Self = Self {
        command: Duration::from_mins(1),
        http: Duration::from_secs(10),
    };
}

/// How a hook was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Success.
    Yes(String),
    /// A definite no, as a fault.
    No(Fault),
}

/// Runs a command without a shell, with nothing on its standard input.
pub(crate) async fn command(argv: &[String], limit: Duration) -> Result<Answer, Fault> {
    let mut child = spawn(argv)?;
    let output = Arc::new(Mutex::new(Vec::new()));
    let readers: Vec<JoinHandle<()>> = [
        child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(keep(pipe, Arc::clone(&output)))),
        child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(keep(pipe, Arc::clone(&output)))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let ended = tokio::time::timeout(limit, child.wait()).await;
    if ended.is_ok() {
        let _ = tokio::time::timeout(TAIL, async {
            for reader in readers {
                let _ = reader.await;
            }
        })
        .await;
    }
    let said = clean(&output.lock().unwrap_or_else(PoisonError::into_inner));
    match ended {
        Ok(Ok(status)) => Ok(exit(status, said)),
        Ok(Err(error)) => Err(Fault::new(
            FaultKind::Ambiguous,
            format!("the command was lost: {error}"),
        )),
        Err(_) => {
            let detail = format!("it did not end within {} s; it was killed", limit.as_secs());
            let _ = child.kill().await;
            Ok(Answer::No(Fault::new(
                FaultKind::Ambiguous,
                with(&detail, &said),
            )))
        }
    }
}

fn spawn(argv: &[String]) -> Result<Child, Fault> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Fault::new(FaultKind::Invalid, "the hook has no command"));
    };
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(kept)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => FaultKind::NotFound,
                std::io::ErrorKind::PermissionDenied => FaultKind::Denied,
                _ => FaultKind::Local,
            };
            Fault::new(kind, format!("cannot start {program}: {error}"))
        })
}

/// Keeps the beginning of an output and reads the rest away, so that nobody waits to write.
async fn keep(mut pipe: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = ANSWER.saturating_sub(kept.len()).min(length);
        kept.extend_from_slice(&chunk[..room]);
    }
}

fn exit(status: ExitStatus, said: String) -> Answer {
    if status.success() {
        return Answer::Yes(with("it succeeded", &said));
    }
    // Without an exit code it was killed in the middle of its work.
    let kind = if status.code().is_some() {
        FaultKind::Invalid
    } else {
        FaultKind::Ambiguous
    };
    Answer::No(Fault::new(kind, with(&status.to_string(), &said)))
}

/// Makes sent bytes fit for a person.
fn clean(bytes: &[u8]) -> String {
    redact::outside(String::from_utf8_lossy(bytes).trim())
}

fn with(what: &str, said: &str) -> String {
    if said.is_empty() {
        what.to_string()
    } else {
        format!("{what}: {said}")
    }
}

/// Sends a request without a body.
pub(crate) async fn http(
    client: &reqwest::Client,
    method: reqwest::Method,
    url: &str,
) -> Result<Answer, Fault> {
    let url = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| {
            Fault::new(
                FaultKind::Invalid,
                "the hook's address is not an http address",
            )
        })?;
    match client.request(method, url).send().await {
        Ok(answer) => {
            let status = answer.status();
            Ok(match body(answer).await {
                Ok(said) => judge(status, said),
                Err(_) if !status.is_success() => judge(status, String::new()),
                Err(error) => Answer::No(lost(error)),
            })
        }
        Err(error) => Ok(Answer::No(lost(error))),
    }
}

fn judge(status: reqwest::StatusCode, said: String) -> Answer {
    let detail = with(&format!("it answered {}", status.as_u16()), &said);
    let kind = match status.as_u16() {
        200..300 => return Answer::Yes(detail),
        401 | 403 => FaultKind::Denied,
        404 => FaultKind::NotFound,
        429 => FaultKind::Throttled,
        500.. => FaultKind::Ambiguous,
        _ => FaultKind::Invalid,
    };
    Answer::No(Fault::new(kind, detail))
}

/// The beginning of an answer's body. One that breaks off before is no answer: whoever begins
/// to say yes and dies in the middle is not well.
async fn body(mut answer: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut kept = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = ANSWER.saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..room]);
        if kept.len() == ANSWER {
            break;
        }
    }
    Ok(clean(&kept))
}

/// Why there was no answer. The address can hold a password and is not shown.
fn lost(error: reqwest::Error) -> Fault {
    let kind = if error.is_connect() || error.is_builder() {
        FaultKind::Unreachable
    } else {
        FaultKind::Ambiguous
    };
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else {
        "it could not be asked"
    };
    let why = std::iter::successors(std::error::Error::source(&error), |source| source.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default();
    Fault::new(kind, with(what, &why))
}
