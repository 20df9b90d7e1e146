//! Containment on AWS: service control policies from the management account, inline denies
//! and key status in the account itself.

use async_trait::async_trait;
use aws_sdk_iam::types::StatusType;
use aws_sdk_organizations::types::PolicyType;
use relatch_case::{Fault, FaultKind};
use relatch_containment::{Cloud, Measure, Verdict, document};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::error::{fault, fault_of_read};

/// An AWS account, and its organization where the management account can be used.
#[derive(Debug)]
pub struct AwsCloud {
    iam: aws_sdk_iam::Client,
    iam_write: aws_sdk_iam::Client,
    organization: Option<Organization>,
}

/// Clients of the management account.
#[derive(Debug)]
struct Organization {
    read: aws_sdk_organizations::Client,
    write: aws_sdk_organizations::Client,
}

impl AwsCloud {
    /// The account behind `connection`; `management` is the organization's management account.
    pub fn new(connection: &Connection, management: Option<&Connection>) -> Self {
        Self {
            iam: aws_sdk_iam::Client::new(&connection.read_config("")),
            iam_write: aws_sdk_iam::Client::new(&connection.write_config("")),
            organization: management.map(|management| Organization {
                read: aws_sdk_organizations::Client::new(&management.read_config("")),
                write: aws_sdk_organizations::Client::new(&management.write_config("")),
            }),
        }
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
    async fn inline(&self, measure: &Measure) -> Result<Option<String>, Fault> {
        let name = document::POLICY_NAME;
        let found = match measure {
            Measure::DenyUser { user } => self
                .iam
                .get_user_policy()
                .user_name(user)
                .policy_name(name)
                .send()
                .await
                .map(|answer| answer.policy_document)
                .map_err(fault_of_read),
            Measure::RevokeSessions { role, .. } => self
                .iam
                .get_role_policy()
                .role_name(&role.0)
                .policy_name(name)
                .send()
                .await
                .map(|answer| answer.policy_document)
                .map_err(fault_of_read),
            _ => return Ok(None),
        };
        match found {
            Ok(text) => Ok(Some(decoded(&text))),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn put_inline(&self, measure: &Measure, text: &str) -> Result<(), Fault> {
        let name = document::POLICY_NAME;
        match measure {
            Measure::DenyUser { user } => {
                let put = self.iam_write.put_user_policy().user_name(user);
                put.policy_name(name).policy_document(text).send().await.map_err(fault)?;
            }
            Measure::RevokeSessions { role, .. } => {
                let put = self.iam_write.put_role_policy().role_name(&role.0);
                put.policy_name(name).policy_document(text).send().await.map_err(fault)?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn remove_inline(&self, measure: &Measure) -> Result<(), Fault> {
        let name = document::POLICY_NAME;
        let removed = match measure {
            Measure::DenyUser { user } => {
                let delete = self.iam_write.delete_user_policy().user_name(user);
                delete.policy_name(name).send().await.map(|_| ()).map_err(fault)
            }
            Measure::RevokeSessions { role, .. } => {
                let delete = self.iam_write.delete_role_policy().role_name(&role.0);
                delete.policy_name(name).send().await.map(|_| ()).map_err(fault)
            }
            _ => Ok(()),
        };
        match removed {
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn key_status(&self, user: &str, key: &str) -> Result<Option<StatusType>, Fault> {
        let mut keys =
            self.iam.list_access_keys().user_name(user).into_paginator().items().send();
        while let Some(found) = keys.next().await {
            let found = found.map_err(fault_of_read)?;
            if found.access_key_id.as_deref() == Some(key) {
                return Ok(found.status);
            }
        }
        Ok(None)
    }

    async fn set_key(&self, user: &str, key: &str, status: StatusType) -> Result<(), Fault> {
        let update = self.iam_write.update_access_key().user_name(user).access_key_id(key);
        update.status(status).send().await.map_err(fault)?;
        Ok(())
    }
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn snapshot(&self, measure: &Measure) -> Result<Value, Fault> {
        match measure {
            Measure::Scp { target, .. } => {
                let organization = self.organization()?;
                Ok(json!({ "attached": organization.attached(target).await? }))
            }
            Measure::DenyUser { .. } | Measure::RevokeSessions { .. } => {
                Ok(json!({ "policy": self.inline(measure).await? }))
            }
            Measure::DisableKey { user, key } => {
                let status = self.key_status(user, key).await?;
                Ok(json!({ "status": status.map(|status| status.as_str().to_string()) }))
            }
        }
    }

    async fn apply(&self, measure: &Measure) -> Result<(), Fault> {
        let text = document::of(measure)
            .map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))?;
        match (measure, text) {
            (Measure::Scp { target, .. }, Some(text)) => {
                self.organization()?.attach(&policy_name(measure), &text, target).await
            }
            (Measure::DisableKey { user, key }, _) => {
                self.set_key(user, key, StatusType::Inactive).await
            }
            (_, Some(text)) => self.put_inline(measure, &text).await,
            (_, None) => Ok(()),
        }
    }

    async fn verify(&self, measure: &Measure) -> Verdict {
        let seen = match measure {
            Measure::Scp { target, .. } => match self.organization() {
                Ok(organization) => organization.binds(&policy_name(measure), measure, target).await,
                Err(fault) => Err(fault),
            },
            Measure::DenyUser { .. } | Measure::RevokeSessions { .. } => self.inline_binds(measure).await,
            Measure::DisableKey { user, key } => self
                .key_status(user, key)
                .await
                .map(|status| (status != Some(StatusType::Active), "the key's status, as listed")),
        };
        match seen {
            Ok((binds, how)) => Verdict { binds: Some(binds), how: how.to_string() },
            Err(fault) => Verdict { binds: None, how: fault.detail },
        }
    }

    async fn restore(&self, measure: &Measure, snapshot: &Value) -> Result<(), Fault> {
        match measure {
            Measure::Scp { target, .. } => {
                self.organization()?.detach(&policy_name(measure), target).await
            }
            Measure::DenyUser { .. } | Measure::RevokeSessions { .. } => {
                match snapshot["policy"].as_str() {
                    Some(before) => self.put_inline(measure, before).await,
                    None => self.remove_inline(measure).await,
                }
            }
            Measure::DisableKey { user, key } => {
                if snapshot["status"].as_str() == Some("Active")
                    && self.key_status(user, key).await?.is_some()
                {
                    return self.set_key(user, key, StatusType::Active).await;
                }
                Ok(())
            }
        }
    }
}

impl AwsCloud {
    async fn inline_binds(&self, measure: &Measure) -> Result<(bool, &'static str), Fault> {
        let wanted = document::of(measure).ok().flatten();
        let found = self.inline(measure).await?;
        Ok((same_policy(wanted.as_deref(), found.as_deref()), "the policy, read back"))
    }
}

impl Organization {
    /// The ids of the service control policies attached to a target.
    async fn attached(&self, target: &str) -> Result<Vec<String>, Fault> {
        Ok(self.policies(target).await?.into_iter().map(|(id, _)| id).collect())
    }

    async fn policies(&self, target: &str) -> Result<Vec<(String, String)>, Fault> {
        let mut pages = self
            .read
            .list_policies_for_target()
            .target_id(target)
            .filter(PolicyType::ServiceControlPolicy)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for policy in page.map_err(fault_of_read)?.policies.unwrap_or_default() {
                found.push((policy.id.unwrap_or_default(), policy.name.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// The id of the policy of that name, wherever it is attached.
    async fn find(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut pages = self
            .read
            .list_policies()
            .filter(PolicyType::ServiceControlPolicy)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for policy in page.map_err(fault_of_read)?.policies.unwrap_or_default() {
                if policy.name.as_deref() == Some(name) {
                    return Ok(policy.id);
                }
            }
        }
        Ok(None)
    }

    async fn attach(&self, name: &str, text: &str, target: &str) -> Result<(), Fault> {
        let id = match self.find(name).await? {
            Some(id) => {
                self.write.update_policy().policy_id(&id).content(text).send().await.map_err(fault)?;
                id
            }
            None => self.create(name, text).await?,
        };
        if self.attached(target).await?.contains(&id) {
            return Ok(());
        }
        self.write
            .attach_policy()
            .policy_id(id)
            .target_id(target)
            .send()
            .await
            .map_err(fault)?;
        Ok(())
    }

    async fn create(&self, name: &str, text: &str) -> Result<String, Fault> {
        let made = self
            .write
            .create_policy()
            .name(name)
            .description("Containment of an incident, taken by relatch; restore puts it back")
            .content(text)
            .r#type(PolicyType::ServiceControlPolicy)
            .send()
            .await
            .map_err(fault)?;
        made.policy
            .and_then(|policy| policy.policy_summary)
            .and_then(|summary| summary.id)
            .ok_or_else(|| Fault::new(FaultKind::Ambiguous, "the answer names no policy"))
    }

    async fn detach(&self, name: &str, target: &str) -> Result<(), Fault> {
        let Some(id) = self.find(name).await? else { return Ok(()) };
        if self.attached(target).await?.contains(&id) {
            let detach = self.write.detach_policy().policy_id(&id).target_id(target);
            detach.send().await.map_err(fault)?;
        }
        self.write.delete_policy().policy_id(id).send().await.map_err(fault)?;
        Ok(())
    }

    async fn binds(
        &self,
        name: &str,
        measure: &Measure,
        target: &str,
    ) -> Result<(bool, &'static str), Fault> {
        let how = "the policy and its attachment, read back";
        let attached = self.policies(target).await?;
        let Some((id, _)) = attached.into_iter().find(|(_, found)| found == name) else {
            return Ok((false, how));
        };
        let policy =
            self.read.describe_policy().policy_id(id).send().await.map_err(fault_of_read)?;
        let found = policy.policy.and_then(|policy| policy.content);
        let wanted = document::of(measure).ok().flatten();
        Ok((same_policy(wanted.as_deref(), found.as_deref()), how))
    }
}

fn policy_name(measure: &Measure) -> String {
    match measure {
        Measure::Scp { target, form, .. } => {
            format!("{}-{}-{target}", document::POLICY_NAME, form.word())
        }
        _ => document::POLICY_NAME.to_string(),
    }
}

/// Whether two policies say the same, however they are spaced.
fn same_policy(wanted: Option<&str>, found: Option<&str>) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (wanted.and_then(parsed), found.and_then(parsed)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => false,
    }
}

/// IAM hands policies out percent-encoded (RFC 3986).
fn decoded(text: &str) -> String {
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
        assert_eq!(decoded("%7B%22a%22%3A1%7D"), r#"{"a":1}"#);
        assert_eq!(decoded("100% é %zz"), "100% é %zz");
    }

    #[test]
    fn policies_are_compared_by_meaning() {
        assert!(same_policy(Some(r#"{"a":1,"b":2}"#), Some(r#"{ "b":2, "a":1 }"#)));
        assert!(!same_policy(Some("{}"), None));
    }
}
