//! Lambda functions as consumers: what traffic reaches is made to run with the environment
//! that stands in `$LATEST`.
//!
//! Traffic through an alias reaches a published version, whose environment never changes.
//! A roll publishes `$LATEST` and points the alias to it. Traffic without an alias reaches
//! `$LATEST` itself, which needs no roll.
//!
//! Publishing takes everything in `$LATEST`, also what nobody has released yet. A roll is
//! therefore refused when `$LATEST` differs from the version behind the alias in more than
//! the values of variables: changing the locks must not ship somebody's unfinished work.

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput as Configuration;
use aws_sdk_lambda::operation::update_alias::UpdateAliasError;
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use relatch_case::model::{Consumer, ConsumerKind, Container};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Health, Roller};

use crate::baseline::{Baseline, Share};
use crate::clients::Clients;
use crate::connection::Connection;
use crate::error::{fault, fault_of_read};
use crate::places::function::{self, LATEST, named};

/// Rolls [`ConsumerKind::Lambda`].
#[derive(Debug, Clone)]
pub struct LambdaConsumers {
    clients: Clients<Client>,
}

/// The function that a consumer stands for.
struct Target<'c> {
    region: &'c str,
    function: &'c str,
    alias: Option<&'c str>,
}

impl<'c> Target<'c> {
    fn of(consumer: &'c Consumer) -> Result<Self, Fault> {
        match &consumer.kind {
            ConsumerKind::Lambda {
                region,
                function,
                alias,
            } => Ok(Self {
                region,
                function,
                alias: alias.as_deref(),
            }),
            ConsumerKind::Service { .. } => Err(Fault::new(
                FaultKind::Invalid,
                format!("{} is no Lambda function", consumer.id),
            )),
        }
    }

    fn qualifier(&self) -> &'c str {
        self.alias.unwrap_or(LATEST)
    }
}

impl LambdaConsumers {
    /// Rolls through `connection`.
    pub fn new(connection: Connection) -> Self {
        Self {
            clients: Clients::new(connection, Client::new),
        }
    }

    fn reader(&self, target: &Target<'_>) -> Client {
        self.clients.reader(target.region)
    }

    fn writer(&self, target: &Target<'_>) -> Client {
        self.clients.writer(target.region)
    }

    async fn alias(&self, target: &Target<'_>, alias: &str) -> Result<GetAliasOutput, Fault> {
        self.reader(target)
            .get_alias()
            .function_name(target.function)
            .name(alias)
            .send()
            .await
            .map_err(|error| named(target.function, alias, fault_of_read(error)))
    }

    async fn version(&self, target: &Target<'_>, version: &str) -> Result<Configuration, Fault> {
        function::configuration(&self.reader(target), target.function, version).await
    }

    /// Every version that an alias sends traffic to, the main one first.
    async fn behind(
        &self,
        target: &Target<'_>,
        alias: &GetAliasOutput,
    ) -> Result<Vec<Configuration>, Fault> {
        let Baseline::Alias { version, shares } = Baseline::of_alias(alias)? else {
            return Ok(vec![self.version(target, LATEST).await?]);
        };
        let mut versions = vec![self.version(target, &version).await?];
        for share in shares {
            versions.push(self.version(target, &share.version).await?);
        }
        Ok(versions)
    }

    /// `$LATEST` once it has settled, if it is well.
    async fn latest(&self, target: &Target<'_>) -> Result<Configuration, Fault> {
        let latest = function::settled(&self.reader(target), target.function, LATEST).await;
        // Nothing has been touched yet, so a function that does not settle can wait.
        let latest = latest.map_err(|fault| match fault.kind {
            FaultKind::Ambiguous => Fault::new(FaultKind::Unreachable, fault.detail),
            _ => fault,
        })?;
        match function::complaint(&latest) {
            None => Ok(latest),
            Some(complaint) => Err(refused(
                target,
                &format!("$LATEST is not well: {complaint}"),
            )),
        }
    }

