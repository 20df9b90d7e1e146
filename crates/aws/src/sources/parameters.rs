//! Everything in Parameter Store of one region.
//!
//! Parameters that other accounts share with this one are theirs to rotate and are not
//! listed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameters::GetParametersOutput;
use relatch_case::Fault;
use relatch_case::model::Container;
use relatch_inventory::{Findings, Source};
use relatch_places::Store;

use super::gather::{add, blind, each, groups, in_order, merge};
use crate::connection::Connection;
use crate::error::fault_of_read;
use crate::places::{ParameterStore, parameter_document};

/// Most parameters that one `GetParameters` takes.
const BATCH: usize = 10;
/// What a parameter that cannot be read hides.
const HIDES: &str = "the parameter's value and every credential in it";

/// The parameters of one region, of all types and tiers, decrypted.
#[derive(Debug, Clone)]
pub struct ParameterStoreSource {
    connection: Connection,
    region: String,
}

impl ParameterStoreSource {
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
            kind: "ssm".into(),
            region: self.region.clone(),
            name: name.to_string(),
        }
    }

    async fn list(&self, findings: &mut Findings) -> Vec<String> {
        let mut names = BTreeSet::new();
        let mut pages = self
            .client()
            .describe_parameters()
            .max_results(50)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page.map_err(fault_of_read) {
                Ok(page) => {
                    let entries = page.parameters.unwrap_or_default();
                    names.extend(entries.into_iter().filter_map(|entry| entry.name));
                }
                Err(fault) => {
                    let hides = if names.is_empty() {
                        "all parameters of the region"
                    } else {
                        "the parameters that would have been listed after those that were"
                    };
                    findings
                        .blind_spots
                        .push(blind(format!("ssm:{}", self.region), &fault, hides));
                    break;
                }
            }
        }
        names.into_iter().collect()
    }

    /// Reads one group in one request; what that does not bring, one by one, so that one
    /// parameter under a key that is not ours does not hide nine others.
    async fn read_group(self, group: Vec<String>) -> Findings {
        let mut findings = Findings::default();
        let mut left: BTreeSet<String> = group.iter().cloned().collect();
        if let Ok(batch) = self.batch(group).await {
            for parameter in batch.parameters.unwrap_or_default() {
                let Some(name) = parameter.name.as_ref().and_then(|name| left.take(name)) else {
                    continue;
                };
                let container = self.container(&name);
                let read = parameter_document(&container, parameter);
                add(&mut findings, container, read, HIDES);
            }
        }
        let store = ParameterStore::new(self.connection.clone());
        for name in left {
            let container = self.container(&name);
            let read = store.read(&container).await;
            add(&mut findings, container, read, HIDES);
        }
        findings
    }

    async fn batch(&self, group: Vec<String>) -> Result<GetParametersOutput, Fault> {
        self.client()
            .get_parameters()
            .set_names(Some(group))
            .with_decryption(true)
            .send()
            .await
            .map_err(fault_of_read)
    }
}

#[async_trait]
impl Source for ParameterStoreSource {
    fn name(&self) -> String {
        format!("Parameter Store in {}", self.region)
    }

    async fn find(&self) -> Findings {
        let mut findings = Findings::default();
        let names = self.list(&mut findings).await;
        let parts = each(groups(names, BATCH), |group| self.clone().read_group(group)).await;
        merge(&mut findings, parts);
        in_order(findings)
    }
}
