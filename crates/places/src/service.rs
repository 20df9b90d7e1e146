//! Services that are told to reload through hooks.

use async_trait::async_trait;
use relatch_case::model::{Consumer, ConsumerKind, Container, Hook};
use relatch_case::{Fault, FaultKind};
use reqwest::Method;

use crate::hook::{self, Answer, HookLimits};
use crate::{Document, Health, Roller};

/// Rolls services: their reload hook is called after their places were written.
///
/// A service reads its places anew each time, so there is nothing to go back to: rolling
/// back is rolling again after the place was put back. What it runs with cannot be seen.
#[derive(Debug, Clone)]
pub struct ServiceRoller {
    client: reqwest::Client,
    limits: HookLimits,
}

impl ServiceRoller {
    /// A roller whose hooks may take so long. The process must have a TLS provider installed
    /// before. Redirects are not followed and proxies not used: hooks are local.
    pub fn new(limits: HookLimits) -> Result<Self, Fault> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(limits.http)
            .build()
            .map_err(|error| Fault::new(FaultKind::Local, format!("no HTTP client: {error}")))?;
        Ok(Self { client, limits })
    }

    async fn call(&self, hook: &Hook, method: Method) -> Result<Answer, Fault> {
        match hook {
            Hook::Command { argv } => hook::command(argv, self.limits.command).await,
            Hook::Http { url } => hook::http(&self.client, method, url).await,
        }
    }
}

#[async_trait]
impl Roller for ServiceRoller {
    fn handles(&self, kind: &ConsumerKind) -> bool {
        matches!(kind, ConsumerKind::Service { .. })
    }

    async fn baseline(&self, consumer: &Consumer) -> Result<serde_json::Value, Fault> {
        hooks(consumer)?;
        Ok(serde_json::Value::Null)
    }

    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault> {
        let (reload, _) = hooks(consumer)?;
        match self.call(reload, Method::POST).await? {
            Answer::Yes(_) => Ok(()),
            Answer::No(fault) => Err(fault),
        }
    }

    async fn roll_back(&self, consumer: &Consumer, _: &serde_json::Value) -> Result<(), Fault> {
        self.roll(consumer).await
    }

    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault> {
        let (_, health) = hooks(consumer)?;
        Ok(match self.call(health, Method::GET).await? {
            Answer::Yes(detail) => Health { well: true, detail },
            Answer::No(fault) => Health {
                well: false,
                detail: fault.detail,
            },
        })
    }

    async fn runs_with(
        &self,
        consumer: &Consumer,
        _: &Container,
    ) -> Result<Option<Document>, Fault> {
        hooks(consumer)?;
        Ok(None)
    }
}

/// The reload and the health hook of a service.
fn hooks(consumer: &Consumer) -> Result<(&Hook, &Hook), Fault> {
    match &consumer.kind {
        ConsumerKind::Service { reload, health } => Ok((reload, health)),
        ConsumerKind::Lambda { .. } => {
            let detail = format!("{} is not a service", consumer.id);
            Err(Fault::new(FaultKind::Invalid, detail))
        }
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