    /// Publishes exactly the `$LATEST` that was looked at, and waits until the version can
    /// take traffic. Without a change Lambda answers with the version there is.
    async fn publish(&self, target: &Target<'_>, latest: &Configuration) -> Result<String, Fault> {
        let published = self
            .writer(target)
            .publish_version()
            .function_name(target.function)
            .set_code_sha256(latest.code_sha256.clone())
            .set_revision_id(latest.revision_id.clone())
            .send()
            .await
            .map_err(|error| named(target.function, LATEST, fault(error)))?;
        let version = published.version.ok_or_else(|| {
            Fault::new(
                FaultKind::Ambiguous,
                "Lambda published a version and did not name it",
            )
        })?;
        let ready = function::settled(&self.reader(target), target.function, &version).await?;
        match function::complaint(&ready) {
            None => Ok(version),
            Some(complaint) => Err(refused(
                target,
                &format!("version {version} is not well: {complaint}"),
            )),
        }
    }

    /// Points the alias to `version` if it still is as it was read.
    async fn point(
        &self,
        target: &Target<'_>,
        alias: &GetAliasOutput,
        version: &str,
        routing: AliasRoutingConfiguration,
    ) -> Result<(), Fault> {
        let name = target.qualifier();
        let pointed = self
            .writer(target)
            .update_alias()
            .function_name(target.function)
            .name(name)
            .function_version(version)
            .routing_config(routing)
            .set_revision_id(alias.revision_id.clone())
            .send()
            .await;
        pointed
            .map(|_| ())
            .map_err(|error| alias_refusal(target, error))
    }
}

#[async_trait]
impl Roller for LambdaConsumers {
    fn handles(&self, kind: &ConsumerKind) -> bool {
        matches!(kind, ConsumerKind::Lambda { .. })
    }

    async fn baseline(&self, consumer: &Consumer) -> Result<serde_json::Value, Fault> {
        let target = Target::of(consumer)?;
        let Some(name) = target.alias else {
            let reader = self.reader(&target);
            function::configuration(&reader, target.function, LATEST).await?;
            return Ok(Baseline::Latest.to_json());
        };
        Baseline::of_alias(&self.alias(&target, name).await?).map(|baseline| baseline.to_json())
    }

    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault> {
        let target = Target::of(consumer)?;
        let latest = self.latest(&target).await?;
        let Some(name) = target.alias else {
            return Ok(());
        };
        let alias = self.alias(&target, name).await?;
        let serving = self.behind(&target, &alias).await?;
        if same_environments(&serving, &latest)? {
            return Ok(());
        }
        if let Some(difference) = serving.iter().find_map(|s| unreleased(s, &latest)) {
            return Err(refused(
                &target,
                &format!(
                    "$LATEST differs from what runs behind the alias in {difference}; publishing \
                     would release that. Release or revert it first, then roll again"
                ),
            ));
        }
        let version = self.publish(&target, &latest).await?;
        self.point(&target, &alias, &version, no_routing()).await
    }

    async fn roll_back(
        &self,
        consumer: &Consumer,
        baseline: &serde_json::Value,
    ) -> Result<(), Fault> {
        let target = Target::of(consumer)?;
        let (version, shares) = match (Baseline::from_json(baseline)?, target.alias) {
            (Baseline::Latest, _) => return Ok(()),
            (Baseline::Alias { version, shares }, Some(_)) => (version, shares),
            _ => {
                return Err(refused(
                    &target,
                    "the baseline is of another kind of consumer",
                ));
            }
        };
        let alias = self.alias(&target, target.qualifier()).await?;
        let now = Baseline::of_alias(&alias)?;
        if now
            == (Baseline::Alias {
                version: version.clone(),
                shares: shares.clone(),
            })
        {
            return Ok(());
        }
        self.point(&target, &alias, &version, Share::routing(&shares)?)
            .await
    }

    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault> {
        let target = Target::of(consumer)?;
        let reader = self.reader(&target);
        let now = function::configuration(&reader, target.function, target.qualifier()).await?;
        let complaint = function::complaint(&now);
        let version = now.version.as_deref().unwrap_or("?");
        let said = complaint
            .clone()
            .unwrap_or_else(|| format!("version {version} is active"));
        let detail = relatch_secret::redact::outside(&said);
        Ok(Health {
            well: complaint.is_none(),
            detail,
        })
    }

