//! Every Lambda function of one region that has an environment, with the aliases that its
//! traffic goes through.

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{AliasConfiguration, FunctionConfiguration};
use relatch_case::model::{Consumer, ConsumerKind, Container, Known};
use relatch_case::{ConsumerId, Fault};
use relatch_inventory::{BlindSpot, Findings, Source};
use relatch_places::Document;

use super::gather::{add, blind, each, in_order, merge};
use crate::connection::Connection;
use crate::error::fault_of_read;
use crate::places::function;

/// What an environment that cannot be read hides.
const HIDES: &str = "the function's variables and every credential in them";

/// The functions of one region, and their aliases as consumers.
#[derive(Debug, Clone)]
pub struct LambdaSource {
    connection: Connection,
    region: String,
}

impl LambdaSource {
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

    async fn list(&self, findings: &mut Findings) -> Vec<FunctionConfiguration> {
        let mut functions = Vec::new();
        let mut entries = self
            .client()
            .list_functions()
            .into_paginator()
            .items()
            .send();
        while let Some(entry) = entries.next().await {
            match entry.map_err(fault_of_read) {
                Ok(entry) => functions.push(entry),
                Err(fault) => {
                    let hides = if functions.is_empty() {
                        "all functions of the region"
                    } else {
                        "the functions that would have been listed after those that were"
                    };
                    let what = format!("lambda:{}", self.region);
                    findings.blind_spots.push(blind(what, &fault, hides));
                    break;
                }
            }
        }
        functions.retain(|function| function.environment.is_some());
        functions
    }

    async fn read_one(self, listed: FunctionConfiguration) -> Findings {
        let mut findings = Findings::default();
        let name = listed.function_name.clone().unwrap_or_default();
        let container = function::container(&self.region, &name);
        let read = function::document(
            &container,
            listed.environment.as_ref(),
            listed.revision_id.as_deref(),
        );
        // An environment of no variables is none.
        if read
            .as_ref()
            .is_ok_and(|document| document.slots.is_empty())
        {
            return findings;
        }
        let latest = read.as_ref().ok().cloned();
        add(&mut findings, container.clone(), read, HIDES);
        match self.aliases(&name).await {
            Ok(aliases) => {
                findings.consumers = consumers(&container, &aliases);
                if let Some(latest) = latest {
                    for alias in &aliases {
                        self.compare(&container, &latest, alias, &mut findings)
                            .await;
                    }
                }
            }
            // Without the aliases nobody can say what traffic reaches: to name `$LATEST` would
            // make an old version look as if it already ran with a new value.
            Err(fault) => {
                let hides = "whom the function's traffic reaches, so it is no known consumer, and \
                             versions that keep running with old variables";
                findings
                    .blind_spots
                    .push(blind(format!("{container} aliases"), &fault, hides));
            }
        }
        findings
    }

    async fn aliases(&self, function: &str) -> Result<Vec<AliasConfiguration>, Fault> {
        let client = self.client();
        let mut pages = client
            .list_aliases()
            .function_name(function)
            .into_paginator()
            .items()
            .send();
        let mut aliases = Vec::new();
        while let Some(alias) = pages.next().await {
            aliases.push(alias.map_err(fault_of_read)?);
        }
        Ok(aliases)
    }

    /// Looks whether what runs behind an alias holds values that `$LATEST` does not: they
    /// are in use, and in no place that can be written.
    async fn compare(
        &self,
        container: &Container,
        latest: &Document,
        alias: &AliasConfiguration,
        findings: &mut Findings,
    ) {
        let name = alias.name.as_deref().unwrap_or_default();
        for version in versions_behind(alias) {
            let what = format!("{container}:{name} (version {version})");
            let hides = "values that are in use and stand in no place that can be written";
            match self.read_version(container, &version).await {
                Err(fault) => findings.blind_spots.push(blind(what, &fault, hides)),
                Ok(serving) => {
                    let differing = differing(&serving, latest);
                    if !differing.is_empty() {
                        let why = format!(
                            "its environment differs from that of $LATEST in: {}",
                            differing.join(", ")
                        );
                        let why = relatch_secret::redact::outside(&why);
                        findings.blind_spots.push(BlindSpot {
                            what,
                            why,
                            hides: hides.into(),
                        });
                    }
                }
            }
        }
    }

    async fn read_version(&self, container: &Container, version: &str) -> Result<Document, Fault> {
        let now = function::configuration(&self.client(), &container.name, version).await?;
        function::document(
            container,
            now.environment.as_ref(),
            now.revision_id.as_deref(),
        )
    }
}

#[async_trait]
impl Source for LambdaSource {
    fn name(&self) -> String {
        format!("Lambda in {}", self.region)
    }

    async fn find(&self) -> Findings {
        let mut findings = Findings::default();
        let functions = self.list(&mut findings).await;
        let parts = each(functions, |function| self.clone().read_one(function)).await;
        merge(&mut findings, parts);
        in_order(findings)
    }
}

/// One consumer for each alias, or one for `$LATEST`. A single alias needs no mention in the
/// id.
fn consumers(container: &Container, aliases: &[AliasConfiguration]) -> Vec<Consumer> {
    let names: Vec<_> = aliases
        .iter()
        .filter_map(|alias| alias.name.clone())
        .collect();
    let id = container.to_string();
    match names.as_slice() {
        [] => vec![consumer(container, id, None)],
        [only] => vec![consumer(container, id, Some(only.clone()))],
        several => several
            .iter()
            .map(|alias| consumer(container, format!("{id}:{alias}"), Some(alias.clone())))
            .collect(),
    }
}

fn consumer(container: &Container, id: String, alias: Option<String>) -> Consumer {
    Consumer {
        id: ConsumerId::new(id),
        kind: ConsumerKind::Lambda {
            region: container.region.clone(),
            function: container.name.clone(),
            alias,
        },
        reads: vec![container.clone()],
        known: Known::Observed,
    }
}

/// The versions that an alias sends traffic to, `$LATEST` left out.
fn versions_behind(alias: &AliasConfiguration) -> Vec<String> {
    let routing = alias.routing_config.as_ref();
    let shares = routing.and_then(|routing| routing.additional_version_weights.as_ref());
    let mut versions: Vec<_> = shares
        .into_iter()
        .flatten()
        .map(|(v, _)| v.clone())
        .collect();
    versions.extend(alias.function_version.clone());
    versions.retain(|version| version != function::LATEST);
    versions.sort();
    versions
}

/// Names of the variables whose value in `serving` is not the one in `latest`.
fn differing(serving: &Document, latest: &Document) -> Vec<String> {
    let value = |document: &Document, slot| {
        document
            .slots
            .get(slot)
            .map(|value: &relatch_secret::Secret| value.expose().to_vec())
    };
    let slots = serving.slots.keys();
    let differ = slots.filter(|slot| value(serving, slot) != value(latest, slot));
    differ.map(|slot| slot.parts().concat()).collect()
}
