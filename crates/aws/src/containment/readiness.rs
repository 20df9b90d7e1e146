//! Whether the strongest rung can be had, asked before it is needed (requirement C4).

use aws_sdk_organizations::types::{
    OrganizationFeatureSet, PolicyType, PolicyTypeStatus, PolicyTypeSummary,
};
use relatch_case::Fault;

use crate::error::fault_of_read;

use super::AwsCloud;
use super::organization::Organization;

/// How many service control policies AWS attaches to one target unless it was asked for more
/// (AWS Organizations quotas).
const SLOTS: usize = 5;

impl AwsCloud {
    /// What stands in the way of a service control policy on `target`; empty if nothing does.
    /// Only looks.
    pub async fn missing(&self, target: &str) -> Result<Vec<String>, Fault> {
        match self.organization() {
            Ok(organization) => organization.missing(target).await,
            Err(fault) => Ok(vec![fault.detail]),
        }
    }
}

impl Organization {
    async fn missing(&self, target: &str) -> Result<Vec<String>, Fault> {
        let found = match self
            .read
            .describe_organization()
            .send()
            .await
            .map_err(fault_of_read)
        {
            Err(fault) if fault.detail.contains("AWSOrganizationsNotInUse") => {
                return Ok(vec![format!(
                    "the account is in no organization: nothing outside it can bind it ({fault})"
                )]);
            }
            found => found?.organization,
        };
        let found = found.as_ref();
        let mut missing = Vec::new();
        if found.and_then(|found| found.master_account_id.as_deref()) == Some(target) {
            missing.push(format!(
                "{target} is the management account: no service control policy binds it"
            ));
        }
        if found.and_then(|found| found.feature_set.as_ref()) != Some(&OrganizationFeatureSet::All)
        {
            missing.push(
                "the organization is for consolidated billing only: enable all features, which \
                 every account has to accept"
                    .to_string(),
            );
            return Ok(missing);
        }
        if !self.is_switched_on().await? {
            missing.push(
                "service control policies are switched off: enable the policy type on the root"
                    .to_string(),
            );
            return Ok(missing);
        }
        let taken = self.attached(target).await?.len();
        if taken >= SLOTS {
            missing.push(format!(
                "{taken} service control policies are attached to {target} and AWS takes {SLOTS}, \
                 unless more were granted: merge two of them"
            ));
        }
        Ok(missing)
    }

    async fn is_switched_on(&self) -> Result<bool, Fault> {
        let mut pages = self.read.list_roots().into_paginator().send();
        while let Some(page) = pages.next().await {
            let mut roots = page
                .map_err(fault_of_read)?
                .roots
                .unwrap_or_default()
                .into_iter();
            if roots.any(|root| root.policy_types.unwrap_or_default().iter().any(is_enabled)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_enabled(found: &PolicyTypeSummary) -> bool {
    found.r#type == Some(PolicyType::ServiceControlPolicy)
        && found.status == Some(PolicyTypeStatus::Enabled)
}
