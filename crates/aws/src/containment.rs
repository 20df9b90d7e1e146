//! Containment on AWS: service control policies from the management account, inline denies
//! and key status in the account itself.

mod attempt;
mod organization;
mod readiness;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use relatch_case::{Fault, FaultKind};
use relatch_containment::{Cloud, Measure, Verdict, document};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::Connection;
use crate::error::{fault, fault_of_read};
use crate::iam::{gone_is_fine, no_room};

use organization::{Organization, Standing};

/// An AWS account, and its organization where the management account can be used.
#[derive(Debug)]
pub struct AwsCloud {
    read: Client,
    write: Client,
    organization: Option<Organization>,
    /// A credential that the measures are meant for.
    tried_as: Option<Connection>,
}

/// What stood there before a measure: what a snapshot holds. Nothing may be left out: "there
/// was none" is said, or else a damaged snapshot would take away what stood there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "before", rename_all = "snake_case")]
enum Before {
    Scp(Standing),
    /// The inline policy with our name.
    Inline {
        #[serde(deserialize_with = "Option::deserialize")]
        policy: Option<String>,
    },
    /// The key's status; none if the user has no such key.
    Key {
        #[serde(deserialize_with = "Option::deserialize")]
        status: Option<String>,
    },
}

/// Whose inline policy it is.
enum Holder<'a> {
    User(&'a str),
    Role(&'a str),
}

/// A measure by where it acts.
enum Act<'a> {
    Scp { target: &'a str, name: String },
    Inline(Holder<'a>),
    Key { user: &'a str, key: &'a str },
}

impl AwsCloud {
    /// The account behind `connection`; `management` is the organization's management account.
    pub fn new(connection: &Connection, management: Option<&Connection>) -> Self {
        Self {
            read: Client::new(&connection.read_config("")),
            write: Client::new(&connection.write_config("")),
            organization: management.map(Organization::new),
            tried_as: None,
        }
    }

    /// The same with a credential that the measures are meant for (a stolen key, an old
    /// session): besides reading the measure back, [`Cloud::verify`] makes one harmless call
    /// with it, which has to be refused. The call is in the log as any of the thief's. Neither
    /// `iam:SimulatePrincipalPolicy` nor reading back sees whether a deny has reached all of
    /// AWS; a refused call does.
    pub fn trying_as(self, credential: Connection) -> Self {
        Self {
            tried_as: Some(credential),
            ..self
        }
    }

    /// The ARN that policies see (`aws:PrincipalArn`) for one that `sts:GetCallerIdentity`
    /// gives: a session of a role does not show the role's path, so the role is looked up.
    /// For [`relatch_containment::lockout::check`].
    pub async fn principal(&self, caller: &str) -> Result<String, Fault> {
        let session = caller
            .split_once(":assumed-role/")
            .map(|(_, session)| session);
        let Some(role) = session.and_then(|session| session.split('/').next()) else {
            return Ok(caller.to_string());
        };
        let answer = self
            .read
            .get_role()
            .role_name(role)
            .send()
            .await
            .map_err(fault_of_read)?;
        Ok(answer
            .role
            .map_or_else(|| caller.to_string(), |role| role.arn))
    }

    fn organization(&self) -> Result<&Organization, Fault> {
        self.organization.as_ref().ok_or_else(|| {
            Fault::new(
                FaultKind::Invalid,
                "a service control policy needs the organization's management account: \
                 set aws.management_profile",
            )
        })
    }

    /// The inline policy of ours on a user or role, as it stands.
    async fn inline(&self, holder: &Holder<'_>) -> Result<Option<String>, Fault> {
        let name = document::POLICY_NAME;
        let found = match holder {
            Holder::User(user) => {
                let get = self
                    .read
                    .get_user_policy()
                    .user_name(*user)
                    .policy_name(name);
                get.send()
                    .await
                    .map(|answer| answer.policy_document)
                    .map_err(fault_of_read)
            }
            Holder::Role(role) => {
                let get = self
                    .read
                    .get_role_policy()
                    .role_name(*role)
                    .policy_name(name);
                get.send()
                    .await
                    .map(|answer| answer.policy_document)
                    .map_err(fault_of_read)
            }
        };
        match found {
            Ok(text) => Ok(Some(decoded(&text))),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn put_inline(&self, holder: &Holder<'_>, text: &str) -> Result<(), Fault> {
        let name = document::POLICY_NAME;
        let put = match holder {
            Holder::User(user) => {
                let put = self
                    .write
                    .put_user_policy()
                    .user_name(*user)
                    .policy_name(name);
                put.policy_document(text)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(fault)
            }
            Holder::Role(role) => {
                let put = self
                    .write
                    .put_role_policy()
                    .role_name(*role)
                    .policy_name(name);
                put.policy_document(text)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(fault)
            }
        };
        put.map_err(no_room)
    }

    async fn remove_inline(&self, holder: &Holder<'_>) -> Result<(), Fault> {
        let name = document::POLICY_NAME;
        gone_is_fine(match holder {
            Holder::User(user) => {
                let delete = self.write.delete_user_policy().user_name(*user);
                delete
                    .policy_name(name)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(fault)
            }
            Holder::Role(role) => {
                let delete = self.write.delete_role_policy().role_name(*role);
                delete
                    .policy_name(name)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(fault)
            }
        })
    }

    async fn key_status(&self, user: &str, key: &str) -> Result<Option<StatusType>, Fault> {
        let mut keys = self
            .read
            .list_access_keys()
            .user_name(user)
            .into_paginator()
            .items()
            .send();
        while let Some(found) = keys.next().await {
            let found = found.map_err(fault_of_read)?;
            if found.access_key_id.as_deref() == Some(key) {
                return Ok(found.status);
            }
        }
        Ok(None)
    }

    async fn set_key(&self, user: &str, key: &str, status: StatusType) -> Result<(), Fault> {
        let update = self
            .write
            .update_access_key()
            .user_name(user)
            .access_key_id(key);
        update.status(status).send().await.map_err(fault)?;
        Ok(())
    }

    async fn look(&self, measure: &Measure) -> Result<(Option<bool>, &'static str), Fault> {
        let wanted = text_of(measure)?.unwrap_or_default();
        match act(measure) {
            Act::Scp { target, name } => {
                let (binds, how) = self.organization()?.binds(&name, &wanted, target).await?;
                Ok((Some(binds), how))
            }
            Act::Inline(holder) => {
                let found = self.inline(&holder).await?;
                let binds = found.is_some_and(|found| same_policy(&wanted, &found));
                Ok((Some(binds), "the policy, read back"))
            }
            Act::Key { user, key } => Ok(match self.key_status(user, key).await? {
                Some(StatusType::Inactive | StatusType::Expired) => {
                    (Some(true), "the key's status, as listed")
                }
                Some(_) => (Some(false), "the key's status, as listed"),
                None => (None, "the user has no such key any more"),
            }),
        }
    }
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn snapshot(&self, measure: &Measure) -> Result<Value, Fault> {
        let before = match act(measure) {
            Act::Scp { target, name } => {
                Before::Scp(self.organization()?.standing(&name, target).await?)
            }
            Act::Inline(holder) => Before::Inline {
                policy: self.inline(&holder).await?,
            },
            Act::Key { user, key } => {
                let status = self.key_status(user, key).await?;
                Before::Key {
                    status: status.map(|status| status.as_str().to_string()),
                }
            }
        };
        serde_json::to_value(before)
            .map_err(|error| Fault::new(FaultKind::Local, format!("snapshot: {error}")))
    }

    async fn apply(&self, measure: &Measure) -> Result<(), Fault> {
        let text = text_of(measure)?.unwrap_or_default();
        match act(measure) {
            Act::Scp { target, name } => self.organization()?.put(&name, &text, target).await,
            Act::Inline(holder) => self.put_inline(&holder, &text).await,
            Act::Key { user, key } => self.set_key(user, key, StatusType::Inactive).await,
        }
    }

    async fn verify(&self, measure: &Measure) -> Verdict {
        let read = match self.look(measure).await {
            Ok((binds, how)) => Verdict {
                binds,
                how: how.to_string(),
            },
            Err(fault) => Verdict {
                binds: None,
                how: fault.detail,
            },
        };
        match &self.tried_as {
            Some(credential) => attempt::joined(read, attempt::attempt(credential).await),
            None => read,
        }
    }

    async fn restore(&self, measure: &Measure, snapshot: &Value) -> Result<(), Fault> {
        let before = Before::deserialize(snapshot)
            .map_err(|error| Fault::new(FaultKind::Invalid, format!("snapshot: {error}")))?;
        match (act(measure), before) {
            (Act::Scp { target, name }, Before::Scp(before)) => {
                self.organization()?.put_back(&name, target, &before).await
            }
            (Act::Inline(holder), Before::Inline { policy: Some(text) }) => {
                self.put_inline(&holder, &text).await
            }
            (Act::Inline(holder), Before::Inline { policy: None }) => {
                self.remove_inline(&holder).await
            }
            (Act::Key { user, key }, Before::Key { status }) => {
                let was_active = status.as_deref() == Some(StatusType::Active.as_str());
                if was_active && self.key_status(user, key).await?.is_some() {
                    return self.set_key(user, key, StatusType::Active).await;
                }
                Ok(())
            }
            _ => Err(Fault::new(
                FaultKind::Invalid,
                format!("the snapshot is of another kind of measure than: {measure}"),
            )),
        }
    }
}

fn act(measure: &Measure) -> Act<'_> {
    match measure {
        Measure::Scp { target, form, .. } => Act::Scp {
            target,
            name: format!("{}-{}-{target}", document::POLICY_NAME, form.word()),
        },
        Measure::DenyUser { user } => Act::Inline(Holder::User(user)),
        Measure::RevokeSessions { role, .. } => Act::Inline(Holder::Role(&role.0)),
        Measure::DisableKey { user, key } => Act::Key { user, key },
    }
}

fn text_of(measure: &Measure) -> Result<Option<String>, Fault> {
    document::of(measure).map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))
}

/// Whether two policies say the same, however they are spaced.
fn same_policy(wanted: &str, found: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    parsed(wanted).is_some_and(|wanted| parsed(found) == Some(wanted))
}

/// IAM hands policies out percent-encoded (RFC 3986). A text that shows a brace is none of
/// these and stays as it is.
fn decoded(text: &str) -> String {
    if text.contains('{') {
        return text.to_string();
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone_and_odd_text_survives() {
        assert_eq!(decoded("%7B%22a%22%3A%22%2541%22%7D"), r#"{"a":"%41"}"#);
        assert_eq!(decoded(r#"{"a":"%41"}"#), r#"{"a":"%41"}"#);
        assert_eq!(decoded("100% é %zz %"), "100% é %zz %");
    }

    #[test]
    fn policies_are_compared_by_meaning() {
        assert!(same_policy(r#"{"a":1,"b":2}"#, r#"{ "b":2, "a":1 }"#));
        assert!(!same_policy(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!same_policy("", ""));
    }
}
