//! The range endpoint's administration script: what a user would write for an endpoint with
//! static keys. Gets its request on standard input, gives a new value on standard output only.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use relatch_secret::Secret;
use serde_json::{Value, json};

use crate::config::ValueFrom;
use crate::error::{CommandError, Kind, OfKind};

/// Options of the hook.
#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    verb: Verb,
    /// The endpoint
    #[arg(long)]
    url: String,
    /// Its admin token
    #[arg(long)]
    token_file: PathBuf,
    /// Its file of keys
    #[arg(long)]
    keys_file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verb {
    Mint,
    Delete,
    List,
}

pub(crate) async fn run(args: HookArgs) -> Result<(), CommandError> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let request: Value = serde_json::from_str(&text).kind(Kind::Usage)?;
    match args.verb {
        Verb::List => list(&args),
        Verb::Mint => mint(&args, &request).await,
        Verb::Delete => delete(&args, &request).await,
    }
}

fn list(args: &HookArgs) -> Result<(), CommandError> {
    let text = Secret::new(std::fs::read(&args.keys_file)?);
    let keys: Vec<Value> = text
        .expose_str()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| {
            let tail = value.get(value.len().saturating_sub(6)..).unwrap_or_default();
            json!({ "id": name, "name": name, "hint": format!("btk-live-...{tail}"), "active": true })
        })
        .collect();
    print(&json!({ "keys": keys }))
}

async fn mint(args: &HookArgs, request: &Value) -> Result<(), CommandError> {
    let body = json!({ "name": request["name"] });
    let answer = client()?
        .post(format!("{}/admin/keys", args.url))
        .bearer_auth(token(args)?)
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    let made: Value = answer.json().await?;
    print(&json!({ "id": made["name"], "value": made["value"] }))
}

async fn delete(args: &HookArgs, request: &Value) -> Result<(), CommandError> {
    let name = request["key_id"]
        .as_str()
        .ok_or("no key_id")
        .kind(Kind::Usage)?;
    let answer = client()?
        .delete(format!("{}/admin/keys/{name}", args.url))
        .bearer_auth(token(args)?)
        .send()
        .await?;
    if answer.status() != 404 {
        answer.error_for_status()?;
    }
    Ok(())
}

fn client() -> Result<reqwest::Client, CommandError> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(10))
        .build()?)
}

fn token(args: &HookArgs) -> Result<String, CommandError> {
    let token = ValueFrom::File(args.token_file.clone()).fetch()?;
    Ok(token.expose_str().unwrap_or_default().to_string())
}

fn print(data: &Value) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{data}")?;
    Ok(())
}
