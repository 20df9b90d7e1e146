//! What people wrote down: services, what they read and how they reload.
//!
//! ```toml
//! [[consumer]]
//! name = "billing"
//! reads = ["file:/etc/billing/.env", "secretsmanager:us-east-1:prod/openai"]
//! reload = { command = ["systemctl", "reload", "billing"] }
//! health = { url = "http://127.0.0.1:8080/health" }
//!
//! [[dependency]]
//! credential = "deploy key"
//! opens = { container = "ssm:eu-west-1:/prod/*" }
//! ```

use relatch_case::ConsumerId;
use relatch_case::model::{Consumer, ConsumerKind, Container, Hook, Known};
use serde::{Deserialize, Serialize};

/// The kinds of containers that stand in a region.
const REGIONAL: [&str; 3] = ["secretsmanager", "ssm", "lambda"];

/// One `[[consumer]]` of `relatch.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredConsumer {
    /// Its name; the consumer's id is `service:NAME`.
    pub name: String,
    /// The containers it reads.
    pub reads: Vec<String>,
    /// How it is made to read them again.
    pub reload: DeclaredHook,
    /// How it is asked whether it is well.
    pub health: DeclaredHook,
}

/// A hook: a command or an address, exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredHook {
    /// Program and arguments; no shell is involved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// An `http` or `https` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A declaration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// The name is empty or not printable.
    #[error("a consumer needs a name without spaces or control characters, not {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// It reads nothing.
    #[error("the consumer {name} reads nothing")]
    ReadsNothing {
        /// Its name.
        name: String,
    },
    /// A hook is neither a command nor an address, or both.
    #[error("the {hook} hook of {name} needs either a command or an http url")]
    Hook {
        /// Whose.
        name: String,
        /// Which.
        hook: &'static str,
    },
    /// Two consumers have one name.
    #[error("the consumer {name} is declared twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A container is not spelled as one.
    #[error("{text:?} names no container: {why}")]
    Container {
        /// What was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// All declared consumers, in the order of their ids.
pub fn consumers(declared: &[DeclaredConsumer]) -> Result<Vec<Consumer>, DeclaredError> {
    let mut consumers = declared
        .iter()
        .map(DeclaredConsumer::consumer)
        .collect::<Result<Vec<_>, _>>()?;
    consumers.sort_by(|a, b| a.id.cmp(&b.id));
    match consumers.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(DeclaredError::Twice {
            name: pair[0].id.to_string(),
        }),
        None => Ok(consumers),
    }
}

impl DeclaredConsumer {
    /// The consumer that it declares.
    pub fn consumer(&self) -> Result<Consumer, DeclaredError> {
        let name = &self.name;
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(DeclaredError::Name { name: name.clone() });
        }
        if self.reads.is_empty() {
            return Err(DeclaredError::ReadsNothing { name: name.clone() });
        }
        let mut reads = self
            .reads
            .iter()
            .map(|text| parse_container(text))
            .collect::<Result<Vec<_>, _>>()?;
        reads.sort();
        reads.dedup();
        let hook = |hook: &DeclaredHook, which| {
            hook.hook().ok_or_else(|| DeclaredError::Hook {
                name: name.clone(),
                hook: which,
            })
        };
        let kind = ConsumerKind::Service {
            reload: hook(&self.reload, "reload")?,
            health: hook(&self.health, "health")?,
        };
        let id = ConsumerId::new(format!("service:{name}"));
        Ok(Consumer {
            id,
            kind,
            reads,
            known: Known::Declared,
        })
    }
}

impl DeclaredHook {
    fn hook(&self) -> Option<Hook> {
        match (&self.command, &self.url) {
            (Some(argv), None) if argv.first().is_some_and(|program| !program.is_empty()) => {
                Some(Hook::Command { argv: argv.clone() })
            }
            (None, Some(url)) if url.starts_with("http://") || url.starts_with("https://") => {
                Some(Hook::Http { url: url.clone() })
            }
            _ => None,
        }
    }
}

