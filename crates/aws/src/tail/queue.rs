//! The queue itself.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName as MessageFact,
    QueueAttributeName as QueueFact,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use relatch_case::{Fault, FaultKind};

use crate::connection::Connection;
use crate::error::{fault, fault_of_read};

/// Most messages of one receipt (SQS API reference, `ReceiveMessage`).
const BATCH: i32 = 10;
/// Seconds for which a message is ours alone once received: long enough to fetch ten files.
const OURS_S: u16 = 300;

/// A queue of SQS.
#[derive(Debug, Clone)]
pub struct Queue {
    reader: Client,
    writer: Client,
    url: String,
    hold_s: u16,
}

/// A message that was received and not yet taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What it says.
    pub body: String,
    /// How often it was received, this time included.
    pub received: u32,
    receipt: String,
}

/// How a queue stands, roughly: SQS counts in hindsight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Messages that wait, also those whose time has not come.
    pub waiting: u64,
    /// Messages that somebody received and did not take away.
    pub in_flight: u64,
    /// After how many receipts a message goes to the dead-letter queue, if there is one.
    pub most_receipts: Option<u32>,
}

impl Queue {
    /// Opens the queue at an address such as
    /// `https://sqs.eu-west-1.amazonaws.com/111122223333/name`, in the region that it names.
    pub fn open(connection: &Connection, url: &str) -> Result<Self, Fault> {
        let parsed = url::Url::parse(url).ok();
        let host = parsed.as_ref().and_then(url::Url::host_str);
        let Some(host) = host.filter(|_| url.starts_with("http")) else {
            let words = format!(
                "{url} is no address of a queue like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
            );
            return Err(Fault::new(FaultKind::Invalid, words));
        };
        let region = region_of(host).unwrap_or_default();
        Ok(Self {
            reader: Client::new(&connection.read_config(region)),
            writer: Client::new(&connection.write_config(region)),
            url: url.to_string(),
            hold_s: OURS_S,
        })
    }

    /// The same, but a message that is not taken away comes again after `hold_s` seconds instead
    /// of five minutes.
    pub fn holding(self, hold_s: u16) -> Self {
        Self { hold_s, ..self }
    }

    /// Some messages, or none after waiting for `wait_s` seconds, of which SQS allows 20. Until
    /// they are taken away or five minutes are over (see [`Self::holding`]), nobody else gets them.
    pub async fn receive(&self, wait_s: u8) -> Result<Vec<Message>, Fault> {
        let answer = self
            .reader
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .wait_time_seconds(i32::from(wait_s))
            .visibility_timeout(i32::from(self.hold_s))
            .message_system_attribute_names(MessageFact::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| self.named("sqs:ReceiveMessage", fault_of_read(error)))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(message)
            .collect())
    }

    /// Takes messages away for good. Which stay, and why, comes back: they will be received again.
    pub async fn delete(&self, messages: &[&Message]) -> Result<Vec<String>, Fault> {
        let mut stay = Vec::new();
        for some in messages.chunks(10) {
            let entries = some.iter().zip(0..).map(|(message, n)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(format!("m{n}"))
                    .receipt_handle(&message.receipt)
                    .build()
                    .map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let answer = self
                .writer
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| self.change_failed(error))?;
            stay.extend(answer.failed().iter().map(|entry| {
                let why = entry.message().unwrap_or("no reason given");
                format!("{}: {why}", entry.code())
            }));
        }
        Ok(stay)
    }

    /// How it stands.
    pub async fn standing(&self) -> Result<Standing, Fault> {
        let asked = [
            QueueFact::ApproximateNumberOfMessages,
            QueueFact::ApproximateNumberOfMessagesDelayed,
            QueueFact::ApproximateNumberOfMessagesNotVisible,
            QueueFact::RedrivePolicy,
        ];
        let answer = self
            .reader
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(asked.to_vec()))
            .send()
            .await
            .map_err(|error| self.named("sqs:GetQueueAttributes", fault_of_read(error)))?;
        let facts = answer.attributes.unwrap_or_default();
        let number = |fact: &QueueFact| {
            let words = || {
                let words = format!("{} is not told", fact.as_str());
                self.named(
                    "sqs:GetQueueAttributes",
                    Fault::new(FaultKind::Invalid, words),
                )
            };
            let text = facts.get(fact).ok_or_else(words)?;
            text.parse::<u64>().map_err(|_| words())
        };
        let policy = facts.get(&QueueFact::RedrivePolicy);
        Ok(Standing {
            waiting: number(&asked[0])?.saturating_add(number(&asked[1]).unwrap_or(0)),
            in_flight: number(&asked[2])?,
            most_receipts: policy.and_then(|policy| most_receipts(policy)),
        })
    }

    fn change_failed<E: ProvideErrorMetadata>(&self, error: SdkError<E, HttpResponse>) -> Fault {
        self.named("sqs:DeleteMessage", fault(error))
    }

    fn named(&self, permission: &str, fault: Fault) -> Fault {
        let words = format!("{permission} on {}: {}", self.url, fault.detail);
        Fault::new(fault.kind, words)
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> Message {
    let count = message.attributes.as_ref().and_then(|facts| {
        facts
            .get(&MessageFact::ApproximateReceiveCount)?
            .parse()
            .ok()
    });
    Message {
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        received: count.unwrap_or(1),
        receipt: message.receipt_handle.unwrap_or_default(),
    }
}

/// The region in `sqs.REGION.amazonaws.com`, `REGION.queue.amazonaws.com` and their kin.
fn region_of(host: &str) -> Option<&str> {
    let (labels, _) = host.split_once(".amazonaws.com")?;
    let mut labels = labels.split('.');
    match (labels.next()?, labels.next()) {
        ("sqs" | "sqs-fips", Some(region)) | (region, Some("queue")) => Some(region),
        _ => None,
    }
}

/// SQS takes the number both as a number and as text.
fn most_receipts(policy: &str) -> Option<u32> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let most = policy.get("maxReceiveCount")?;
    let number = most.as_u64().and_then(|n| u32::try_from(n).ok());
    number.or_else(|| most.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_their_region() {
        assert_eq!(region_of("sqs.eu-west-1.amazonaws.com"), Some("eu-west-1"));
        assert_eq!(
            region_of("sqs.cn-north-1.amazonaws.com.cn"),
            Some("cn-north-1")
        );
        assert_eq!(
            region_of("eu-west-1.queue.amazonaws.com"),
            Some("eu-west-1")
        );
        assert_eq!(region_of("queue.amazonaws.com"), None);
        assert_eq!(region_of("127.0.0.1"), None);
    }

    #[test]
    fn the_dead_letter_policy_is_read_in_both_spellings() {
        assert_eq!(most_receipts(r#"{"maxReceiveCount":5}"#), Some(5));
        assert_eq!(most_receipts(r#"{"maxReceiveCount":"5"}"#), Some(5));
        assert_eq!(most_receipts("{}"), None);
        assert_eq!(most_receipts("x"), None);
    }
}
