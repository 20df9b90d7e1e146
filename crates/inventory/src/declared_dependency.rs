//! What people wrote down about credentials that open others.

use std::collections::BTreeMap;

use relatch_case::model::{Consumer, Credential, Opens, Sheet};
use relatch_case::{ConsumerId, CredentialId, Fact, IssuerId};
use serde::{Deserialize, Serialize};

use crate::declared::{DeclaredError, parse_container};

/// Most names that are offered instead of one that is not known.
const MOST_NEAR: usize = 5;

/// One `[[dependency]]` of `relatch.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredDependency {
    /// The credential: its key id, its name or its id.
    pub credential: String,
    /// What whoever holds it gets at.
    pub opens: DeclaredOpens,
}

/// What a credential opens: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOpens {
    /// A container as it is displayed; a name that ends in `*` is a prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// An issuer at which it makes keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A consumer that it deploys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
}

/// A dependency that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// Nothing is called that.
    #[error("a dependency names the {kind} {name:?}, and there is none{}", near_words(.near))]
    Unknown {
        /// `credential`, `issuer` or `consumer`.
        kind: &'static str,
        /// What was written.
        name: String,
        /// What comes near.
        near: Vec<String>,
    },
    /// Several credentials have the name.
    #[error("{count} credentials are called {name:?}: name one by its id, such as {first}")]
    Several {
        /// The name.
        name: String,
        /// How many.
        count: usize,
        /// One of them.
        first: CredentialId,
    },
    /// Nothing is opened, or several things in one.
    #[error(
        "the dependency of {name:?} must open exactly one of container, issuer and consumer: \
         write another [[dependency]] for more"
    )]
    NotOne {
        /// The credential as it was written.
        name: String,
    },
    /// The container is not spelled as one.
    #[error("the dependency of {name:?} opens nothing that can be understood")]
    Container {
        /// The credential as it was written.
        name: String,
        /// Why.
        source: DeclaredError,
    },
}

fn near_words(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!("; near it: {}", near.join(", "))
    }
}

/// What an inventory knows that dependencies can name.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Credentials.
    pub credentials: &'a [Credential],
    /// Issuers.
    pub issuers: &'a BTreeMap<IssuerId, Sheet>,
    /// Consumers.
    pub consumers: &'a [Consumer],
}

/// The facts that dependencies come to, in the order in which they were written.
pub fn dependencies(
    declared: &[DeclaredDependency],
    known: Known<'_>,
) -> Result<Vec<Fact>, DependencyError> {
    declared
        .iter()
        .map(|dependency| {
            let opens = dependency.opened(known)?;
            let credential = dependency.owner(known.credentials)?;
            Ok(Fact::DependencyFound { credential, opens })
        })
        .collect()
}

impl DeclaredDependency {
    fn owner(&self, credentials: &[Credential]) -> Result<CredentialId, DependencyError> {
        let name = self.credential.as_str();
        let by_id = credentials.iter().find(|c| {
            c.id.as_str() == name || c.key_id.as_ref().is_some_and(|key| key.as_str() == name)
        });
        if let Some(one) = by_id {
            return Ok(one.id.clone());
        }
        let named: Vec<&Credential> = credentials.iter().filter(|c| c.name == name).collect();
        match named.as_slice() {
            [one] => Ok(one.id.clone()),
            [first, ..] => Err(DependencyError::Several {
                name: name.to_string(),
                count: named.len(),
                first: first.id.clone(),
            }),
            [] => {
                let names = credentials.iter().flat_map(|c| {
                    let key = c.key_id.as_ref().map(relatch_case::KeyId::as_str);
                    [Some(c.name.as_str()), key, Some(c.id.as_str())]
                });
                Err(unknown("credential", name, names.flatten()))
            }
        }
    }

