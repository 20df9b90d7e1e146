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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Answers one request with a status; returns its address and, later, the request.
    fn receiver(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/hook", listener.local_addr().expect("address"));
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("service:web") {
                let n = stream.read(&mut buffer).expect("read");
                request.extend_from_slice(&buffer[..n]);
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("written");
            String::from_utf8_lossy(&request).into_owned()
        });
        (address, answer)
    }

    fn outages(address: &str) -> Outages {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pace = Pace {
            timeout: Duration::from_secs(5),
            tries: 1,
            pause: Duration::from_millis(1),
        };
        let address = relatch_secret::Secret::from(address);
        let webhook = Webhook::new("webhook", address, Dialect::Generic, pace).expect("webhook");
        Outages {
            case: "case-1".into(),
            printer: Printer::new(false),
            webhooks: Arc::new(vec![webhook]),
            sending: Arc::default(),
        }
    }

    fn outage() -> Event {
        Event::Outage {
            name: "the key of web".to_string(),
            consumers: vec!["service:web".into()],
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn webhooks_are_told_beside_the_engine() {
        for status in ["204 No Content", "500 Internal Server Error"] {
            let (address, answer) = receiver(status);
            let outages = outages(&address);
            let reconciling = Event::Reconciling { step: "x".into() };
            outages.take(&reconciling);
            outages.take(&outage());
            outages.finish().await;
            let request = tokio::task::spawn_blocking(move || answer.join());
            let request = request.await.expect("joined").expect("answered");
            assert!(
                request.contains("outage: the key of web dies first"),
                "{request}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_cannot_be_reached_stops_nothing() {
        let outages = outages("http://127.0.0.1:1/hook");
        outages.take(&outage());
        outages.finish().await;
    }
}
