//! Tells the webhooks of an outage before it begins, beside the engine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relatch_case::{CaseId, ConsumerId};
use relatch_executor::Event;
use relatch_secret::redact;
use relatch_watch::{Alert, Dialect, Pace, Webhook, notify_all};
use tokio::task::JoinSet;

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::output::Printer;

/// How long the end of a run waits for webhooks that have not answered.
const PATIENCE: Duration = Duration::from_secs(15);

/// The configured webhooks.
pub(crate) fn webhooks(app: &App) -> Result<Vec<Webhook>, CommandError> {
    let config = &app.config.watch;
    let mut webhooks = Vec::new();
    for (name, from, dialect) in [
        ("webhook", &config.webhook, Dialect::Generic),
        ("slack", &config.slack, Dialect::Slack),
    ] {
        if let Some(from) = from {
            let webhook = Webhook::new(name, from.fetch()?, dialect, Pace::default());
            webhooks.push(webhook.kind(Kind::Usage)?);
        }
    }
    Ok(webhooks)
}

/// Who is told, and what is being sent. A receiver that fails is a note, never a stop: the
/// thief's key is not kept alive for a webhook.
#[derive(Debug, Clone)]
pub(crate) struct Outages {
    case: CaseId,
    printer: Printer,
    webhooks: Arc<Vec<Webhook>>,
    sending: Arc<Mutex<JoinSet<()>>>,
}

impl Outages {
    /// For a case. A webhook that cannot be set up is a note too.
    pub(crate) fn new(app: &App, case: &CaseId) -> Self {
        let webhooks = webhooks(app).unwrap_or_else(|error| {
            let why = error.lines().join("; ");
            app.printer
                .note(&format!("! nobody is told of outages by webhook: {why}"));
            Vec::new()
        });
        Self {
            case: case.clone(),
            printer: app.printer,
            webhooks: Arc::new(webhooks),
            sending: Arc::default(),
        }
    }

    /// Takes an event in; returns at once.
    pub(crate) fn take(&self, event: &Event) {
        let Event::Outage { name, consumers } = event else {
            return;
        };
        if self.webhooks.is_empty() {
            return;
        }
        let alert = alert(&self.case, name, consumers);
        let (webhooks, printer) = (Arc::clone(&self.webhooks), self.printer);
        let send = async move {
            for undelivered in notify_all(&webhooks, &alert).await {
                printer.note(&format!(
                    "! {} was not told of the outage: {}",
                    undelivered.name, undelivered.fault
                ));
            }
        };
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.spawn(send);
    }

    /// Waits a while for what is being sent.
    pub(crate) async fn finish(&self) {
        let mut sending = {
            let mut shared = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *shared)
        };
        let all = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            self.printer
                .note("! a webhook has not answered: it may not know of the outage");
        }
    }
}

fn alert(case: &CaseId, name: &str, consumers: &[ConsumerId]) -> Alert {
    let lines = consumers.iter().map(|id| redact::outside(id.as_str()));
    let lines: Vec<String> = lines.collect();
    Alert {
        title: redact::outside(&format!(
            "{case}: outage: {name} dies first, {} consumers stop working",
            consumers.len()
        )),
        text: format!(
            "Until the new key is rolled out these stop working:\n{}",
            lines.join("\n")
        ),
        case: case.clone(),
        hits: Vec::new(),
    }
}