/// Reads a container as it is displayed: `file:/abs/path`, `secretsmanager:REGION:NAME`,
/// `ssm:REGION:NAME`, `lambda:REGION:FUNCTION`.
pub fn parse_container(text: &str) -> Result<Container, DeclaredError> {
    let wrong = |why| DeclaredError::Container {
        text: text.to_string(),
        why,
    };
    let (kind, rest) = text
        .split_once(':')
        .ok_or_else(|| wrong("it has no kind before a colon"))?;
    let (region, name) = if kind == "file" {
        let absolute = std::path::Path::new(rest).is_absolute();
        if !absolute {
            return Err(wrong("the path of a file must be absolute"));
        }
        ("", rest)
    } else if REGIONAL.contains(&kind) {
        let parts = rest.split_once(':').filter(|(region, _)| is_region(region));
        parts.ok_or_else(|| wrong("a region must follow the kind: KIND:REGION:NAME"))?
    } else {
        return Err(wrong("the kinds are file, secretsmanager, ssm and lambda"));
    };
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(wrong("its name is empty or not printable"));
    }
    Ok(Container {
        kind: kind.into(),
        region: region.into(),
        name: name.into(),
    })
}

/// Whether it is spelled like a region: `us-east-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = parts
        .last()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    let words = parts[..parts.len() - 1]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    parts.len() >= 3 && number && words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        consumer: Vec<DeclaredConsumer>,
    }

    fn read(text: &str) -> Result<Vec<Consumer>, String> {
        let section: Section = toml::from_str(text).map_err(|error| error.to_string())?;
        consumers(&section.consumer).map_err(|error| error.to_string())
    }

    const BILLING: &str = r#"
        [[consumer]]
        name = "billing"
        reads = ["secretsmanager:us-east-1:prod/openai", "file:/etc/b:c/.env"]
        reload = { command = ["systemctl", "reload", "billing"] }
        health = { url = "http://127.0.0.1:8080/health" }
    "#;

    #[test]
    fn a_service_is_read() {
        let consumers = read(BILLING).expect("read");
        let billing = &consumers[0];
        assert_eq!(billing.id.as_str(), "service:billing");
        let reads: Vec<String> = billing.reads.iter().map(ToString::to_string).collect();
        assert_eq!(
            reads,
            ["file:/etc/b:c/.env", "secretsmanager:us-east-1:prod/openai"]
        );
        let ConsumerKind::Service {
            reload: Hook::Command { argv },
            health: Hook::Http { url },
        } = &billing.kind
        else {
            panic!("a service expected")
        };
        assert_eq!(
            (argv.len(), url.as_str()),
            (3, "http://127.0.0.1:8080/health")
        );
    }

    #[test]
    fn mistakes_are_told() {
        for (from, to, message) in [
            ("name = \"billing\"", "name = \"\"", "needs a name"),
            ("health = { url", "health = { uri", "unknown field"),
            (
                "{ url =",
                "{ command = [\"x\"], url =",
                "either a command or",
            ),
            ("\"http://", "\"ftp://", "either a command or"),
            (
                "[\"systemctl\", \"reload\", \"billing\"]",
                "[]",
                "either a command or",
            ),
            ("file:/etc", "file:etc", "absolute"),
            ("us-east-1:", "", "region"),
            ("secretsmanager:", "vault:", "the kinds are"),
            ("prod/openai", "", "empty"),
        ] {
            assert!(BILLING.contains(from), "{from}");
            let error = read(&BILLING.replace(from, to)).expect_err(to);
            assert!(error.contains(message), "{error}");
        }
        let twice = read(&format!("{BILLING}{BILLING}")).expect_err("twice");
        assert!(twice.contains("declared twice"), "{twice}");
    }

    #[test]
    fn a_container_is_read_as_it_is_displayed() {
        for text in [
            "file:/a b/c",
            "ssm:eu-central-1:/prod/key",
            "lambda:us-gov-west-1:checkout",
            "secretsmanager:ap-southeast-2:a:b",
        ] {
            assert_eq!(parse_container(text).expect(text).to_string(), text);
        }
    }
}
