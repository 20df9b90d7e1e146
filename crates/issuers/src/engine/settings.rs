//! How a catalog issuer is configured.

use std::collections::BTreeMap;

use relatch_case::IssuerId;
use relatch_secret::Secret;
use serde::Deserialize;

/// What a user says of one issuer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The id under which it is known here: `openai`, `vllm-internal`.
    pub id: IssuerId,
    /// Where calls go instead of the entry's address.
    pub base_url: Option<String>,
    /// The key that lists, makes, switches off and removes keys. Without it only probes work.
    pub admin_key: Option<Secret>,
    /// Variables that the entry asks for. Never values.
    pub variables: BTreeMap<String, String>,
    /// Commands that stand in for calls, where the entry takes them.
    pub hooks: Option<Hooks>,
}

/// Commands that mint, delete and list static keys.
///
/// A command gets one JSON object on standard input: `verb`, `issuer`, and as the verb needs
/// `principal`, `name`, `replaces`, `key_id`; never a value. It answers on standard output:
/// `mint` with `{"id": …, "value": …}`, `list` with
/// `{"keys": [{"id": …, "name": …, "hint": …, "active": …}]}`, `delete` with nothing.
/// Exit code 0 means done, 10 means that definitely nothing happened; after any other, and
/// after a time-out, it is unknown whether something did. Its error output is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Program and arguments that make a key.
    #[serde(default)]
    pub mint: Option<Vec<String>>,
    /// Program and arguments that remove a key. A key that is absent is removed already.
    #[serde(default)]
    pub delete: Option<Vec<String>>,
    /// Program and arguments that list keys.
    #[serde(default)]
    pub list: Option<Vec<String>>,
    /// Environment variables that commands get besides `PATH` and `HOME`.
    #[serde(default)]
    pub pass_env: Vec<String>,
    /// Seconds after which a command is killed.
    #[serde(default = "usual_timeout")]
    pub timeout_s: u32,
}

fn usual_timeout() -> u32 {
    60
}

/// Why settings do not fit their entry.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no address to call.
    #[error("issuer `{issuer}` needs a base address{}", or_environment(names))]
    NoAddress {
        /// Which.
        issuer: IssuerId,
        /// Environment variables that usually hold it.
        names: Vec<String>,
    },
    /// The address is none.
    #[error("the base address of issuer `{issuer}` is no http or https address")]
    Address {
        /// Which.
        issuer: IssuerId,
    },
    /// A variable is missing.
    #[error("issuer `{issuer}` needs the variable `{name}`: {meaning}")]
    Variable {
        /// Which.
        issuer: IssuerId,
        /// The variable.
        name: String,
        /// What it means.
        meaning: String,
    },
    /// Hooks where the entry takes none, or one without a program.
    #[error("the hooks of issuer `{issuer}`: {problem}")]
    Hooks {
        /// Which.
        issuer: IssuerId,
        /// What is wrong.
        problem: String,
    },
    /// A header of the entry is none.
    #[error("the headers of issuer `{issuer}`: {problem}")]
    Headers {
        /// Which.
        issuer: IssuerId,
        /// What is wrong.
        problem: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make the HTTP client of issuer `{issuer}`")]
    Client {
        /// Which.
        issuer: IssuerId,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

fn or_environment(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" (usually in {})", names.join(" or "))
    }
}