    async fn runs_with(
        &self,
        consumer: &Consumer,
        container: &Container,
    ) -> Result<Option<Document>, Fault> {
        let target = Target::of(consumer)?;
        if *container != function::container(target.region, target.function) {
            return Ok(None);
        }
        let serving = match target.alias {
            Some(name) => {
                let alias = self.alias(&target, name).await?;
                self.behind(&target, &alias).await?
            }
            None => vec![self.version(&target, LATEST).await?],
        };
        let (main, others) = serving
            .split_first()
            .expect("the main version is always there");
        if !same_environments(others, main)? {
            let detail = "the alias splits its traffic between versions with different \
                          environments, so what it runs with is not one thing";
            return Err(named(
                target.function,
                target.qualifier(),
                Fault::new(FaultKind::Conflict, detail),
            ));
        }
        function::document(
            container,
            main.environment.as_ref(),
            main.revision_id.as_deref(),
        )
        .map(Some)
    }
}

/// What `latest` would release beside values of variables, in words.
fn unreleased(serving: &Configuration, latest: &Configuration) -> Option<String> {
    let names = |of: &Configuration| {
        let variables = of.environment.as_ref().and_then(|e| e.variables.as_ref());
        let mut names: Vec<_> = variables
            .into_iter()
            .flatten()
            .map(|(n, _)| n.clone())
            .collect();
        names.sort();
        names
    };
    let layers = |of: &Configuration| {
        let layers = of.layers.iter().flatten();
        layers
            .filter_map(|layer| layer.arn.clone())
            .collect::<Vec<_>>()
    };
    let differences = [
        ("code", serving.code_sha256 != latest.code_sha256),
        ("handler", serving.handler != latest.handler),
        ("runtime", serving.runtime != latest.runtime),
        ("role", serving.role != latest.role),
        ("memory", serving.memory_size != latest.memory_size),
        ("timeout", serving.timeout != latest.timeout),
        ("layers", layers(serving) != layers(latest)),
        ("names of variables", names(serving) != names(latest)),
    ];
    let found: Vec<_> = differences
        .iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| *name)
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

/// Whether all of `versions` run with the environment of `other`.
fn same_environments(versions: &[Configuration], other: &Configuration) -> Result<bool, Fault> {
    let expected = function::variables(other.environment.as_ref())?;
    for version in versions {
        let variables = function::variables(version.environment.as_ref())?;
        let same = variables
            .iter()
            .zip(&expected)
            .all(|((a, x), (b, y))| a == b && x.expose() == y.expose());
        if variables.len() != expected.len() || !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All traffic to the one version.
fn no_routing() -> AliasRoutingConfiguration {
    AliasRoutingConfiguration::builder()
        .set_additional_version_weights(Some(std::collections::HashMap::new()))
        .build()
}

fn refused(target: &Target<'_>, why: &str) -> Fault {
    named(
        target.function,
        target.qualifier(),
        Fault::new(FaultKind::Invalid, why),
    )
}

fn alias_refusal(target: &Target<'_>, error: SdkError<UpdateAliasError>) -> Fault {
    if matches!(
        error.as_service_error(),
        Some(UpdateAliasError::PreconditionFailedException(_))
    ) {
        let moved = Fault::new(FaultKind::Conflict, "somebody else moved the alias");
        return named(target.function, target.qualifier(), moved);
    }
    named(target.function, target.qualifier(), fault(error))
}
