//! Commands of the user's that stand in for calls.
//!
//! No value is in their arguments, their environment or what they are sent; a value comes
//! back on standard output only, into memory that is wiped.

use std::process::Stdio;
use std::time::Duration;

use relatch_case::model::IssuedKey;
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_secret::redact::printable_text;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::call::Effect;
use super::settings::Hooks;
use super::{hint, mint};
use crate::http::Body;
use crate::port::{MintRequest, Minted};

/// Exit code that means: definitely nothing happened.
const NOTHING_HAPPENED: i32 = 10;

/// Longest output that is read, in bytes.
const OUTPUT_LIMIT: u64 = 1024 * 1024;

/// Runs the hooks of one issuer.
#[derive(Debug)]
pub(crate) struct Runner {
    issuer: IssuerId,
    pub(crate) hooks: Hooks,
}

impl Runner {
    pub(crate) fn new(issuer: IssuerId, hooks: Hooks) -> Self {
        Self { issuer, hooks }
    }

    /// Makes a key.
    pub(crate) async fn mint(
        &self,
        argv: &[String],
        wanted: &MintRequest,
    ) -> Result<Minted, Fault> {
        let request = json!({
            "verb": "mint", "issuer": self.issuer, "principal": wanted.principal,
            "name": wanted.name, "replaces": wanted.replaces,
        });
        let output = self.run("mint", argv, &request, Effect::Changes).await?;
        let minted = Body::parse(&output).and_then(|body| mint::take(&body, "/id", "/value"));
        minted.ok_or_else(|| {
            self.fault(
                FaultKind::Ambiguous,
                "mint",
                "succeeded, but printed no id and value",
            )
        })
    }

    /// Removes a key.
    pub(crate) async fn delete(
        &self,
        argv: &[String],
        principal: &Principal,
        key: &KeyId,
    ) -> Result<(), Fault> {
        let request = json!({
            "verb": "delete", "issuer": self.issuer, "principal": principal, "key_id": key,
        });
        self.run("delete", argv, &request, Effect::Changes)
            .await
            .map(drop)
    }

    /// Lists keys.
    pub(crate) async fn list(&self, argv: &[String]) -> Result<Vec<IssuedKey>, Fault> {
        let request = json!({"verb": "list", "issuer": self.issuer});
        let output = self.run("list", argv, &request, Effect::Reads).await?;
        let body = Body::parse(&output);
        let keys = body
            .as_ref()
            .and_then(|body| body.json().pointer("/keys")?.as_array());
        let keys = keys.and_then(|keys| keys.iter().map(key).collect::<Option<Vec<_>>>());
        keys.ok_or_else(|| {
            self.fault(
                FaultKind::Invalid,
                "list",
                "printed no list of keys with ids",
            )
        })
    }

    async fn run(
        &self,
        verb: &str,
        argv: &[String],
        request: &Value,
        effect: Effect,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut child = self.command(argv).spawn().map_err(|error| {
            self.fault(
                FaultKind::Local,
                verb,
                &format!("cannot be started: {error}"),
            )
        })?;
        let limit = Duration::from_secs(u64::from(self.hooks.timeout_s));
        let Ok(done) = tokio::time::timeout(limit, talk(&mut child, request)).await else {
            let _ = child.kill().await;
            let what = format!("was killed after {} s", self.hooks.timeout_s);
            return Err(self.fault(effect.unanswered(), verb, &what));
        };
        let (code, output) = done.map_err(|error| {
            self.fault(
                effect.unanswered(),
                verb,
                &format!("could not be followed: {error}"),
            )
        })?;
        match code {
            Some(0) => Ok(output),
            Some(NOTHING_HAPPENED) => Err(self.fault(
                FaultKind::Invalid,
                verb,
                "says that it did nothing (exit code 10)",
            )),
            Some(code) => Err(self.fault(
                effect.unanswered(),
                verb,
                &format!("ended with exit code {code}"),
            )),
            None => Err(self.fault(effect.unanswered(), verb, "was ended by a signal")),
        }
    }

    fn command(&self, argv: &[String]) -> Command {
        let (program, arguments) = argv
            .split_first()
            .map_or(("", argv), |(p, a)| (p.as_str(), a));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let usual = ["PATH", "HOME"].into_iter();
        for name in usual.chain(self.hooks.pass_env.iter().map(String::as_str)) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    fn fault(&self, kind: FaultKind, verb: &str, what: &str) -> Fault {
        Fault::new(kind, format!("the {verb} hook of {} {what}", self.issuer))
    }
}

/// Sends the request, reads the output and waits. A command that does not read its input is
/// within its rights.
async fn talk(
    child: &mut Child,
    request: &Value,
) -> std::io::Result<(Option<i32>, Zeroizing<Vec<u8>>)> {
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(request.to_string().as_bytes()).await;
        let _ = input.write_all(b"\n").await;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    if let Some(output) = child.stdout.take() {
        output.take(OUTPUT_LIMIT).read_to_end(&mut bytes).await?;
    }
    Ok((child.wait().await?.code(), bytes))
}

fn key(item: &Value) -> Option<IssuedKey> {
    let text = |name: &str| item.get(name)?.as_str();
    let time = |name: &str| text(name)?.parse().ok();
    Some(IssuedKey {
        id: KeyId::new(text("id").filter(|id| !id.is_empty())?),
        name: text("name").map(printable_text),
        hint: text("hint").and_then(hint::keep),
        active: item.get("active").and_then(Value::as_bool).unwrap_or(true),
        created: time("created"),
        last_used: time("last_used"),
    })
}
