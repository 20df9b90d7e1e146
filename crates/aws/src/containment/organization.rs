//! Service control policies, from the organization's management account.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::PolicyType;
use relatch_case::{Fault, FaultKind};
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::{fault, fault_of_read};
use crate::iam::gone_is_fine;

use super::same_policy;

/// What the policy says of itself in the console.
const DESCRIPTION: &str = "Containment of an incident, taken by relatch; restore puts it back";

/// Clients of the management account.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) read: Client,
    write: Client,
}

/// Our policy on a target, as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standing {
    /// The ids of all service control policies attached to the target.
    attached: Vec<String>,
    /// The text of the policy with our name, if there was one.
    #[serde(deserialize_with = "Option::deserialize")]
    content: Option<String>,
    /// Whether that was attached to the target.
    ours_attached: bool,
}

impl Organization {
    pub(super) fn new(management: &Connection) -> Self {
        Self {
            read: Client::new(&management.read_config("")),
            write: Client::new(&management.write_config("")),
        }
    }

    pub(super) async fn standing(&self, name: &str, target: &str) -> Result<Standing, Fault> {
        let attached = self.attached(target).await?;
        let ours = self.find(name).await?;
        let content = match &ours {
            Some(id) => Some(self.content(id).await?),
            None => None,
        };
        let ours_attached = ours.is_some_and(|id| attached.contains(&id));
        Ok(Standing {
            attached,
            content,
            ours_attached,
        })
    }

    /// Writes the policy and attaches it.
    pub(super) async fn put(&self, name: &str, text: &str, target: &str) -> Result<(), Fault> {
        if self.is_management(target).await? {
            return Err(Fault::new(
                FaultKind::Invalid,
                format!("{target} is the management account: no service control policy binds it"),
            ));
        }
        let id = self.write(name, text).await?;
        self.attach(&id, target).await
    }

    /// Puts back what stood there before; other policies of the target stay as they are.
    pub(super) async fn put_back(
        &self,
        name: &str,
        target: &str,
        before: &Standing,
    ) -> Result<(), Fault> {
        match (&before.content, before.ours_attached) {
            (Some(content), true) => {
                let id = self.write(name, content).await?;
                self.attach(&id, target).await
            }
            (Some(content), false) => {
                // Detached first: the old text was never meant for this target.
                if let Some(id) = self.find(name).await? {
                    self.detach(&id, target).await?;
                }
                self.write(name, content).await.map(|_| ())
            }
            (None, _) => {
                let Some(id) = self.find(name).await? else {
                    return Ok(());
                };
                self.detach(&id, target).await?;
                let deleted = self.write.delete_policy().policy_id(id).send().await;
                gone_is_fine(deleted.map(|_| ()).map_err(fault))
            }
        }
    }

    /// Whether the policy is attached and says what it should, and how that was seen.
    pub(super) async fn binds(
        &self,
        name: &str,
        wanted: &str,
        target: &str,
    ) -> Result<(bool, &'static str), Fault> {
        if self.is_management(target).await? {
            return Ok((
                false,
                "no service control policy binds the management account",
            ));
        }
        let how = "the policy and its attachment, read back";
        let Some(id) = self.find(name).await? else {
            return Ok((false, how));
        };
        if !self.attached(target).await?.contains(&id) {
            return Ok((false, how));
        }
        Ok((same_policy(wanted, &self.content(&id).await?), how))
    }

    async fn is_management(&self, target: &str) -> Result<bool, Fault> {
        let answer = self
            .read
            .describe_organization()
            .send()
            .await
            .map_err(fault_of_read)?;
        let management = answer
            .organization
            .and_then(|found| found.master_account_id);
        Ok(management.as_deref() == Some(target))
    }

    /// The ids of the service control policies attached to a target.
    pub(super) async fn attached(&self, target: &str) -> Result<Vec<String>, Fault> {
        let list = self.read.list_policies_for_target().target_id(target);
        let mut pages = list
            .filter(PolicyType::ServiceControlPolicy)
            .into_paginator()
            .send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            let policies = page.map_err(fault_of_read)?.policies.unwrap_or_default();
            ids.extend(policies.into_iter().filter_map(|policy| policy.id));
        }
        ids.sort();
        Ok(ids)
    }

    /// The id of the policy of that name, wherever it is attached.
    async fn find(&self, name: &str) -> Result<Option<String>, Fault> {
        let list = self
            .read
            .list_policies()
            .filter(PolicyType::ServiceControlPolicy);
        let mut pages = list.into_paginator().send();
        while let Some(page) = pages.next().await {
            let policies = page.map_err(fault_of_read)?.policies.unwrap_or_default();
            let named = policies
                .into_iter()
                .find(|policy| policy.name.as_deref() == Some(name));
            if let Some(policy) = named {
                return Ok(policy.id);
            }
        }
        Ok(None)
    }

    async fn content(&self, id: &str) -> Result<String, Fault> {
        let found = self
            .read
            .describe_policy()
            .policy_id(id)
            .send()
            .await
            .map_err(fault_of_read)?;
        found
            .policy
            .and_then(|policy| policy.content)
            .ok_or_else(|| {
                Fault::new(
                    FaultKind::Unreachable,
                    format!("policy {id} is shown without its text"),
                )
            })
    }

    /// Makes the policy, or gives the one of that name this text; its id.
    async fn write(&self, name: &str, text: &str) -> Result<String, Fault> {
        let Some(id) = self.find(name).await? else {
            return self.create(name, text).await;
        };
        if self.content(&id).await? != text {
            let update = self.write.update_policy().policy_id(&id).content(text);
            update.send().await.map_err(fault)?;
        }
        Ok(id)
    }

    async fn create(&self, name: &str, text: &str) -> Result<String, Fault> {
        let create = self
            .write
            .create_policy()
            .name(name)
            .description(DESCRIPTION)
            .content(text);
        let made = create
            .r#type(PolicyType::ServiceControlPolicy)
            .send()
            .await
            .map_err(fault)?;
        made.policy
            .and_then(|policy| policy.policy_summary)
            .and_then(|summary| summary.id)
            .ok_or_else(|| Fault::new(FaultKind::Ambiguous, "the answer names no policy"))
    }

    async fn attach(&self, id: &str, target: &str) -> Result<(), Fault> {
        if self
            .attached(target)
            .await?
            .iter()
            .any(|attached| attached == id)
        {
            return Ok(());
        }
        let attach = self.write.attach_policy().policy_id(id).target_id(target);
        attach.send().await.map_err(fault)?;
        Ok(())
    }

    async fn detach(&self, id: &str, target: &str) -> Result<(), Fault> {
        if !self
            .attached(target)
            .await?
            .iter()
            .any(|attached| attached == id)
        {
            return Ok(());
        }
        let detached = self
            .write
            .detach_policy()
            .policy_id(id)
            .target_id(target)
            .send()
            .await;
        gone_is_fine(detached.map(|_| ()).map_err(fault))
    }
}