    fn opened(&self, known: Known<'_>) -> Result<Opens, DependencyError> {
        let opens = &self.opens;
        match (&opens.container, &opens.issuer, &opens.consumer) {
            (Some(text), None, None) => {
                let container =
                    parse_container(text).map_err(|source| DependencyError::Container {
                        name: self.credential.clone(),
                        source,
                    })?;
                Ok(Opens::Container { container })
            }
            (None, Some(name), None) => {
                let issuers = known.issuers.keys().map(IssuerId::as_str);
                let issuer = IssuerId::from(must_be(name, "issuer", issuers)?);
                Ok(Opens::Issuer { issuer })
            }
            (None, None, Some(name)) => {
                let consumers = known.consumers.iter().map(|c| c.id.as_str());
                let consumer = ConsumerId::from(must_be(name, "consumer", consumers)?);
                Ok(Opens::Consumer { consumer })
            }
            _ => Err(DependencyError::NotOne {
                name: self.credential.clone(),
            }),
        }
    }
}

fn must_be<'a, 'n>(
    name: &'n str,
    kind: &'static str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<&'n str, DependencyError> {
    if known.clone().any(|one| one == name) {
        return Ok(name);
    }
    Err(unknown(kind, name, known))
}

fn unknown<'a>(
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> DependencyError {
    DependencyError::Unknown {
        kind,
        name: name.to_string(),
        near: near(name, known),
    }
}

/// The names that are most like one, nearest first: one within the other, or few letters away.
pub fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .filter_map(|one| {
            let lower = one.to_lowercase();
            let within = !wanted.is_empty() && (lower.contains(&wanted) || wanted.contains(&lower));
            let away = if within { 0 } else { distance(&wanted, &lower) };
            (away <= wanted.chars().count().div_ceil(3)).then_some((away, one))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    let names = scored.into_iter().map(|(_, one)| one.to_string());
    names.take(MOST_NEAR).collect()
}

/// Letters to change, add or leave out from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(id: &str, name: &str, key: &str) -> Credential {
        Credential {
            id: id.into(),
            name: name.to_string(),
            issuer: "openai".into(),
            principal: None,
            key_id: Some(key.into()),
            fingerprint: None,
            mints_keys: false,
        }
    }

    fn read(text: &str) -> Result<Vec<Fact>, String> {
        #[derive(Deserialize)]
        struct Section {
            dependency: Vec<DeclaredDependency>,
        }
        let section: Section = toml::from_str(text).map_err(|error| error.to_string())?;
        let credentials = [
            credential("cred-1", "deploy", "AKIADEPLOY"),
            credential("cred-2", "twin", "AKIATWIN1"),
            credential("cred-3", "twin", "AKIATWIN2"),
        ];
        let known = Known {
            credentials: &credentials,
            issuers: &BTreeMap::new(),
            consumers: &[],
        };
        dependencies(&section.dependency, known).map_err(|error| error.to_string())
    }

    fn one(credential: &str, opens: &str) -> Result<Vec<Fact>, String> {
        read(&format!(
            "[[dependency]]\ncredential = \"{credential}\"\nopens = {{ {opens} }}\n"
        ))
    }

    const PLACE: &str = "container = \"ssm:eu-west-1:/prod/*\"";

    #[test]
    fn a_credential_is_named_by_id_key_or_name() {
        for name in ["cred-1", "AKIADEPLOY", "deploy"] {
            let facts = one(name, PLACE).expect(name);
            let Fact::DependencyFound { credential, opens } = &facts[0] else {
                panic!("{facts:?}")
            };
            assert_eq!(credential.as_str(), "cred-1");
            assert_eq!(opens.to_string(), "opens ssm:eu-west-1:/prod/*");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (credential, opens, message) in [
            ("deploi", PLACE, "near it: deploy"),
            ("AKIADEPLO", PLACE, "near it: AKIADEPLOY"),
            ("elsewhere", PLACE, "there is none"),
            ("twin", PLACE, "2 credentials are called"),
            ("deploy", "", "exactly one of"),
            (
                "deploy",
                "issuer = \"openai\", consumer = \"service:x\"",
                "exactly one of",
            ),
            ("deploy", "issuer = \"opnai\"", "the issuer \"opnai\""),
            ("deploy", "consumer = \"web\"", "the consumer \"web\""),
            ("deploy", "container = \"vault:x\"", "can be understood"),
            ("deploy", "bucket = \"x\"", "unknown field"),
        ] {
            let error = one(credential, opens).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }
}
