//! The contract of rollers, kept by Lambda functions behind an alias against ministack.

use std::sync::Arc;

use crate::bench::{Bench, name};
use crate::functions::{self, environment};
use crate::support::{self, Peer, REGION};
use async_trait::async_trait;
use relatch_aws::LambdaConsumers;
use relatch_case::model::{Consumer, ConsumerKind, Known};
use relatch_contract::proxy::WireFault;
use relatch_contract::roller::{self, Harness};
use relatch_contract::wire::Wire;
use relatch_places::Roller;

const ALIAS: &str = "live";

struct Lambda(Bench<LambdaConsumers>);

impl Lambda {
    async fn new(peer: &Peer) -> Self {
        Self(Bench::new(peer, LambdaConsumers::new).await)
    }

    fn owner(&self) -> aws_sdk_lambda::Client {
        functions::client(&self.0.owner)
    }

    async fn release(&self, name: &str) {
        let published = self.owner().publish_version().function_name(name).send();
        let version = published.await.expect("published").version;
        let alias = self.owner().create_alias().function_name(name).name(ALIAS);
        let alias = alias.function_version(version.expect("named"));
        alias.send().await.expect("an alias");
    }
}

fn function(consumer: &Consumer) -> &str {
    match &consumer.kind {
        ConsumerKind::Lambda { function, .. } => function,
        ConsumerKind::Service { .. } => panic!("a function was made"),
    }
}

#[async_trait]
impl Harness for Lambda {
    fn under_test(&self) -> &dyn Roller {
        &self.0.under_test
    }

    fn impatient(&self) -> &dyn Roller {
        &self.0.impatient
    }

    fn wire(&self) -> &dyn Wire {
        &self.0.wire
    }

    async fn fresh(&self) -> Consumer {
        let name = name("app");
        functions::create(&self.0.owner, &name, &[("KEY", "old")]).await;
        self.release(&name).await;
        let update = self.owner().update_function_configuration();
        let update = update
            .function_name(&name)
            .environment(environment(&[("KEY", "new")]));
        update.send().await.expect("updated");
        functions::settled(&self.0.owner, &name).await;
        Consumer {
            id: name.as_str().into(),
            kind: ConsumerKind::Lambda {
                region: REGION.into(),
                function: name,
                alias: Some(ALIAS.into()),
            },
            reads: Vec::new(),
            known: Known::Observed,
        }
    }

    async fn serving(&self, consumer: &Consumer) -> String {
        let now = self.owner().get_function_configuration();
        let now = now.function_name(function(consumer)).qualifier(ALIAS);
        let now = now.send().await.expect("read");
        let mut variables = now.environment.and_then(|e| e.variables);
        let key = variables.as_mut().and_then(|all| all.remove("KEY"));
        format!("{key:?} of version {:?}", now.version)
    }

    /// Publish, and point the alias to it.
    fn changes(&self) -> usize {
        2
    }

    fn sees_through(&self, _: &WireFault) -> bool {
        true
    }
}

/// Reads are tried again with growing pauses, so each fault takes its time: all at once.
#[tokio::test]
async fn functions_behind_an_alias_keep_their_contract() {
    let peer = Arc::new(support::ministack().await);
    let mut tasks = tokio::task::JoinSet::new();
    for fault in WireFault::before().into_iter().chain(WireFault::after()) {
        let peer = Arc::clone(&peer);
        tasks.spawn(async move {
            let lambda = Lambda::new(&peer).await;
            let mut findings = roller::rolls_under(&lambda, &fault).await;
            // To a client that gives up, other ways to wait look like `HangAfter`.
            let alike = [WireFault::HangBefore, WireFault::Drip];
            if !alike.contains(&fault) {
                findings.extend(roller::never_well(&lambda, &fault).await);
            }
            findings
        });
    }
    let mut findings = roller::undisturbed(&Lambda::new(&peer).await).await;
    while let Some(found) = tasks.join_next().await {
        findings.extend(found.expect("no panic"));
    }
    findings.assert_none();
}
