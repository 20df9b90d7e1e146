//! Everything in Secrets Manager of one region.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{ApiErrorType, SecretListEntry, SecretValueEntry};
use relatch_case::model::Container;
use relatch_case::{Fault, FaultKind};
use relatch_inventory::{BlindSpot, Findings, Source};
use relatch_places::Store;

use super::gather::{add, blind, each, groups, in_order, merge};
use crate::connection::Connection;
use crate::error::fault_of_read;
use crate::places::{SecretsManagerStore, secret_document};

/// Most secrets that one `BatchGetSecretValue` takes.
const BATCH: usize = 20;
/// What a secret that cannot be read hides.
const HIDES: &str = "the secret's value and every credential in it";

/// The secrets of one region, with their current values.
#[derive(Debug, Clone)]
pub struct SecretsManagerSource {
    connection: Connection,
    region: String,
}

/// A secret as the list shows it.
#[derive(Debug, Clone)]
struct Listed {
    arn: String,
    name: String,
}

impl SecretsManagerSource {
    /// A source for `region` that talks through `connection`.
    pub fn new(connection: Connection, region: impl Into<String>) -> Self {
        Self {
            connection,
            region: region.into(),
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.connection.read_config(&self.region))
    }

    fn container(&self, name: &str) -> Container {
        Container {
            kind: "secretsmanager".into(),
            region: self.region.clone(),
            name: name.to_string(),
        }
    }

    /// Lists all secrets. Those on their way to deletion, and replicas, which cannot be
    /// written and need no writing, become blind spots.
    async fn list(&self, findings: &mut Findings) -> Vec<Listed> {
        let mut secrets = Vec::new();
        let mut pages = self
            .client()
            .list_secrets()
            .include_planned_deletion(true)
            .max_results(100)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page.map_err(fault_of_read) {
                Ok(page) => {
                    for entry in page.secret_list.unwrap_or_default() {
                        self.sort_out(entry, &mut secrets, findings);
                    }
                }
                Err(fault) => {
                    let hides = if secrets.is_empty() {
                        "all secrets of the region"
                    } else {
                        "the secrets that would have been listed after those that were"
                    };
                    let what = format!("secretsmanager:{}", self.region);
                    findings.blind_spots.push(blind(what, &fault, hides));
                    break;
                }
            }
        }
        secrets
    }

    fn sort_out(&self, entry: SecretListEntry, secrets: &mut Vec<Listed>, findings: &mut Findings) {
        let arn = entry.arn.unwrap_or_default();
        let name = entry.name.unwrap_or_else(|| arn.clone());
        if let Some(primary) = entry.primary_region.filter(|region| *region != self.region) {
            findings.blind_spots.push(BlindSpot {
                what: self.container(&name).to_string(),
                why: format!("it is a replica, which follows the secret in {primary}"),
                hides: format!("nothing that looking at {primary} does not show"),
            });
            return;
        }
        match entry.deleted_date {
            None => secrets.push(Listed { arn, name }),
            Some(date) => findings.blind_spots.push(BlindSpot {
                what: self.container(&name).to_string(),
                why: format!("it is scheduled for deletion (asked for on {})", day(date)),
                hides: "a value that cannot be read now, and that can be restored until it is gone"
                    .into(),
            }),
        }
    }

    /// Reads one group in one request, or one by one if that is refused as a whole.
    async fn read_group(self, group: Vec<Listed>) -> Findings {
        let mut findings = Findings::default();
        let left = match self.batch(&group).await {
            Ok(batch) => self.take(batch, group, &mut findings),
            Err(_) => group,
        };
        // Here the reason comes out for each secret, so the batch's own needs no telling.
        let store = SecretsManagerStore::new(self.connection.clone());
        for secret in left {
            let container = self.container(&secret.name);
            let read = store.read(&container).await;
            add(&mut findings, container, read, HIDES);
        }
        findings
    }

    async fn batch(&self, group: &[Listed]) -> Result<Batch, Fault> {
        let mut batch = Batch::default();
        let mut token = None;
        loop {
            let page = self
                .client()
                .batch_get_secret_value()
                .set_secret_id_list(Some(group.iter().map(|s| s.arn.clone()).collect()))
                .set_next_token(token)
                .send()
                .await
                .map_err(fault_of_read)?;
            batch.values.extend(page.secret_values.unwrap_or_default());
            batch.errors.extend(page.errors.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(batch);
            }
        }
    }

    /// Sorts a batch into values and blind spots; returns the secrets it did not mention.
    fn take(&self, batch: Batch, group: Vec<Listed>, findings: &mut Findings) -> Vec<Listed> {
        let mut left: BTreeMap<String, Listed> = group
            .into_iter()
            .map(|secret| (secret.arn.clone(), secret))
            .collect();
        for value in batch.values {
            let Some(secret) = value.arn.as_ref().and_then(|arn| left.remove(arn)) else {
                continue;
            };
            let container = self.container(&secret.name);
            let bytes = value.secret_binary.map(Blob::into_inner);
            let read = secret_document(&container, value.version_id, value.secret_string, bytes);
            add(findings, container, read, HIDES);
        }
        for error in batch.errors {
            let id = error.secret_id.clone().unwrap_or_default();
            let Some(arn) = left.values().find(|s| s.arn == id || s.name == id) else {
                continue;
            };
            let arn = arn.arn.clone();
            if let Some(secret) = left.remove(&arn) {
                add(
                    findings,
                    self.container(&secret.name),
                    Err(refusal(&error)),
                    HIDES,
                );
            }
        }
        left.into_values().collect()
    }
}

/// All pages of one batch.
#[derive(Default)]
struct Batch {
    values: Vec<SecretValueEntry>,
    errors: Vec<ApiErrorType>,
}

#[async_trait]
impl Source for SecretsManagerSource {
    fn name(&self) -> String {
        format!("Secrets Manager in {}", self.region)
    }

    async fn find(&self) -> Findings {
        let mut findings = Findings::default();
        let secrets = self.list(&mut findings).await;
        let parts = each(groups(secrets, BATCH), |group| {
            self.clone().read_group(group)
        })
        .await;
        merge(&mut findings, parts);
        in_order(findings)
    }
}

fn refusal(error: &ApiErrorType) -> Fault {
    let code = error.error_code.as_deref().unwrap_or("no code");
    let message = error.message.as_deref().unwrap_or("no message");
    let kind = match code {
        "AccessDeniedException" | "AccessDenied" | "DecryptionFailure" => FaultKind::Denied,
        "ResourceNotFoundException" => FaultKind::NotFound,
        _ => FaultKind::Invalid,
    };
    Fault::new(kind, format!("{code}: {message}"))
}

/// The day of a moment, or the raw seconds if it is out of range.
fn day(date: aws_smithy_types::DateTime) -> String {
    jiff::Timestamp::from_second(date.secs()).map_or_else(
        |_| format!("second {}", date.secs()),
        |moment| moment.strftime("%Y-%m-%d").to_string(),
    )
}
